//! The tables, their version, and the steps from older versions to this one.

use rusqlite::Connection;

use crate::fault::Fault;

/// `PRAGMA application_id` of our files: `clkr` in ASCII, so that `file(1)` and we can tell them from others.
pub(crate) const APPLICATION_ID: i32 = 0x636c_6b72;

/// What each version adds to the one before; the number of steps is the version that this build knows. A step that was
/// released is never edited: files out there have taken it already.
///
/// 1. An explicit row number keeps a scan's cursor valid over `VACUUM`. The small columns stand before the value, which
///    may lie on overflow pages. The prefix is a column of its own: glued to the id, `a:` + `b:x` and `a:b:` + `x` would
///    be one key.
/// 2. The owner index. A claim is found by its owner and id, listed by its owner and time, and swept by the end of its time.
///    What a prefix has once is one row; `revision` is read with every load.
pub(crate) const STEPS: &[&str] = &[
    "
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
",
    "
    CREATE TABLE claims (
        row     INTEGER PRIMARY KEY,
        prefix  TEXT    NOT NULL,
        owner   TEXT    NOT NULL,
        id      TEXT    NOT NULL,
        at      INTEGER NOT NULL,
        until   INTEGER NOT NULL,
        UNIQUE (prefix, owner, id)
    ) STRICT;
    CREATE INDEX claims_by_time ON claims (prefix, owner, at, id);
    CREATE INDEX claims_by_end ON claims (prefix, until);
    CREATE TABLE revocations (
        prefix  TEXT    NOT NULL,
        owner   TEXT    NOT NULL,
        at      INTEGER NOT NULL,
        PRIMARY KEY (prefix, owner)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX revocations_by_time ON revocations (prefix, at);
    CREATE TABLE prefixes (
        prefix    TEXT    PRIMARY KEY,
        last      INTEGER NOT NULL,
        revision  INTEGER NOT NULL DEFAULT 0,
        everybody INTEGER
    ) STRICT, WITHOUT ROWID;
",
];

/// Why a file cannot be used.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Misfit {
    /// The file was written by a later release.
    Newer { file: i64, build: i64 },
    /// The file was written by an earlier release and is not to be changed.
    Older { file: i64, build: i64 },
    /// A database, but not one of ours.
    Foreign,
    /// The file may not be written.
    ReadOnly,
    /// The file cannot have a write-ahead log.
    NoLog,
    /// SQLite failed.
    Fault(Fault),
}

impl From<Fault> for Misfit {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<rusqlite::Error> for Misfit {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fault(error.into())
    }
}

/// Brings the file to the last of `steps`, in one transaction, whatever version it has. Does not write where there is
/// nothing to do. Of two processes that open a new file together, one makes the table and the other finds it.
pub(crate) fn migrate(conn: &mut Connection, steps: &[&str]) -> Result<(), Misfit> {
    // In a transaction, or half of what is read would be from before another process' migration.
    let reading = conn.transaction()?;
    let found = version(&reading, steps)?;
    drop(reading);
    if found == steps.len() {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for step in steps.iter().skip(version(&tx, steps)?) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", to_i64(steps.len()))?;
    tx.commit()?;
    Ok(())
}

/// Whether the file has just the version of this build.
pub(crate) fn current(conn: &Connection) -> Result<(), Misfit> {
    let reading = conn.unchecked_transaction()?;
    let found = version(&reading, STEPS)?;
    drop(reading);
    if found == STEPS.len() {
        return Ok(());
    }
    Err(Misfit::Older {
        file: to_i64(found),
        build: to_i64(STEPS.len()),
    })
}

fn version(conn: &Connection, steps: &[&str]) -> Result<usize, Misfit> {
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let file: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let objects: i64 =
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let untouched = application == 0 && file == 0 && objects == 0;
    if !untouched && application != i64::from(APPLICATION_ID) {
        return Err(Misfit::Foreign);
    }
    match usize::try_from(file) {
        Ok(version) if version <= steps.len() => Ok(version),
        _ => Err(Misfit::Newer {
            file,
            build: to_i64(steps.len()),
        }),
    }
}

fn to_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_version(conn: &Connection) -> i64 {
        conn.pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn each_missing_step_is_taken_once_and_in_order() {
        let later = [
            STEPS[0],
            "ALTER TABLE sessions ADD COLUMN owner TEXT;",
            "CREATE INDEX by_owner ON sessions (owner);",
        ];
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, &later[..1]).unwrap();
        conn.execute(
            "INSERT INTO sessions (prefix, id, expires, value) VALUES ('p', 'i', 1, x'00')",
            [],
        )
        .unwrap();
        assert_eq!(user_version(&conn), 1);
        migrate(&mut conn, &later).unwrap();
        migrate(&mut conn, &later).unwrap();
        assert_eq!(user_version(&conn), 3);
        let kept: i64 = conn
            .query_row(
                "SELECT count(*) FROM sessions WHERE owner IS NULL",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(kept, 1);
    }

    #[test]
    fn a_failing_step_leaves_the_file_as_it_was() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, STEPS).unwrap();
        let broken = [
            STEPS[0],
            STEPS[1],
            "CREATE TABLE extra (a); CREATE TABLE sessions (b);",
        ];
        assert!(matches!(migrate(&mut conn, &broken), Err(Misfit::Fault(_))));
        assert_eq!(user_version(&conn), 2);
        migrate(&mut conn, STEPS).unwrap();
        assert!(conn.execute("SELECT * FROM extra", []).is_err());
    }

    #[test]
    fn a_negative_version_is_refused_like_a_newer_one() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, STEPS).unwrap();
        conn.pragma_update(None, "user_version", -3).unwrap();
        assert!(matches!(
            migrate(&mut conn, STEPS),
            Err(Misfit::Newer { file: -3, build: 2 })
        ));
    }
}
