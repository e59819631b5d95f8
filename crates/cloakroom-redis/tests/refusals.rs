//! Servers that answer, and refuse: what the caller is told, what still works, and how soon the rest does again. What the
//! store may need is measured by a clock that stands still while the machine is busy with others.

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use cloakroom_core::{
    Created, EndReason, Error, ErrorKind, Loaded, Replaced, Retired, SessionId, Store as _,
};
use cloakroom_redis::{RedisStore, RedisStoreBuilder};
use support::{PATIENCE, Program, Server, awake::Awake, proxy::Proxy};

const HOUR: Duration = Duration::from_secs(3600);

/// How soon the store works again when the server does, with what the server and the test itself may add.
const RECOVERY: Duration = Duration::from_millis(1800);

fn id(number: u8) -> SessionId {
    SessionId::from_random([number; 24])
}

fn value() -> Bytes {
    Bytes::from_static(b"{\"cookie\":{}}")
}

/// Options with deadlines that a busy machine does not reach.
fn at(url: &str) -> RedisStoreBuilder {
    RedisStore::builder(url)
        .command_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
}

/// A store with one live session, `id(1)`.
async fn store(url: &str) -> RedisStore {
    let store = at(url).connect().await.unwrap();
    let created = store.create(&id(1), value(), HOUR).await.unwrap();
    assert_eq!(created, Created::Created);
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_busy_with_a_script() {
    let server = Server::start(Program::Redis, &["--busy-reply-threshold", "20"]);
    let store = store(&server.url()).await;
    let mut wire = server.wire();
    wire.send(&["EVAL", "while true do end", "0"]).unwrap();
    let start = Instant::now();
    let error = loop {
        match store.load(&id(1)).await {
            Ok(_) => assert!(start.elapsed() < PATIENCE, "the server is not busy"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("BUSY"), "{error}");
    server.call(&["SCRIPT", "KILL"]);
    let start = Awake::now();
    while store.load(&id(1)).await.is_err() {
        assert!(start.elapsed() < RECOVERY, "still busy");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("BUSY: back after {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_loading() {
    let server = Server::redis();
    let store = store(&server.url()).await;
    for number in 0..2000 {
        server.call(&["SET", &format!("filler:{number}"), &"x".repeat(100)]);
    }
    server.call(&["SAVE"]);
    server.kill();
    server.restart(&[
        "--key-load-delay",
        "1000",
        "--loading-process-events-interval-bytes",
        "1024",
    ]);
    let start = Instant::now();
    let mut loading = 0;
    loop {
        assert!(start.elapsed() < PATIENCE, "the store does not come back");
        match store.load(&id(1)).await {
            Ok(loaded) => {
                assert!(matches!(loaded, Loaded::Live(_)));
                break;
            }
            Err(error) => {
                assert!(matches!(
                    error.kind(),
                    ErrorKind::Unavailable | ErrorKind::Timeout
                ));
                loading += usize::from(error.to_string().contains("LOADING"));
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!(
        "LOADING: {loading} calls said so; back {:?} after the server's start",
        start.elapsed()
    );
    assert!(loading > 0, "no call met a server that is loading");
}

/// aspnetcore#38046: reading goes on during a failover, and what cannot be deleted again is no error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_goes_on_on_a_read_only_replica() {
    let server = Server::redis();
    let store = store(&server.url()).await;
    store.end(&id(3), EndReason::Rotated).await.unwrap();
    server.call(&["SET", &format!("sess:{}", id(3).as_str()), "brought back"]);
    server.call(&["REPLICAOF", "127.0.0.1", "1"]);
    for _ in 0..20 {
        assert!(matches!(store.load(&id(1)).await.unwrap(), Loaded::Live(_)));
        assert_eq!(
            store.load(&id(3)).await.unwrap(),
            Loaded::Ended(EndReason::Rotated)
        );
        for number in [1, 2, 3] {
            let error = visit_live(&store, number).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.to_string().contains("READONLY"), "{error}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.call(&["REPLICAOF", "NO", "ONE"]);
    let start = Awake::now();
    while visit_live(&store, 1).await.is_err() {
        assert!(start.elapsed() < RECOVERY);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("READONLY: writing works again after {:?}", start.elapsed());
}

/// A write to the live session.
async fn visit_live(store: &RedisStore, number: u8) -> Result<(), Error> {
    let id = id(1);
    match number {
        1 => store.replace(&id, &value(), value(), HOUR).await.map(drop),
        2 => store.renew(&id, HOUR).await.map(drop),
        _ => store.end(&id, EndReason::Destroyed).await.map(drop),
    }
}

/// After a failover the same name leads to another server. A connection to the old one, now a replica, would stay there for
/// ever: nothing breaks it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_primary_is_left_for_the_new_one() {
    let (old, new) = (Server::redis(), Server::redis());
    let proxy = Proxy::to(old.port).await;
    let store = store(&proxy.url()).await;
    new.call(&[
        "SET",
        &format!("sess:{}", id(1).as_str()),
        "{\"cookie\":{}}",
    ]);
    old.call(&["REPLICAOF", "127.0.0.1", "1"]);
    proxy.lead_to(new.port);
    let start = Awake::now();
    while visit_live(&store, 1).await.is_err() {
        assert!(start.elapsed() < RECOVERY, "still at the old primary");
        assert!(store.load(&id(1)).await.is_ok(), "reading is disturbed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("failover: at the new primary after {:?}", start.elapsed());
}

/// R10: what takes memory is refused, and signing out is not among it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_a_server_without_memory_still_signs_out() {
    for server in [Server::redis(), Server::valkey()] {
        let store = store(&server.url()).await;
        for number in [2, 3] {
            let made = store.create(&id(number), value(), HOUR).await.unwrap();
            assert_eq!(made, Created::Created);
        }
        server.call(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        server.call(&["CONFIG", "SET", "maxmemory", "1"]);
        assert!(matches!(store.load(&id(1)).await.unwrap(), Loaded::Live(_)));
        let replaced = store.replace(&id(1), &value(), value(), HOUR).await;
        for error in [
            store.create(&id(4), value(), HOUR).await.unwrap_err(),
            replaced.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.to_string().contains("OOM"), "{error}");
        }
        assert!(store.renew(&id(1), HOUR).await.unwrap());
        assert!(store.end(&id(2), EndReason::Destroyed).await.unwrap());
        let retired = store.retire(&id(3), &value()).await.unwrap();
        assert_eq!(retired, Retired::Retired);
        for (number, reason) in [(2, EndReason::Destroyed), (3, EndReason::Rotated)] {
            let found = store.load(&id(number)).await.unwrap();
            assert_eq!(found, Loaded::Ended(reason));
        }
        server.call(&["CONFIG", "SET", "maxmemory", "0"]);
        let replaced = store.replace(&id(1), &value(), value(), HOUR).await;
        assert_eq!(replaced.unwrap(), Replaced::Replaced);
    }
}

/// A server whose cache of scripts is emptied, by command or by a restart, is survived within the call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgotten_scripts_are_sent_again_within_the_call() {
    let server = Server::redis();
    let store = store(&server.url()).await;
    for number in 10..20 {
        server.call(&["SCRIPT", "FLUSH"]);
        let created = store.create(&id(number), value(), HOUR).await.unwrap();
        assert_eq!(created, Created::Created);
        server.call(&["SCRIPT", "FLUSH"]);
        let replaced = store
            .replace(&id(number), &value(), value(), HOUR)
            .await
            .unwrap();
        assert_eq!(replaced, Replaced::Replaced);
        server.call(&["SCRIPT", "FLUSH"]);
        assert!(store.end(&id(number), EndReason::Destroyed).await.unwrap());
    }
}

/// Nothing queues up: what is beyond the bound fails at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_under_way_are_bounded() {
    let server = Server::redis();
    let store = at(&server.url()).max_in_flight(4).connect().await;
    let store = store.unwrap();
    server.freeze();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..40 {
        let store = store.clone();
        calls.spawn(async move { store.load(&id(number)).await });
    }
    for _ in 0..36 {
        let error = calls.join_next().await.unwrap().unwrap().unwrap_err();
        assert!(error.to_string().contains("max_in_flight"), "{error}");
    }
    server.thaw();
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.unwrap().unwrap(), Loaded::Missing);
    }
}
