//! What it saves, and how much it may keep for how long.

use super::*;

/// At most a tenth of a command for a load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_cached_loads_cost_less_than_a_hundred_commands() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let (store, _) = pair(&server).await;
        create(&store, 1, "{}").await;
        warm(&server, &store, 1).await;
        let commands = || {
            server
                .stat("total_commands_processed")
                .parse::<u64>()
                .unwrap()
        };
        let (before, start) = (commands(), Instant::now());
        for number in 0..1000 {
            if number % 2 == 0 {
                live(&store, 1).await;
            } else {
                store.load_with_revision(&id(1)).await.unwrap();
            }
        }
        let time = start.elapsed();
        // A heartbeat may be among them, and the questions of this test are.
        let cost = commands() - before;
        println!("{program:?}: 1,000 loads in {time:?}, {cost} commands");
        assert!(cost < 100, "{cost} commands for 1,000 loads");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_asked_for_again_when_it_is_too_old() {
    let server = Server::redis();
    let age = Duration::from_millis(300);
    let store = cached(&server.url(), NearCache::new().max_age(age)).await;
    create(&store, 1, "{}").await;
    warm(&server, &store, 1).await;
    for _ in 0..3 {
        let (before, start) = (asked(&server), Instant::now());
        until("a new question", async || {
            live(&store, 1).await;
            asked(&server) > before
        })
        .await;
        assert!(start.elapsed() < GIVE_UP);
    }
}

/// What did not fit is asked for again, and is still right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_sessions_than_it_may_keep_are_no_trouble() {
    let server = Server::redis();
    let options = NearCache::new().max_age(LONG).capacity(10);
    let store = cached(&server.url(), options).await;
    for number in 0..50 {
        create(&store, number, "{}").await;
    }
    for _ in 0..2 {
        let before = asked(&server);
        for number in 0..50 {
            live(&store, number).await;
        }
        assert_eq!(asked(&server) - before, 50);
    }
    warm(&server, &store, 49).await;
}

/// Only live sessions are kept: a sign-in is seen at once, and so is what a peer brought back and why it does not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_there_is_no_session_is_asked_each_time() {
    let server = Server::redis();
    let (store, other) = pair(&server).await;
    other.end(&id(2), EndReason::Destroyed).await.unwrap();
    server.call(&["RPUSH", &key(3), "no session"]);
    for number in [1, 2, 3] {
        let before = asked(&server);
        for _ in 0..10 {
            load(&store, number).await;
        }
        assert_eq!(asked(&server) - before, 10);
    }
    create(&other, 1, "{}").await;
    assert_eq!(live(&store, 1).await.value, "{}");
    server.call(&["SET", &key(2), "brought back"]);
    for _ in 0..3 {
        let ended = Loaded::Ended(EndReason::Destroyed);
        assert_eq!(load(&store, 2).await, ended);
    }
}

/// The server remembers the sessions that are kept here and the revision, and no tombstones that never were: of those it
/// would hear nothing until the connection ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_remembers_no_more_keys_than_it_must() {
    let server = Server::redis();
    let (store, _) = pair(&server).await;
    for number in 0..20 {
        create(&store, number, "{}").await;
        store.load_with_revision(&id(number)).await.unwrap();
    }
    let tracked = || server.stat("tracking_total_keys");
    assert_eq!(tracked(), "21");
    for number in 0..20 {
        store.end(&id(number), EndReason::Destroyed).await.unwrap();
    }
    assert_eq!(tracked(), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_that_cannot_be_are_named() {
    let zero = NearCache::new;
    for (options, says) in [
        (zero().max_age(Duration::ZERO), "`max_age`"),
        (zero().max_age(Duration::from_secs(61)), "`max_age`"),
        (zero().capacity(0), "`capacity`"),
        (zero().max_bytes(0), "`max_bytes`"),
    ] {
        let builder = RedisStore::builder("redis://localhost:1").near_cache(options);
        let error = builder.connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        for word in ["`near_cache`", says] {
            assert!(error.to_string().contains(word), "no {word} in: {error}");
        }
    }
}
