//! What goes wrong between here and a server, each fault on a real server: every call is answered within its deadline and
//! says what is wrong, and the store comes back by itself soon after the server. The times are printed.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use cloakroom_core::{
    Created, EndReason, Error, ErrorKind, Loaded, OwnerIndex as _, Replaced, Retired, SessionId,
    Store as _, owner_index::Whose, store::Scan as _,
};
use cloakroom_redis::RedisStore;
use support::{
    Program, Server,
    proxy::{Proxy, Way},
};

const HOUR: Duration = Duration::from_secs(3600);

/// The default of `command_timeout`.
const DEADLINE: Duration = Duration::from_millis(400);

/// What a machine with two busy cores may add to any time.
const SLACK: Duration = Duration::from_millis(800);

const VISITORS: u8 = 10;

const OWNER: &str = "hanako";

fn id(number: u8) -> SessionId {
    SessionId::from_random([number; 24])
}

fn value() -> Bytes {
    Bytes::from_static(b"{\"cookie\":{}}")
}

/// A store with one live session, `id(1)`.
async fn store(url: &str) -> RedisStore {
    let store = RedisStore::connect(url).await.unwrap();
    let created = store.create(&id(1), value(), HOUR).await.unwrap();
    assert_eq!(created, Created::Created);
    store
}

/// What all visitors saw during a fault.
#[derive(Default)]
struct Seen {
    slowest: Duration,
    answered: usize,
    failed: Vec<Error>,
}

/// Visitors that keep calling until they are told to stop, one for each call that there is.
struct Visitors {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Seen>>,
}

impl Visitors {
    fn come(store: &RedisStore) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..VISITORS).map(|number| {
            let (store, stop) = (store.clone(), stop.clone());
            tokio::spawn(async move {
                let mut seen = Seen::default();
                while !stop.load(Ordering::SeqCst) {
                    let start = Instant::now();
                    let answer = visit(&store, number).await;
                    seen.slowest = seen.slowest.max(start.elapsed());
                    match answer {
                        Ok(()) => seen.answered += 1,
                        Err(error) => seen.failed.push(error),
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                seen
            })
        });
        Self {
            tasks: tasks.collect(),
            stop,
        }
    }

    async fn leave(self) -> Seen {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Seen::default();
        for task in self.tasks {
            let seen = task.await.unwrap();
            all.slowest = all.slowest.max(seen.slowest);
            all.answered += seen.answered;
            all.failed.extend(seen.failed);
        }
        all
    }
}

async fn visit(store: &RedisStore, number: u8) -> Result<(), Error> {
    let id = id(100 + number);
    match number {
        0 => store.load(&id).await.map(drop),
        1 => store.replace(&id, &value(), value(), HOUR).await.map(drop),
        2 => store.renew(&id, HOUR).await.map(drop),
        3 => store.end(&id, EndReason::Destroyed).await.map(drop),
        4 => store.load_with_revision(&id).await.map(drop),
        5 => store.claim(OWNER, &id, HOUR, None).await.map(drop),
        6 => store.owned(OWNER).await.map(drop),
        7 => store.release(OWNER, &[id]).await,
        8 => store.revoke(Whose::Owner(OWNER)).await.map(drop),
        _ => store.revoked_at(OWNER).await.map(drop),
    }
}

/// Polls until the session is there again.
async fn recovery(store: &RedisStore) -> Duration {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if store.load(&id(1)).await.is_ok() {
            return start.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the store does not come back");
}

/// One fault from its beginning to the store's recovery.
async fn outage(what: &str, store: &RedisStore, begin: impl FnOnce(), end: impl FnOnce()) {
    assert!(matches!(store.load(&id(1)).await.unwrap(), Loaded::Live(_)));
    begin();
    let visitors = Visitors::come(store);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let listed = store.scan(None, 10).await;
    assert!(listed.is_err(), "{what}: a listing succeeds");
    let seen = visitors.leave().await;
    end();
    let recovered = recovery(store).await;
    println!(
        "{what}: {} calls failed, the slowest after {:?}; back after {recovered:?}",
        seen.failed.len(),
        seen.slowest
    );
    assert_eq!(seen.answered, 0, "{what}: a call was answered");
    assert!(
        seen.slowest < DEADLINE + SLACK,
        "{what}: {:?}",
        seen.slowest
    );
    assert!(
        recovered < Duration::from_secs(1) + SLACK,
        "{what}: {recovered:?}"
    );
    // Calls fail at once when the fault is known: each visitor waits for one deadline or two.
    assert!(
        seen.failed.len() > usize::from(VISITORS) * 10,
        "{what}: {} calls",
        seen.failed.len()
    );
    for error in seen.failed {
        let kind = error.kind();
        assert!(
            matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout),
            "{what}: {error}"
        );
        assert!(error.to_string().contains("redis://127.0.0.1"), "{error}");
    }
    // Everything works again, scripts included.
    let fresh = id(2);
    let created = store.create(&fresh, value(), HOUR).await.unwrap();
    assert_eq!(created, Created::Created);
    assert!(store.end(&fresh, EndReason::Rotated).await.unwrap());
    let at = store.claim(OWNER, &fresh, HOUR, None).await.unwrap().at;
    assert!(store.revoke(Whose::Everybody).await.unwrap() > at);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_that_starts_again() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let store = store(&server.url()).await;
        let start = || server.restart(&[]);
        outage(
            &format!("kill -9 of {program:?}"),
            &store,
            || server.kill(),
            start,
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server() {
    let server = Server::redis();
    let store = store(&server.url()).await;
    outage("SIGSTOP", &store, || server.freeze(), || server.thaw()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_reset() {
    let server = Server::redis();
    let proxy = Proxy::to(server.port).await;
    let store = store(&proxy.url()).await;
    let (reset, open) = (|| proxy.set(Way::Reset), || proxy.set(Way::Open));
    outage("reset", &store, reset, open).await;
}

/// The client library alone never leaves a connection whose packets vanish: nothing ever says that it is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole() {
    let server = Server::redis();
    let proxy = Proxy::to(server.port).await;
    let store = store(&proxy.url()).await;
    let (hole, open) = (|| proxy.set(Way::BlackHole), || proxy.set(Way::Open));
    outage("black hole", &store, hole, open).await;
}

/// A caller with a shorter deadline drops its calls before the store's own deadline. The silence counts all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole_is_found_out_by_impatient_callers() {
    let server = Server::redis();
    let proxy = Proxy::to(server.port).await;
    let store = store(&proxy.url()).await;
    proxy.set(Way::BlackHole);
    let mut failed_by_itself = false;
    for _ in 0..40 {
        let answer = tokio::time::timeout(Duration::from_millis(100), store.load(&id(1))).await;
        failed_by_itself |= matches!(answer, Ok(Err(_)));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        failed_by_itself,
        "the store never noticed that nobody gets an answer"
    );
    proxy.set(Way::Open);
    let recovered = recovery(&store).await;
    println!("black hole, impatient callers: back after {recovered:?}");
    assert!(recovered < Duration::from_secs(1) + SLACK);
}

/// Routers forget connections that are idle. It is found out before a visitor has to wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_that_died_is_found_out_before_it_is_used() {
    let server = Server::redis();
    let proxy = Proxy::to(server.port).await;
    let store = store(&proxy.url()).await;
    proxy.set(Way::BlackHole);
    tokio::time::sleep(Duration::from_millis(6500)).await;
    assert_eq!(store.server_info(), None);
    let error = store.load(&id(1)).await.unwrap_err();
    assert!(error.to_string().contains("out of reach"), "{error}");
    proxy.set(Way::Open);
    recovery(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_sleeps() {
    let server = Server::redis();
    let store = store(&server.url()).await;
    let mut wire = server.wire();
    wire.send(&["DEBUG", "SLEEP", "1.6"]).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let visitors = Visitors::come(&store);
    tokio::time::sleep(Duration::from_millis(1300)).await;
    let seen = visitors.leave().await;
    wire.receive().unwrap().unwrap();
    let recovered = recovery(&store).await;
    println!(
        "DEBUG SLEEP: the slowest call failed after {:?}; back after {recovered:?}",
        seen.slowest
    );
    assert!(seen.slowest < DEADLINE + SLACK, "{:?}", seen.slowest);
    assert!(recovered < Duration::from_secs(1) + SLACK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_busy_with_a_script() {
    let server = Server::start(Program::Redis, &["--busy-reply-threshold", "20"]);
    let store = store(&server.url()).await;
    let mut wire = server.wire();
    wire.send(&["EVAL", "while true do end", "0"]).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let error = store.load(&id(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("BUSY"), "{error}");
    server.call(&["SCRIPT", "KILL"]);
    let recovered = recovery(&store).await;
    println!("BUSY: back after {recovered:?}");
    assert!(recovered < Duration::from_secs(1) + SLACK);
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
    while start.elapsed() < Duration::from_secs(20) {
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
    let start = Instant::now();
    while visit_live(&store, 1).await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(1) + SLACK);
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
    let start = Instant::now();
    while visit_live(&store, 1).await.is_err() {
        assert!(
            start.elapsed() < Duration::from_secs(1) + SLACK,
            "still at the old primary"
        );
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

/// Servers close connections that are idle (`timeout`); the next visitor must not see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_server_closed_is_not_noticed() {
    let server = Server::redis();
    let store = store(&server.url()).await;
    for round in 0..20 {
        server.call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        let loaded = store.load(&id(1)).await;
        assert!(
            matches!(loaded, Ok(Loaded::Live(_))),
            "round {round}: {loaded:?}"
        );
        server.call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        let replaced = store.replace(&id(1), &value(), value(), HOUR).await;
        assert!(matches!(replaced, Ok(Replaced::Replaced)), "{replaced:?}");
        server.call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        assert!(store.renew(&id(1), HOUR).await.unwrap(), "round {round}");
    }
}

/// Nothing queues up: what is beyond the bound fails at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_under_way_are_bounded() {
    let server = Server::redis();
    let store = RedisStore::builder(server.url())
        .max_in_flight(4)
        .connect()
        .await
        .unwrap();
    server.freeze();
    let calls: Vec<_> = (0..40)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.load(&id(number)).await.unwrap_err() })
        })
        .collect();
    let mut crowded = 0;
    for call in calls {
        let error = call.await.unwrap();
        crowded += usize::from(error.to_string().contains("max_in_flight"));
    }
    assert_eq!(crowded, 36);
    server.thaw();
    recovery(&store).await;
}
