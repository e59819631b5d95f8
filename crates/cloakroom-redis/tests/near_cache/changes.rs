//! Changes by others and by ourselves.

use super::*;

/// What another process does is seen here. The times are printed: they are the servers' and the machine's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_what_another_process_changes_is_seen() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let (store, other) = pair(&server).await;
        let mut times = Vec::new();
        for number in 0..100 {
            create(&store, number, "old").await;
            warm(&server, &store, number).await;
            let start = Instant::now();
            assert!(other.end(&id(number), EndReason::Destroyed).await.unwrap());
            until("a sign-out", async || {
                load(&store, number).await == Loaded::Ended(EndReason::Destroyed)
            })
            .await;
            times.push(start.elapsed());
        }
        times.sort();
        println!(
            "{program:?}: a sign-out is seen after {:?}, at most {:?}",
            times[50], times[99]
        );

        create(&store, 1000, "old").await;
        warm(&server, &store, 1000).await;
        let replaced = other
            .replace(&id(1000), &value("old"), value("new"), HOUR)
            .await;
        assert_eq!(replaced.unwrap(), Replaced::Replaced);
        until("other data", async || {
            live(&store, 1000).await.value == "new"
        })
        .await;

        warm(&server, &store, 1000).await;
        assert!(other.renew(&id(1000), HOUR * 10).await.unwrap());
        until("a longer time", async || {
            live(&store, 1000).await.remaining > Some(HOUR * 9)
        })
        .await;

        warm(&server, &store, 1000).await;
        let retired = other.retire(&id(1000), &value("new")).await.unwrap();
        assert_eq!(retired, Retired::Retired);
        until("a rotation", async || {
            load(&store, 1000).await == Loaded::Ended(EndReason::Rotated)
        })
        .await;

        // And what is no store of ours: Node, an operator, the server itself.
        for (number, command) in [
            (2000, "DEL"),
            (2001, "UNLINK"),
            (2002, "FLUSHDB"),
            (2003, "FLUSHALL"),
        ] {
            create(&store, number, "old").await;
            warm(&server, &store, number).await;
            let key = key(number);
            match command {
                "FLUSHDB" | "FLUSHALL" => server.call(&[command]),
                _ => server.call(&[command, &key]),
            };
            until(command, async || {
                load(&store, number).await == Loaded::Missing
            })
            .await;
        }
        create(&store, 3000, "old").await;
        warm(&server, &store, 3000).await;
        server.call(&["SET", &key(3000), "by Node", "EX", "60"]);
        until("a blind write", async || {
            live(&store, 3000).await.value == "by Node"
        })
        .await;
        warm(&server, &store, 3000).await;
        server.call(&["PEXPIRE", &key(3000), "300"]);
        until("an expiry", async || {
            load(&store, 3000).await == Loaded::Missing
        })
        .await;
    }
}

/// Its time runs out here as it does there, without the server's word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_s_time_runs_while_it_is_kept_here() {
    let server = Server::redis();
    let (store, _) = pair(&server).await;
    let mut number = 0;
    // On a busy machine a session may be over before it is asked for.
    let first = loop {
        number += 1;
        assert!(number < 20, "no session lives long enough");
        let time = Duration::from_millis(1500);
        let created = store.create(&id(number), value("{}"), time).await;
        assert_eq!(created.unwrap(), Created::Created);
        // The second one is answered from here.
        load(&store, number).await;
        if let Loaded::Live(stored) = load(&store, number).await {
            break stored.remaining.unwrap();
        }
    };
    server.freeze();
    let start = Instant::now();
    let (id, mut last) = (id(number), first);
    // The server is asked when the time is over, and does not answer before it may.
    while start.elapsed() < first {
        let call = tokio::time::timeout(Duration::from_millis(1), store.load(&id));
        let Ok(Ok(Loaded::Live(stored))) = call.await else {
            break;
        };
        let remaining = stored.remaining.unwrap();
        assert!(remaining <= last, "time runs backwards");
        last = remaining;
    }
    assert!(last < first, "time stands still");
    server.thaw();
    until("the end", async || {
        store.load(&id).await.unwrap() == Loaded::Missing
    })
    .await;
}

/// Rule 6, for everybody who has the same store: what was acknowledged is seen by the very next load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_this_process_changes_is_seen_by_its_next_load() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let (store, _) = pair(&server).await;
        let other = store.clone();
        // Others keep asking, so that answers from before a change are always under way.
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    loop {
                        for number in 0..20 {
                            let _ = store.load_with_revision(&id(number)).await;
                        }
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for number in 0..20 {
            create(&store, number, "0").await;
            let mut base = value("0");
            for round in 1..20 {
                assert_eq!(live(&store, number).await.value, base);
                let new = Bytes::from(round.to_string());
                let replaced = other.replace(&id(number), &base, new.clone(), HOUR).await;
                assert_eq!(replaced.unwrap(), Replaced::Replaced);
                assert_eq!(live(&store, number).await.value, new, "after replace");
                base = new;
                let ttl = HOUR * (round + 1);
                assert!(other.renew(&id(number), ttl).await.unwrap());
                let remaining = live(&store, number).await.remaining.unwrap();
                assert!(remaining > ttl - HOUR / 2, "after renew: {remaining:?}");
                let before = store.load_with_revision(&id(number)).await.unwrap().1;
                let at = other.revoke(Whose::Owner("hanako")).await.unwrap();
                let after = store.load_with_revision(&id(number)).await.unwrap().1;
                assert_eq!(
                    after,
                    Revision(at.as_millis().unsigned_abs()),
                    "after revoke"
                );
                assert_ne!(before, after);
            }
            let ended = if number % 2 == 0 {
                assert!(other.end(&id(number), EndReason::Rotated).await.unwrap());
                load(&store, number).await
            } else {
                let retired = other.retire(&id(number), &base).await.unwrap();
                assert_eq!(retired, Retired::Retired);
                load(&store, number).await
            };
            assert_eq!(ended, Loaded::Ended(EndReason::Rotated));
        }
        for reader in readers {
            reader.abort();
        }
    }
}

/// From the moment at which a sign-out begins here, what was known before is not an answer any more: the server may be
/// silent, and then nobody knows how far it came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_has_begun_is_not_papered_over() {
    let server = Server::redis();
    let (store, _) = pair(&server).await;
    create(&store, 1, "{}").await;
    // The server knows the script: it is sent once.
    store.end(&id(2), EndReason::Destroyed).await.unwrap();
    warm(&server, &store, 1).await;
    server.freeze();
    let ending = store.clone();
    let ending = tokio::spawn(async move { ending.end(&id(1), EndReason::Destroyed).await });
    let id = id(1);
    until("no answer", async || {
        let load = store.load(&id);
        tokio::time::timeout(Duration::from_millis(20), load)
            .await
            .is_err()
    })
    .await;
    // Its caller gives it up, and the server does it all the same.
    ending.abort();
    server.thaw();
    until("the sign-out", async || {
        store.load(&id).await.unwrap() == Loaded::Ended(EndReason::Destroyed)
    })
    .await;
}

/// The revision is one entry for all sessions, and a revocation takes it away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_a_revocation_by_another_process_is_seen() {
    let server = Server::redis();
    let (store, other) = pair(&server).await;
    create(&store, 1, "{}").await;
    let with = async || store.load_with_revision(&id(1)).await.unwrap();
    for round in 0..50 {
        let before = with().await.1;
        let asked_before = asked(&server);
        until("an answer from the cache", async || {
            let before = asked(&server);
            with().await;
            asked(&server) == before
        })
        .await;
        assert!(asked(&server) < asked_before + 50);
        let whose = if round % 2 == 0 {
            Whose::Everybody
        } else {
            Whose::Owner("hanako")
        };
        let at = other.revoke(whose).await.unwrap();
        let revision = Revision(at.as_millis().unsigned_abs());
        assert_ne!(before, revision);
        until("a revocation", async || with().await.1 == revision).await;
    }
}
