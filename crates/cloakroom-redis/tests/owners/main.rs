//! The owner index on real servers: which keys there are and how long they live, what a call costs, and what others may have
//! left there.

mod growth;
mod keys;
#[path = "../support/mod.rs"]
mod support;
mod trouble;

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cloakroom_core::{
    EndReason, Error, ErrorKind, Loaded, OwnerIndex as _, SessionId, Store as _, Timestamp,
    owner_index::{Claimed, REVOCATION_TTL, Revision, Whose},
};
use cloakroom_redis::RedisStore;
use support::{PATIENCE, Program, Server, proxy::Proxy};

const HOUR: Duration = Duration::from_secs(3600);
const CLAIMS: &str = "ck:u:{5:sess:}hanako";
const KEEPS: &str = "ck:k:{5:sess:}hanako";
const LAST: &str = "ck:c:{5:sess:}";
const REVISION: &str = "ck:r:{5:sess:}";
const REVOCATION: &str = "ck:e:{5:sess:}hanako";

fn id(number: usize) -> SessionId {
    SessionId::parse(&format!("session-{number:06}")).unwrap()
}

/// A machine with two busy cores must not decide these tests.
async fn connect(url: String, prefix: &str) -> RedisStore {
    RedisStore::builder(url)
        .prefix(prefix)
        .command_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .connect()
        .await
        .unwrap()
}

async fn store(server: &Server) -> RedisStore {
    connect(server.url(), "sess:").await
}

async fn claim(store: &RedisStore, owner: &str, number: usize, keep: Duration) -> Timestamp {
    let claimed = store.claim(owner, &id(number), keep, None).await.unwrap();
    assert_eq!(claimed.over, []);
    claimed.at
}

async fn limited(store: &RedisStore, number: usize, limit: usize) -> Claimed {
    let limit = NonZeroUsize::new(limit);
    let claimed = store.claim("hanako", &id(number), HOUR, limit).await;
    claimed.unwrap()
}

async fn ids(store: &RedisStore, owner: &str) -> Vec<SessionId> {
    let claims = store.owned(owner).await.unwrap().claims;
    claims.into_iter().map(|claim| claim.id).collect()
}

/// What `PTTL` says.
fn left(server: &Server, key: &str) -> i64 {
    server.call(&["PTTL", key]).parse().unwrap()
}

fn keys(server: &Server, pattern: &str) -> Vec<String> {
    let keys = server.call(&["KEYS", pattern]);
    let mut keys: Vec<_> = keys.split_whitespace().map(str::to_owned).collect();
    keys.sort();
    keys
}

fn check(error: &Error, kind: ErrorKind, word: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains(word), "no {word:?} in: {shown}");
    assert!(
        !shown.contains("hanako") && !shown.contains("session-"),
        "{shown}"
    );
}
