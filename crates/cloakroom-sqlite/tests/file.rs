//! The file: its mode, what is refused at opening, what happens when the disk is full or the file is locked.

mod common;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use cloakroom_core::{Created, EndReason, Error, ErrorKind, Loaded, Store as _};
use cloakroom_sqlite::SqliteStore;
use common::{HOUR, Place, bytes, id};

/// The error must name the file and hold each of `words`.
#[track_caller]
fn refused(place: &Place, kind: ErrorKind, words: &[&str]) {
    check(&place.builder().open().unwrap_err(), place, kind, words);
}

#[track_caller]
fn check(error: &Error, place: &Place, kind: ErrorKind, words: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    let path = place.file().display().to_string();
    for word in words.iter().chain([&&*path]) {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_file_and_its_side_files_are_their_owners_alone() {
    let place = Place::new();
    let store = place.open();
    store.create(&id("a"), bytes("v"), HOUR).await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let path = place.dir.path().join(format!("sessions.db{suffix}"));
        assert_eq!(mode(&path), 0o600, "{suffix}");
    }
}

/// Counts warnings.
struct Warnings(Arc<AtomicUsize>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_mode_that_was_widened_is_kept_with_a_warning() {
    let place = Place::new();
    let warnings = Arc::new(AtomicUsize::new(0));
    tracing::subscriber::with_default(Warnings(warnings.clone()), || {
        drop(place.open());
        drop(place.open());
        assert_eq!(warnings.load(Ordering::SeqCst), 0);
        fs::set_permissions(place.file(), fs::Permissions::from_mode(0o640)).unwrap();
        drop(place.open());
    });
    assert_eq!(warnings.load(Ordering::SeqCst), 1);
    assert_eq!(mode(&place.file()), 0o640);
}

#[tokio::test]
async fn closing_leaves_one_file_with_everything_in_it() {
    let place = Place::new();
    let store = place.open();
    store.create(&id("a"), bytes("v"), HOUR).await.unwrap();
    store.load(&id("a")).await.unwrap();
    let other = store.clone();
    store.close().await.unwrap();
    store.close().await.unwrap();
    let names: Vec<_> = fs::read_dir(place.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["sessions.db"]);
    for error in [
        other.load(&id("a")).await.unwrap_err(),
        other.renew(&id("a"), HOUR).await.unwrap_err(),
    ] {
        check(&error, &place, ErrorKind::Rejected, &["closed"]);
    }
    let again = place.open();
    assert!(matches!(again.load(&id("a")).await, Ok(Loaded::Live(_))));
}

#[test]
fn a_missing_directory_is_named_or_made() {
    let place = Place::new();
    let path = place.dir.path().join("a/b/sessions.db");
    let error = SqliteStore::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let text = error.to_string();
    assert!(
        text.contains("create_dirs") && text.contains("a/b/sessions.db"),
        "{text}"
    );
    SqliteStore::builder(&path)
        .create_dirs(true)
        .open()
        .unwrap();
    assert_eq!(mode(&place.dir.path().join("a")), 0o700);
    assert_eq!(mode(&place.dir.path().join("a/b")), 0o700);
}

#[test]
fn what_is_no_session_file_is_refused_and_left_alone() {
    let place = Place::new();
    fs::create_dir(place.file()).unwrap();
    refused(&place, ErrorKind::Rejected, &["is a directory"]);
    fs::remove_dir(place.file()).unwrap();

    let text = "name,password\nada,secret\n".repeat(400);
    fs::write(place.file(), &text).unwrap();
    refused(&place, ErrorKind::Rejected, &["not an SQLite database"]);
    assert_eq!(fs::read_to_string(place.file()).unwrap(), text);
    fs::remove_file(place.file()).unwrap();

    place
        .stranger()
        .execute_batch("CREATE TABLE sessions (sid, sess)")
        .unwrap();
    let before = fs::read(place.file()).unwrap();
    refused(&place, ErrorKind::Rejected, &["another program's"]);
    assert_eq!(fs::read(place.file()).unwrap(), before);
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let place = Place::new();
    drop(place.open());
    place
        .stranger()
        .pragma_update(None, "user_version", 7)
        .unwrap();
    refused(&place, ErrorKind::Rejected, &["version 7", "up to 2"]);
    place
        .stranger()
        .pragma_update(None, "user_version", 2)
        .unwrap();
    drop(place.open());
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_never_a_missing_session() {
    let place = Place::new();
    let store = place.open();
    for n in 0..200 {
        let name = format!("id{n}");
        store
            .create(&id(&name), bytes(&name.repeat(100)), HOUR)
            .await
            .unwrap();
    }
    store.close().await.unwrap();
    let mut content = fs::read(place.file()).unwrap();
    content[4096..].fill(0x5a);
    fs::write(place.file(), content).unwrap();
    let error = match place.builder().open() {
        Err(error) => error,
        Ok(store) => store.load(&id("id1")).await.unwrap_err(),
    };
    check(&error, &place, ErrorKind::Rejected, &["damaged"]);
}

#[test]
fn options_that_cannot_be_are_named() {
    let place = Place::new();
    for (builder, option) in [
        (place.builder().prefix("a\0b"), "`prefix`"),
        (place.builder().sweep_batch(0), "`sweep_batch`"),
        (
            place.builder().sweep_interval(std::time::Duration::ZERO),
            "`sweep_interval`",
        ),
        (place.builder().max_group(0), "`max_group`"),
        (place.builder().max_queue(0), "`max_queue`"),
        (place.builder().max_queue(usize::MAX), "`max_queue`"),
        (
            place.builder().max_value_size(usize::MAX),
            "`max_value_size`",
        ),
        (
            place.builder().busy_timeout(std::time::Duration::MAX),
            "`busy_timeout`",
        ),
        (place.builder().max_file_size(1), "`max_file_size`"),
        (SqliteStore::builder(":memory:"), "`path`"),
        (SqliteStore::builder(""), "`path`"),
    ] {
        let error = builder.open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{option}");
        assert!(error.to_string().contains(option), "{option}: {error}");
    }
    assert!(!place.file().exists());
}

#[tokio::test]
async fn a_full_file_rejects_writes_and_still_reads_ends_and_recovers() {
    let place = Place::new();
    let store = place.builder().max_file_size(256 * 1024).open().unwrap();
    let large = Bytes::from(vec![7; 20_000]);
    let mut made = 0;
    let error = loop {
        match store
            .create(&id(&format!("id{made}")), large.clone(), HOUR)
            .await
        {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
    };
    assert!((5..20).contains(&made), "{made}");
    check(
        &error,
        &place,
        ErrorKind::Rejected,
        &["no room", "max_file_size"],
    );
    for n in 0..made {
        assert!(matches!(
            store.load(&id(&format!("id{n}"))).await,
            Ok(Loaded::Live(_))
        ));
    }
    // An end needs no room and makes some.
    assert!(store.end(&id("id0"), EndReason::Destroyed).await.unwrap());
    assert_eq!(
        store
            .create(&id("fits"), large.slice(..10_000), HOUR)
            .await
            .unwrap(),
        Created::Created
    );
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_not_the_failure_of_its_group() {
    let place = Place::new();
    let store = place.builder().max_file_size(256 * 1024).open().unwrap();
    let lock = place.stranger();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    // All of these wait for the lock, hence form one or two groups.
    let calls: Vec<_> = (0..20)
        .map(|n| {
            let store = store.clone();
            let size = if n == 3 { 1_000_000 } else { 100 };
            tokio::spawn(async move {
                store
                    .create(&id(&format!("id{n}")), Bytes::from(vec![1; size]), HOUR)
                    .await
            })
        })
        .collect();
    tokio::task::yield_now().await;
    lock.execute_batch("COMMIT").unwrap();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().is_ok(), n != 3, "{n}");
    }
}

#[tokio::test]
async fn a_foreign_lock_stops_writes_as_unavailable_and_reads_go_on() {
    let place = Place::new();
    let store = place.open();
    store.create(&id("a"), bytes("v"), HOUR).await.unwrap();
    let lock = place.stranger();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = store.renew(&id("a"), HOUR).await.unwrap_err();
    check(
        &error,
        &place,
        ErrorKind::Unavailable,
        &["another process", "busy_timeout"],
    );
    assert!(error.is_retryable());
    assert!(matches!(store.load(&id("a")).await, Ok(Loaded::Live(_))));
    lock.execute_batch("COMMIT").unwrap();
    assert!(store.renew(&id("a"), HOUR).await.unwrap());
}

#[tokio::test]
async fn a_file_that_somebody_holds_alone_cannot_be_opened_until_they_let_go() {
    let place = Place::new();
    place.open().close().await.unwrap();
    let owner = place.stranger();
    owner
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")
        .unwrap();
    refused(&place, ErrorKind::Unavailable, &["another process"]);
    drop(owner);
    drop(place.open());
}

#[tokio::test]
async fn a_value_above_the_limit_is_too_large_and_one_at_the_limit_is_not() {
    let place = Place::new();
    let store = place.builder().max_value_size(1000).open().unwrap();
    let (fits, not) = (Bytes::from(vec![0; 1000]), Bytes::from(vec![0; 1001]));
    let error = store.create(&id("a"), not.clone(), HOUR).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("max_value_size"), "{error}");
    store.create(&id("a"), fits.clone(), HOUR).await.unwrap();
    let error = store.replace(&id("a"), &fits, not, HOUR).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(matches!(store.load(&id("a")).await, Ok(Loaded::Live(it)) if it.value == fits));
}

#[tokio::test]
async fn a_queue_that_is_full_refuses_at_once() {
    let place = Place::new();
    let store = place
        .builder()
        .max_queue(2)
        .max_group(1)
        .busy_timeout(std::time::Duration::from_secs(5))
        .open()
        .unwrap();
    let lock = place.stranger();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let calls: Vec<_> = (0..50)
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
    lock.execute_batch("COMMIT").unwrap();
    let mut refused = 0;
    for call in calls {
        if let Err(error) = call.await.unwrap() {
            check(&error, &place, ErrorKind::Unavailable, &["max_queue"]);
            refused += 1;
        }
    }
    // One with the writer, two that wait.
    assert!((47..=48).contains(&refused), "{refused}");
}

#[tokio::test]
async fn r29_errors_and_debug_show_no_id_and_no_value() {
    let place = Place::new();
    let store = place.open();
    let (secret_id, secret) = ("SECRETsecretSECRETsecret", "hunter2hunter2");
    store
        .create(&id(secret_id), bytes(secret), HOUR)
        .await
        .unwrap();
    let stranger = place.stranger();
    // A row that breaks the table's rules, as a careless hand may leave it.
    stranger
        .execute_batch(
            "PRAGMA ignore_check_constraints = ON; UPDATE sessions SET ended = 'hunter2hunter2'",
        )
        .unwrap();
    let broken = store.load(&id(secret_id)).await.unwrap_err();
    stranger.execute_batch("DROP TABLE sessions").unwrap();
    let gone = store
        .create(&id(secret_id), bytes(secret), HOUR)
        .await
        .unwrap_err();
    for error in [&broken, &gone] {
        check(error, &place, ErrorKind::Rejected, &[]);
        let shown = format!("{error} {error:?} {store:?}");
        assert!(
            !shown.contains("SECRET") && !shown.contains("hunter"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_file_that_was_taken_away_accepts_no_more_writes() {
    let place = Place::new();
    let store = place.open();
    store.create(&id("a"), bytes("v"), HOUR).await.unwrap();
    fs::rename(place.file(), place.dir.path().join("elsewhere.db")).unwrap();
    let error = store.renew(&id("a"), HOUR).await.unwrap_err();
    check(&error, &place, ErrorKind::Rejected, &["moved or deleted"]);
    fs::rename(place.dir.path().join("elsewhere.db"), place.file()).unwrap();
    assert!(store.renew(&id("a"), HOUR).await.unwrap());
}

#[tokio::test]
async fn values_that_wait_are_bounded_in_bytes_given_up_or_not() {
    let place = Place::new();
    let store = place
        .builder()
        .max_queue_bytes(2000)
        .busy_timeout(std::time::Duration::from_secs(5))
        .open()
        .unwrap();
    let lock = place.stranger();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let value = Bytes::from(vec![1; 1500]);
    let (first, second) = (id("first"), id("second"));
    let moment = std::time::Duration::from_millis(20);
    let writing = tokio::time::timeout(moment, store.create(&first, value.clone(), HOUR));
    assert!(writing.await.is_err());
    let error = store
        .create(&second, value.clone(), HOUR)
        .await
        .unwrap_err();
    check(&error, &place, ErrorKind::Unavailable, &["max_queue_bytes"]);
    // What holds no value waits as before.
    let (ended, ()) = tokio::join!(store.end(&second, EndReason::Destroyed), async {
        lock.execute_batch("COMMIT").unwrap();
    });
    ended.unwrap();
    let large = Bytes::from(vec![1; 5000]);
    assert_eq!(
        store.create(&id("alone"), large, HOUR).await.unwrap(),
        Created::Created
    );
}
