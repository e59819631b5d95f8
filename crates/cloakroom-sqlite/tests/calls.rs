//! Calls that are given up, and a log that stays short.

mod common;

use std::{fs, time::Duration};

use bytes::Bytes;
use cloakroom_core::{Created, Loaded, Store as _};
use common::{HOUR, Place, bytes, id};

#[tokio::test]
async fn a_write_that_nobody_waits_for_any_more_is_not_made() {
    let place = Place::new();
    let store = place
        .builder()
        .max_group(1)
        .busy_timeout(Duration::from_secs(60))
        .open()
        .unwrap();
    let lock = place.stranger();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The writer takes one call at a time and waits for the lock with the first; the others wait in the queue.
    let (first, second, third) = (id("first"), id("second"), id("third"));
    let mut writing = store.create(&first, bytes("v"), HOUR);
    let mut given_up = store.create(&second, bytes("v"), HOUR);
    let mut waiting = store.create(&third, bytes("v"), HOUR);
    let moment = Duration::from_millis(20);
    assert!(tokio::time::timeout(moment, &mut writing).await.is_err());
    assert!(tokio::time::timeout(moment, &mut given_up).await.is_err());
    assert!(tokio::time::timeout(moment, &mut waiting).await.is_err());
    drop(given_up);
    lock.execute_batch("COMMIT").unwrap();
    assert_eq!(writing.await.unwrap(), Created::Created);
    assert_eq!(waiting.await.unwrap(), Created::Created);
    assert_eq!(store.load(&second).await.unwrap(), Loaded::Missing);
}

#[tokio::test]
async fn closing_does_first_what_waits() {
    let place = Place::new();
    let store = place
        .builder()
        .busy_timeout(Duration::from_secs(60))
        .open()
        .unwrap();
    let lock = place.stranger();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let calls: Vec<_> = (0..20)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .create(&id(&format!("id{n}")), Bytes::new(), HOUR)
                    .await
            })
        })
        .collect();
    tokio::task::yield_now().await;
    let closing = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    tokio::task::yield_now().await;
    lock.execute_batch("COMMIT").unwrap();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    closing.await.unwrap().unwrap();
    drop(store);
    let again = place.open();
    assert!(matches!(again.load(&id("id19")).await, Ok(Loaded::Live(_))));
}

/// 160 MiB go through the log while others read; SQLite would start it over by itself only in a moment of rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_short_under_constant_load() {
    let place = Place::new();
    let store = place.open();
    let (key, log) = (id("a"), place.dir.path().join("sessions.db-wal"));
    let value = |n: u8| Bytes::from(vec![n; 1024 * 1024]);
    store.create(&key, value(0), HOUR).await.unwrap();
    let reader = tokio::spawn({
        let store = store.clone();
        async move {
            loop {
                store.load(&id("a")).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    let mut longest = 0;
    for n in 1..=160 {
        store
            .replace(&key, &value(n - 1), value(n), HOUR)
            .await
            .unwrap();
        longest = longest.max(fs::metadata(&log).unwrap().len());
    }
    reader.abort();
    assert!(longest < 64 * 1024 * 1024, "the log had {longest} bytes");
}

/// The server goes on while a foreign transaction keeps the log from starting over, and the log is cut afterwards.
#[tokio::test]
async fn a_foreign_reader_makes_the_log_longer_and_stops_nobody() {
    let place = Place::new();
    let store = place.open();
    let key = id("a");
    let value = |n: u8| Bytes::from(vec![n; 1024 * 1024]);
    store.create(&key, value(0), HOUR).await.unwrap();
    let stranger = place.stranger();
    stranger.execute_batch("BEGIN").unwrap();
    let count = || -> i64 {
        stranger
            .query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(count(), 1);
    for n in 1..=50 {
        store
            .replace(&key, &value(n - 1), value(n), HOUR)
            .await
            .unwrap();
    }
    let log = place.dir.path().join("sessions.db-wal");
    assert!(fs::metadata(&log).unwrap().len() > 48 * 1024 * 1024);
    stranger.execute_batch("COMMIT").unwrap();
    for n in 51..=80 {
        store
            .replace(&key, &value(n - 1), value(n), HOUR)
            .await
            .unwrap();
    }
    assert!(fs::metadata(&log).unwrap().len() <= 48 * 1024 * 1024);
}
