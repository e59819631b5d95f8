//! When the store cannot be reached, or can only be read.

use bytes::Bytes;
use cloakroom_core::{Created, EndReason, Error, ErrorKind, Loaded, Replaced, Retired};

use crate::{
    Capability, StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    probe::{HOUR, answer, fresh_id, open_with, same_bytes},
};

/// What a call that met an outage says.
pub(crate) fn is_trouble<T>(what: &str, answer: Result<T, Error>) -> Step {
    let Err(error) = answer else {
        return Err(Stop::failed(format_args!(
            "{what} gives an answer although the store cannot be reached"
        )));
    };
    ensure!(
        matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout),
        "in an outage {what} fails as {:?}, which does not say that trying again may help",
        error.kind()
    );
    Ok(())
}

/// The law's first paragraph: the outage never looks like "no session". harbor#23290, axum_session and Django's cache
/// backend signed everybody out when their store was down.
pub(crate) async fn an_outage_is_an_error_and_never_an_answer(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::Outage]).await?;
    let (live, missing, ended) = (fresh_id(), fresh_id(), fresh_id());
    stage.probe.make(&live, &b"value"[..], HOUR).await?;
    stage.probe.end(&ended, EndReason::Destroyed).await?;
    stage.outage(true).await;
    let store = &stage.probe.0;
    let (base, value) = (Bytes::from_static(b"value"), Bytes::from_static(b"new"));
    for id in [&live, &missing, &ended] {
        is_trouble("load", answer("load", store.load(id)).await?)?;
        let created = answer("create", store.create(id, value.clone(), HOUR)).await?;
        is_trouble("create", created)?;
        let replaced = store.replace(id, &base, value.clone(), HOUR);
        is_trouble("replace", answer("replace", replaced).await?)?;
        is_trouble("renew", answer("renew", store.renew(id, HOUR)).await?)?;
        let was_live = answer("end", store.end(id, EndReason::Rotated)).await?;
        is_trouble("end", was_live)?;
        let retired = answer("retire", store.retire(id, &base)).await?;
        is_trouble("retire", retired)?;
    }
    stage.outage(false).await;
    Ok(())
}

/// The same for the optional calls.
pub(crate) async fn an_outage_is_an_error_for_sweep_and_scan(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(
        factory,
        &[Capability::Outage, Capability::Sweep, Capability::Scan],
    )
    .await?;
    let (sweeper, scanner) = (stage.sweeper()?, stage.scanner()?);
    stage.probe.make(&fresh_id(), &b"value"[..], HOUR).await?;
    stage.outage(true).await;
    is_trouble("sweep", answer("sweep", sweeper.sweep(10)).await?)?;
    is_trouble("scan", answer("scan", scanner.scan(None, 10)).await?)?;
    stage.outage(false).await;
    Ok(())
}

/// The store works again when it can be reached again, with nobody starting anything anew, and what it held is there.
/// Rule 6: what failed in between has happened or not.
pub(crate) async fn it_recovers_without_being_opened_again(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::Outage]).await?;
    let (live, ended, torn, parting) = (fresh_id(), fresh_id(), fresh_id(), fresh_id());
    stage.probe.make(&live, &b"value"[..], HOUR).await?;
    stage.probe.make(&parting, &b"old"[..], HOUR).await?;
    stage.probe.make(&torn, &b"old"[..], HOUR).await?;
    stage.probe.end(&ended, EndReason::Rotated).await?;
    for _ in 0..3 {
        stage.outage(true).await;
        let store = &stage.probe.0;
        let (base, value) = (Bytes::from_static(b"old"), Bytes::from_static(b"new"));
        let _ = answer("load", store.load(&live)).await?;
        let _ = answer("replace", store.replace(&torn, &base, value, HOUR)).await?;
        let _ = answer("retire", store.retire(&parting, &base)).await?;
        stage.outage(false).await;
        let when = "after an outage";
        stage.probe.holds(&live, b"value", when).await?;
        stage.probe.ended(&ended, EndReason::Rotated, when).await?;
        let stored = stage.probe.live(&torn, when).await?;
        ensure!(
            *stored.value == *b"old" || *stored.value == *b"new",
            "{when} a session holds bytes that nobody wrote"
        );
        match stage.probe.load(&parting).await? {
            Loaded::Ended(EndReason::Rotated) => {}
            Loaded::Live(stored) => same_bytes(&stored.value, b"old", when)?,
            other => {
                return Err(Stop::failed(format_args!(
                    "{when} a session that should have been retired is {other:?}"
                )));
            }
        }
        let new = fresh_id();
        stage.probe.make(&new, &b"new"[..], HOUR).await?;
        stage.probe.holds(&new, b"new", when).await?;
    }
    Ok(())
}

/// aspnetcore#38046: reading works on a read-only replica during a failover, and what cannot be written is an error.
pub(crate) async fn reading_works_where_writing_does_not(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::ReadOnly]).await?;
    let (live, ended, fresh) = (fresh_id(), fresh_id(), fresh_id());
    stage.probe.make(&live, &b"value"[..], HOUR).await?;
    stage.probe.end(&ended, EndReason::Destroyed).await?;
    stage.read_only(true).await;
    let when = "while nothing can be written";
    stage.probe.holds(&live, b"value", when).await?;
    stage
        .probe
        .ended(&ended, EndReason::Destroyed, when)
        .await?;
    stage.probe.missing(&fresh, when).await?;
    let store = &stage.probe.0;
    let (base, value) = (Bytes::from_static(b"value"), Bytes::from_static(b"new"));
    let created = answer("create", store.create(&fresh, value.clone(), HOUR)).await?;
    refused("create", &created, |created| *created == Created::Created)?;
    let replaced = answer("replace", store.replace(&live, &base, value, HOUR)).await?;
    refused("replace", &replaced, |replaced| {
        *replaced == Replaced::Replaced
    })?;
    let renewed = answer("renew", store.renew(&live, HOUR * 2)).await?;
    refused("renew", &renewed, |renewed| *renewed)?;
    let was_live = answer("end", store.end(&live, EndReason::Destroyed)).await?;
    refused("end", &was_live, |was_live| *was_live)?;
    let retired = answer("retire", store.retire(&live, &base)).await?;
    refused("retire", &retired, |retired| *retired == Retired::Retired)?;
    stage.read_only(false).await;
    let when = "after nothing could be written";
    stage.probe.holds(&live, b"value", when).await?;
    ensure_eq!(stage.probe.load(&fresh).await?, Loaded::Missing, "{when}");
    let replaced = stage
        .probe
        .replace(&live, &b"value"[..], &b"new"[..], HOUR)
        .await?;
    ensure_eq!(replaced, Replaced::Replaced, "writing works again");
    Ok(())
}

/// A change that cannot be made is an error of the store, neither done nor "not there".
pub(crate) fn refused<T>(what: &str, answer: &Result<T, Error>, done: impl Fn(&T) -> bool) -> Step {
    match answer {
        Ok(answer) if done(answer) => Err(Stop::failed(format_args!(
            "{what} says that it changed what cannot be written"
        ))),
        Ok(_) => Err(Stop::failed(format_args!(
            "{what} takes a store that cannot be written for a session that is not there"
        ))),
        Err(error) => {
            ensure!(
                error.is_store_trouble(),
                "{what} fails as {:?} where the store cannot be written",
                error.kind()
            );
            Ok(())
        }
    }
}
