//! A SQLite file: whose it is, that it is whole, that there is room, and that somebody sweeps it.

use std::{path::Path, time::Duration};

use cloakroom::{EndReason, SessionId, Store as _, sqlite::SqliteStore};
use rusqlite::Connection;

use super::finding::Finding;
use crate::{clock::now, failure::Failure, format};

/// An application sweeps every minute. What has been over for this long will not be swept.
const SWEPT: Duration = Duration::from_secs(15 * 60);

/// With less room a busy application stops soon: its log alone has 32 MiB.
const LITTLE_ROOM: u64 = 256 * 1024 * 1024;

/// So many complaints about a damaged file are enough.
const CHECK: &str = "PRAGMA quick_check(1)";

pub(super) fn look(store: &SqliteStore, file: &Connection) -> Result<Vec<Finding>, Failure> {
    let path = Path::new(file.path().unwrap_or_default());
    let mut findings = vec![Finding::ok(
        "file",
        format!("{}, {}", path.display(), size(path)),
    )];
    findings.extend(mode(path));
    findings.extend(room(path));
    findings.push(log(file).unwrap_or_else(|error| unreadable(&error)));
    findings.push(whole(file).unwrap_or_else(|error| unreadable(&error)));
    findings.push(swept(store, file).unwrap_or_else(|error| unreadable(&error)));
    Ok(findings)
}

fn unreadable(error: &rusqlite::Error) -> Finding {
    let advice =
        "stop the application, copy the file, and repair the copy with `sqlite3 FILE .recover`";
    Finding::error(
        "content",
        format!("the file cannot be read: {error}"),
        advice,
    )
}

fn size(path: &Path) -> String {
    std::fs::metadata(path).map_or_else(
        |_| "of unknown size".to_owned(),
        |found| format::size(found.len()),
    )
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<Finding> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(path).ok()?;
    let mode = found.mode() & 0o777;
    Some(if mode & 0o077 == 0 {
        Finding::ok(
            "owner",
            format!("the file is its owner's alone (mode {mode:04o})"),
        )
    } else {
        let advice = "`chmod 600` the file and what stands beside it (`-wal`, `-shm`), unless that is meant: it holds ids and values";
        Finding::warning(
            "owner",
            format!("other users can open the file (mode {mode:04o})"),
            advice,
        )
    })
}

#[cfg(not(unix))]
fn mode(_path: &Path) -> Option<Finding> {
    None
}

#[cfg(unix)]
fn room(path: &Path) -> Option<Finding> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let found = rustix::fs::statvfs(folder.unwrap_or(Path::new("."))).ok()?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let what = format!("{} free on the disk", format::size(free));
    Some(if free < LITTLE_ROOM {
        let advice = "make room: when the disk is full, sessions can be read and none can be saved";
        Finding::error("disk", what, advice)
    } else {
        Finding::ok("disk", what)
    })
}

#[cfg(not(unix))]
fn room(_path: &Path) -> Option<Finding> {
    None
}

fn log(file: &Connection) -> Result<Finding, rusqlite::Error> {
    let mode: String = file.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    Ok(if mode == "wal" {
        Finding::ok(
            "log",
            "writes go through a write-ahead log, so readers do not wait",
        )
    } else {
        let advice = "put the file on a local disk: a network share cannot hold a write-ahead log";
        Finding::error("log", format!("the journal's mode is `{mode}`"), advice)
    })
}

fn whole(file: &Connection) -> Result<Finding, rusqlite::Error> {
    let said: String = file.query_row(CHECK, [], |row| row.get(0))?;
    Ok(if said == "ok" {
        Finding::ok("content", "the file is whole (`PRAGMA quick_check`)")
    } else {
        let advice = "stop the application, copy the file, and repair the copy with `sqlite3 FILE .recover`, or restore a backup";
        Finding::error(
            "content",
            "the file is damaged (`PRAGMA quick_check`)",
            advice,
        )
    })
}

fn swept(store: &SqliteStore, file: &Connection) -> Result<Finding, rusqlite::Error> {
    let long_ago = now().as_millis() - i64::try_from(SWEPT.as_millis()).unwrap_or(0);
    let mut statement = file.prepare(
        "SELECT prefix, count(*) FROM sessions WHERE expires < ?1 GROUP BY prefix ORDER BY 2 DESC LIMIT 1",
    )?;
    let mut rows = statement.query([long_ago])?;
    let Some(row) = rows.next()? else {
        return Ok(Finding::ok("sweeping", "what is over is deleted"));
    };
    let (prefix, number): (String, i64) = (row.get(0)?, row.get(1)?);
    let number = format::count(u64::try_from(number).unwrap_or(0));
    let what = format!(
        "{number} rows of the prefix `{prefix}` have been over for a quarter of an hour and are still there"
    );
    let advice = if prefix == store.prefix() {
        "an application that runs deletes them within minutes: see that it runs, and that `sweep_interval` is set"
    } else {
        "no application with this prefix runs; if none will, delete its rows (see the documentation of cloakroom-sqlite)"
    };
    Ok(Finding::warning("sweeping", what, advice))
}

/// Ends a session that there is not, which writes a tombstone.
pub(super) async fn rights(store: &SqliteStore, read_only: bool) -> Finding {
    if read_only {
        return Finding::note("rights", "not tried, because of --read-only");
    }
    let Some(id) = SessionId::parse("cloakroom-doctor") else {
        return Finding::note("rights", "not tried");
    };
    let ended = store.end(&id, EndReason::Destroyed).await;
    match ended {
        Ok(_) => Finding::ok("rights", "the file can be written"),
        Err(error) => {
            let advice =
                "give whoever runs the application write access to the file and its folder";
            Finding::error("rights", error.to_string(), advice)
        }
    }
}
