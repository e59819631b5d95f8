//! Opening beside an application: `attach` makes nothing and migrates nothing.

use std::{fs, time::Duration};

use bytes::Bytes;
use cloakroom_core::{EndReason, ErrorKind, Loaded, SessionId, Store as _};
use cloakroom_sqlite::SqliteStore;

fn attach(path: &std::path::Path) -> Result<SqliteStore, cloakroom_core::Error> {
    SqliteStore::builder(path)
        .attach(true)
        .sweep_interval(None)
        .open()
}

#[tokio::test]
async fn two_handles_on_the_file_see_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.db");
    let application = SqliteStore::open(&path).unwrap();
    let id = SessionId::from_random([1; 24]);
    let value = Bytes::from_static(b"{}");
    let hour = Duration::from_secs(3600);
    application.create(&id, value, hour).await.unwrap();
    let tool = attach(&path).unwrap();
    assert!(matches!(tool.load(&id).await, Ok(Loaded::Live(_))));
    assert!(tool.end(&id, EndReason::Destroyed).await.unwrap());
    assert!(matches!(
        application.load(&id).await,
        Ok(Loaded::Ended(EndReason::Destroyed))
    ));
}

#[test]
fn no_file_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none").join("sessions.db");
    let error = attach(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("no such file"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let error = attach(dir.path()).unwrap_err();
    assert!(error.to_string().contains("directory"), "{error}");
}

#[test]
fn a_file_of_an_earlier_release_is_not_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.db");
    drop(SqliteStore::open(&path).unwrap());
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 0).unwrap();
    drop(conn);
    let error = attach(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("schema version 0"), "{error}");
    let conn = rusqlite::Connection::open(&path).unwrap();
    let version: i64 = conn
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 0);
}

#[test]
fn another_programs_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.db");
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(conn);
    let before = fs::read(&path).unwrap();
    let error = attach(&path).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}
