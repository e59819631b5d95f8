//! What goes wrong between here and a server, each fault on a real server: every call is answered within its deadline and
//! says what is wrong, and the store comes back by itself soon after the server. The times are printed. What the store may
//! need is measured by a clock that stands still while the machine is busy with others.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use cloakroom_core::{
    EndReason, Error, ErrorKind, Loaded, OwnerIndex as _, SessionId, Store as _,
    owner_index::Whose, store::Scan as _,
};
use cloakroom_redis::RedisStore;
use support::{
    PATIENCE, Program, Server,
    awake::Awake,
    proxy::{Proxy, Way},
};

const HOUR: Duration = Duration::from_secs(3600);

/// The default of `command_timeout`.
const DEADLINE: Duration = Duration::from_millis(400);

/// How soon after the server's return the store must be back.
const RECOVERY: Duration = Duration::from_secs(1);

/// What the server, the proxy and the test itself may add to any time.
const SLACK: Duration = Duration::from_millis(800);

const VISITORS: u8 = 10;

const OWNER: &str = "hanako";
/// A call that took longer has waited for an answer; one that was told at once has not.
const WAITED: Duration = Duration::from_millis(200);

fn id(number: u8) -> SessionId {
    SessionId::from_random([number; 24])
}

fn value() -> Bytes {
    Bytes::from_static(b"{\"cookie\":{}}")
}

/// A store with the default deadlines and one live session, `id(1)`. How long it takes to get there is nobody's subject.
async fn store(url: &str) -> RedisStore {
    let store = RedisStore::builder(url).connect_lazy().unwrap();
    in_the_end("a session", async || {
        store.create(&id(1), value(), HOUR).await
    })
    .await;
    store
}

/// Tries until it succeeds.
async fn in_the_end<T>(what: &str, attempt: impl AsyncFn() -> Result<T, Error>) -> T {
    let start = Instant::now();
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{what}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What all visitors saw during a fault.
#[derive(Default)]
struct Seen {
    slowest: Duration,
    waited: usize,
    answered: usize,
    failed: Vec<Error>,
}

/// Visitors that keep calling until they are told to stop, one for each call that there is.
struct Visitors {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<Seen>>,
}

impl Visitors {
    fn come(store: &RedisStore) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let calls = Arc::new(AtomicUsize::new(0));
        let tasks = (0..VISITORS).map(|number| {
            let (store, stop, calls) = (store.clone(), stop.clone(), calls.clone());
            tokio::spawn(async move {
                let mut seen = Seen::default();
                while !stop.load(Ordering::SeqCst) {
                    let start = Awake::now();
                    let answer = visit(&store, number).await;
                    let took = start.elapsed();
                    calls.fetch_add(1, Ordering::SeqCst);
                    seen.slowest = seen.slowest.max(took);
                    seen.waited += usize::from(took > WAITED);
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
            calls,
        }
    }

    /// Waits until they have called so often.
    async fn called(&self, times: usize) {
        let start = Instant::now();
        while self.calls.load(Ordering::SeqCst) < times {
            assert!(start.elapsed() < PATIENCE, "the visitors' calls hang");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn leave(self) -> Seen {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Seen::default();
        for task in self.tasks {
            let seen = task.await.unwrap();
            all.slowest = all.slowest.max(seen.slowest);
            all.waited += seen.waited;
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
    let start = Awake::now();
    in_the_end("the store does not come back", async || {
        store.load(&id(1)).await
    })
    .await;
    start.elapsed()
}

/// One fault from its beginning to the store's recovery.
async fn outage(what: &str, store: &RedisStore, begin: impl FnOnce(), end: impl FnOnce()) {
    let there = in_the_end(what, async || store.load(&id(1)).await).await;
    assert!(matches!(there, Loaded::Live(_)));
    begin();
    let visitors = Visitors::come(store);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    visitors.called(usize::from(VISITORS) * 20).await;
    let listed = store.scan(None, 10).await;
    assert!(listed.is_err(), "{what}: a listing succeeds");
    let seen = visitors.leave().await;
    end();
    let recovered = recovery(store).await;
    println!(
        "{what}: {} calls failed, the slowest after {:?}, {} waited; back after {recovered:?}",
        seen.failed.len(),
        seen.slowest,
        seen.waited
    );
    assert_eq!(seen.answered, 0, "{what}: a call was answered");
    assert!(
        seen.slowest < DEADLINE + SLACK,
        "{what}: {:?}",
        seen.slowest
    );
    assert!(recovered < RECOVERY + SLACK, "{what}: {recovered:?}");
    // Calls fail at once when the fault is known: each visitor waits until it is, for a deadline or two, and for the
    // first attempt to connect anew.
    assert!(
        seen.waited <= usize::from(VISITORS) * 4,
        "{what}: {} of {} calls waited",
        seen.waited,
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
    in_the_end(what, async || store.create(&fresh, value(), HOUR).await).await;
    let live = in_the_end(what, async || store.load(&fresh).await).await;
    assert!(matches!(live, Loaded::Live(_)), "{what}: {live:?}");
    in_the_end(what, async || store.end(&fresh, EndReason::Rotated).await).await;
    let ended = in_the_end(what, async || store.load(&fresh).await).await;
    assert_eq!(ended, Loaded::Ended(EndReason::Rotated), "{what}");
    let claimed = in_the_end(what, async || store.claim(OWNER, &fresh, HOUR, None).await).await;
    let revoked = in_the_end(what, async || store.revoke(Whose::Everybody).await).await;
    assert!(revoked > claimed.at, "{what}");
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
    assert!(recovered < RECOVERY + SLACK, "{recovered:?}");
}

/// Routers forget connections that are idle. It is found out before a visitor has to wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_that_died_is_found_out_before_it_is_used() {
    let server = Server::redis();
    let proxy = Proxy::to(server.port).await;
    let store = store(&proxy.url()).await;
    proxy.set(Way::BlackHole);
    let start = Instant::now();
    while store.server_info().is_some() {
        assert!(start.elapsed() < PATIENCE, "nobody looks after it");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // From then on the first attempt to connect anew is waited for, and after it calls are told at once.
    let error = loop {
        let error = store.load(&id(1)).await.unwrap_err();
        if error.to_string().contains("out of reach") {
            break error;
        }
        assert!(start.elapsed() < PATIENCE, "{error}");
    };
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
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
    assert!(recovered < RECOVERY + SLACK, "{recovered:?}");
}
