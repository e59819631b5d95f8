//! Readers against writers: whatever the order in which tasks wake up, nothing stale stays.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;

const KEYS: usize = 200;
const WRITES: usize = 40;

/// All readers and the connection's own task share two threads, so answers wait long before somebody puts them in, while what
/// the server has said since is read at once. A cache that puts an answer in without asking whether it still counts keeps
/// most of the keys stale here, and so does redis-rs' own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_stays_stale_after_readers_raced_with_writers() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let (store, other) = pair(&server).await;
        for number in 0..KEYS {
            create(&store, number, "0").await;
        }
        let loads = Arc::new(AtomicU64::new(0));
        let before = asked(&server);
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..KEYS {
            let done = Arc::new(AtomicBool::new(false));
            for _ in 0..2 {
                let (store, done, loads) = (store.clone(), done.clone(), loads.clone());
                tasks.spawn(async move {
                    while !done.load(Ordering::SeqCst) {
                        live(&store, number).await;
                        loads.fetch_add(1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                    }
                });
            }
            let other = other.clone();
            tasks.spawn(async move {
                let mut base = value("0");
                for write in 1..=WRITES {
                    let new = Bytes::from(write.to_string());
                    let replaced = other.replace(&id(number), &base, new.clone(), HOUR).await;
                    assert_eq!(replaced.unwrap(), Replaced::Replaced);
                    base = new;
                }
                done.store(true, Ordering::SeqCst);
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        // What the server says last may still be under way; what is stale after a second stays so.
        let last = WRITES.to_string();
        let start = Instant::now();
        let mut stale = KEYS;
        while stale > 0 && start.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stale = 0;
            for number in 0..KEYS {
                stale += usize::from(live(&store, number).await.value != last);
            }
        }
        let (loads, asked) = (loads.load(Ordering::SeqCst), asked(&server) - before);
        println!(
            "{program:?}: {stale} of {KEYS} keys stale; {loads} loads, {asked} asked the server"
        );
        assert_eq!(stale, 0, "keys stay stale");
        assert!(asked > 0 && loads > 0);
    }
}

/// The same for a session's end and for what everybody shares.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_outlives_its_end_and_no_revocation_is_missed() {
    let server = Server::redis();
    let (store, other) = pair(&server).await;
    for number in 0..KEYS {
        create(&store, number, "{}").await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..KEYS {
        for _ in 0..2 {
            let store = store.clone();
            tasks.spawn(async move {
                let start = Instant::now();
                loop {
                    let answer = store.load_with_revision(&id(number)).await;
                    if matches!(answer.unwrap().0, Loaded::Ended(_)) {
                        return;
                    }
                    assert!(start.elapsed() < GIVE_UP, "a session outlives its end");
                    tokio::task::yield_now().await;
                }
            });
        }
        let other = other.clone();
        tasks.spawn(async move {
            if number % 10 == 0 {
                other.revoke(Whose::Everybody).await.unwrap();
            }
            assert!(other.end(&id(number), EndReason::Destroyed).await.unwrap());
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    create(&other, KEYS, "{}").await;
    let last = other.load_with_revision(&id(KEYS)).await.unwrap().1;
    until("the last revision", async || {
        store.load_with_revision(&id(KEYS)).await.unwrap().1 == last
    })
    .await;
}
