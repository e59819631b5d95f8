//! Throwing away what is over: [`Sweep`](cloakroom_core::store::Sweep).
//!
//! A store may sweep by itself as well, so a sweep may find less than there was; never more, and never what is live.

use cloakroom_core::{EndReason, store::TOMBSTONE_TTL};

use crate::{
    Capability, StoreFactory,
    case::{Step, ensure, ensure_eq},
    probe::{HOUR, fresh_id, open_with, sweep},
};

/// A sweeper that goes by the wrong clock, or by a copy of the time that a renewal made stale, signs people out.
pub(crate) async fn it_deletes_only_what_is_over(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::Sweep]).await?;
    let sweeper = stage.sweeper()?;
    let (live, renewed, replaced, ended) = (fresh_id(), fresh_id(), fresh_id(), fresh_id());
    let over: Vec<_> = (0..10).map(|_| fresh_id()).collect();
    let short = stage.short();
    for id in [&renewed, &replaced, &ended] {
        stage.probe.make(id, &b"value"[..], short).await?;
    }
    stage.probe.make(&live, &b"value"[..], HOUR).await?;
    stage.probe.renew(&renewed, HOUR).await?;
    stage
        .probe
        .replace(&replaced, &b"value"[..], &b"value"[..], HOUR)
        .await?;
    stage.probe.end(&ended, EndReason::Rotated).await?;
    for id in &over {
        stage.probe.make(id, &b"value"[..], short).await?;
    }
    stage.pass(short).await;
    let mut deleted = 0;
    for _ in 0..3 {
        deleted += sweep(&*sweeper, 1000).await?;
        let when = "after a sweep";
        for id in [&live, &renewed, &replaced] {
            stage.probe.holds(id, b"value", when).await?;
        }
        stage.probe.ended(&ended, EndReason::Rotated, when).await?;
        for id in &over {
            stage.probe.missing(id, when).await?;
        }
    }
    ensure!(
        deleted <= over.len(),
        "the sweep says that it deleted {deleted} though {} were over",
        over.len()
    );
    stage.probe.make(&over[0], &b"new"[..], HOUR).await?;
    sweep(&*sweeper, 1000).await?;
    let when = "created under a swept id,";
    stage.probe.holds(&over[0], b"new", when).await?;
    Ok(())
}

/// The limit bounds how long a sweep keeps others waiting; the answer says when to stop.
pub(crate) async fn it_is_bounded_and_comes_to_an_end(factory: &dyn StoreFactory) -> Step {
    const OVER: usize = 100;
    const LIMIT: usize = 7;
    let stage = open_with(factory, &[Capability::Sweep]).await?;
    let sweeper = stage.sweeper()?;
    let live = fresh_id();
    stage.probe.make(&live, &b"value"[..], HOUR).await?;
    for _ in 0..OVER {
        let short = stage.short();
        stage.probe.make(&fresh_id(), &b"over"[..], short).await?;
    }
    ensure_eq!(
        sweep(&*sweeper, LIMIT).await?,
        0,
        "a sweep while all are live deletes"
    );
    stage.pass(stage.short()).await;
    ensure_eq!(sweep(&*sweeper, 0).await?, 0, "a sweep of none deletes");
    let mut total = 0;
    let mut sweeps = 0;
    loop {
        let deleted = sweep(&*sweeper, LIMIT).await?;
        ensure!(
            deleted <= LIMIT,
            "a sweep of at most {LIMIT} deleted {deleted}"
        );
        total += deleted;
        sweeps += 1;
        if deleted == 0 {
            break;
        }
        ensure!(sweeps <= OVER, "the sweeps come to no end");
    }
    ensure!(
        total <= OVER,
        "the sweeps deleted {total} though {OVER} were over"
    );
    let when = "after all sweeps";
    stage.probe.holds(&live, b"value", when).await?;
    Ok(())
}

/// Rule 5: a tombstone is swept when its time is over and not before; then its id is free.
pub(crate) async fn it_spares_tombstones_until_their_time(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::Sweep, Capability::VirtualTime]).await?;
    let sweeper = stage.sweeper()?;
    let (id, retired) = (fresh_id(), fresh_id());
    for id in [&id, &retired] {
        stage.probe.make(id, &b"value"[..], HOUR).await?;
    }
    stage.probe.end(&id, EndReason::Destroyed).await?;
    stage.probe.retire(&retired, &b"value"[..]).await?;
    stage.pass(TOMBSTONE_TTL / 15 * 14).await;
    ensure_eq!(
        sweep(&*sweeper, 100).await?,
        0,
        "a sweep while the tombstone stands deletes"
    );
    let when = "after a sweep while it should stand";
    stage.probe.ended(&id, EndReason::Destroyed, when).await?;
    stage
        .probe
        .ended(&retired, EndReason::Rotated, when)
        .await?;
    stage.pass(TOMBSTONE_TTL / 15).await;
    sweep(&*sweeper, 100).await?;
    for id in [&id, &retired] {
        stage.probe.missing(id, "after its time").await?;
    }
    ensure_eq!(
        sweep(&*sweeper, 100).await?,
        0,
        "a sweep after the last deletes"
    );
    Ok(())
}
