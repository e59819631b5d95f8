//! The cache ends with its connection, and a store without one works.

use super::*;

/// A user for whom `rights` are all.
fn user(server: &Server, rights: &str) -> String {
    let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">secret", "~*"];
    command.extend(rights.split(' '));
    server.call(&command);
    format!("redis://app:secret@127.0.0.1:{}", server.port)
}

const STORE: &str = "+get +mget +set +del +exists +pttl +pexpire +eval +evalsha +time";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_known_does_not_outlive_its_connection() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let (store, _) = pair(&server).await;
        for round in 0..10 {
            server.call(&["SET", &key(1), "old", "EX", "60"]);
            until("old", async || live(&store, 1).await.value == "old").await;
            warm(&server, &store, 1).await;
            // In one step, so that the change is made while nobody could be told.
            let kill = "redis.call('SET', KEYS[1], ARGV[1], 'EX', 60)";
            if round % 2 == 0 {
                server.call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
                server.call(&["EVAL", kill, "1", &key(1), "new"]);
            } else {
                server.call(&["SET", &key(1), "new", "EX", "60"]);
                server.call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            }
            until("new", async || {
                let loaded = store.load(&id(1)).await;
                matches!(loaded, Ok(Loaded::Live(stored)) if stored.value == "new")
            })
            .await;
        }
        assert!(store.has_near_cache());
    }
}

/// While the server is away, what was known of it is not an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_down_is_not_papered_over() {
    let server = Server::redis();
    let (store, _) = pair(&server).await;
    create(&store, 1, "{}").await;
    warm(&server, &store, 1).await;
    server.kill();
    until("an error", async || store.load(&id(1)).await.is_err()).await;
    assert!(!store.has_near_cache());
    server.restart(&[]);
    until("the server's word", async || {
        matches!(store.load(&id(1)).await, Ok(Loaded::Missing))
    })
    .await;
    until("a new cache", async || store.has_near_cache()).await;
    create(&store, 2, "{}").await;
    warm(&server, &store, 2).await;
}

/// A store with a live session by way of a proxy. Its calls wait, and a test that does not want to gives them up; only
/// connecting through a black hole must come to an end.
async fn through(proxy: &Proxy, server: &Server, age: Duration) -> RedisStore {
    let store = at(&proxy.url())
        .connect_timeout(Duration::from_secs(2))
        .near_cache(NearCache::new().max_age(age))
        .connect_lazy()
        .unwrap();
    until("a session", async || {
        store.create(&id(1), value("{}"), HOUR).await.is_ok()
    })
    .await;
    warm(server, &store, 1).await;
    store
}

/// What a load answers that is not waited for.
async fn glance(store: &RedisStore, number: usize) -> Option<Loaded> {
    let id = id(number);
    let load = tokio::time::timeout(Duration::from_millis(100), store.load(&id));
    load.await.ok()?.ok()
}

/// Packets vanish and nothing says so: what is known counts until it is too old, and not longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_a_black_hole_hides_a_sign_out_no_longer_than_the_maximum_age() {
    let server = Server::redis();
    let proxy = Proxy::to(server.port).await;
    let age = Duration::from_millis(500);
    let store = through(&proxy, &server, age).await;
    proxy.set(Way::BlackHole);
    // Nothing gets through any more, so nothing that was asked for later than this can be answered.
    let start = Instant::now();
    server.call(&["DEL", &key(1)]);
    while start.elapsed() < age * 4 {
        let asked_at = start.elapsed();
        let live = matches!(glance(&store, 1).await, Some(Loaded::Live(_)));
        assert!(!live || asked_at < age, "still live after {asked_at:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.set(Way::Open);
    until("the sign-out", async || {
        glance(&store, 1).await == Some(Loaded::Missing)
    })
    .await;
}

/// Two calls without an answer end a connection, and its cache with it, however young what it holds is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_given_up_answers_nothing_more() {
    let server = Server::redis();
    let proxy = Proxy::to(server.port).await;
    let store = through(&proxy, &server, LONG).await;
    proxy.set(Way::BlackHole);
    // Calls that need the server find out that it does not answer.
    until("no answer", async || {
        glance(&store, 2).await;
        glance(&store, 1).await.is_none()
    })
    .await;
    proxy.set(Way::Open);
    until("the session", async || glance(&store, 1).await.is_some()).await;
}

/// The store works, and each load asks the server.
async fn works_without(server: &Server, url: &str, why: &str) {
    let store = at(url).near_cache(NearCache::new()).connect().await;
    let store = store.unwrap();
    assert!(!store.has_near_cache(), "{why}");
    create(&store, 1, "{}").await;
    let before = asked(server);
    for _ in 0..5 {
        live(&store, 1).await;
        store.load_with_revision(&id(1)).await.unwrap();
    }
    assert_eq!(asked(server) - before, 10, "{why}");
    assert!(store.end(&id(1), EndReason::Destroyed).await.unwrap());
    let ended = Loaded::Ended(EndReason::Destroyed);
    assert_eq!(load(&store, 1).await, ended, "{why}");
}

/// rueidis#612: managed services that do not know the commands. An old server knows neither the protocol nor the tracking.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_know_the_commands_is_used_without_a_near_cache() {
    for program in [Program::Redis, Program::Valkey] {
        for unknown in ["HELLO", "CLIENT"] {
            let server = Server::start(program, &["--rename-command", unknown, ""]);
            works_without(&server, &server.url(), unknown).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_that_may_not_track_has_a_store_without_a_near_cache() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        for rights in ["", "+client|tracking", "+client|caching"] {
            let url = user(&server, format!("{STORE} {rights}").trim());
            works_without(&server, &url, rights).await;
            server.call(&["FLUSHALL"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_rights_are_enough() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let rights = format!("{STORE} +client|tracking +client|caching");
        let url = user(&server, &rights);
        let store = cached(&url, NearCache::new().max_age(LONG)).await;
        create(&store, 1, "{}").await;
        warm(&server, &store, 1).await;
    }
}

/// What the server does not remember it says nothing of, so it must not be kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_that_are_taken_away_end_the_cache() {
    let server = Server::redis();
    let rights = format!("{STORE} +client|tracking +client|caching");
    let url = user(&server, &rights);
    let store = cached(&url, NearCache::new().max_age(LONG)).await;
    create(&store, 1, "old").await;
    create(&store, 2, "old").await;
    warm(&server, &store, 1).await;
    server.call(&["ACL", "SETUSER", "app", "-client|caching"]);
    live(&store, 2).await;
    assert!(!store.has_near_cache());
    for number in [1, 2] {
        server.call(&["SET", &key(number), "new"]);
        assert_eq!(live(&store, number).await.value, "new");
    }
}

/// Passwords and other wrong things are told as without a near cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_those_of_a_store_without_one() {
    let open = Server::redis();
    let closed = Server::start(Program::Redis, &["--requirepass", "right"]);
    let urls = [
        format!("redis://:wrong@127.0.0.1:{}", closed.port),
        format!("redis://nobody:wrong@127.0.0.1:{}", closed.port),
        closed.url(),
        format!("redis://:secret@127.0.0.1:{}", open.port),
        format!("{}/4000", open.url()),
        "redis://127.0.0.1:1".to_owned(),
    ];
    for url in urls {
        let plain = at(&url).connect().await.unwrap_err();
        let near = at(&url).near_cache(NearCache::new()).connect().await;
        let near = near.unwrap_err();
        assert_eq!(near.to_string(), plain.to_string());
        assert_eq!(near.kind(), plain.kind());
    }
    let url = format!("redis://:right@127.0.0.1:{}/3", closed.port);
    let store = cached(&url, NearCache::new()).await;
    create(&store, 1, "{}").await;
    live(&store, 1).await;
}

/// After a failover the same name leads to another server; what the old one said is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_demoted_primary_said_does_not_count_at_the_new_one() {
    let (old, new) = (Server::redis(), Server::redis());
    let proxy = Proxy::to(old.port).await;
    let store = cached(&proxy.url(), NearCache::new().max_age(LONG)).await;
    create(&store, 1, "old").await;
    warm(&old, &store, 1).await;
    new.call(&["SET", &key(1), "new"]);
    old.call(&["REPLICAOF", "127.0.0.1", "1"]);
    proxy.lead_to(new.port);
    until("the new primary", async || {
        let _ = store.renew(&id(2), HOUR).await;
        live(&store, 1).await.value == "new"
    })
    .await;
    assert!(store.has_near_cache());
}
