//! What is on the wire and in the keys: one round trip for each call, and what Node peers and other strangers leave there.

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use cloakroom_core::{
    Created, EndReason, Loaded, Replaced, Retired, SessionId, Store as _, Stored,
    store::{Scan as _, TOMBSTONE_TTL},
};
use cloakroom_redis::{RedisStore, RedisStoreBuilder};
use support::{PATIENCE, Program, Server, proxy::Proxy};

const HOUR: Duration = Duration::from_secs(3600);

const NODE: &str = r#"{"cookie":{"originalMaxAge":3600000,"expires":"2026-11-25T22:23:53.352Z","httpOnly":true,"path":"/"},"n":[]}"#;

fn id(number: u8) -> SessionId {
    SessionId::from_random([number; 24])
}

fn key(id: &SessionId) -> String {
    format!("sess:{}", id.as_str())
}

fn tombstone(id: &SessionId) -> String {
    format!("ck:t:{{{}}}", key(id))
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn patient(url: &str) -> RedisStoreBuilder {
    RedisStore::builder(url)
        .command_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
}

async fn connect(url: &str) -> RedisStore {
    patient(url).connect().await.unwrap()
}

async fn live(store: &RedisStore, id: &SessionId) -> Stored {
    match store.load(id).await.unwrap() {
        Loaded::Live(stored) => stored,
        other => panic!("{other:?}"),
    }
}

/// Deleting again is not waited for by the caller; the test does.
async fn gone(server: &Server, key: &str) {
    let start = Instant::now();
    while server.call(&["EXISTS", key]) != "0" {
        assert!(start.elapsed() < PATIENCE, "the key stays");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The names of the commands that the server ran since MONITOR was switched on, without those that scripts ran.
fn commands(monitor: &mut support::wire::Wire, server: &Server) -> Vec<String> {
    server.call(&["ECHO", "that is all"]);
    let mut seen = Vec::new();
    loop {
        let line = monitor.receive().unwrap().unwrap();
        if line.contains("that is all") {
            return seen;
        }
        if !line.contains("lua]") {
            let words = line.split('"').skip(1).step_by(2);
            let words: Vec<_> = words
                .map(|word| word.replace("ck:t:{sess:", "TOMB:"))
                .collect();
            let short = words
                .iter()
                .map(|word| word.split(':').next().unwrap_or_default());
            seen.push(short.take(2).collect::<Vec<_>>().join(" "));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_one_round_trip() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let proxy = Proxy::to(server.port).await;
        let store = connect(&proxy.url()).await;
        // Once each, so that the scripts are known.
        store.create(&id(1), bytes("a"), HOUR).await.unwrap();
        store
            .replace(&id(1), &bytes("a"), bytes("b"), HOUR)
            .await
            .unwrap();
        store.retire(&id(1), &bytes("b")).await.unwrap();
        store.end(&id(1), EndReason::Destroyed).await.unwrap();
        let mut monitor = server.wire();
        monitor.call(&["MONITOR"]);
        proxy.turns();

        assert_eq!(
            store.create(&id(2), bytes("a"), HOUR).await.unwrap(),
            Created::Created
        );
        assert_eq!(proxy.turns(), 1, "create");
        assert_eq!(live(&store, &id(2)).await.value, bytes("a"));
        assert_eq!(proxy.turns(), 1, "load");
        let replaced = store
            .replace(&id(2), &bytes("a"), bytes("b"), HOUR)
            .await
            .unwrap();
        assert_eq!(replaced, Replaced::Replaced);
        assert_eq!(proxy.turns(), 1, "replace");
        let replaced = store
            .replace(&id(2), &bytes("a"), bytes("c"), HOUR)
            .await
            .unwrap();
        assert!(matches!(replaced, Replaced::Changed(stored) if stored.value == bytes("b")));
        assert_eq!(proxy.turns(), 1, "replace that comes too late");
        assert!(store.renew(&id(2), HOUR).await.unwrap());
        assert_eq!(proxy.turns(), 1, "renew");
        assert_eq!(
            store.retire(&id(2), &bytes("b")).await.unwrap(),
            Retired::Retired
        );
        assert_eq!(proxy.turns(), 1, "retire");
        assert!(!store.end(&id(2), EndReason::Destroyed).await.unwrap());
        assert_eq!(proxy.turns(), 1, "end");

        let commands = commands(&mut monitor, &server);
        let load = ["PTTL sess", "MGET sess"].map(str::to_owned);
        assert!(commands.windows(2).any(|two| two == load), "{commands:?}");
        let by_command = commands
            .iter()
            .filter(|name| name.starts_with("SET"))
            .count();
        let by_script = commands
            .iter()
            .filter(|name| name.starts_with("EVALSHA"))
            .count();
        let expected = match program {
            Program::Redis => (0, 5),
            Program::Valkey => (2, 3),
        };
        assert_eq!(
            (by_command, by_script),
            expected,
            "{program:?}: {commands:?}"
        );
        assert!(
            !commands.iter().any(|name| name.starts_with("EVAL ")),
            "{commands:?}"
        );
    }
}

/// A server that says that it is newer than it is, as one behind a proxy may, is found out within the call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_ifeq_is_found_out_within_the_call() {
    let server = Server::redis();
    let version = server.stat("redis_version");
    assert_eq!(
        version.len(),
        "8.4.15".len(),
        "this test wants a version as long as 7.0.15, not {version}"
    );
    let proxy = Proxy::rewriting(server.port, version.leak(), "8.4.15").await;
    let store = connect(&proxy.url()).await;
    assert_eq!(store.server_info().unwrap().to_string(), "Redis 8.4.15");
    store.create(&id(1), bytes("a"), HOUR).await.unwrap();
    let replaced = store
        .replace(&id(1), &bytes("a"), bytes("b"), HOUR)
        .await
        .unwrap();
    assert_eq!(replaced, Replaced::Replaced);
    proxy.turns();
    store
        .replace(&id(1), &bytes("b"), bytes("c"), HOUR)
        .await
        .unwrap();
    assert_eq!(proxy.turns(), 1, "it is asked once for each connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_say_what_they_are() {
    for (program, name) in [(Program::Redis, "Redis"), (Program::Valkey, "Valkey")] {
        let server = Server::start(program, &[]);
        let store = connect(&server.url()).await;
        let shown = store.server_info().unwrap().to_string();
        assert!(
            shown.starts_with(&format!("{name} ")) && shown.contains('.'),
            "{shown}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_what_connect_redis_reads_and_writes() {
    let server = Server::redis();
    let store = connect(&server.url()).await;
    server.call(&["SET", &key(&id(1)), NODE, "EX", "3600"]);
    let stored = live(&store, &id(1)).await;
    assert_eq!(stored.value, bytes(NODE));
    assert!(stored.remaining.unwrap() > HOUR / 2);

    store.create(&id(2), bytes(NODE), HOUR).await.unwrap();
    assert_eq!(server.call(&["TYPE", &key(&id(2))]), "string");
    assert_eq!(server.call(&["GET", &key(&id(2))]), NODE);
    let ttl: u64 = server.call(&["TTL", &key(&id(2))]).parse().unwrap();
    assert!((3590..=3600).contains(&ttl), "{ttl}");

    // disableTTL
    server.call(&["SET", &key(&id(3)), NODE]);
    assert_eq!(live(&store, &id(3)).await.remaining, None);
    let changed = store
        .replace(&id(3), &bytes("x"), bytes("y"), HOUR)
        .await
        .unwrap();
    assert!(matches!(changed, Replaced::Changed(stored) if stored.remaining.is_none()));

    // store.all(), clear() and length() of connect-redis look at sess:* alone.
    for number in 1..=3 {
        assert!(store.end(&id(number), EndReason::Destroyed).await.unwrap());
    }
    assert_eq!(server.call(&["KEYS", "sess:*"]), "");
    assert_eq!(server.call(&["KEYS", "*"]).split(' ').count(), 3);
    let left: u128 = server.call(&["PTTL", &tombstone(&id(1))]).parse().unwrap();
    assert!(
        left <= TOMBSTONE_TTL.as_millis() && left > TOMBSTONE_TTL.as_millis() / 2,
        "{left}"
    );
    assert_eq!(server.call(&["GET", &tombstone(&id(1))]), "destroyed");
}

/// connect-redis writes blindly: a request that was under way when its session ended brings it back. For every call here
/// it stays ended, and it is deleted again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_a_session_that_a_blind_write_brought_back_is_refused_and_deleted_again() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let store = connect(&server.url()).await;
        store.create(&id(1), bytes(NODE), HOUR).await.unwrap();
        store.end(&id(1), EndReason::Rotated).await.unwrap();
        let key = key(&id(1));
        let revive = || server.call(&["SET", &key, NODE, "EX", "3600"]);

        revive();
        assert!(store.scan(None, 100).await.unwrap().sessions.is_empty());
        assert_eq!(
            store.load(&id(1)).await.unwrap(),
            Loaded::Ended(EndReason::Rotated)
        );
        gone(&server, &key).await;
        for ttl in [HOUR, Duration::ZERO] {
            revive();
            let replaced = store
                .replace(&id(1), &bytes(NODE), bytes("late"), ttl)
                .await
                .unwrap();
            assert_eq!(replaced, Replaced::Gone);
            gone(&server, &key).await;
        }
        revive();
        assert!(!store.renew(&id(1), HOUR).await.unwrap());
        gone(&server, &key).await;
        revive();
        assert_eq!(
            store.retire(&id(1), &bytes(NODE)).await.unwrap(),
            Retired::Gone
        );
        gone(&server, &key).await;
        revive();
        assert!(!store.end(&id(1), EndReason::Rotated).await.unwrap());
        gone(&server, &key).await;
        assert_eq!(
            store.create(&id(1), bytes(NODE), HOUR).await.unwrap(),
            Created::Taken
        );
        assert_eq!(server.call(&["EXISTS", &key]), "0");
    }
}

/// A key that is no string is no session, and nobody's request fails for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_type_is_no_session() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let store = connect(&server.url()).await;
        server.call(&["HSET", &key(&id(1)), "field", "value"]);
        store.create(&id(2), bytes("a"), HOUR).await.unwrap();
        assert_eq!(store.load(&id(1)).await.unwrap(), Loaded::Missing);
        let replaced = store
            .replace(&id(1), &bytes("a"), bytes("b"), HOUR)
            .await
            .unwrap();
        assert_eq!(replaced, Replaced::Gone);
        let replaced = store
            .replace(&id(1), &bytes("a"), bytes("b"), Duration::ZERO)
            .await
            .unwrap();
        assert_eq!(replaced, Replaced::Gone);
        assert_eq!(
            store.retire(&id(1), &bytes("a")).await.unwrap(),
            Retired::Gone
        );
        assert_eq!(
            store.create(&id(1), bytes("a"), HOUR).await.unwrap(),
            Created::Taken
        );
        assert_eq!(store.scan(None, 100).await.unwrap().sessions.len(), 1);
        assert_eq!(server.call(&["TYPE", &key(&id(1))]), "hash");
    }
}

/// A prefix is text: what is a pattern to SCAN must not list another application's sessions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patterns_in_a_prefix_list_nothing_else() {
    let server = Server::redis();
    for (number, prefix) in ["*", "a?:", "[ab]:", r"\:", "a^-:", "{x}:", "ü:", ""]
        .iter()
        .enumerate()
    {
        let number = u8::try_from(number).unwrap();
        let store = patient(&server.url()).prefix(prefix).connect().await;
        let store = store.unwrap();
        store
            .create(&id(number), bytes("mine"), HOUR)
            .await
            .unwrap();
        server.call(&["SET", "ab:stranger", "other"]);
        server.call(&["SET", "b:stranger", "other"]);
        let mut listed = Vec::new();
        let mut cursor = None;
        loop {
            let page = store.scan(cursor, 100).await.unwrap();
            listed.extend(page.sessions.into_iter().map(|(id, _)| id));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        // Without a prefix every string is a session whose name could be an id.
        if prefix.is_empty() {
            assert!(listed.contains(&id(number)));
        } else {
            assert_eq!(listed, [id(number)], "{prefix}");
        }
    }
}
