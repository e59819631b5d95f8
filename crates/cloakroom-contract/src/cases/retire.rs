//! `retire`: the end of a session that goes on under another id, only while its bytes are the ones that the new session
//! was made from.

use std::time::Duration;

use cloakroom_core::{
    Created, EndReason, Replaced, Retired,
    store::{Stored, TOMBSTONE_TTL},
};

use crate::{
    Capability, StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    probe::{HOUR, Probe, Stage, fresh_id, open, open_with, same_bytes},
};

const MILLISECOND: Duration = Duration::from_millis(1);

/// The answer must be Changed; what it carries is returned.
fn changed(answer: Retired, when: &str) -> Step<Stored> {
    match answer {
        Retired::Changed(stored) => Ok(stored),
        other => Err(Stop::failed(format_args!(
            "{when} retire answers Changed, found {other:?}"
        ))),
    }
}

async fn retires(probe: &Probe, id: &cloakroom_core::SessionId, base: &[u8], when: &str) -> Step {
    let retired = probe.retire(id, base.to_vec()).await?;
    ensure_eq!(retired, Retired::Retired, "{when} the right base retires");
    Ok(())
}

/// Gone changes nothing: unlike `end`, a `retire` that found no session leaves no tombstone. The id stays free.
pub(crate) async fn of_missing_is_gone_and_leaves_nothing(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for base in [&b""[..], &b"base"[..]] {
        let id = fresh_id();
        for _ in 0..2 {
            let retired = stage.probe.retire(&id, base).await?;
            ensure_eq!(retired, Retired::Gone, "retire of what never was");
            let when = "after a retire that answered Gone";
            stage.probe.missing(&id, when).await?;
        }
        stage.probe.make(&id, &b"value"[..], HOUR).await?;
        let when = "created after a retire that found nothing,";
        stage.probe.holds(&id, b"value", when).await?;
    }
    Ok(())
}

/// With the right base, however the session came to it, the session ends as one that was rotated; others go on.
pub(crate) async fn the_right_base_ends_it_as_rotated(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let (created, replaced, other) = (fresh_id(), fresh_id(), fresh_id());
    stage.probe.make(&created, &b"value"[..], HOUR).await?;
    stage.probe.make(&replaced, &b"old"[..], HOUR).await?;
    stage.probe.make(&other, &b"value"[..], HOUR).await?;
    stage
        .probe
        .replace(&replaced, &b"old"[..], &b"value"[..], HOUR)
        .await?;
    for id in [&created, &replaced] {
        retires(&stage.probe, id, b"value", "while it is live,").await?;
        let when = "after retire";
        stage.probe.ended(id, EndReason::Rotated, when).await?;
    }
    let when = "after others with the same bytes were retired";
    stage.probe.holds(&other, b"value", when).await?;
    Ok(())
}

/// Rule 3: what another request committed meanwhile is in the answer, and the session lives on with it.
pub(crate) async fn a_stale_base_is_answered_with_the_current_value(
    factory: &dyn StoreFactory,
) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage.probe.make(&id, &b"one"[..], HOUR).await?;
    stage.probe.holds(&id, b"one", "after create").await?;
    stage
        .probe
        .replace(&id, &b"one"[..], &b"two"[..], HOUR)
        .await?;
    for stale in [&b"one"[..], &b""[..], &b"never"[..], &b"two "[..]] {
        let when = "with a stale base";
        let current = changed(stage.probe.retire(&id, stale).await?, when)?;
        same_bytes(&current.value, b"two", "in the answer to a stale base")?;
        let told = [current, stage.probe.holds(&id, b"two", when).await?];
        for stored in told {
            ensure!(
                stored
                    .remaining
                    .is_none_or(|left| left <= HOUR && left > HOUR / 2),
                "after a refused retire the session has {:?} left of {HOUR:?}",
                stored.remaining
            );
        }
    }
    retires(&stage.probe, &id, b"two", "after it was refused,").await?;
    let when = "after retire";
    stage.probe.ended(&id, EndReason::Rotated, when).await
}

/// A retire that answers Changed has changed nothing, the time included.
pub(crate) async fn a_refused_retire_leaves_the_time_alone(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let (short, long) = (fresh_id(), fresh_id());
    stage.probe.make(&long, &b"one"[..], HOUR).await?;
    stage.probe.make(&short, &b"one"[..], stage.short()).await?;
    for id in [&short, &long] {
        let retired = stage.probe.retire(id, &b"stale"[..]).await?;
        changed(retired, "with a stale base")?;
    }
    stage.pass(stage.short()).await;
    let when = "after a refused retire";
    stage.probe.holds(&long, b"one", when).await?;
    let when = "when its time is over, after a refused retire,";
    stage.probe.missing(&short, when).await
}

/// Rule 3: the bytes are the version and nothing else is. A renewal under way does not send the rotation round again.
pub(crate) async fn a_renewal_is_no_change(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for ttl in [HOUR * 2, HOUR / 2] {
        let id = fresh_id();
        stage.probe.make(&id, &b"value"[..], HOUR).await?;
        ensure!(
            stage.probe.renew(&id, ttl).await?,
            "renew of a live session answers false"
        );
        retires(&stage.probe, &id, b"value", "after a renewal").await?;
    }
    Ok(())
}

/// Rule 3, for every byte: neither a collation nor a NUL nor a text encoding makes two values one, or one two.
pub(crate) async fn every_byte_is_compared(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let alike: [(&[u8], &[u8]); 12] = [
        (b"{\"a\":\"b\"}", b"{\"a\":\"B\"}"),
        (b"{\"a\":\"b\"}", b"{\"a\":\"b\"} "),
        (b"{\"a\":\"b\"}", b"{\"a\":\"b\"}\n"),
        (b"{\"a\":\"b\"}", b"{\"a\":\"b\"}\0"),
        (b"{\"a\":\"b\"}", b" {\"a\":\"b\"}"),
        (b"{\"a\":\"b\"}", b"{\"a\":\"b\""),
        ("é".as_bytes(), "e\u{301}".as_bytes()),
        (b"a\0b", b"a\0c"),
        (b"\xff\xfe", b"\xff\xff"),
        (b"0", b"00"),
        (b"", b"\0"),
        (b"\0", b""),
    ];
    for (stored, other) in alike {
        let id = fresh_id();
        let names = format!(
            "of {} with the base {}",
            stored.escape_ascii(),
            other.escape_ascii()
        );
        stage.probe.make(&id, stored, HOUR).await?;
        changed(stage.probe.retire(&id, other).await?, &names)?;
        retires(&stage.probe, &id, stored, &names).await?;
        let when = "after retire with the very bytes";
        stage.probe.ended(&id, EndReason::Rotated, when).await?;
    }
    Ok(())
}

/// The same at the far end of values that a store might compare in part, or by a digest of a part.
pub(crate) async fn long_values_are_compared_to_the_end(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for length in [300, 5_000, 70_000, stage.opened.largest_value] {
        let length = length.min(stage.opened.largest_value);
        let value: Vec<u8> = (0..length).map(|at| (at * 31 + at / 251) as u8).collect();
        let mut other = value.clone();
        if let Some(last) = other.last_mut() {
            *last ^= 1;
        }
        let id = fresh_id();
        let when = format!("with {length} bytes");
        stage.probe.make(&id, value.clone(), HOUR).await?;
        let current = changed(stage.probe.retire(&id, other).await?, &when)?;
        same_bytes(&current.value, &value, "in the answer to a stale base")?;
        retires(&stage.probe, &id, &value, &when).await?;
        stage.probe.ended(&id, EndReason::Rotated, &when).await?;
    }
    Ok(())
}

/// An ended session cannot be retired, by whatever base, and a sign-out that was first stays a sign-out.
pub(crate) async fn after_end_is_gone_and_keeps_the_reason(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for reason in [EndReason::Destroyed, EndReason::Rotated] {
        for existed in [true, false] {
            let id = fresh_id();
            if existed {
                stage.probe.make(&id, &b"value"[..], HOUR).await?;
            }
            stage.probe.end(&id, reason).await?;
            for base in [&b"value"[..], &b"other"[..], &b""[..]] {
                let retired = stage.probe.retire(&id, base).await?;
                ensure_eq!(retired, Retired::Gone, "retire of an ended session");
                let when = "after a late retire";
                stage.probe.ended(&id, reason, when).await?;
            }
        }
    }
    Ok(())
}

/// Gone changes nothing: the tombstone that stood goes when it would have gone.
pub(crate) async fn after_end_leaves_the_tombstones_time_alone(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::VirtualTime]).await?;
    let (destroyed, rotated, retired) = (fresh_id(), fresh_id(), fresh_id());
    for id in [&destroyed, &rotated, &retired] {
        stage.probe.make(id, &b"value"[..], HOUR).await?;
    }
    stage.probe.end(&destroyed, EndReason::Destroyed).await?;
    stage.probe.end(&rotated, EndReason::Rotated).await?;
    stage.probe.retire(&retired, &b"value"[..]).await?;
    stage.pass(TOMBSTONE_TTL / 2).await;
    for id in [&destroyed, &rotated, &retired] {
        let answer = stage.probe.retire(id, &b"value"[..]).await?;
        ensure_eq!(answer, Retired::Gone, "retire of an ended session");
    }
    stage.pass(TOMBSTONE_TTL / 2 + MILLISECOND).await;
    for id in [&destroyed, &rotated, &retired] {
        let when = "when the tombstone's time is over, after a late retire,";
        stage.probe.missing(id, when).await?;
    }
    Ok(())
}

/// Rule 1: an expired session is not live, swept or not. It leaves no tombstone, and retire makes none for it.
pub(crate) async fn after_expiry_is_gone_and_leaves_nothing(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage.probe.make(&id, &b"value"[..], stage.short()).await?;
    stage.pass(stage.short()).await;
    for base in [&b"other"[..], &b"value"[..]] {
        let retired = stage.probe.retire(&id, base).await?;
        ensure_eq!(retired, Retired::Gone, "retire of an expired session");
        let when = "after the retire of an expired session";
        stage.probe.missing(&id, when).await?;
    }
    stage.probe.make(&id, &b"new"[..], HOUR).await?;
    let when = "created under an id that expired and was retired then,";
    stage.probe.holds(&id, b"new", when).await?;
    Ok(())
}

/// Rule 5, for the tombstone of a rotation: no call finds the session or makes it live. A sign-out that comes later has
/// the last word.
pub(crate) async fn nothing_brings_it_back(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage.probe.make(&id, &b"value"[..], HOUR).await?;
    retires(&stage.probe, &id, b"value", "while it is live,").await?;
    for _ in 0..2 {
        let when = "after retire";
        let replaced = stage
            .probe
            .replace(&id, &b"value"[..], &b"late"[..], HOUR)
            .await?;
        ensure_eq!(replaced, Replaced::Gone, "replace {when}");
        let renewed = stage.probe.renew(&id, HOUR).await?;
        ensure!(!renewed, "renew {when} answers true");
        stage.probe.create(&id, &b"again"[..], HOUR).await?;
        stage.probe.ended(&id, EndReason::Rotated, when).await?;
        for last in [&b"value"[..], &b"late"[..], &b"again"[..]] {
            stage.probe.refuses(&id, last, when).await?;
        }
        let was_live = stage.probe.end(&id, EndReason::Rotated).await?;
        ensure!(!was_live, "{when} the session is live to end");
        stage.probe.ended(&id, EndReason::Rotated, when).await?;
    }
    let was_live = stage.probe.end(&id, EndReason::Destroyed).await?;
    ensure!(!was_live, "after retire the session is live to end");
    let when = "retired first and destroyed then,";
    stage.probe.ended(&id, EndReason::Destroyed, when).await
}

/// Rule 5: the tombstone has a time of its own, whatever the session had left.
pub(crate) async fn its_tombstone_outlives_the_session(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage.probe.make(&id, &b"value"[..], stage.short()).await?;
    retires(&stage.probe, &id, b"value", "while it is live,").await?;
    stage.pass(stage.short()).await;
    let when = "when the retired session would have expired";
    stage.probe.ended(&id, EndReason::Rotated, when).await?;
    stage.probe.refuses(&id, b"value", when).await
}

/// Rule 5: it stands for [`TOMBSTONE_TTL`]; later the id is as if it had never been.
pub(crate) async fn its_tombstone_stands_for_its_time_and_no_longer(
    factory: &dyn StoreFactory,
) -> Step {
    let stage = open_with(factory, &[Capability::VirtualTime]).await?;
    let (short, long) = (fresh_id(), fresh_id());
    for (id, ttl) in [(&short, stage.short()), (&long, HOUR * 24)] {
        stage.probe.make(id, &b"value"[..], ttl).await?;
        retires(&stage.probe, id, b"value", "while it is live,").await?;
    }
    stage.pass(TOMBSTONE_TTL - MILLISECOND).await;
    for id in [&short, &long] {
        let when = "one millisecond before the end of its time";
        stage.probe.ended(id, EndReason::Rotated, when).await?;
    }
    stage.pass(MILLISECOND * 2).await;
    for id in [&short, &long] {
        let when = "when the tombstone's time is over";
        stage.probe.missing(id, when).await?;
        let created = stage.probe.create(id, &b"new"[..], HOUR).await?;
        ensure_eq!(created, Created::Created, "create {when}");
        stage.probe.holds(id, b"new", when).await?;
    }
    Ok(())
}

async fn two_handles(stage: &Stage, one: &str, two: &str) -> Step<(Probe, Probe)> {
    Ok((
        Probe(stage.sibling(one).await?.store),
        Probe(stage.sibling(two).await?.store),
    ))
}

/// Rule 6: `retire` compares with what the store holds, not with what its handle saw, and is seen from every handle.
pub(crate) async fn it_is_seen_from_every_handle(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::Siblings]).await?;
    let (one, two) = two_handles(&stage, "same", "same").await?;
    let id = fresh_id();
    one.make(&id, &b"one"[..], HOUR).await?;
    two.holds(&id, b"one", "after another handle's create")
        .await?;
    let replaced = one.replace(&id, &b"one"[..], &b"two"[..], HOUR).await?;
    ensure_eq!(
        replaced,
        Replaced::Replaced,
        "replace from the first handle"
    );
    let when = "after another handle's replace";
    let current = changed(two.retire(&id, &b"one"[..]).await?, when)?;
    same_bytes(&current.value, b"two", when)?;
    one.holds(&id, b"two", "after another handle's refused retire")
        .await?;
    retires(&two, &id, b"two", when).await?;
    let when = "after another handle's retire";
    one.ended(&id, EndReason::Rotated, when).await?;
    one.refuses(&id, b"two", when).await
}

/// One backing, several applications: the same id with the same bytes in two namespaces is two sessions.
pub(crate) async fn it_ends_nothing_in_other_namespaces(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::Siblings]).await?;
    for (mine, others) in [("app", "other"), ("other", "app"), ("app", "App")] {
        let (mine, others) = two_handles(&stage, mine, others).await?;
        let id = fresh_id();
        others.make(&id, &b"value"[..], HOUR).await?;
        let retired = mine.retire(&id, &b"value"[..]).await?;
        let when = "of another namespace's session";
        ensure_eq!(retired, Retired::Gone, "retire {when}");
        others.holds(&id, b"value", when).await?;
        mine.make(&id, &b"value"[..], HOUR).await?;
        retires(&mine, &id, b"value", "in its own namespace").await?;
        let when = "after another namespace's session was retired";
        others.holds(&id, b"value", when).await?;
    }
    Ok(())
}
