//! What a store has at hand: never more than a load would tell, at any moment. A store that has nothing at hand keeps all of it.

use std::time::Duration;

use cloakroom_core::{
    EndReason, Loaded, Replaced, Retired, SessionId, cached::Cached, owner_index::Revision,
};

use crate::{
    Capability, StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    probe::{HOUR, Index, Probe, fresh_id, open, open_with, same_bytes},
};

/// `cached` beside `load`, and `load` beside `cached`: what was loaded may be at hand from then on.
async fn agrees(probe: &Probe, id: &SessionId, when: &str) -> Step {
    for _ in 0..2 {
        let cached = probe.0.cached(id);
        let loaded = probe.load(id).await?;
        compare(cached.as_ref(), &loaded, when)?;
    }
    Ok(())
}

fn compare(cached: Option<&Cached>, loaded: &Loaded, when: &str) -> Step {
    let Some(cached) = cached else {
        return Ok(());
    };
    let Loaded::Live(stored) = loaded else {
        return Err(Stop::failed(format_args!(
            "{when} a session is at hand, but load answers {loaded:?}"
        )));
    };
    same_bytes(
        cached.value.bytes(),
        &stored.value,
        &format!("{when}, at hand"),
    )?;
    let close = match (cached.remaining, stored.remaining) {
        (Some(cached), Some(loaded)) => cached.abs_diff(loaded) < Duration::from_secs(60),
        (cached, loaded) => cached == loaded,
    };
    let (cached, loaded) = (cached.remaining, stored.remaining);
    ensure!(
        close,
        "{when} a session has {cached:?} left at hand and {loaded:?} by load"
    );
    Ok(())
}

/// After each change, and each refusal.
pub(crate) async fn it_answers_as_load_does(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let probe = &stage.probe;
    let (id, other) = (fresh_id(), fresh_id());
    agrees(probe, &id, "before create").await?;
    probe.make(&id, &b"one"[..], HOUR).await?;
    agrees(probe, &id, "after create").await?;
    probe.create(&id, &b"taken"[..], HOUR / 4).await?;
    agrees(probe, &id, "after a refused create").await?;
    let replaced = probe.replace(&id, &b"one"[..], &b"two"[..], HOUR).await?;
    ensure_eq!(replaced, Replaced::Replaced, "replace");
    agrees(probe, &id, "after replace").await?;
    probe.replace(&id, &b"one"[..], &b"3"[..], HOUR / 4).await?;
    agrees(probe, &id, "after a refused replace").await?;
    ensure!(probe.renew(&id, HOUR / 2).await?, "renew of a live session");
    agrees(probe, &id, "after renew").await?;
    let renewed = probe.renew_all(&[(id.clone(), HOUR)]).await?;
    ensure_eq!(renewed, [true], "renew_all of a live session");
    agrees(probe, &id, "after renew_all").await?;
    probe.retire(&id, &b"one"[..]).await?;
    agrees(probe, &id, "after a refused retire").await?;
    agrees(probe, &other, "of another id").await?;
    let retired = probe.retire(&id, &b"two"[..]).await?;
    ensure_eq!(retired, Retired::Retired, "retire");
    agrees(probe, &id, "after retire").await?;
    probe.make(&other, &b"other"[..], HOUR).await?;
    agrees(probe, &other, "after another create").await?;
    probe.end(&other, EndReason::Destroyed).await?;
    agrees(probe, &other, "after end").await
}

/// Rule 1: what is over is not at hand either.
pub(crate) async fn what_is_over_is_not_at_hand(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let probe = &stage.probe;
    let (expires, shortened) = (fresh_id(), fresh_id());
    probe.make(&expires, &b"value"[..], stage.short()).await?;
    probe.make(&shortened, &b"value"[..], HOUR).await?;
    agrees(probe, &expires, "before its time is over").await?;
    agrees(probe, &shortened, "before its time is over").await?;
    probe.renew(&shortened, Duration::ZERO).await?;
    stage.pass(stage.short()).await;
    for id in [&expires, &shortened] {
        ensure!(
            probe.0.cached(id).is_none(),
            "a session whose time is over is at hand"
        );
        probe.missing(id, "when its time is over").await?;
    }
    Ok(())
}

/// Rule 6: a change is seen from every handle, also by what that one has at hand.
pub(crate) async fn changes_of_other_handles_are_seen(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::Siblings]).await?;
    let one = Probe(stage.sibling("same").await?.store);
    let two = Probe(stage.sibling("same").await?.store);
    let id = fresh_id();
    one.make(&id, &b"one"[..], HOUR).await?;
    agrees(&two, &id, "after another handle's create").await?;
    one.replace(&id, &b"one"[..], &b"two"[..], HOUR).await?;
    agrees(&two, &id, "after another handle's replace").await?;
    one.renew(&id, HOUR / 4).await?;
    agrees(&two, &id, "after another handle's renew").await?;
    one.end(&id, EndReason::Destroyed).await?;
    agrees(&two, &id, "after another handle's end").await
}

/// As `cached` beside `load`, and the revision beside its own.
pub(crate) async fn it_answers_with_the_revision(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let id = fresh_id();
    let agree = async |index: &Index, when: &str| {
        for _ in 0..2 {
            let cached = index.0.cached_with_revision(&id);
            let (loaded, revision): (Loaded, Revision) = index.load(&id).await?;
            compare(cached.as_ref().map(|(cached, _)| cached), &loaded, when)?;
            if let Some((_, known)) = cached {
                ensure_eq!(known, revision, "{when} the revision at hand");
            }
        }
        Step::Ok(())
    };
    stage.probe.make(&id, &b"value"[..], HOUR).await?;
    agree(&index, "after create").await?;
    index.revoke("anna").await?;
    agree(&index, "after a revocation").await?;
    index.revoke_everybody().await?;
    agree(&index, "after a revocation of everybody").await?;
    stage.probe.end(&id, EndReason::Destroyed).await?;
    agree(&index, "after end").await
}
