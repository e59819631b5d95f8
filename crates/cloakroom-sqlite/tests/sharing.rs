//! Others at the same file: a second handle, a second application, another process, an operator's shell.

mod common;

use std::{sync::Barrier, time::Duration};

use bytes::Bytes;
use cloakroom_core::{
    Created, EndReason, Loaded, Replaced, Store as _,
    store::{Scan as _, Sweep as _, TOMBSTONE_TTL},
};
use common::{HOUR, Place, bytes, id};

#[tokio::test]
async fn r11_what_another_process_deletes_is_missing_and_cannot_come_back() {
    let place = Place::new();
    let store = place.open();
    for name in ["kept", "gone"] {
        store.create(&id(name), bytes("v"), HOUR).await.unwrap();
    }
    let deleted = place
        .stranger()
        .execute(
            "DELETE FROM sessions WHERE prefix = 'sess:' AND id = 'gone'",
            [],
        )
        .unwrap();
    assert_eq!(deleted, 1);
    assert_eq!(store.load(&id("gone")).await.unwrap(), Loaded::Missing);
    let replaced = store
        .replace(&id("gone"), &bytes("v"), bytes("w"), HOUR)
        .await;
    assert_eq!(replaced.unwrap(), Replaced::Gone);
    assert!(!store.renew(&id("gone"), HOUR).await.unwrap());
    assert_eq!(store.load(&id("gone")).await.unwrap(), Loaded::Missing);
    assert!(matches!(store.load(&id("kept")).await, Ok(Loaded::Live(_))));
}

#[tokio::test]
async fn the_documented_columns_are_what_a_shell_sees() {
    let place = Place::new();
    let store = place.builder().prefix("shop:").open().unwrap();
    store
        .create(&id("a"), bytes(r#"{"n":1}"#), HOUR)
        .await
        .unwrap();
    store.end(&id("b"), EndReason::Rotated).await.unwrap();
    let shell = place.stranger();
    let read = |id: &str| {
        shell
            .query_row(
                "SELECT prefix, expires - ?2, ended, CAST(value AS TEXT) FROM sessions WHERE id = ?1",
                rusqlite::params![id, 1_764_105_578_229_i64],
                |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, Option<String>>(2)?,
                        row.get::<_, Option<String>>(3)?,
                    ))
                },
            )
            .unwrap()
    };
    let live = ("shop:".into(), 3_600_000, None, Some(r#"{"n":1}"#.into()));
    assert_eq!(read("a"), live);
    let tomb = i64::try_from(TOMBSTONE_TTL.as_millis()).unwrap();
    assert_eq!(
        read("b"),
        ("shop:".into(), tomb, Some("rotated".into()), None)
    );
    let number = |name: &str| -> i64 {
        shell
            .pragma_query_value(None, name, |row| row.get(0))
            .unwrap()
    };
    assert_eq!(number("application_id"), 1_668_049_778);
    assert_eq!(number("user_version"), 2);
}

#[tokio::test]
async fn prefixes_that_begin_alike_share_nothing() {
    let place = Place::new();
    let short = place.builder().prefix("a:").open().unwrap();
    let long = place.builder().prefix("a:b:").open().unwrap();
    let none = place.builder().prefix("").open().unwrap();
    assert_eq!(
        short.create(&id("b:x"), bytes("1"), HOUR).await.unwrap(),
        Created::Created
    );
    assert_eq!(
        long.create(&id("x"), bytes("2"), HOUR).await.unwrap(),
        Created::Created
    );
    assert_eq!(
        none.create(&id("a:b:x"), bytes("3"), HOUR).await.unwrap(),
        Created::Created
    );
    for (store, name, value) in [
        (&short, "b:x", "1"),
        (&long, "x", "2"),
        (&none, "a:b:x", "3"),
    ] {
        let page = store.scan(None, 10).await.unwrap();
        let listed: Vec<_> = page
            .sessions
            .iter()
            .map(|(id, at)| (id.clone(), at.value.clone()))
            .collect();
        assert_eq!(listed, [(id(name), bytes(value))]);
    }
    place.clock.advance(HOUR);
    assert_eq!(long.sweep(10).await.unwrap(), 1);
    assert_eq!(long.sweep(10).await.unwrap(), 0);
    assert_eq!(short.sweep(10).await.unwrap(), 1);
}

/// Two stores with a file each would not do: each has its own writer, and SQLite alone stands between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_on_one_file_count_to_the_same_number() {
    let place = Place::new();
    let patient = || {
        place
            .builder()
            .busy_timeout(Duration::from_secs(20))
            .open()
            .unwrap()
    };
    let stores = [patient(), patient()];
    stores[0].create(&id("n"), bytes("0"), HOUR).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let store = stores[n % 2].clone();
            tokio::spawn(async move {
                for round in 0..25 {
                    // Reads before it writes, which `BEGIN` alone would not survive.
                    let ended = id(&format!("task{n}-round{round}"));
                    assert!(!store.end(&ended, EndReason::Destroyed).await.unwrap());
                    let Loaded::Live(mut seen) = store.load(&id("n")).await.unwrap() else {
                        panic!("the session is gone");
                    };
                    loop {
                        let n: u32 = std::str::from_utf8(&seen.value).unwrap().parse().unwrap();
                        let next = bytes(&(n + 1).to_string());
                        match store
                            .replace(&id("n"), &seen.value, next, HOUR)
                            .await
                            .unwrap()
                        {
                            Replaced::Replaced => break,
                            Replaced::Changed(now) => seen = now,
                            Replaced::Gone => panic!("the session is gone"),
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for store in stores {
        assert!(matches!(store.load(&id("n")).await, Ok(Loaded::Live(it)) if it.value == "200"));
    }
}

#[test]
fn a_new_file_can_be_opened_by_many_at_once() {
    for _ in 0..25 {
        let (place, start) = (Place::new(), Barrier::new(8));
        let open = || {
            let builder = place.builder().busy_timeout(Duration::from_secs(20));
            start.wait();
            builder.open().unwrap()
        };
        std::thread::scope(|scope| {
            let opened: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            for store in opened {
                store.join().unwrap();
            }
        });
        drop(place.open());
    }
}

#[tokio::test]
async fn sessions_outlive_the_store_and_an_update_to_sqlite_by_vacuum() {
    let place = Place::new();
    let store = place.open();
    for n in 0..30 {
        store
            .create(&id(&format!("id{n}")), bytes("v"), HOUR)
            .await
            .unwrap();
    }
    let first = store.scan(None, 10).await.unwrap();
    for n in 0..10 {
        place
            .stranger()
            .execute("DELETE FROM sessions WHERE id = ?1", [format!("id{n}")])
            .unwrap();
    }
    drop(store);
    place.stranger().execute_batch("VACUUM").unwrap();
    // The cursor from before still means the same place.
    let store = place.open();
    let rest = store.scan(first.next, 100).await.unwrap();
    assert_eq!(rest.sessions.len(), 20);
    assert_eq!(rest.sessions[0].0, id("id10"));
}

#[tokio::test]
async fn a_scan_steps_over_a_desert_of_dead_rows_in_short_pages() {
    let place = Place::new();
    let store = place.open();
    store
        .create(&id("first"), bytes("v"), HOUR * 3)
        .await
        .unwrap();
    let mut shell = place.stranger();
    let tx = shell.transaction().unwrap();
    for n in 0..2500 {
        tx.execute(
            "INSERT INTO sessions (prefix, id, expires, value) VALUES ('sess:', ?1, 5, x'00')",
            [format!("dead{n}")],
        )
        .unwrap();
    }
    tx.commit().unwrap();
    store.create(&id("last"), bytes("v"), HOUR).await.unwrap();
    let (mut listed, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = store.scan(cursor, usize::MAX).await.unwrap();
        listed.extend(page.sessions.into_iter().map(|(id, _)| id));
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed, [id("first"), id("last")]);
    assert_eq!(pages, 3);
    // A sweep in several turns says the whole number.
    assert_eq!(store.sweep(2100).await.unwrap(), 2100);
    assert_eq!(store.sweep(usize::MAX).await.unwrap(), 400);
}

#[tokio::test]
async fn a_page_of_large_values_ends_early() {
    let place = Place::new();
    let store = place.open();
    for n in 0..6 {
        let value = Bytes::from(vec![n; 1024 * 1024]);
        store
            .create(&id(&format!("id{n}")), value, HOUR)
            .await
            .unwrap();
    }
    let page = store.scan(None, 100).await.unwrap();
    assert_eq!(page.sessions.len(), 4);
    let page = store.scan(page.next, 100).await.unwrap();
    assert_eq!((page.sessions.len(), page.next), (2, None));
}

#[tokio::test]
async fn a_cursor_names_no_id_and_a_foreign_one_is_refused() {
    let place = Place::new();
    let store = place.open();
    for name in ["SECRETa", "SECRETb"] {
        store
            .create(&id(name), bytes("hunter2"), HOUR)
            .await
            .unwrap();
    }
    let page = store.scan(None, 1).await.unwrap();
    let shown = format!("{page:?}");
    assert!(
        !shown.contains("SECRET") && !shown.contains("hunter2"),
        "{shown}"
    );
    let error = store.scan(Some("SECRETa".into()), 1).await.unwrap_err();
    assert_eq!(error.kind(), cloakroom_core::ErrorKind::Rejected);
    assert!(!error.to_string().contains("SECRET"), "{error}");
}

#[tokio::test]
async fn the_sweeper_deletes_what_is_over_and_nothing_else() {
    let place = Place::new();
    let store = place
        .builder()
        .sweep_interval(Duration::from_millis(5))
        .sweep_batch(7)
        .open()
        .unwrap();
    for n in 0..50 {
        store
            .create(&id(&format!("short{n}")), bytes("v"), HOUR)
            .await
            .unwrap();
        store
            .create(&id(&format!("long{n}")), bytes("v"), HOUR * 2)
            .await
            .unwrap();
    }
    store.end(&id("ended"), EndReason::Destroyed).await.unwrap();
    place.clock.advance(HOUR);
    let shell = place.stranger();
    let rows = || -> i64 {
        shell
            .query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))
            .unwrap()
    };
    while rows() > 50 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(rows(), 50);
    assert!(matches!(
        store.load(&id("long7")).await,
        Ok(Loaded::Live(_))
    ));
}

/// Where the file has to be turned to WAL, SQLite itself gives up at once.
#[test]
fn opening_waits_for_a_lock_as_long_as_it_may() {
    let place = Place::new();
    drop(place.open());
    let owner = place.stranger();
    owner
        .execute_batch("PRAGMA journal_mode = DELETE; BEGIN IMMEDIATE")
        .unwrap();
    let opening = std::thread::spawn({
        let builder = place.builder().busy_timeout(Duration::from_secs(20));
        move || builder.open()
    });
    std::thread::sleep(Duration::from_millis(100));
    owner.execute_batch("COMMIT").unwrap();
    drop(owner);
    opening.join().unwrap().unwrap();
}
