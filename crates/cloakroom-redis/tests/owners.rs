//! The owner index on real servers: which keys there are and how long they live, what a call costs, and what others may have
//! left there.

mod support;

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
use support::{Program, Server, proxy::Proxy};

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
        .command_timeout(Duration::from_secs(10))
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_and_revocations_are_keys_outside_of_the_prefix() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let store = store(&server).await;
        let before: i64 = server
            .call(&["TIME"])
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let first = claim(&store, "hanako", 1, HOUR).await;
        let second = claim(&store, "hanako", 2, HOUR).await;
        assert!(before * 1000 <= first.as_millis() && first < second);
        for (number, at) in [(1, first), (2, second)] {
            let score = server.call(&["ZSCORE", CLAIMS, id(number).as_str()]);
            assert_eq!(score, at.as_millis().to_string());
        }
        assert_eq!(server.call(&["GET", LAST]), second.as_millis().to_string());
        assert_eq!(keys(&server, "*"), [LAST, KEEPS, CLAIMS]);

        assert_eq!(store.revoked_at("hanako").await.unwrap(), None);
        let revoked = store.revoke(Whose::Owner("hanako")).await.unwrap();
        assert!(revoked > second);
        assert_eq!(store.revoked_at("hanako").await.unwrap(), Some(revoked));
        assert_eq!(store.revoked_at("taro").await.unwrap(), None);
        for key in [REVOCATION, REVISION, LAST] {
            assert_eq!(
                server.call(&["GET", key]),
                revoked.as_millis().to_string(),
                "{key}"
            );
        }
        let kept = left(&server, REVOCATION);
        let whole = i64::try_from(REVOCATION_TTL.as_millis()).unwrap();
        assert!((whole - 60_000..=whole).contains(&kept), "{kept}");

        let all = store.revoke(Whose::Everybody).await.unwrap();
        assert!(all > revoked);
        for owner in ["hanako", "taro", ""] {
            assert_eq!(store.revoked_at(owner).await.unwrap(), Some(all));
        }
        // store.all(), clear() and length() of connect-redis look at sess:* alone.
        assert_eq!(keys(&server, "sess:*"), [""; 0]);
        assert_eq!(keys(&server, "*").len(), 6);
        store
            .release("hanako", &[id(1), id(2), id(3)])
            .await
            .unwrap();
        assert_eq!(keys(&server, "ck:[uk]:*"), [""; 0]);
    }
}

/// An owner without a name is refused elsewhere; should one come here, it is not everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_without_a_name_is_not_everybody() {
    let server = Server::redis();
    let store = store(&server).await;
    store.revoke(Whose::Owner("")).await.unwrap();
    assert_eq!(store.revoked_at("hanako").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_look_alike_when_glued_together_share_nothing() {
    let server = Server::redis();
    let (short, long) = (
        connect(server.url(), "a").await,
        connect(server.url(), "a:b:").await,
    );
    claim(&short, ":b:c", 1, HOUR).await;
    assert_eq!(ids(&long, "c").await, []);
    short.revoke(Whose::Owner(":b:c")).await.unwrap();
    assert_eq!(long.revoked_at("c").await.unwrap(), None);
    let loaded = long.load_with_revision(&id(1)).await.unwrap();
    assert_eq!(loaded, (Loaded::Missing, Revision(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_one_round_trip() {
    let server = Server::redis();
    let proxy = Proxy::to(server.port).await;
    let store = connect(proxy.url(), "sess:").await;
    // Once each, so that the scripts are known.
    limited(&store, 1, 5).await;
    store.revoke(Whose::Everybody).await.unwrap();
    store
        .create(&id(1), Bytes::from_static(b"{}"), HOUR)
        .await
        .unwrap();
    proxy.turns();
    limited(&store, 2, 5).await;
    assert_eq!(proxy.turns(), 1, "claim");
    store.revoke(Whose::Owner("hanako")).await.unwrap();
    assert_eq!(proxy.turns(), 1, "revoke");
    assert_eq!(ids(&store, "hanako").await, [id(1), id(2)]);
    assert_eq!(proxy.turns(), 1, "owned");
    store.revoked_at("hanako").await.unwrap();
    assert_eq!(proxy.turns(), 1, "revoked_at");
    let (loaded, revision) = store.load_with_revision(&id(1)).await.unwrap();
    assert!(matches!(loaded, Loaded::Live(_)) && revision != Revision(0));
    assert_eq!(proxy.turns(), 1, "load_with_revision");
    store.release("hanako", &[id(1)]).await.unwrap();
    assert_eq!(proxy.turns(), 1, "release");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_revision_changes_with_revocations_and_with_nothing_else() {
    let server = Server::redis();
    let store = store(&server).await;
    let revision = async || store.load_with_revision(&id(1)).await.unwrap().1;
    assert_eq!(revision().await, Revision(0));
    store
        .create(&id(1), Bytes::from_static(b"{}"), HOUR)
        .await
        .unwrap();
    claim(&store, "hanako", 1, HOUR).await;
    store.release("hanako", &[id(1)]).await.unwrap();
    store.end(&id(1), EndReason::Destroyed).await.unwrap();
    let (ended, unchanged) = store.load_with_revision(&id(1)).await.unwrap();
    assert_eq!(ended, Loaded::Ended(EndReason::Destroyed));
    assert_eq!(unchanged, Revision(0));
    let mut seen = vec![unchanged];
    for whose in [
        Whose::Owner("hanako"),
        Whose::Everybody,
        Whose::Owner("hanako"),
    ] {
        let at = store.revoke(whose).await.unwrap();
        let now = revision().await;
        assert_eq!(now, Revision(at.as_millis().unsigned_abs()));
        assert!(seen.iter().all(|before| *before < now));
        seen.push(now);
    }
}

/// A clock that was put back, or a new primary whose clock is behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_go_on_where_the_clock_falls_behind() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let store = store(&server).await;
        let first = claim(&store, "hanako", 1, HOUR).await.as_millis();
        let ahead = first + 3_600_000;
        server.call(&["SET", LAST, &ahead.to_string()]);
        assert_eq!(
            claim(&store, "hanako", 2, HOUR).await.as_millis(),
            ahead + 1
        );
        let revoked = store.revoke(Whose::Owner("taro")).await.unwrap();
        assert_eq!(revoked.as_millis(), ahead + 2);
        // Without the last time, as after an eviction, a revocation is still later than those before it.
        server.call(&["DEL", LAST]);
        let revoked = store.revoke(Whose::Owner("jiro")).await.unwrap();
        assert_eq!(revoked.as_millis(), ahead + 3);
        assert_eq!(
            claim(&store, "hanako", 3, HOUR).await.as_millis(),
            ahead + 4
        );
        let claims = store.owned("hanako").await.unwrap();
        assert!(claims.claims.iter().all(|claim| claim.at <= claims.now));
        assert!(!claims.is_settled(&claims.claims[2]));
        // What stands there by hand and is no time is passed over.
        for text in ["soon", "", "nan", "inf", "9e99", "-5"] {
            server.call(&["SET", LAST, text]);
            let at = claim(&store, "saburo", 1, Duration::ZERO).await.as_millis();
            assert!((first..ahead).contains(&at), "{text}: {at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_made_again_keeps_its_time_and_never_shortens_the_keys() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let store = store(&server).await;
        let first = claim(&store, "hanako", 1, HOUR).await;
        claim(&store, "hanako", 2, Duration::from_secs(1)).await;
        assert_eq!(
            claim(&store, "hanako", 1, Duration::from_secs(5)).await,
            first
        );
        assert_eq!(ids(&store, "hanako").await, [id(1), id(2)]);
        for key in [CLAIMS, KEEPS] {
            assert!(left(&server, key) > 3_500_000, "{key}");
        }
        claim(&store, "hanako", 2, HOUR * 2).await;
        for key in [CLAIMS, KEEPS] {
            assert!(left(&server, key) > 7_100_000, "{key}");
        }
        // One set that was evicted without the other.
        server.call(&["DEL", KEEPS]);
        claim(&store, "hanako", 3, HOUR).await;
        assert!(left(&server, KEEPS) > 7_000_000);
        server.call(&["DEL", CLAIMS]);
        claim(&store, "hanako", 3, HOUR).await;
        assert!((1..=3_600_001).contains(&left(&server, CLAIMS)));
        // A key that somebody made permanent is left so.
        server.call(&["PERSIST", CLAIMS]);
        claim(&store, "hanako", 4, HOUR).await;
        assert_eq!(left(&server, CLAIMS), -1);
    }
}

/// better-auth#10992: a time to live that was rounded down to 0 made the index permanent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_is_not_kept_does_not_become_permanent() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let store = store(&server).await;
        let at = claim(&store, "hanako", 1, Duration::ZERO).await;
        assert_eq!(keys(&server, "ck:*"), [LAST]);
        assert_eq!(server.call(&["GET", LAST]), at.as_millis().to_string());
        claim(&store, "hanako", 1, Duration::from_nanos(1)).await;
        let ttl = left(&server, CLAIMS);
        assert!(ttl == -2 || (0..=1).contains(&ttl), "{ttl}");
        for keep in [Duration::MAX, Duration::from_millis(u64::MAX)] {
            claim(&store, "taro", 1, keep).await;
            for key in ["ck:u:{5:sess:}taro", "ck:k:{5:sess:}taro"] {
                assert!(left(&server, key) > 1_000_000_000_000, "{key}");
            }
        }
        assert_eq!(ids(&store, "taro").await, [id(1)]);
    }
}

/// spring-session#2230, #1715: indexes that wait for notifications of expiry keep what expired while nobody listened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_is_empty_after_ten_thousand_sessions_have_expired_unheard() {
    let server = Server::redis();
    assert_eq!(
        server.call(&["CONFIG", "GET", "notify-keyspace-events"]),
        "notify-keyspace-events "
    );
    let store = store(&server).await;
    let keep = Duration::from_secs(2);
    let tasks: Vec<_> = (0..20)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in task * 500..(task + 1) * 500 {
                    let owner = format!("owner-{}", number % 100);
                    claim(&store, &owner, number, keep).await;
                    store
                        .create(&id(number), Bytes::from_static(b"{}"), keep)
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    store.revoke(Whose::Everybody).await.unwrap();
    let start = Instant::now();
    // Nothing is left but what a revocation needs; the sessions, written after their claims, go last.
    while keys(&server, "*") != ["ck:a:{5:sess:}", LAST, REVISION] {
        assert!(start.elapsed() < Duration::from_secs(60), "the index stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(left(&server, "ck:a:{5:sess:}") > 0);
}

/// Every other key lives for a time; these two are for each prefix, not for each owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_but_two_for_each_prefix_is_without_an_end() {
    let server = Server::redis();
    let store = store(&server).await;
    for number in 0..50 {
        let owner = format!("owner-{number}");
        claim(&store, &owner, number, HOUR).await;
        store.revoke(Whose::Owner(&owner)).await.unwrap();
    }
    store.revoke(Whose::Everybody).await.unwrap();
    let (mut endless, mut others) = (Vec::new(), 0);
    for key in keys(&server, "ck:*") {
        if left(&server, &key) == -1 {
            endless.push(key);
        } else {
            others += 1;
        }
    }
    assert_eq!(endless, [LAST, REVISION]);
    assert_eq!(others, 151);
}

/// A robot that signs in every minute and of whose sessions nobody ever asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_of_which_nobody_asks_does_not_grow() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let store = store(&server).await;
        claim(&store, "hanako", 0, HOUR).await;
        for number in 1..=200 {
            claim(&store, "hanako", number, Duration::from_millis(1)).await;
        }
        // Each takes away 32 that are over, and adds one that soon is.
        let mut number = 1000;
        let start = Instant::now();
        while ids(&store, "hanako").await.len() > 3 {
            assert!(start.elapsed() < Duration::from_secs(60), "old claims stay");
            claim(&store, "hanako", number, Duration::from_millis(1)).await;
            number += 1;
        }
        assert_eq!(ids(&store, "hanako").await[0], id(0));
        let count = |key| server.call(&["ZCARD", key]);
        assert_eq!(count(CLAIMS), count(KEEPS));
        // What is over and claimed again is not among what is taken away.
        let at = claim(&store, "hanako", 5000, Duration::from_millis(1)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(claim(&store, "hanako", 5000, HOUR).await, at);
        claim(&store, "hanako", 5001, HOUR).await;
        assert_eq!(ids(&store, "hanako").await, [0, 5000, 5001].map(id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_claims_are_read_named_and_released_in_pages() {
    let server = Server::redis();
    let store = store(&server).await;
    let at = claim(&store, "hanako", 0, HOUR).await.as_millis();
    let mut fill = vec!["ZADD".to_owned(), CLAIMS.to_owned()];
    for number in 1..2500_i64 {
        fill.push((at - number * 10).to_string());
        fill.push(id(number.unsigned_abs() as usize).as_str().to_owned());
    }
    server.call(&fill.iter().map(String::as_str).collect::<Vec<_>>());
    let mut expected: Vec<_> = (0..2500).rev().map(id).collect();
    assert_eq!(ids(&store, "hanako").await, expected);

    // One is over by each; the claimed one, oldest or not, is never named.
    let claimed = limited(&store, 2499, 2499).await;
    assert_eq!(claimed.over, []);
    assert_eq!(claimed.at.as_millis(), at - 24_990);
    assert_eq!(limited(&store, 2499, 2498).await.over, [id(2498)]);
    assert_eq!(limited(&store, 0, 2498).await.over, [id(2499), id(2498)]);
    // A thousand at most, the oldest; the next claim names those that are left.
    let over = limited(&store, 0, 10).await.over;
    assert_eq!(over, expected[..1000]);
    store.release("hanako", &over).await.unwrap();
    assert_eq!(limited(&store, 0, 10).await.over, expected[1000..2000]);

    let rest = expected.split_off(1000);
    store.release("hanako", &rest).await.unwrap();
    assert_eq!(server.call(&["EXISTS", CLAIMS]), "0");
}

/// A stranger's key is an error that changes nothing, and never "no sessions" or "not revoked".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_another_type_are_errors_and_stay_as_they_are() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let store = store(&server).await;
        let wrong = |error: Error| check(&error, ErrorKind::Rejected, "WRONGTYPE");
        for key in [CLAIMS, KEEPS, LAST] {
            server.call(&["HSET", key, "field", "value"]);
            wrong(store.claim("hanako", &id(1), HOUR, None).await.unwrap_err());
            assert_eq!(keys(&server, "ck:*"), [key]);
            server.call(&["DEL", key]);
        }
        for key in [CLAIMS, KEEPS] {
            server.call(&["HSET", key, "field", "value"]);
            wrong(store.release("hanako", &[id(1)]).await.unwrap_err());
            server.call(&["DEL", key]);
        }
        for key in [REVOCATION, REVISION, LAST] {
            server.call(&["HSET", key, "field", "value"]);
            wrong(store.revoke(Whose::Owner("hanako")).await.unwrap_err());
            assert_eq!(keys(&server, "ck:*"), [key]);
            server.call(&["DEL", key]);
        }
        server.call(&["HSET", CLAIMS, "field", "value"]);
        wrong(store.owned("hanako").await.unwrap_err());
        for key in [REVOCATION, "ck:a:{5:sess:}"] {
            server.call(&["HSET", key, "field", "value"]);
            wrong(store.revoked_at("hanako").await.unwrap_err());
            server.call(&["DEL", key]);
            server.call(&["SET", key, "yesterday"]);
            let error = store.revoked_at("hanako").await.unwrap_err();
            check(&error, ErrorKind::Rejected, "ck:*");
            server.call(&["DEL", key]);
        }
        server.call(&["HSET", REVISION, "field", "value"]);
        wrong(store.load_with_revision(&id(1)).await.unwrap_err());
        // A session is as readable as before for whoever does not ask for the revision.
        assert_eq!(store.load(&id(1)).await.unwrap(), Loaded::Missing);
    }
}

/// R32: what is wanted most when a server is full works then, and what takes memory changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_a_server_without_memory_still_revokes_and_releases() {
    for server in [Server::redis(), Server::valkey()] {
        let store = store(&server).await;
        let at = claim(&store, "hanako", 1, HOUR).await;
        // One that is over, which a claim would take away.
        server.call(&["ZADD", KEEPS, "5", "old"]);
        server.call(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        server.call(&["CONFIG", "SET", "maxmemory", "1"]);
        let error = store.claim("hanako", &id(2), HOUR, None).await.unwrap_err();
        check(&error, ErrorKind::Unavailable, "OOM");
        assert_eq!(ids(&store, "hanako").await, [id(1)]);
        assert_eq!(server.call(&["GET", LAST]), at.as_millis().to_string());
        let owner = store.revoke(Whose::Owner("hanako")).await.unwrap();
        assert_eq!(store.revoked_at("hanako").await.unwrap(), Some(owner));
        let all = store.revoke(Whose::Everybody).await.unwrap();
        assert_eq!(store.revoked_at("hanako").await.unwrap(), Some(all));
        store.release("hanako", &[id(1)]).await.unwrap();
        assert_eq!(ids(&store, "hanako").await, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgotten_scripts_are_sent_again_within_the_call() {
    let server = Server::redis();
    let store = store(&server).await;
    for number in 1..10 {
        server.call(&["SCRIPT", "FLUSH"]);
        let at = claim(&store, "hanako", number, HOUR).await;
        server.call(&["SCRIPT", "FLUSH"]);
        assert!(store.revoke(Whose::Everybody).await.unwrap() > at);
    }
    assert_eq!(ids(&store, "hanako").await.len(), 9);
}

/// A replica, a primary that is read-only for want of replicas, and a server that comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_the_index_goes_on_on_a_read_only_replica() {
    let server = Server::redis();
    let store = store(&server).await;
    claim(&store, "hanako", 1, HOUR).await;
    let revoked = store.revoke(Whose::Owner("hanako")).await.unwrap();
    server.call(&["REPLICAOF", "127.0.0.1", "1"]);
    assert_eq!(ids(&store, "hanako").await, [id(1)]);
    assert_eq!(store.revoked_at("hanako").await.unwrap(), Some(revoked));
    let (loaded, revision) = store.load_with_revision(&id(1)).await.unwrap();
    assert_eq!(loaded, Loaded::Missing);
    assert_eq!(revision, Revision(revoked.as_millis().unsigned_abs()));
    for error in [
        store.claim("hanako", &id(2), HOUR, None).await.unwrap_err(),
        store.claim("hanako", &id(1), HOUR, None).await.unwrap_err(),
        store.release("hanako", &[id(1)]).await.unwrap_err(),
        store.revoke(Whose::Everybody).await.unwrap_err(),
    ] {
        check(&error, ErrorKind::Unavailable, "READONLY");
    }
}

/// R48: what was acknowledged is as durable as the server is; the index no less than a session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r48_what_a_server_writes_to_its_disk_outlives_it() {
    for program in [Program::Redis, Program::Valkey] {
        let always = ["--appendonly", "yes", "--appendfsync", "always"];
        let server = Server::start(program, &always);
        let store = store(&server).await;
        let first = claim(&store, "hanako", 1, HOUR).await;
        let revoked = store.revoke(Whose::Owner("taro")).await.unwrap();
        server.kill();
        server.restart(&[]);
        let start = Instant::now();
        let claims = loop {
            match store.owned("hanako").await {
                Ok(claims) => break claims,
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
            assert!(start.elapsed() < Duration::from_secs(30));
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!((claims.claims.len(), claims.claims[0].at), (1, first));
        assert_eq!(store.revoked_at("taro").await.unwrap(), Some(revoked));
        assert!(claim(&store, "hanako", 2, HOUR).await > revoked);
    }
}
