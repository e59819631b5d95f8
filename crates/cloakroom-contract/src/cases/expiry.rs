//! When a session's time is over, and what a time to live means.

use std::time::{Duration, Instant};

use cloakroom_core::{
    Created, EndReason, Loaded, Replaced,
    store::{Stored, TOMBSTONE_TTL},
};

use crate::{
    Capability, StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    probe::{HOUR, Stage, fresh_id, open, open_with},
};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Rule 1: whether an expired session was swept yet cannot be observed. Stores that filter by a timer or a cleanup job
/// keep serving what is over until the job runs.
pub(crate) async fn expired_is_missing_before_any_sweep(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let (id, other) = (fresh_id(), fresh_id());
    stage.probe.make(&id, &b"value"[..], stage.short()).await?;
    stage.probe.make(&other, &b"other"[..], HOUR).await?;
    stage.pass(stage.short()).await;
    for _ in 0..2 {
        stage.probe.missing(&id, "when its time is over").await?;
    }
    let when = "after another session's time is over";
    stage.probe.holds(&other, b"other", when).await?;
    Ok(())
}

/// Rule 4. Redis' EXPIRE on a key that just expired is safe; stores that `SET` with a new time on renewal are not.
pub(crate) async fn renew_never_revives(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage.probe.make(&id, &b"value"[..], stage.short()).await?;
    stage.pass(stage.short()).await;
    let renewed = stage.probe.renew(&id, HOUR).await?;
    ensure!(!renewed, "renew of an expired session answers true");
    stage.probe.missing(&id, "after a late renew").await
}

/// Rule 1: an expired session is not live, so its old bytes are no base any more.
pub(crate) async fn replace_never_revives(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage.probe.make(&id, &b"value"[..], stage.short()).await?;
    stage.pass(stage.short()).await;
    for base in [&b"value"[..], &b"other"[..]] {
        let replaced = stage.probe.replace(&id, base, &b"late"[..], HOUR).await?;
        ensure_eq!(replaced, Replaced::Gone, "replace of an expired session");
    }
    stage.probe.missing(&id, "after a late replace").await
}

/// An expired session is in nobody's way, swept or not.
pub(crate) async fn an_expired_id_can_be_created_again(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage.probe.make(&id, &b"old"[..], stage.short()).await?;
    stage.pass(stage.short()).await;
    stage.probe.make(&id, &b"new"[..], HOUR).await?;
    let when = "after create under an expired id";
    let stored = stage.probe.holds(&id, b"new", when).await?;
    has_more_than(&stored, HOUR / 2, when)
}

/// Rule 5: end leaves a tombstone whether the session was live or not.
pub(crate) async fn end_after_expiry_is_false_and_final(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage.probe.make(&id, &b"value"[..], stage.short()).await?;
    stage.pass(stage.short()).await;
    let was_live = stage.probe.end(&id, EndReason::Destroyed).await?;
    ensure!(!was_live, "end says that an expired session was live");
    let when = "after the end of an expired session";
    stage.probe.ended(&id, EndReason::Destroyed, when).await?;
    stage.probe.refuses(&id, b"value", when).await
}

/// Rule 8: zero means over at once, for all three calls that take a time. Redis refuses `PX 0`; other stores take zero
/// for "for ever" (better-auth#10992).
pub(crate) async fn zero_ttl_is_over_at_once(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let zero = Duration::ZERO;

    let id = fresh_id();
    let created = stage.probe.create(&id, &b"value"[..], zero).await?;
    ensure_eq!(created, Created::Created, "create with a zero ttl");
    stage.probe.missing(&id, "after create for no time").await?;
    stage.probe.make(&id, &b"again"[..], HOUR).await?;

    let replaced = stage
        .probe
        .replace(&id, &b"again"[..], &b"over"[..], zero)
        .await?;
    ensure_eq!(replaced, Replaced::Replaced, "replace with a zero ttl");
    stage
        .probe
        .missing(&id, "after replace for no time")
        .await?;

    let id = fresh_id();
    stage.probe.make(&id, &b"value"[..], HOUR).await?;
    let replaced = stage
        .probe
        .replace(&id, &b"stale"[..], &b"over"[..], zero)
        .await?;
    ensure!(
        matches!(replaced, Replaced::Changed(_)),
        "replace with a stale base and a zero ttl answers {replaced:?}"
    );
    let when = "after a refused replace for no time";
    stage.probe.holds(&id, b"value", when).await?;
    ensure!(
        stage.probe.renew(&id, zero).await?,
        "renew of a live session for no time answers false"
    );
    stage.probe.missing(&id, "after renew for no time").await
}

/// Rule 8: a resolution of a millisecond or better. Stores that count in seconds round 900 ms to nothing or to a second.
pub(crate) async fn milliseconds_count(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    if !stage.is_virtual() {
        let (id, ttl) = (fresh_id(), Duration::from_millis(900));
        let since = Instant::now();
        stage.probe.make(&id, &b"value"[..], ttl).await?;
        let loaded = stage.probe.load(&id).await?;
        ensure!(
            loaded != Loaded::Missing || since.elapsed() >= ttl,
            "a session of 900 ms is over at once"
        );
        stage.pass(ttl).await;
        return stage
            .probe
            .missing(&id, "when its 900 ms are over, rounded to nothing longer,")
            .await;
    }
    for ttl in [1, 2, 250, 999, 1001, 1500].map(Duration::from_millis) {
        let (created, renewed, replaced) = (fresh_id(), fresh_id(), fresh_id());
        stage.probe.make(&created, &b"value"[..], ttl).await?;
        stage.probe.make(&renewed, &b"value"[..], HOUR).await?;
        stage.probe.make(&replaced, &b"value"[..], HOUR).await?;
        stage.probe.renew(&renewed, ttl).await?;
        let answer = stage
            .probe
            .replace(&replaced, &b"value"[..], &b"value"[..], ttl)
            .await?;
        ensure_eq!(answer, Replaced::Replaced, "replace");
        stage.pass(ttl - MILLISECOND).await;
        for id in [&created, &renewed, &replaced] {
            let when = format!(
                "one millisecond before the end of its {} ms",
                ttl.as_millis()
            );
            stage.probe.live(id, &when).await?;
        }
        stage.pass(MILLISECOND).await;
        for id in [&created, &renewed, &replaced] {
            let when = format!("at the end of its {} ms", ttl.as_millis());
            stage.probe.missing(id, &when).await?;
        }
    }
    Ok(())
}

/// Rule 8: a time too long for the store is cut. Sums of a time and a long duration overflow; JavaScript's timers treat
/// more than 24.8 days as none at all.
pub(crate) async fn long_ttls_are_cut_and_never_refused(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let day = HOUR * 24;
    for ttl in [
        day * 30,
        day * 400,
        day * 100_000,
        Duration::from_millis(u64::from(u32::MAX) + 1),
        Duration::from_millis(i64::MAX as u64),
        Duration::from_secs(i64::MAX as u64),
        Duration::from_secs(u64::MAX),
        Duration::MAX,
    ] {
        let when = format!("with a ttl of {} s", ttl.as_secs());
        let id = fresh_id();
        stage.probe.make(&id, &b"value"[..], ttl).await?;
        let stored = stage.probe.holds(&id, b"value", &when).await?;
        has_at_most(&stored, ttl, &when)?;
        has_more_than(&stored, day * 29, &when)?;

        let replaced = stage
            .probe
            .replace(&id, &b"value"[..], &b"next"[..], ttl)
            .await?;
        ensure_eq!(replaced, Replaced::Replaced, "replace {when}");
        has_more_than(
            &stage.probe.holds(&id, b"next", &when).await?,
            day * 29,
            &when,
        )?;

        stage.probe.renew(&id, HOUR).await?;
        ensure!(stage.probe.renew(&id, ttl).await?, "renew {when} is false");
        has_more_than(
            &stage.probe.holds(&id, b"next", &when).await?,
            day * 29,
            &when,
        )?;
        if stage.is_virtual() {
            stage.pass(day).await;
            stage.probe.holds(&id, b"next", &when).await?;
        }
    }
    Ok(())
}

/// What `remaining` says: the cookie's own lifetime and the decision to renew are made from it.
pub(crate) async fn remaining_is_never_more_than_the_ttl(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    let since = Instant::now();
    stage.probe.make(&id, &b"one"[..], HOUR).await?;
    let stored = stage.probe.holds(&id, b"one", "after create").await?;
    within(&stage, &stored, HOUR, since, "after create")?;

    let Replaced::Changed(current) = stage
        .probe
        .replace(&id, &b"stale"[..], &b"x"[..], HOUR * 9)
        .await?
    else {
        return Err(Stop::failed(
            "replace with a stale base does not answer Changed",
        ));
    };
    within(&stage, &current, HOUR, since, "in the answer Changed")?;

    if stage.is_virtual() {
        stage.pass(HOUR / 4).await;
        let stored = stage.probe.holds(&id, b"one", "later").await?;
        let when = "after a quarter of the time";
        within(&stage, &stored, HOUR / 4 * 3, since, when)?;
    }
    Ok(())
}

/// Rule 4: renew moves the end both ways. A sign-in without "remember me" shortens; stores that keep the longer of two
/// times (EXPIRE with GT) leave the kiosk's session open.
pub(crate) async fn renew_shortens_and_lengthens(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let (short, long) = (fresh_id(), fresh_id());
    stage.probe.make(&short, &b"value"[..], HOUR).await?;
    stage
        .probe
        .make(&long, &b"value"[..], stage.short())
        .await?;
    let since = Instant::now();
    for (id, ttl) in [(&long, HOUR), (&short, stage.short())] {
        ensure!(
            stage.probe.renew(id, ttl).await?,
            "renew of a live session answers false"
        );
        if let Loaded::Live(stored) = stage.probe.load(id).await? {
            within(&stage, &stored, ttl, since, "after renew")?;
        }
    }
    stage.pass(stage.short()).await;
    let when = "after it was renewed for longer than it had";
    stage.probe.holds(&long, b"value", when).await?;
    let when = "when its shortened time is over";
    stage.probe.missing(&short, when).await
}

/// Rule 4 for `renew_all`: an answer for each, and nothing revived because its neighbours live.
pub(crate) async fn renewals_together_have_answers_of_their_own(
    factory: &dyn StoreFactory,
) -> Step {
    let stage = open(factory).await?;
    ensure_eq!(
        stage.probe.renew_all(&[]).await?,
        Vec::<bool>::new(),
        "renew_all of nothing"
    );
    let [live, other, ended, never] = [(); 4].map(|()| fresh_id());
    for id in [&live, &other, &ended] {
        stage.probe.make(id, &b"value"[..], HOUR).await?;
    }
    stage.probe.end(&ended, EndReason::Destroyed).await?;
    let since = Instant::now();
    let times = [
        (&live, HOUR * 3),
        (&never, HOUR),
        (&ended, HOUR),
        (&other, HOUR * 4),
        (&live, HOUR * 2),
    ];
    let renewed = stage
        .probe
        .renew_all(&times.map(|(id, ttl)| (id.clone(), ttl)))
        .await?;
    ensure_eq!(
        renewed,
        vec![true, false, false, true, true],
        "renew_all of a live session, none, an ended one, and two live ones"
    );
    let when = "after renew_all";
    for (id, ttl) in [(&live, HOUR * 2), (&other, HOUR * 4)] {
        let Loaded::Live(stored) = stage.probe.load(id).await? else {
            return Err(Stop::failed("after renew_all a live session is gone"));
        };
        within(&stage, &stored, ttl, since, when)?;
        let left = stored.remaining.unwrap_or(Duration::MAX);
        ensure!(
            left > ttl - HOUR / 2,
            "{when} a session has {left:?} left, of {ttl:?}"
        );
    }
    stage.probe.missing(&never, when).await?;
    stage.probe.ended(&ended, EndReason::Destroyed, when).await
}

/// `replace` gives the new time to live, shorter or longer: a value without its time would outlive or undercut it.
pub(crate) async fn replace_sets_a_new_time(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let (short, long) = (fresh_id(), fresh_id());
    stage.probe.make(&short, &b"one"[..], HOUR).await?;
    stage.probe.make(&long, &b"one"[..], stage.short()).await?;
    for (id, ttl) in [(&long, HOUR), (&short, stage.short())] {
        let replaced = stage
            .probe
            .replace(id, &b"one"[..], &b"two"[..], ttl)
            .await?;
        ensure_eq!(replaced, Replaced::Replaced, "replace of a live session");
        if let Loaded::Live(stored) = stage.probe.load(id).await? {
            has_at_most(&stored, ttl, "after replace")?;
        }
    }
    stage.pass(stage.short()).await;
    let when = "after it was replaced for longer than it had";
    stage.probe.holds(&long, b"two", when).await?;
    let when = "when its shortened time is over";
    stage.probe.missing(&short, when).await
}

/// A replace that answers Changed has changed nothing, the time included.
pub(crate) async fn a_refused_replace_leaves_the_time_alone(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let (short, long) = (fresh_id(), fresh_id());
    stage.probe.make(&long, &b"one"[..], HOUR).await?;
    stage.probe.make(&short, &b"one"[..], stage.short()).await?;
    for (id, ttl) in [(&short, HOUR), (&long, stage.short())] {
        stage
            .probe
            .replace(id, &b"stale"[..], &b"two"[..], ttl)
            .await?;
    }
    stage.pass(stage.short()).await;
    let when = "after a refused replace for a shorter time";
    stage.probe.holds(&long, b"one", when).await?;
    let when = "when its time is over, after a refused replace for a longer time,";
    stage.probe.missing(&short, when).await
}

/// Rule 5: the tombstone has a time of its own, since the late request has one of its own too.
pub(crate) async fn a_tombstone_stands_longer_than_the_session_would_have_lived(
    factory: &dyn StoreFactory,
) -> Step {
    let stage = open(factory).await?;
    for reason in [EndReason::Destroyed, EndReason::Rotated] {
        let id = fresh_id();
        stage.probe.make(&id, &b"value"[..], stage.short()).await?;
        stage.probe.end(&id, reason).await?;
        stage.pass(stage.short()).await;
        let when = "when the session would have expired";
        stage.probe.ended(&id, reason, when).await?;
        stage.probe.refuses(&id, b"value", when).await?;
    }
    Ok(())
}

/// Rule 5: a tombstone stands for [`TOMBSTONE_TTL`]; later the id is as if it had never been. What was tried under the
/// tombstone does not come to light when it is gone.
pub(crate) async fn a_tombstone_stands_for_its_time_and_no_longer(
    factory: &dyn StoreFactory,
) -> Step {
    let stage = open_with(factory, &[Capability::VirtualTime]).await?;
    let (id, untouched) = (fresh_id(), fresh_id());
    for id in [&id, &untouched] {
        stage.probe.make(id, &b"value"[..], HOUR).await?;
        stage.probe.end(id, EndReason::Destroyed).await?;
    }
    stage.probe.create(&id, &b"undead"[..], HOUR * 24).await?;
    let when = "after create under a tombstone";
    stage.probe.ended(&id, EndReason::Destroyed, when).await?;
    stage.pass(TOMBSTONE_TTL - MILLISECOND).await;
    for id in [&id, &untouched] {
        let when = "one millisecond before the end of its time";
        stage.probe.ended(id, EndReason::Destroyed, when).await?;
    }
    stage.pass(MILLISECOND * 2).await;
    for id in [&id, &untouched] {
        let when = "when the tombstone's time is over";
        stage.probe.missing(id, when).await?;
    }
    stage.probe.make(&id, &b"new"[..], HOUR).await?;
    let when = "created where a tombstone stood once,";
    stage.probe.holds(&id, b"new", when).await?;
    Ok(())
}

fn has_at_most(stored: &Stored, ttl: Duration, when: &str) -> Step {
    ensure!(
        stored.remaining.is_none_or(|left| left <= ttl),
        "{when} the session has {:?} left, more than its ttl of {ttl:?}",
        stored.remaining
    );
    Ok(())
}

fn has_more_than(stored: &Stored, least: Duration, when: &str) -> Step {
    ensure!(
        stored.remaining.is_none_or(|left| left > least),
        "{when} the session has only {:?} left",
        stored.remaining
    );
    Ok(())
}

fn within(stage: &Stage, stored: &Stored, ttl: Duration, since: Instant, when: &str) -> Step {
    let Some(left) = stored.remaining else {
        return Err(Stop::failed(format_args!(
            "{when} the store does not say how long the session lives, though it was told"
        )));
    };
    has_at_most(stored, ttl, when)?;
    let least = ttl.saturating_sub(stage.slack(since));
    ensure!(
        left >= least,
        "{when} the session has {left:?} left of {ttl:?}"
    );
    Ok(())
}
