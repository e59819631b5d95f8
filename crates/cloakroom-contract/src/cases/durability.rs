//! What is left when the store is closed and opened again, or its process killed.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::Instant,
};

use cloakroom_core::{EndReason, Loaded, store::TOMBSTONE_TTL};

use crate::{
    Capability, StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    kill,
    probe::{HOUR, fresh_id, open_with},
};

/// Acknowledged changes survive, and the time to live goes on where it was.
pub(crate) async fn live_sessions_survive(factory: &dyn StoreFactory) -> Step {
    let mut stage = open_with(factory, &[Capability::Reopen]).await?;
    let (created, replaced, renewed) = (fresh_id(), fresh_id(), fresh_id());
    let since = Instant::now();
    stage
        .probe
        .make(&created, &b"\0created\xff"[..], HOUR)
        .await?;
    stage.probe.make(&replaced, &b"old"[..], HOUR).await?;
    stage
        .probe
        .replace(&replaced, &b"old"[..], &b"new"[..], HOUR)
        .await?;
    stage
        .probe
        .make(&renewed, &b"renewed"[..], HOUR * 2)
        .await?;
    stage.probe.renew(&renewed, HOUR).await?;
    for _ in 0..2 {
        if stage.is_virtual() {
            stage.pass(HOUR / 4).await;
        }
        let when = "after the store was opened again";
        stage = stage.reopen().await?;
        for (id, value) in [
            (&created, &b"\0created\xff"[..]),
            (&replaced, b"new"),
            (&renewed, b"renewed"),
        ] {
            let stored = stage.probe.holds(id, value, when).await?;
            let most = if stage.is_virtual() {
                HOUR / 4 * 3
            } else {
                HOUR
            };
            let Some(left) = stored.remaining else {
                return Err(Stop::failed(format_args!(
                    "{when} the time to live is lost"
                )));
            };
            ensure!(left <= most, "{when} the time to live starts anew");
            let least = (HOUR / 2).saturating_sub(stage.slack(since));
            ensure!(left >= least, "{when} only {left:?} are left");
        }
    }
    Ok(())
}

/// Time goes on while the store is closed.
pub(crate) async fn expired_sessions_stay_expired(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::Reopen]).await?;
    let (before, meanwhile) = (fresh_id(), fresh_id());
    let ttl = stage.short();
    stage.probe.make(&before, &b"value"[..], ttl).await?;
    stage.pass(ttl).await;
    stage.probe.make(&meanwhile, &b"value"[..], ttl).await?;
    let stage = stage.reopen().await?;
    let when = "expired before the store was opened again,";
    stage.probe.missing(&before, when).await?;
    stage.pass(ttl).await;
    let stage = stage.reopen().await?;
    let when = "when its time ran out while the store was closed";
    stage.probe.missing(&meanwhile, when).await?;
    stage.probe.refuses(&meanwhile, b"value", when).await
}

/// Rule 5: a restart is no way back for an ended session.
pub(crate) async fn tombstones_survive(factory: &dyn StoreFactory) -> Step {
    let mut stage = open_with(factory, &[Capability::Reopen]).await?;
    let (destroyed, rotated, retired) = (fresh_id(), fresh_id(), fresh_id());
    for (id, reason) in [
        (&destroyed, EndReason::Destroyed),
        (&rotated, EndReason::Rotated),
    ] {
        stage.probe.make(id, &b"value"[..], HOUR).await?;
        stage.probe.end(id, reason).await?;
    }
    stage.probe.make(&retired, &b"value"[..], HOUR).await?;
    stage.probe.retire(&retired, &b"value"[..]).await?;
    for _ in 0..2 {
        stage = stage.reopen().await?;
        let when = "after the store was opened again";
        for (id, reason) in [
            (&destroyed, EndReason::Destroyed),
            (&rotated, EndReason::Rotated),
            (&retired, EndReason::Rotated),
        ] {
            stage.probe.ended(id, reason, when).await?;
            stage.probe.refuses(id, b"value", when).await?;
        }
    }
    if stage.is_virtual() {
        stage.pass(TOMBSTONE_TTL).await;
        stage = stage.reopen().await?;
        let when = "when the tombstone's time ran out while the store was closed";
        stage.probe.missing(&destroyed, when).await?;
        stage.probe.missing(&retired, when).await?;
    }
    Ok(())
}

/// What was acknowledged survives a `kill -9` of the process that wrote it; what was not is there whole or not at all.
pub(crate) async fn acknowledged_survives_a_killed_process(factory: &dyn StoreFactory) -> Step {
    for wanted in [1, 40, 200] {
        let stage = open_with(factory, &[Capability::KillProcess, Capability::Reopen]).await?;
        let Some(writer) = &stage.opened.writer else {
            return Err(Stop::Skipped("no other process can write to it".to_owned()));
        };
        let mut command = writer();
        let told = tokio::task::spawn_blocking(move || {
            let mut child = command.stdout(Stdio::piped()).spawn()?;
            let lines = child.stdout.take().map(BufReader::new);
            let acknowledged = lines.map_or(0, |lines| {
                let numbers = lines.lines().map_while(Result::ok);
                numbers
                    .filter_map(|line| kill::acknowledged(&line))
                    .take(wanted)
                    .count()
            });
            child.kill()?;
            child.wait()?;
            std::io::Result::Ok(acknowledged)
        })
        .await;
        let told = match told {
            Ok(Ok(told)) => told,
            Ok(Err(error)) => return Err(Stop::failed(format_args!("the writer: {error}"))),
            Err(error) => return Err(Stop::failed(format_args!("the writer: {error}"))),
        };
        ensure_eq!(told, wanted, "steps that the writer acknowledged");
        let stage = stage.reopen().await?;
        for step in 0..wanted + kill::AFTERMATH {
            let found = stage.probe.load(&kill::id(step)).await?;
            let value = kill::value(step);
            let fits = match &found {
                Loaded::Missing => step >= wanted,
                Loaded::Ended(reason) => kill::ends(step) == Some(*reason),
                Loaded::Live(stored) if step < wanted => {
                    kill::ends(step).is_none() && *stored.value == *value
                }
                Loaded::Live(stored) => *stored.value == *value || *stored.value == value[..1],
                _ => false,
            };
            let known = if step < wanted {
                "acknowledged"
            } else {
                "not acknowledged"
            };
            ensure!(
                fits,
                "step {step} was {known}; after the writer was killed load answers {found:?}"
            );
        }
        let new = fresh_id();
        stage.probe.make(&new, &b"new"[..], HOUR).await?;
    }
    Ok(())
}
