//! Listing the live sessions: [`Scan`](cloakroom_core::store::Scan).

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use cloakroom_core::{EndReason, SessionId, store::Scan};

use crate::{
    Capability, StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    probe::{HOUR, Probe, fresh_id, open_with, same_bytes, scan},
};

/// "About `limit`": Redis' SCAN may give somewhat more than it was asked for.
fn most(limit: usize) -> usize {
    limit * 4 + 16
}

async fn all(scanner: &dyn Scan, limit: usize) -> Step<BTreeMap<SessionId, Bytes>> {
    let mut found = BTreeMap::new();
    let mut cursor = None;
    for _ in 0..10_000 {
        let page = scan(scanner, cursor, limit).await?;
        ensure!(
            page.sessions.len() <= most(limit),
            "a page of about {limit} sessions has {}",
            page.sessions.len()
        );
        found.extend(
            page.sessions
                .into_iter()
                .map(|(id, stored)| (id, stored.value)),
        );
        cursor = page.next;
        if cursor.is_none() {
            return Ok(found);
        }
    }
    Err(Stop::failed("a scan is not over after 10,000 pages"))
}

/// Exactly the live sessions, whatever the size of a page. Listings by an index name sessions long gone
/// (spring-session#2230) or miss some.
pub(crate) async fn it_lists_exactly_the_live_sessions(factory: &dyn StoreFactory) -> Step {
    const SESSIONS: usize = 230;
    let stage = open_with(factory, &[Capability::Scan]).await?;
    let scanner = stage.scanner()?;
    ensure!(
        all(&*scanner, 10).await?.is_empty(),
        "an empty store lists sessions"
    );
    let mut live = BTreeMap::new();
    for number in 0..SESSIONS {
        let (id, gone, retired, over) = (fresh_id(), fresh_id(), fresh_id(), fresh_id());
        let value = Bytes::from(format!("\0value {number}\u{ff}"));
        stage.probe.make(&id, value.clone(), HOUR).await?;
        live.insert(id, value);
        if number % 5 == 0 {
            stage.probe.make(&gone, &b"gone"[..], HOUR).await?;
            stage.probe.end(&gone, EndReason::Destroyed).await?;
            stage.probe.make(&retired, &b"gone"[..], HOUR).await?;
            stage.probe.retire(&retired, &b"gone"[..]).await?;
            stage.probe.make(&over, &b"over"[..], stage.short()).await?;
        }
    }
    stage.pass(stage.short()).await;
    for limit in [1, 7, 100, SESSIONS, 100_000] {
        let found = all(&*scanner, limit).await?;
        for (id, value) in &live {
            let listed = found.get(id);
            let listed = listed.ok_or_else(|| {
                Stop::failed(format_args!(
                    "in pages of {limit} a live session is not listed"
                ))
            })?;
            same_bytes(listed, value, "in a listing")?;
        }
        ensure_eq!(
            found.len(),
            live.len(),
            "in pages of {limit}, the sessions listed"
        );
    }
    Ok(())
}

/// What a page says of a session is what `load` says.
pub(crate) async fn it_says_how_long_each_session_lives(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::Scan]).await?;
    let scanner = stage.scanner()?;
    for hours in 1..5 {
        let id = fresh_id();
        stage.probe.make(&id, &b"value"[..], HOUR * hours).await?;
    }
    let mut cursor = None;
    loop {
        let page = scan(&*scanner, cursor, 2).await?;
        for (id, listed) in page.sessions {
            let stored = stage.probe.live(&id, "when it is listed").await?;
            same_bytes(&listed.value, &stored.value, "in a listing")?;
            let (Some(listed), Some(loaded)) = (listed.remaining, stored.remaining) else {
                return Err(Stop::failed(
                    "a listing does not say how long a session lives",
                ));
            };
            ensure!(
                listed >= loaded && listed - loaded < HOUR / 2,
                "a listing says that a session lives {listed:?}, load says {loaded:?}"
            );
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

/// A session that is live from the first page to the last is listed at least once, whatever others do meanwhile. With
/// an offset for a cursor, each session that ends on an earlier page hides one on a later page.
pub(crate) async fn it_is_complete_under_concurrent_writes(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::Scan]).await?;
    let scanner = stage.scanner()?;
    for _ in 0..120 {
        stage.probe.make(&fresh_id(), &b"value"[..], HOUR).await?;
    }
    // Every third session that a page shows ends before the next page.
    let everything = all(&*scanner, 50).await?;
    let mut gone = BTreeSet::new();
    let mut listed = BTreeSet::new();
    let mut cursor = None;
    for _ in 0..1000 {
        let page = scan(&*scanner, cursor, 4).await?;
        for (number, (id, _)) in page.sessions.into_iter().enumerate() {
            if number % 3 == 0 {
                stage.probe.end(&id, EndReason::Destroyed).await?;
                gone.insert(id.clone());
            }
            listed.insert(id);
        }
        stage.probe.make(&fresh_id(), &b"new"[..], HOUR).await?;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    ensure_eq!(cursor, None, "where a listing goes on after 1000 pages");
    let steady = everything.into_keys().filter(|id| !gone.contains(id));
    let steady: Vec<SessionId> = steady.collect();
    let missed = steady.iter().filter(|id| !listed.contains(id)).count();
    ensure_eq!(
        missed,
        0,
        "live sessions that a listing missed because others ended"
    );

    // The same with others at work all the time.
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (probe, stop) = (stage.probe.clone(), stop.clone());
        tokio::spawn(async move { disturb(&probe, &stop).await })
    };
    let mut lists = Vec::new();
    for limit in [1, 4, 9] {
        lists.push(all(&*scanner, limit).await?);
    }
    stop.store(true, Ordering::SeqCst);
    match writer.await {
        Ok(answer) => answer?,
        Err(error) => return Err(Stop::failed(format_args!("a caller panicked: {error}"))),
    }
    for found in lists {
        let missed = steady.iter().filter(|id| !found.contains_key(id)).count();
        ensure_eq!(
            missed,
            0,
            "live sessions that a listing under concurrent writes missed"
        );
    }
    Ok(())
}

/// Creates, renews and ends sessions until it is stopped. At most two thousand, so that the listing gets to its end.
async fn disturb(probe: &Probe, stop: &AtomicBool) -> Step {
    let mut doomed = VecDeque::new();
    for _ in 0..2000 {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let id = fresh_id();
        probe.make(&id, &b"new"[..], HOUR).await?;
        probe.renew(&id, HOUR * 2).await?;
        doomed.push_back(id);
        if doomed.len() > 20
            && let Some(id) = doomed.pop_front()
        {
            probe.end(&id, EndReason::Destroyed).await?;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// A listing is of one namespace.
pub(crate) async fn it_lists_its_own_namespace_alone(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::Scan, Capability::Siblings]).await?;
    let (mine, other) = (stage.sibling("mine").await?, stage.sibling("other").await?);
    let (Some(scanner), Some(_)) = (mine.scan, other.scan) else {
        return Err(Stop::Skipped("its siblings have no Scan".to_owned()));
    };
    let (mine, other) = (Probe(mine.store), Probe(other.store));
    let id = fresh_id();
    mine.make(&id, &b"mine"[..], HOUR).await?;
    other.make(&id, &b"other"[..], HOUR).await?;
    for _ in 0..20 {
        other.make(&fresh_id(), &b"other"[..], HOUR).await?;
    }
    let found = all(&*scanner, 5).await?;
    ensure_eq!(
        found.len(),
        1,
        "sessions listed in a namespace that has one"
    );
    let value = found.get(&id);
    ensure!(
        value.is_some_and(|value| **value == *b"mine"),
        "the one session listed is not the namespace's own"
    );
    Ok(())
}

/// Cursors come back from a command line or a link. One that no page gave is an error or some page, and no panic.
pub(crate) async fn a_foreign_cursor_does_no_harm(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::Scan]).await?;
    let scanner = stage.scanner()?;
    let id = fresh_id();
    stage.probe.make(&id, &b"value"[..], HOUR).await?;
    for cursor in [
        "",
        "0",
        "x",
        "\0",
        "é",
        "-1",
        "%",
        "'",
        "99999999999999999999999999",
    ] {
        let page = scanner.scan(Some(cursor.to_owned()), 10);
        let answer = crate::probe::answer("scan", page).await?;
        let sessions = answer.map(|page| page.sessions).unwrap_or_default();
        ensure!(
            sessions.iter().all(|(listed, _)| *listed == id),
            "the cursor {cursor:?} lists what is not there"
        );
    }
    scan(&*scanner, None, 0).await?;
    scan(&*scanner, None, usize::MAX).await?;
    let found = all(&*scanner, 10).await?;
    ensure_eq!(found.len(), 1, "sessions listed after foreign cursors");
    Ok(())
}
