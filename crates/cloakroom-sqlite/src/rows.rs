//! The statements: what each operation does with the table.
//!
//! Each function is right inside a transaction and changes the table with one statement at most, so an operation that
//! fails has changed nothing and the others of its group can go on. Whether a row counts is always asked of its
//! `expires`: it is of no importance whether the sweeper was there already.

use std::time::Duration;

use bytes::Bytes;
use cloakroom_core::{
    Created, EndReason, Loaded, Replaced, Retired, SessionId, Stored, Timestamp,
    store::TOMBSTONE_TTL,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::fault::Fault;

/// A session's place in the table.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) prefix: std::sync::Arc<str>,
    pub(crate) id: SessionId,
}

const DESTROYED: &str = "destroyed";
const ROTATED: &str = "rotated";

pub(crate) fn load(conn: &Connection, key: &Key, now: Timestamp) -> Result<Loaded, Fault> {
    let found = conn
        .prepare_cached(
            "SELECT expires, ended, value FROM sessions WHERE prefix = ?1 AND id = ?2 AND expires > ?3",
        )?
        .query_row(
            params![&*key.prefix, key.id.as_str(), now.as_millis()],
            |row| Ok(loaded(row, now)),
        )
        .optional()?;
    found.unwrap_or(Ok(Loaded::Missing))
}

fn loaded(row: &Row<'_>, now: Timestamp) -> Result<Loaded, Fault> {
    let ended = row.get_ref(1)?.as_str_or_null().map_err(|_| Fault::Row)?;
    match ended {
        None => Ok(Loaded::Live(stored(row, 0, 2, now)?)),
        Some(DESTROYED) => Ok(Loaded::Ended(EndReason::Destroyed)),
        Some(ROTATED) => Ok(Loaded::Ended(EndReason::Rotated)),
        Some(_) => Err(Fault::Row),
    }
}

fn stored(row: &Row<'_>, expires: usize, value: usize, now: Timestamp) -> Result<Stored, Fault> {
    let expires: i64 = row.get(expires)?;
    let value = row.get_ref(value)?.as_bytes().map_err(|_| Fault::Row)?;
    Ok(Stored {
        value: Bytes::copy_from_slice(value),
        remaining: Some(remaining(expires, now)),
    })
}

fn remaining(expires: i64, now: Timestamp) -> Duration {
    Timestamp::from_millis(expires).saturating_since(now)
}

/// A row whose time is over is free to be taken, a tombstone that stands is not.
pub(crate) fn create(
    conn: &Connection,
    key: &Key,
    value: &[u8],
    expires: Timestamp,
    now: Timestamp,
) -> Result<Created, Fault> {
    let changed = conn
        .prepare_cached(
            "INSERT INTO sessions (prefix, id, expires, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (prefix, id) DO UPDATE
             SET expires = excluded.expires, ended = NULL, value = excluded.value
             WHERE sessions.expires <= ?5",
        )?
        .execute(params![
            &*key.prefix,
            key.id.as_str(),
            expires.as_millis(),
            value,
            now.as_millis()
        ])?;
    Ok(if changed == 1 {
        Created::Created
    } else {
        Created::Taken
    })
}

pub(crate) fn replace(
    conn: &Connection,
    key: &Key,
    base: &[u8],
    value: &[u8],
    expires: Timestamp,
    now: Timestamp,
) -> Result<Replaced, Fault> {
    let changed = conn
        .prepare_cached(
            "UPDATE sessions SET value = ?4, expires = ?5
             WHERE prefix = ?1 AND id = ?2 AND value = ?3 AND expires > ?6",
        )?
        .execute(params![
            &*key.prefix,
            key.id.as_str(),
            base,
            value,
            expires.as_millis(),
            now.as_millis()
        ])?;
    if changed == 1 {
        return Ok(Replaced::Replaced);
    }
    Ok(match load(conn, key, now)? {
        Loaded::Live(stored) => Replaced::Changed(stored),
        _ => Replaced::Gone,
    })
}

pub(crate) fn renew(
    conn: &Connection,
    key: &Key,
    expires: Timestamp,
    now: Timestamp,
) -> Result<bool, Fault> {
    let changed = conn
        .prepare_cached(
            "UPDATE sessions SET expires = ?3
             WHERE prefix = ?1 AND id = ?2 AND ended IS NULL AND expires > ?4",
        )?
        .execute(params![
            &*key.prefix,
            key.id.as_str(),
            expires.as_millis(),
            now.as_millis()
        ])?;
    Ok(changed == 1)
}

/// The session's row becomes its tombstone: there is no moment with neither and none with both.
pub(crate) fn end(
    conn: &Connection,
    key: &Key,
    reason: EndReason,
    now: Timestamp,
) -> Result<bool, Fault> {
    let was_live = conn
        .prepare_cached(
            "SELECT 1 FROM sessions WHERE prefix = ?1 AND id = ?2 AND ended IS NULL AND expires > ?3",
        )?
        .exists(params![&*key.prefix, key.id.as_str(), now.as_millis()])?;
    let reason = match reason {
        EndReason::Destroyed => DESTROYED,
        EndReason::Rotated => ROTATED,
    };
    conn.prepare_cached(
        "INSERT INTO sessions (prefix, id, expires, ended) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (prefix, id) DO UPDATE
         SET expires = excluded.expires, ended = excluded.ended, value = NULL
         WHERE sessions.ended IS NULL OR sessions.expires <= ?5
            OR (sessions.ended = 'rotated' AND excluded.ended = 'destroyed')",
    )?
    .execute(params![
        &*key.prefix,
        key.id.as_str(),
        now.saturating_add(TOMBSTONE_TTL).as_millis(),
        reason,
        now.as_millis()
    ])?;
    Ok(was_live)
}

/// As [`end`] for a rotation, only while the row is live and its value is `base`.
pub(crate) fn retire(
    conn: &Connection,
    key: &Key,
    base: &[u8],
    now: Timestamp,
) -> Result<Retired, Fault> {
    let changed = conn
        .prepare_cached(
            "UPDATE sessions SET expires = ?4, ended = ?5, value = NULL
             WHERE prefix = ?1 AND id = ?2 AND value = ?3 AND ended IS NULL AND expires > ?6",
        )?
        .execute(params![
            &*key.prefix,
            key.id.as_str(),
            base,
            now.saturating_add(TOMBSTONE_TTL).as_millis(),
            ROTATED,
            now.as_millis()
        ])?;
    if changed == 1 {
        return Ok(Retired::Retired);
    }
    Ok(match load(conn, key, now)? {
        Loaded::Live(stored) => Retired::Changed(stored),
        _ => Retired::Gone,
    })
}

pub(crate) fn sweep(
    conn: &Connection,
    prefix: &str,
    limit: usize,
    now: Timestamp,
) -> Result<usize, Fault> {
    Ok(conn
        .prepare_cached(
            "DELETE FROM sessions WHERE row IN
             (SELECT row FROM sessions WHERE prefix = ?1 AND expires <= ?2 LIMIT ?3)",
        )?
        .execute(params![prefix, now.as_millis(), clamp(limit)])?)
}

/// What a scan found in one stretch of rows.
pub(crate) struct Stretch {
    pub(crate) sessions: Vec<(SessionId, Stored)>,
    /// The last row looked at; `None` if the table ended.
    pub(crate) last: Option<i64>,
}

/// Looks at no more than `rows` rows after row `after` and stops early when the values exceed `max_bytes`: a long stretch
/// of dead rows or of large values costs several short calls in place of one long one.
pub(crate) fn scan(
    conn: &Connection,
    prefix: &str,
    after: i64,
    rows: usize,
    max_bytes: usize,
    now: Timestamp,
) -> Result<Stretch, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT row, prefix = ?1 AND ended IS NULL AND expires > ?2, id, expires, value
         FROM sessions WHERE row > ?3 ORDER BY row LIMIT ?4",
    )?;
    let mut cursor = statement.query(params![prefix, now.as_millis(), after, clamp(rows)])?;
    let mut stretch = Stretch {
        sessions: Vec::new(),
        last: None,
    };
    let (mut seen, mut bytes) = (0, 0);
    while let Some(row) = cursor.next()? {
        seen += 1;
        stretch.last = Some(row.get(0)?);
        if row.get(1)? {
            let id = row.get_ref(2)?.as_str().map_err(|_| Fault::Row)?;
            let session = stored(row, 3, 4, now)?;
            bytes += session.value.len();
            // An id outside the grammar was put there by hand; no request can name it.
            if let Some(id) = SessionId::parse(id) {
                stretch.sessions.push((id, session));
            }
        }
        if bytes >= max_bytes {
            return Ok(stretch);
        }
    }
    if seen < rows {
        stretch.last = None;
    }
    Ok(stretch)
}

pub(crate) fn clamp(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
