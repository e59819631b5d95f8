//! Several callers at the same moment.
//!
//! Every round starts its callers at a barrier, on several threads. There are up to a thousand rounds, fewer where the
//! store is slow; what a round shows does not depend on how many there are.

pub(crate) use super::{
    linear::histories_are_linearizable,
    rotation_races::{
        increments_before_a_rotation_all_count, of_many_retirers_one_wins,
        of_two_rotations_one_wins, retire_against_end_leaves_it_destroyed,
        retire_against_renew_leaves_nothing_live, retire_against_replace_loses_no_write,
        rotation_against_replace_takes_the_write_along,
    },
};

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use cloakroom_core::{Created, EndReason, Loaded, Replaced};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, try_join_all},
};
use tokio::sync::Barrier;

use crate::{
    StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    probe::{HOUR, fresh_id, open, same_bytes},
};

pub(crate) const CALLERS: u8 = 6;

/// Up to a thousand rounds or two seconds, and at least a few.
pub(crate) fn rounds() -> impl Iterator<Item = usize> {
    let start = Instant::now();
    (0..1000).take_while(move |round| *round < 10 || start.elapsed() < Duration::from_secs(2))
}

/// Runs all the calls at once and gives their answers in order.
pub(crate) async fn together<T: Send + 'static>(
    calls: Vec<BoxFuture<'static, Step<T>>>,
) -> Step<Vec<T>> {
    let barrier = Arc::new(Barrier::new(calls.len()));
    let tasks: Vec<_> = calls
        .into_iter()
        .map(|call| {
            let barrier = barrier.clone();
            tokio::spawn(async move {
                barrier.wait().await;
                call.await
            })
        })
        .collect();
    try_join_all(tasks.into_iter().map(finished)).await
}

/// Runs both calls at once, the one or the other first by turns.
pub(crate) async fn both<A, B>(
    round: usize,
    a: impl Future<Output = Step<A>> + Send + 'static,
    b: impl Future<Output = Step<B>> + Send + 'static,
) -> Step<(A, B)>
where
    A: Send + 'static,
    B: Send + 'static,
{
    let barrier = Arc::new(Barrier::new(2));
    let turns = (round / 2) % 4;
    let (first, second) = (barrier.clone(), barrier);
    let a = async move {
        first.wait().await;
        yields(if round.is_multiple_of(2) { turns } else { 0 }).await;
        a.await
    };
    let b = async move {
        second.wait().await;
        yields(if round.is_multiple_of(2) { 0 } else { turns }).await;
        b.await
    };
    let (a, b) = (tokio::spawn(a), tokio::spawn(b));
    Ok((finished(a).await?, finished(b).await?))
}

pub(crate) async fn yields(turns: usize) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn finished<T>(task: tokio::task::JoinHandle<Step<T>>) -> Step<T> {
    match task.await {
        Ok(answer) => answer,
        Err(error) => Err(Stop::failed(format_args!("a caller panicked: {error}"))),
    }
}

/// Rule 3.
pub(crate) async fn of_many_creators_one_wins(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for _ in rounds() {
        let id = fresh_id();
        let calls = (0..CALLERS).map(|caller| {
            let (probe, id) = (stage.probe.clone(), id.clone());
            async move { probe.create(&id, vec![caller], HOUR).await }.boxed()
        });
        let answers = together(calls.collect()).await?;
        let winners: Vec<u8> = (0..CALLERS)
            .filter(|caller| answers[usize::from(*caller)] == Created::Created)
            .collect();
        ensure_eq!(winners.len(), 1, "of many creators at once one wins");
        stage
            .probe
            .holds(&id, &winners, "after many creators")
            .await?;
    }
    Ok(())
}

/// Rule 3: read-compare-write in two steps lets two writers win, and one of them is lost.
pub(crate) async fn of_many_replacers_one_wins(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for _ in rounds() {
        let id = fresh_id();
        stage.probe.make(&id, &b"base"[..], HOUR).await?;
        let calls = (0..CALLERS).map(|caller| {
            let (probe, id) = (stage.probe.clone(), id.clone());
            async move { probe.replace(&id, &b"base"[..], vec![caller], HOUR).await }.boxed()
        });
        let answers = together(calls.collect()).await?;
        let winners: Vec<u8> = (0..CALLERS)
            .filter(|caller| answers[usize::from(*caller)] == Replaced::Replaced)
            .collect();
        ensure_eq!(winners.len(), 1, "of many replacers with one base one wins");
        for answer in &answers {
            match answer {
                Replaced::Replaced => {}
                Replaced::Changed(current) => {
                    same_bytes(&current.value, &winners, "in the losers' answer")?;
                }
                Replaced::Gone => return Err(Stop::failed("a live session is Gone to a replacer")),
            }
        }
        let when = "after many replacers";
        stage.probe.holds(&id, &winners, when).await?;
    }
    Ok(())
}

/// Rule 3, as an application sees it: connect-redis#75 and laravel#30996, two parallel requests that each add one.
pub(crate) async fn increments_by_replace_all_count(factory: &dyn StoreFactory) -> Step {
    const EACH: u32 = 5;
    let stage = open(factory).await?;
    for _ in rounds().take(100) {
        let id = fresh_id();
        stage
            .probe
            .make(&id, 0_u32.to_be_bytes().to_vec(), HOUR)
            .await?;
        let calls = (0..CALLERS).map(|_| {
            let (probe, id) = (stage.probe.clone(), id.clone());
            async move {
                for _ in 0..EACH {
                    let mut base = probe.live(&id, "while it is counted up").await?.value;
                    loop {
                        let next = (number(&base)? + 1).to_be_bytes().to_vec();
                        match probe.replace(&id, base, next, HOUR).await? {
                            Replaced::Replaced => break,
                            Replaced::Changed(current) => base = current.value,
                            Replaced::Gone => {
                                return Err(Stop::failed("a live session is Gone to a replacer"));
                            }
                        }
                    }
                }
                Ok(())
            }
            .boxed()
        });
        together(calls.collect()).await?;
        let stored = stage.probe.live(&id, "after counting").await?;
        let wanted = u32::from(CALLERS) * EACH;
        ensure_eq!(number(&stored.value)?, wanted, "every increment counts");
    }
    Ok(())
}

pub(crate) fn number(value: &[u8]) -> Step<u32> {
    let bytes = value.try_into().map_err(|_| {
        Stop::failed("while it is counted up, the value is none that anybody wrote")
    })?;
    Ok(u32::from_be_bytes(bytes))
}

/// Rule 5. connect-redis#328, CVE-2025-46336: sign-out against a slow request's save.
pub(crate) async fn end_against_replace_leaves_nothing_live(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for round in rounds() {
        let id = fresh_id();
        stage.probe.make(&id, &b"base"[..], HOUR).await?;
        let (one, two) = (stage.probe.clone(), stage.probe.clone());
        let (a, b) = (id.clone(), id.clone());
        let (was_live, replaced) = both(
            round,
            async move { one.end(&a, EndReason::Destroyed).await },
            async move { two.replace(&b, &b"base"[..], &b"late"[..], HOUR).await },
        )
        .await?;
        ensure!(was_live, "end found no live session though there was one");
        ensure!(
            !matches!(replaced, Replaced::Changed(_)),
            "replace says that others changed what nobody changed"
        );
        let when = "after end against replace";
        stage.probe.ended(&id, EndReason::Destroyed, when).await?;
    }
    Ok(())
}

/// Rules 4 and 5: a renewal on its way when the session ends does not bring it back.
pub(crate) async fn end_against_renew_leaves_nothing_live(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for round in rounds() {
        let id = fresh_id();
        stage.probe.make(&id, &b"base"[..], HOUR).await?;
        let (one, two) = (stage.probe.clone(), stage.probe.clone());
        let (a, b) = (id.clone(), id.clone());
        let (was_live, _) = both(
            round,
            async move { one.end(&a, EndReason::Destroyed).await },
            async move { two.renew(&b, HOUR * 2).await },
        )
        .await?;
        ensure!(was_live, "end found no live session though there was one");
        let when = "after end against renew";
        stage.probe.ended(&id, EndReason::Destroyed, when).await?;
    }
    Ok(())
}

/// Rule 5: whichever is first, a session whose end was acknowledged is not live.
pub(crate) async fn end_against_create_leaves_nothing_live(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for round in rounds() {
        let id = fresh_id();
        let (one, two) = (stage.probe.clone(), stage.probe.clone());
        let (a, b) = (id.clone(), id.clone());
        let (was_live, created) = both(
            round,
            async move { one.end(&a, EndReason::Destroyed).await },
            async move { two.create(&b, &b"value"[..], HOUR).await },
        )
        .await?;
        ensure!(
            !was_live || created == Created::Created,
            "end found a live session that nobody created"
        );
        let when = "after end against create";
        stage.probe.ended(&id, EndReason::Destroyed, when).await?;
    }
    Ok(())
}

/// The answer of `end` counts: of many at once, one was it.
pub(crate) async fn of_many_enders_one_finds_it_live(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for _ in rounds() {
        let id = fresh_id();
        stage.probe.make(&id, &b"value"[..], HOUR).await?;
        let calls = (0..CALLERS).map(|_| {
            let (probe, id) = (stage.probe.clone(), id.clone());
            async move { probe.end(&id, EndReason::Destroyed).await }.boxed()
        });
        let answers = together(calls.collect()).await?;
        let winners = answers.iter().filter(|was_live| **was_live).count();
        ensure_eq!(winners, 1, "of many that end a session one finds it live");
    }
    Ok(())
}

/// Rule 4: a renewal has no bytes to write back.
pub(crate) async fn renew_against_replace_keeps_the_new_bytes(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for round in rounds() {
        let id = fresh_id();
        stage.probe.make(&id, &b"old"[..], HOUR).await?;
        let (one, two) = (stage.probe.clone(), stage.probe.clone());
        let (a, b) = (id.clone(), id.clone());
        let (renewed, replaced) = both(
            round,
            async move { one.renew(&a, HOUR * 2).await },
            async move { two.replace(&b, &b"old"[..], &b"new"[..], HOUR).await },
        )
        .await?;
        ensure!(renewed, "renew of a live session answers false");
        ensure_eq!(replaced, Replaced::Replaced, "replace against renew");
        let Loaded::Live(stored) = stage.probe.load(&id).await? else {
            return Err(Stop::failed("after renew against replace nothing is live"));
        };
        same_bytes(&stored.value, b"new", "after renew against replace")?;
    }
    Ok(())
}
