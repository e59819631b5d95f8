//! The index does not outlive its sessions, and does not grow for ever.

use super::*;

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
