//! Connections that the server closes, while they are idle and while calls are under way: what may be sent again is, and no
//! call hangs.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cloakroom_core::{Created, ErrorKind, Loaded, Replaced, SessionId, Store as _};
use cloakroom_redis::RedisStore;
use support::{PATIENCE, Server};

const HOUR: Duration = Duration::from_secs(3600);

const KILL: [&str; 6] = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];

fn id() -> SessionId {
    SessionId::from_random([1; 24])
}

fn value() -> Bytes {
    Bytes::from_static(b"{\"cookie\":{}}")
}

/// A store with one live session. A call that hangs fails by its deadline, and one that only a busy machine holds up
/// does not.
async fn store(server: &Server) -> RedisStore {
    let builder = RedisStore::builder(server.url())
        .command_timeout(PATIENCE)
        .connect_timeout(PATIENCE);
    let store = builder.connect().await.unwrap();
    let created = store.create(&id(), value(), HOUR).await.unwrap();
    assert_eq!(created, Created::Created);
    store
}

/// Servers close connections that are idle (`timeout`); the next visitor must not see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_server_closed_is_not_noticed() {
    let server = Server::redis();
    let store = store(&server).await;
    for round in 0..20 {
        server.call(&KILL);
        let loaded = store.load(&id()).await;
        assert!(
            matches!(loaded, Ok(Loaded::Live(_))),
            "round {round}: {loaded:?}"
        );
        server.call(&KILL);
        let replaced = store.replace(&id(), &value(), value(), HOUR).await;
        assert!(
            matches!(replaced, Ok(Replaced::Replaced)),
            "round {round}: {replaced:?}"
        );
        server.call(&KILL);
        assert!(store.renew(&id(), HOUR).await.unwrap(), "round {round}");
    }
}

/// A call that is handed over at the very moment at which its connection ends. One that lost two connections in a row says
/// so; none may wait for its deadline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_hangs_when_connections_are_closed_under_it() {
    let server = Server::redis();
    let store = store(&server).await;
    let (answered, over) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (store, answered, over) = (store.clone(), answered.clone(), over.clone());
        callers.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                match store.renew(&id(), HOUR).await {
                    Ok(there) => assert!(there),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
                }
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let mut wire = server.wire();
    for _ in 0..300 {
        wire.call(&KILL);
        let now = answered.load(Ordering::Relaxed);
        // A connection that served nobody is replaced after a pause; these are replaced at once.
        while answered.load(Ordering::Relaxed) < now + 8 && callers.len() == 4 {
            if let Some(ended) = callers.try_join_next() {
                ended.unwrap();
            }
            tokio::task::yield_now().await;
        }
    }
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
}
