//! The near cache on real servers: that it is used, that nothing stale stays in it, and what happens to it when the
//! connection, the server or its rights change.

mod bounds;
mod changes;
mod connection;
mod race;
mod scripted;
#[path = "../support/mod.rs"]
mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cloakroom_core::{
    Created, EndReason, ErrorKind, Loaded, OwnerIndex as _, Replaced, Retired, SessionId,
    Store as _, Stored,
    owner_index::{Revision, Whose},
};
use cloakroom_redis::{NearCache, RedisStore, RedisStoreBuilder};
use support::{
    PATIENCE, Program, Server,
    proxy::{Proxy, Way},
};

const HOUR: Duration = Duration::from_secs(3600);

/// The longest that can be set: what is stale is stale for as long as it can be.
const LONG: Duration = Duration::from_secs(60);

/// After how long a test is sure that what is stale stays: far less than [`LONG`], far more than a busy machine needs.
const GIVE_UP: Duration = Duration::from_secs(30);

fn id(number: usize) -> SessionId {
    SessionId::parse(&format!("session-{number:06}")).unwrap()
}

fn key(number: usize) -> String {
    format!("sess:session-{number:06}")
}

fn value(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn at(url: &str) -> RedisStoreBuilder {
    RedisStore::builder(url)
        .command_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
}

async fn cached(url: &str, options: NearCache) -> RedisStore {
    let store = at(url).near_cache(options).connect().await.unwrap();
    assert!(store.has_near_cache());
    store
}

/// A store with a near cache in which what is stale stays, and another one that stands for another process.
async fn pair(server: &Server) -> (RedisStore, RedisStore) {
    let store = cached(&server.url(), NearCache::new().max_age(LONG)).await;
    let other = at(&server.url()).connect().await.unwrap();
    assert!(!other.has_near_cache());
    (store, other)
}

async fn create(store: &RedisStore, number: usize, text: &'static str) {
    let created = store.create(&id(number), value(text), HOUR).await;
    assert_eq!(created.unwrap(), Created::Created);
}

async fn load(store: &RedisStore, number: usize) -> Loaded {
    store.load(&id(number)).await.unwrap()
}

async fn live(store: &RedisStore, number: usize) -> Stored {
    match load(store, number).await {
        Loaded::Live(stored) => stored,
        other => panic!("not live: {other:?}"),
    }
}

/// How often the server has been asked for anything that only loads ask for.
fn asked(server: &Server) -> u64 {
    let info = server.call(&["INFO", "commandstats"]);
    let calls = |line: &str| {
        let rest = line.strip_prefix("cmdstat_pttl:calls=")?;
        rest.split(',').next()?.parse::<u64>().ok()
    };
    info.lines().find_map(calls).unwrap_or(0)
}

/// Loads until the answer comes from the cache: what was changed just now may still be spoken against.
async fn warm(server: &Server, store: &RedisStore, number: usize) {
    let start = Instant::now();
    loop {
        assert!(
            start.elapsed() < GIVE_UP,
            "nothing is answered from the cache"
        );
        live(store, number).await;
        let before = asked(server);
        live(store, number).await;
        if asked(server) == before {
            return;
        }
    }
}

/// Waits until `condition` holds.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < GIVE_UP, "{what}: not in {GIVE_UP:?}");
        tokio::task::yield_now().await;
    }
    start.elapsed()
}
