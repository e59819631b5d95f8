//! The owner index in a file: its tables, its sweeping, others at the same file, and a file from before it.

mod common;

use std::{num::NonZeroUsize, process::Command, sync::Arc, time::Duration};

use cloakroom_core::{
    ErrorKind, Loaded, OwnerIndex as _, SessionId, Store as _, Timestamp,
    owner_index::{REVOCATION_TTL, Revision, Whose},
    store::Sweep as _,
    time::ManualClock,
};
use cloakroom_sqlite::SqliteStore;
use common::{HOUR, Place, bytes, id};

const FILE: &str = "CLOAKROOM_TEST_FILE";

fn numbered(number: usize) -> SessionId {
    id(&format!("session-{number:06}"))
}

async fn claim(store: &SqliteStore, owner: &str, number: usize, keep: Duration) -> Timestamp {
    let claimed = store.claim(owner, &numbered(number), keep, None).await;
    claimed.unwrap().at
}

async fn over(store: &SqliteStore, number: usize, limit: usize) -> Vec<SessionId> {
    let limit = NonZeroUsize::new(limit);
    let claimed = store.claim("hanako", &numbered(number), HOUR, limit).await;
    claimed.unwrap().over
}

async fn create(store: &SqliteStore, number: usize, ttl: Duration) {
    store
        .create(&numbered(number), bytes("{}"), ttl)
        .await
        .unwrap();
}

async fn ids(store: &SqliteStore, owner: &str) -> Vec<SessionId> {
    let claims = store.owned(owner).await.unwrap().claims;
    claims.into_iter().map(|claim| claim.id).collect()
}

fn count(shell: &rusqlite::Connection, sql: &str) -> i64 {
    shell.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The first step as it was released, with a session in it.
const VERSION_1: &str = "
    CREATE TABLE sessions (
        row     INTEGER PRIMARY KEY,
        prefix  TEXT    NOT NULL,
        id      TEXT    NOT NULL,
        expires INTEGER NOT NULL,
        ended   TEXT    CHECK (ended IN ('destroyed', 'rotated')),
        value   BLOB    CHECK ((value IS NULL) = (ended IS NOT NULL)),
        UNIQUE (prefix, id)
    ) STRICT;
    CREATE INDEX sessions_by_expiry ON sessions (prefix, expires);
    INSERT INTO sessions (prefix, id, expires, value) VALUES ('sess:', 'a', 1764105579229, x'7b7d');
    PRAGMA application_id = 1668049778;
    PRAGMA user_version = 1;
    PRAGMA journal_mode = WAL;
";

#[tokio::test]
async fn a_file_from_before_the_index_is_brought_up_to_date() {
    let place = Place::new();
    let shell = place.stranger();
    shell.execute_batch(VERSION_1).unwrap();
    let store = place.open();
    let (loaded, revision) = store.load_with_revision(&id("a")).await.unwrap();
    assert!(matches!(loaded, Loaded::Live(stored) if stored.value == "{}"));
    assert_eq!(revision, Revision(0));
    let at = claim(&store, "hanako", 1, HOUR).await;
    assert_eq!(ids(&store, "hanako").await, [numbered(1)]);
    assert!(store.revoke(Whose::Owner("hanako")).await.unwrap() > at);
    let version: i64 = shell
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 2);
}

#[tokio::test]
async fn the_documented_columns_are_what_a_shell_sees() {
    let place = Place::new();
    let store = place.open();
    let first = claim(&store, "hanako", 1, HOUR).await.as_millis();
    let second = claim(&store, "hanako", 2, HOUR).await.as_millis();
    create(&store, 2, HOUR).await;
    let owner = store
        .revoke(Whose::Owner("hanako"))
        .await
        .unwrap()
        .as_millis();
    let all = store.revoke(Whose::Everybody).await.unwrap().as_millis();
    assert_eq!([second, owner, all], [first + 1, first + 2, first + 3]);
    let shell = place.stranger();
    let row = |sql: &str| {
        shell
            .query_row(sql, [], |row| {
                Ok([row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?])
            })
            .unwrap()
    };
    let found = row(
        "SELECT at, until, row FROM claims WHERE prefix = 'sess:' AND owner = 'hanako' AND id = 'session-000001'",
    );
    assert_eq!(found, [first, first + 3_600_000, 1]);
    let found = row("SELECT at, 0, 0 FROM revocations WHERE prefix = 'sess:' AND owner = 'hanako'");
    assert_eq!(found, [owner, 0, 0]);
    let found = row("SELECT last, revision, everybody FROM prefixes WHERE prefix = 'sess:'");
    assert_eq!(found, [all, all, all]);
    // The query of the documentation, at the time of the test's clock.
    let live: String = shell
        .query_row(
            "SELECT group_concat(datetime(at / 1000, 'unixepoch') || ' ' || id) FROM claims JOIN sessions USING (prefix, id)
             WHERE prefix = 'sess:' AND owner = 'hanako' AND ended IS NULL AND expires > ?1 ORDER BY at",
            [first],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(live, "2025-11-25 21:19:38 session-000002");
}

#[tokio::test]
async fn prefixes_and_owners_that_look_alike_when_glued_together_share_nothing() {
    let place = Place::new();
    let short = place.builder().prefix("a").open().unwrap();
    let long = place.builder().prefix("a:b:").open().unwrap();
    claim(&short, ":b:c", 1, HOUR).await;
    assert_eq!(ids(&long, "c").await, []);
    short.revoke(Whose::Owner("")).await.unwrap();
    assert_eq!(short.revoked_at("c").await.unwrap(), None, "not everybody");
    short.revoke(Whose::Everybody).await.unwrap();
    assert_eq!(long.revoked_at("c").await.unwrap(), None);
    let (_, revision) = long.load_with_revision(&numbered(1)).await.unwrap();
    assert_eq!(revision, Revision(0));
}

/// Each process asks its own clock; the file puts the times in order.
#[tokio::test]
async fn times_go_on_where_the_clock_of_another_process_is_behind() {
    let place = Place::new();
    let store = place.open();
    let behind = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
    let other = place.builder().clock(behind).open().unwrap();
    let mut before = claim(&store, "hanako", 0, HOUR).await;
    for number in 1..10 {
        let (here, there) = (&store, &other);
        let (writer, whose) = match number % 4 {
            0 => (here, Whose::Everybody),
            1 => (there, Whose::Everybody),
            2 => (here, Whose::Owner("hanako")),
            _ => (there, Whose::Owner("hanako")),
        };
        let claimed = claim(writer, "hanako", number, HOUR).await;
        assert!(claimed > before);
        before = writer.revoke(whose).await.unwrap();
        assert!(before > claimed);
        assert_eq!(store.revoked_at("hanako").await.unwrap(), Some(before));
        let (_, revision) = store.load_with_revision(&id("a")).await.unwrap();
        assert_eq!(revision, Revision(before.as_millis().unsigned_abs()));
    }
    let claims = other.owned("hanako").await.unwrap();
    assert!(claims.claims.is_sorted_by_key(|claim| claim.at));
    assert!(claims.claims.iter().all(|claim| claim.at <= claims.now));
}

/// What `a_command_line_...` starts; without the variable this is an empty test.
#[tokio::test]
async fn command_line() {
    let Some(file) = std::env::var_os(FILE) else {
        return;
    };
    let store = SqliteStore::open(file).unwrap();
    let owned = store.owned("hanako").await.unwrap().claims;
    for claim in &owned {
        store
            .end(&claim.id, cloakroom_core::EndReason::Destroyed)
            .await
            .unwrap();
    }
    let ids: Vec<_> = owned.into_iter().map(|claim| claim.id).collect();
    store.release("hanako", &ids).await.unwrap();
    let at = store.revoke(Whose::Owner("hanako")).await.unwrap();
    println!("ANSWER {} {}", ids.len(), at.as_millis());
}

#[tokio::test]
async fn a_command_line_lists_and_revokes_while_the_server_runs() {
    let place = Place::new();
    let server = SqliteStore::open(place.file()).unwrap();
    for number in 0..3 {
        claim(&server, "hanako", number, HOUR).await;
        create(&server, number, HOUR).await;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "command_line", "--nocapture"])
        .env(FILE, place.file())
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let (_, answer) = output.split_once("ANSWER ").expect("an answer");
    let mut answer = answer.split_whitespace();
    assert_eq!(answer.next(), Some("3"));
    let at: i64 = answer.next().unwrap().parse().unwrap();
    let revoked = server.revoked_at("hanako").await.unwrap();
    assert_eq!(revoked, Some(Timestamp::from_millis(at)));
    let (loaded, revision) = server.load_with_revision(&numbered(1)).await.unwrap();
    assert!(matches!(loaded, Loaded::Ended(_)));
    assert_eq!(revision, Revision(at.unsigned_abs()));
    assert_eq!(ids(&server, "hanako").await, []);
    assert!(claim(&server, "hanako", 9, HOUR).await.as_millis() > at);
}

#[tokio::test]
async fn reading_the_index_goes_on_while_another_process_writes() {
    let place = Place::new();
    let store = place.open();
    claim(&store, "hanako", 1, HOUR).await;
    let revoked = store.revoke(Whose::Owner("hanako")).await.unwrap();
    let lock = place.stranger();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(ids(&store, "hanako").await, [numbered(1)]);
    assert_eq!(store.revoked_at("hanako").await.unwrap(), Some(revoked));
    store.load_with_revision(&numbered(1)).await.unwrap();
    for error in [
        store
            .claim("hanako", &numbered(2), HOUR, None)
            .await
            .unwrap_err(),
        store.release("hanako", &[numbered(1)]).await.unwrap_err(),
        store.revoke(Whose::Everybody).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(!error.to_string().contains("hanako"), "{error}");
    }
    lock.execute_batch("COMMIT").unwrap();
    assert_eq!(ids(&store, "hanako").await, [numbered(1)]);
    // What is not there cannot be read, and that is no empty index.
    lock.execute_batch("DROP TABLE claims; DROP TABLE revocations; DROP TABLE prefixes")
        .unwrap();
    for error in [
        store.owned("hanako").await.unwrap_err(),
        store.revoked_at("hanako").await.unwrap_err(),
        store.load_with_revision(&numbered(1)).await.unwrap_err(),
        store
            .claim("hanako", &numbered(2), HOUR, None)
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("hanako") && !shown.contains("session-0"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn many_claims_are_read_named_and_released_in_pages() {
    let place = Place::new();
    let store = place.open();
    let mut shell = place.stranger();
    let tx = shell.transaction().unwrap();
    for number in 0..2500_i64 {
        tx.execute(
            "INSERT INTO claims (prefix, owner, id, at, until) VALUES ('sess:', 'hanako', ?1, ?2, 2000000000000)",
            rusqlite::params![format!("session-{number:06}"), 1000 + number],
        )
        .unwrap();
    }
    tx.commit().unwrap();
    let all: Vec<_> = (0..2500).map(numbered).collect();
    assert_eq!(ids(&store, "hanako").await, all);
    // The claimed one, oldest or not, is never named, and a claim that is made again adds none.
    assert_eq!(over(&store, 2499, 2500).await, []);
    assert_eq!(over(&store, 2499, 2499).await, all[..1]);
    assert_eq!(over(&store, 0, 2498).await, all[1..2]);
    // A thousand at most, the oldest; the next claim names those that are left.
    let named = over(&store, 2499, 10).await;
    assert_eq!(named, all[..1000]);
    store.release("hanako", &named).await.unwrap();
    assert_eq!(over(&store, 2499, 10).await, all[1000..2000]);
    assert_eq!(over(&store, 2499, usize::MAX).await, []);
    store.release("hanako", &all).await.unwrap();
    assert_eq!(ids(&store, "hanako").await, []);
}

#[tokio::test]
async fn a_claim_goes_when_its_time_and_its_session_are_over() {
    let place = Place::new();
    let store = place.open();
    let other = place.builder().prefix("other:").open().unwrap();
    claim(&other, "hanako", 1, Duration::ZERO).await;
    let first = claim(&store, "hanako", 1, Duration::from_secs(60)).await;
    create(&store, 1, HOUR).await;
    claim(&store, "hanako", 2, Duration::from_secs(60)).await;
    for keep in [Duration::from_secs(60), HOUR * 2, Duration::ZERO] {
        claim(&store, "hanako", 3, keep).await;
    }
    // Made again, it keeps its time and is kept for no shorter.
    assert_eq!(claim(&store, "hanako", 1, Duration::ZERO).await, first);
    let sweep = async || {
        store.sweep(100).await.unwrap();
        ids(&store, "hanako").await
    };
    place.clock.advance(Duration::from_secs(60));
    assert_eq!(sweep().await, [1, 2, 3].map(numbered));
    place.clock.advance(Duration::from_millis(1));
    assert_eq!(sweep().await, [1, 3].map(numbered));
    // As long as the session is renewed, whatever was said about the claim.
    assert!(store.renew(&numbered(1), HOUR).await.unwrap());
    place.clock.advance(HOUR - Duration::from_millis(1));
    assert_eq!(sweep().await, [1, 3].map(numbered));
    place.clock.advance(Duration::from_millis(2));
    assert_eq!(sweep().await, [numbered(3)]);
    place.clock.advance(HOUR);
    assert_eq!(sweep().await, []);
    assert_eq!(ids(&other, "hanako").await, [numbered(1)]);
}

/// better-auth#10992: a time to live that was rounded down to 0 made the index permanent.
#[tokio::test]
async fn a_claim_that_is_not_kept_does_not_become_permanent() {
    let place = Place::new();
    let store = place.open();
    claim(&store, "hanako", 1, Duration::ZERO).await;
    claim(&store, "hanako", 2, Duration::from_nanos(1)).await;
    claim(&store, "hanako", 3, Duration::MAX).await;
    place.clock.advance(Duration::from_millis(1));
    store.sweep(100).await.unwrap();
    assert_eq!(ids(&store, "hanako").await, [2, 3].map(numbered));
    place.clock.advance(HOUR * 24 * 365 * 1000);
    store.sweep(100).await.unwrap();
    assert_eq!(ids(&store, "hanako").await, [numbered(3)]);
}

#[tokio::test]
async fn a_sweep_counts_sessions_alone_and_claims_that_stay_hide_no_others() {
    let place = Place::new();
    let store = place.open();
    for number in 0..10 {
        claim(&store, "hanako", number, Duration::ZERO).await;
        create(&store, number, HOUR * 3).await;
    }
    for number in 10..20 {
        claim(&store, "hanako", number, Duration::from_secs(1)).await;
        create(&store, number, Duration::from_secs(1)).await;
    }
    place.clock.advance(HOUR);
    assert_eq!(store.sweep(3).await.unwrap(), 3);
    let mut turns = 0;
    while ids(&store, "hanako").await.len() > 10 {
        store.sweep(3).await.unwrap();
        turns += 1;
        assert!(
            turns < 20,
            "claims whose sessions live are looked at for ever"
        );
    }
    assert_eq!(store.sweep(100).await.unwrap(), 0);
    assert_eq!(ids(&store, "hanako").await.len(), 10);
}

#[tokio::test]
async fn a_revocation_is_known_for_as_long_as_a_cookie_can_live() {
    let place = Place::new();
    let store = place.open();
    let owner = store.revoke(Whose::Owner("hanako")).await.unwrap();
    let shell = place.stranger();
    place.clock.advance(REVOCATION_TTL);
    store.sweep(10).await.unwrap();
    assert_eq!(store.revoked_at("hanako").await.unwrap(), Some(owner));
    place.clock.advance(Duration::from_millis(1));
    store.sweep(10).await.unwrap();
    assert_eq!(store.revoked_at("hanako").await.unwrap(), None);
    assert_eq!(count(&shell, "SELECT count(*) FROM revocations"), 0);
    let (_, revision) = store.load_with_revision(&id("a")).await.unwrap();
    assert_eq!(revision, Revision(owner.as_millis().unsigned_abs()));
}

/// spring-session#2230, #1715: nobody is told that a session has expired, and nobody need be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_is_empty_after_ten_thousand_sessions_have_expired_unheard() {
    let place = Place::new();
    let store = place
        .builder()
        .sweep_interval(Duration::from_millis(5))
        .busy_timeout(Duration::from_secs(20))
        .open()
        .unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in task * 500..(task + 1) * 500 {
                    claim(&store, &format!("owner-{}", number % 100), number, HOUR).await;
                    create(&store, number, HOUR).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let shell = place.stranger();
    assert_eq!(count(&shell, "SELECT count(*) FROM claims"), 10_000);
    place.clock.advance(HOUR * 2);
    let rows = || {
        count(&shell, "SELECT count(*) FROM claims")
            + count(&shell, "SELECT count(*) FROM sessions")
    };
    let start = std::time::Instant::now();
    while rows() > 0 {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "{} rows stay",
            rows()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(count(&shell, "SELECT count(*) FROM prefixes"), 1);
}
