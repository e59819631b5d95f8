//! A connection for each thread.

mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cloakroom_core::{Created, EndReason, Error, ErrorKind, Loaded, SessionId, Store as _};
use cloakroom_redis::{NearCache, RedisStore, RedisStoreBuilder};
use support::{PATIENCE, Server};
use tokio::{runtime, sync::Barrier};

const HOUR: Duration = Duration::from_secs(3600);

fn id(number: u8) -> SessionId {
    SessionId::from_random([number; 24])
}

fn builder(server: &Server) -> RedisStoreBuilder {
    RedisStore::builder(server.url())
        .command_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .connection_per_thread(true)
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work)
}

/// Runs on a thread of its own, which ends with it.
fn on_a_thread<T: Send>(work: impl Future<Output = T> + Send) -> T {
    thread::scope(|scope| scope.spawn(|| on_a_runtime(work)).join().unwrap())
}

async fn created(store: &RedisStore, number: u8) -> Result<Created, Error> {
    let value = Bytes::from_static(b"{}");
    store.create(&id(number), value, HOUR).await
}

async fn create(store: &RedisStore, number: u8) {
    assert_eq!(created(store, number).await.unwrap(), Created::Created);
}

#[test]
fn each_thread_has_its_own_and_all_see_the_same() {
    let server = Server::redis();
    let before = server.connections();
    let store = builder(&server).connect_lazy().unwrap();
    assert_eq!(server.connections(), before, "none before it is used");
    on_a_runtime(async {
        create(&store, 1).await;
        assert_eq!(server.connections(), before + 1);
        on_a_thread(async {
            let clone = store.clone();
            let loaded = clone.load(&id(1)).await.unwrap();
            assert!(matches!(loaded, Loaded::Live(_)));
            assert_eq!(server.connections(), before + 2);
            assert!(clone.end(&id(1), EndReason::Destroyed).await.unwrap());
            // The second call takes the same one.
            assert_eq!(server.connections(), before + 2);
        });
        let ended = store.load(&id(1)).await.unwrap();
        assert_eq!(ended, Loaded::Ended(EndReason::Destroyed));
        assert!(store.server_info().is_some());
    });
}

/// The task that keeps a connection ends with the runtime that it was started in.
#[test]
fn a_thread_that_ends_takes_its_connection_with_it() {
    let server = Server::redis();
    let before = server.connections();
    let store = builder(&server).connect_lazy().unwrap();
    for number in 0..5 {
        on_a_thread(create(&store, number));
        let start = Instant::now();
        while server.connections() > before {
            assert!(start.elapsed() < PATIENCE, "the connection stays");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// More threads than connections: some share one, and wait for each other's runtime.
#[test]
fn there_are_sixty_four_at_most() {
    let server = Server::redis();
    let store = builder(&server).connect_lazy().unwrap();
    let before = server.connections();
    let (all, store) = (&Barrier::new(81), &store);
    let made = thread::scope(|scope| {
        let threads: Vec<_> = (0..80)
            .map(|number| {
                scope.spawn(move || {
                    on_a_runtime(async {
                        let created = created(store, number).await;
                        all.wait().await;
                        all.wait().await;
                        created
                    })
                })
            })
            .collect();
        let made = on_a_runtime(async {
            all.wait().await;
            let made = server.connections() - before;
            all.wait().await;
            made
        });
        for thread in threads {
            assert_eq!(thread.join().unwrap().unwrap(), Created::Created);
        }
        made
    });
    assert_eq!(made, 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_option_threads_share_one() {
    let server = Server::redis();
    let before = server.connections();
    let store = builder(&server).connection_per_thread(false);
    let store = store.connect().await.unwrap();
    create(&store, 1).await;
    let (store, server) = (&store, &server);
    let other = async move {
        assert!(matches!(store.load(&id(1)).await, Ok(Loaded::Live(_))));
        assert_eq!(server.connections(), before + 1);
    };
    // The other thread waits for what this one drives.
    thread::scope(|scope| {
        let asking = scope.spawn(|| on_a_runtime(other));
        while !asking.is_finished() {
            tokio::task::block_in_place(|| thread::sleep(Duration::from_millis(1)));
        }
        asking.join().unwrap();
    });
}

/// Each thread's connection comes back by itself.
#[tokio::test]
async fn a_connection_that_is_lost_is_made_again_in_its_thread() {
    let server = Server::redis();
    let store = builder(&server).connect().await.unwrap();
    let before = server.connections();
    create(&store, 1).await;
    for _ in 0..3 {
        server.call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        assert!(matches!(store.load(&id(1)).await, Ok(Loaded::Live(_))));
    }
    assert_eq!(server.connections(), before);
}

#[tokio::test]
async fn a_near_cache_wants_one_connection() {
    let server = Server::redis();
    let refused = builder(&server)
        .near_cache(NearCache::new())
        .connect()
        .await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    for word in ["`connection_per_thread`", "`near_cache`"] {
        assert!(error.to_string().contains(word), "{error}");
    }
}
