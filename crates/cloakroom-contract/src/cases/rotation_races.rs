//! Rotations among other requests on the old id.
//!
//! A rotation creates the new session from the bytes of the old one and then retires the old one with these bytes as its
//! base: what somebody committed in between would be lost with the old id otherwise.

use std::time::Duration;

use bytes::Bytes;
use cloakroom_core::{EndReason, Replaced, Retired, SessionId};
use futures_util::FutureExt as _;

use super::races::{CALLERS, both, number, rounds, together, yields};
use crate::{
    StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    probe::{HOUR, Probe, fresh_id, open, same_bytes},
};

/// No case here writes so often to one session.
const MOST_TRIES: usize = 100;

/// Moves the session at `old` to a new id as a request does that read `base`: as often as others are first, it throws
/// the new session away and makes another from what they wrote. `None` if the old session was gone, else the new id.
async fn rotate(probe: &Probe, old: &SessionId, mut base: Bytes) -> Step<Option<SessionId>> {
    for _ in 0..MOST_TRIES {
        let new = fresh_id();
        probe.make(&new, base.clone(), HOUR).await?;
        match probe.retire(old, base).await? {
            Retired::Retired => return Ok(Some(new)),
            Retired::Changed(current) => base = current.value,
            Retired::Gone => {
                probe.end(&new, EndReason::Destroyed).await?;
                return Ok(None);
            }
        }
        probe.end(&new, EndReason::Destroyed).await?;
    }
    Err(Stop::failed(
        "a rotation was refused more often than anybody wrote",
    ))
}

/// Rule 3. The losers find the session gone: its bytes never changed.
pub(crate) async fn of_many_retirers_one_wins(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for _ in rounds() {
        let id = fresh_id();
        stage.probe.make(&id, &b"base"[..], HOUR).await?;
        let calls = (0..CALLERS).map(|_| {
            let (probe, id) = (stage.probe.clone(), id.clone());
            async move { probe.retire(&id, &b"base"[..]).await }.boxed()
        });
        let answers = together(calls.collect()).await?;
        let winners = answers.iter().filter(|one| **one == Retired::Retired);
        ensure_eq!(
            winners.count(),
            1,
            "of many retirers with one base one wins"
        );
        ensure!(
            !answers.iter().any(|one| matches!(one, Retired::Changed(_))),
            "retire says that others changed what nobody changed"
        );
        let when = "after many retirers";
        stage.probe.ended(&id, EndReason::Rotated, when).await?;
    }
    Ok(())
}

/// express/session#923: two parallel sign-ins with one old session. One of them takes it over; the other learns that it
/// was too late and removes what it made.
pub(crate) async fn of_two_rotations_one_wins(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for round in rounds() {
        let (old, left, right) = (fresh_id(), fresh_id(), fresh_id());
        stage.probe.make(&old, &b"value"[..], HOUR).await?;
        let rotate = |new: &SessionId| {
            let (probe, old, new) = (stage.probe.clone(), old.clone(), new.clone());
            async move {
                probe.make(&new, &b"value"[..], HOUR).await?;
                let retired = probe.retire(&old, &b"value"[..]).await?;
                if retired == Retired::Gone {
                    probe.end(&new, EndReason::Destroyed).await?;
                }
                Ok(retired)
            }
        };
        let answers = both(round, rotate(&left), rotate(&right)).await?;
        let (winner, loser) = match answers {
            (Retired::Retired, Retired::Gone) => (&left, &right),
            (Retired::Gone, Retired::Retired) => (&right, &left),
            other => {
                return Err(Stop::failed(format_args!(
                    "of two rotations of one session one wins and the other finds it gone, found {other:?}"
                )));
            }
        };
        let when = "after two rotations at once";
        stage.probe.ended(&old, EndReason::Rotated, when).await?;
        stage.probe.holds(winner, b"value", when).await?;
        stage.probe.ended(loser, EndReason::Destroyed, when).await?;
    }
    Ok(())
}

/// Rule 3, of two different calls with one base: the write is first and the retirer learns of it, or the write finds
/// the session gone. A write that was acknowledged is never buried with the old id.
pub(crate) async fn retire_against_replace_loses_no_write(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for round in rounds() {
        let id = fresh_id();
        stage.probe.make(&id, &b"base"[..], HOUR).await?;
        let (one, two) = (stage.probe.clone(), stage.probe.clone());
        let (a, b) = (id.clone(), id.clone());
        let answers = both(
            round,
            async move { one.retire(&a, &b"base"[..]).await },
            async move { two.replace(&b, &b"base"[..], &b"late"[..], HOUR).await },
        )
        .await?;
        let when = "after retire against replace";
        match answers {
            (Retired::Retired, Replaced::Gone) => {
                stage.probe.ended(&id, EndReason::Rotated, when).await?;
            }
            (Retired::Changed(current), Replaced::Replaced) => {
                same_bytes(&current.value, b"late", "in the retirer's answer")?;
                stage.probe.holds(&id, b"late", when).await?;
            }
            other => {
                return Err(Stop::failed(format_args!(
                    "retire against replace, either is first, found {other:?}"
                )));
            }
        }
    }
    Ok(())
}

/// Rules 4 and 5: a renewal is no change of the bytes, and on its way it brings nothing back.
pub(crate) async fn retire_against_renew_leaves_nothing_live(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for round in rounds() {
        let id = fresh_id();
        stage.probe.make(&id, &b"base"[..], HOUR).await?;
        let (one, two) = (stage.probe.clone(), stage.probe.clone());
        let (a, b) = (id.clone(), id.clone());
        let (retired, _) = both(
            round,
            async move { one.retire(&a, &b"base"[..]).await },
            async move { two.renew(&b, HOUR * 2).await },
        )
        .await?;
        ensure_eq!(retired, Retired::Retired, "retire against renew");
        let when = "after retire against renew";
        stage.probe.ended(&id, EndReason::Rotated, when).await?;
    }
    Ok(())
}

/// Rule 5: a sign-out against a rotation. One of them finds the session live, and the sign-out has the last word.
pub(crate) async fn retire_against_end_leaves_it_destroyed(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for round in rounds() {
        let id = fresh_id();
        stage.probe.make(&id, &b"base"[..], HOUR).await?;
        let (one, two) = (stage.probe.clone(), stage.probe.clone());
        let (a, b) = (id.clone(), id.clone());
        let (retired, was_live) = both(
            round,
            async move { one.retire(&a, &b"base"[..]).await },
            async move { two.end(&b, EndReason::Destroyed).await },
        )
        .await?;
        let wanted = if was_live {
            Retired::Gone
        } else {
            Retired::Retired
        };
        ensure_eq!(
            retired,
            wanted,
            "retire against an end that answers {was_live}"
        );
        let when = "after retire against end";
        stage.probe.ended(&id, EndReason::Destroyed, when).await?;
    }
    Ok(())
}

/// The whole rotation against one write: the write is refused or it is in the new session, and the old id has ended.
pub(crate) async fn rotation_against_replace_takes_the_write_along(
    factory: &dyn StoreFactory,
) -> Step {
    let stage = open(factory).await?;
    for round in rounds() {
        let old = fresh_id();
        stage.probe.make(&old, &b"base"[..], HOUR).await?;
        let (one, two) = (stage.probe.clone(), stage.probe.clone());
        let (a, b) = (old.clone(), old.clone());
        let (new, replaced) = both(
            round,
            async move { rotate(&one, &a, Bytes::from_static(b"base")).await },
            async move { two.replace(&b, &b"base"[..], &b"late"[..], HOUR).await },
        )
        .await?;
        let Some(new) = new else {
            return Err(Stop::failed("the rotation found no live session"));
        };
        let when = "after rotation against replace";
        let value = match replaced {
            Replaced::Replaced => &b"late"[..],
            Replaced::Gone => &b"base"[..],
            Replaced::Changed(_) => {
                return Err(Stop::failed(
                    "replace says that others changed what nobody changed",
                ));
            }
        };
        stage.probe.ended(&old, EndReason::Rotated, when).await?;
        stage.probe.holds(&new, value, when).await?;
    }
    Ok(())
}

/// The same as an application sees it: many requests count up while one signs in. Each that was told that it counted is
/// in the new session, and each that was told that it was too late is not.
pub(crate) async fn increments_before_a_rotation_all_count(factory: &dyn StoreFactory) -> Step {
    const EACH: u32 = 5;
    let stage = open(factory).await?;
    for round in rounds().take(100) {
        let (old, zero) = (fresh_id(), Bytes::from_static(&[0; 4]));
        stage.probe.make(&old, zero.clone(), HOUR).await?;
        let counters = (0..CALLERS).map(|_| {
            let (probe, old, zero) = (stage.probe.clone(), old.clone(), zero.clone());
            // Where they pause, the rotation finds the bytes as it knows them while there is more to come.
            let pauses = round % 2 == 1;
            async move { Ok((None, count(&probe, &old, zero, EACH, pauses).await?)) }.boxed()
        });
        let (probe, from, base) = (stage.probe.clone(), old.clone(), zero.clone());
        let rotation = async move {
            yields(round % 16).await;
            let new = rotate(&probe, &from, base).await?;
            let new = new.ok_or_else(|| Stop::failed("the rotation found no live session"))?;
            Ok((Some(new), 0))
        };
        let calls = counters.chain([rotation.boxed()]).collect();
        let answers = together(calls).await?;
        let counted: u32 = answers.iter().map(|(_, counted)| *counted).sum();
        let when = "after a rotation among many that count";
        stage.probe.ended(&old, EndReason::Rotated, when).await?;
        for new in answers.iter().filter_map(|(new, _)| new.as_ref()) {
            let stored = stage.probe.live(new, when).await?;
            let found = number(&stored.value)?;
            ensure_eq!(found, counted, "every acknowledged increment counts");
        }
    }
    Ok(())
}

/// Adds one up to `most` times and says how often the store took it, until the session is gone.
async fn count(
    probe: &Probe,
    id: &SessionId,
    mut base: Bytes,
    most: u32,
    pauses: bool,
) -> Step<u32> {
    let mut counted = 0;
    while counted < most {
        if pauses {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let next = Bytes::from((number(&base)? + 1).to_be_bytes().to_vec());
        match probe.replace(id, base, next.clone(), HOUR).await? {
            Replaced::Replaced => {
                counted += 1;
                base = next;
            }
            Replaced::Changed(current) => base = current.value,
            Replaced::Gone => break,
        }
    }
    Ok(counted)
}
