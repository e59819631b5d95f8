//! The memory store keeps the law of stores, and does not leak.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom::memory::MemoryStore;
use cloakroom_contract::{Capability, Handle, Opened, StoreFactory};
use cloakroom_core::{
    Created, EndReason, Error, ErrorKind, Loaded, SessionId, Store, Timestamp,
    store::TOMBSTONE_TTL, time::ManualClock,
};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn virtual_clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_millis(1_764_105_578_229)))
}

fn id(number: u32) -> SessionId {
    SessionId::parse(&format!("session-{number}")).unwrap()
}

fn handle(store: MemoryStore) -> Handle {
    let store = Arc::new(store);
    Handle::full(store.clone()).with_owner_index(store)
}

struct Memory;

#[async_trait]
impl StoreFactory for Memory {
    async fn open(&self) -> Result<Opened, Error> {
        let clock = virtual_clock();
        let store = MemoryStore::new().with_clock(clock.clone());
        let beside = clock.clone();
        let others: Mutex<HashMap<String, MemoryStore>> = Mutex::default();
        let why = "what is in memory only is gone with the process";
        Ok(Opened::new(handle(store))
            .virtual_time(move |by| clock.advance(by))
            .on_sibling(move |name| {
                let mut others = others.lock().unwrap();
                let other = others
                    .entry(name)
                    .or_insert_with(|| MemoryStore::new().with_clock(beside.clone()));
                let other = handle(other.clone());
                async move { Ok(other) }
            })
            .without(Capability::Reopen, why)
            .without(Capability::KillProcess, why)
            .without(Capability::Outage, "memory is always there")
            .without(Capability::ReadOnly, "memory can always be written"))
    }
}

cloakroom_contract::store_contract!(Memory);

/// express-session#284: the memory store there keeps whatever is not asked for again.
#[test]
fn expired_sessions_leave_memory_without_being_asked_for() {
    let store = MemoryStore::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let value = Bytes::from_static(b"value");
        for number in 0..50_000 {
            let ttl = Duration::from_secs(1);
            store.create(&id(number), value.clone(), ttl).await.unwrap();
        }
        store.create(&id(50_000), value, HOUR).await.unwrap();
    });
    // No call on the store and no runtime from here on.
    drop(runtime);
    let patience = Instant::now() + Duration::from_secs(30);
    while store.entries() > 1 {
        assert!(
            Instant::now() < patience,
            "{} entries are left",
            store.entries()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(store.entries(), 1, "the live session is kept");
}

#[tokio::test]
async fn tombstones_leave_memory_too() {
    let clock = virtual_clock();
    let store = MemoryStore::new().with_clock(clock.clone());
    for number in 0..1000 {
        store.end(&id(number), EndReason::Destroyed).await.unwrap();
    }
    assert_eq!(store.entries(), 1000);
    clock.advance(TOMBSTONE_TTL);
    let patience = Instant::now() + Duration::from_secs(30);
    while store.entries() > 0 {
        assert!(
            Instant::now() < patience,
            "{} entries are left",
            store.entries()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn each_change_sweeps_more_than_it_adds() {
    let clock = virtual_clock();
    let store = MemoryStore::new().with_clock(clock.clone());
    let value = Bytes::from_static(b"value");
    for number in 0..400 {
        let ttl = Duration::from_secs(1);
        store.create(&id(number), value.clone(), ttl).await.unwrap();
    }
    clock.advance(HOUR);
    for number in 1000..1200 {
        let created = store.create(&id(number), value.clone(), HOUR).await;
        created.unwrap();
    }
    assert_eq!(store.entries(), 200);
}

#[tokio::test]
async fn a_full_store_refuses_newcomers_and_keeps_everybody() {
    let clock = virtual_clock();
    let store = MemoryStore::new().max_sessions(3).with_clock(clock.clone());
    let value = Bytes::from_static(b"value");
    for number in 0..3 {
        let ttl = HOUR * (number + 1);
        store.create(&id(number), value.clone(), ttl).await.unwrap();
    }
    let error = store.create(&id(3), value.clone(), HOUR).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("max_sessions"), "{error}");
    for number in 0..3 {
        let loaded = store.load(&id(number)).await.unwrap();
        assert!(matches!(loaded, Loaded::Live(_)), "{number}: {loaded:?}");
    }
    // What is there already is still Taken, may change, and makes room when it ends.
    let taken = store.create(&id(0), value.clone(), HOUR).await.unwrap();
    assert_eq!(taken, Created::Taken);
    assert!(store.renew(&id(2), HOUR * 9).await.unwrap());
    assert!(store.end(&id(1), EndReason::Destroyed).await.unwrap());
    store.create(&id(3), value.clone(), HOUR).await.unwrap();
    // So does what expires, before anybody sweeps.
    clock.advance(HOUR);
    store.create(&id(4), value.clone(), HOUR).await.unwrap();
    store.create(&id(5), value.clone(), HOUR).await.unwrap();
    let error = store.create(&id(6), value, HOUR).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
}

#[tokio::test]
async fn a_store_full_of_what_is_over_has_room() {
    let clock = virtual_clock();
    let store = MemoryStore::new().max_sessions(3).with_clock(clock.clone());
    let value = Bytes::from_static(b"value");
    // More tombstones than a change sweeps on its way are due before the sessions are.
    for number in 100..150 {
        store.end(&id(number), EndReason::Destroyed).await.unwrap();
    }
    for number in 0..3 {
        store
            .create(&id(number), value.clone(), HOUR)
            .await
            .unwrap();
    }
    clock.advance(HOUR);
    store.create(&id(3), value, HOUR).await.unwrap();
}

#[tokio::test]
async fn the_store_ends_with_its_last_handle() {
    let clock = virtual_clock();
    let store = MemoryStore::new().with_clock(clock.clone());
    let value = Bytes::from_static(b"value");
    store.create(&id(0), value, HOUR).await.unwrap();
    drop(store);
    // The store and its background thread hold the clock; the test's own handle is left.
    let patience = Instant::now() + Duration::from_secs(30);
    while Arc::strong_count(&clock) > 1 {
        assert!(Instant::now() < patience, "somebody keeps the store");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn r29_debug_shows_no_id_and_no_value() {
    let store = MemoryStore::new();
    let value = Bytes::from_static(b"secret value");
    store.create(&id(7), value, HOUR).await.unwrap();
    let shown = format!("{store:?}");
    assert!(!shown.contains("session-7"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
}
