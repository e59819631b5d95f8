//! The statements of the owner index.
//!
//! As those of [`crate::rows`], except that a change may take several: first the time is taken, then it is used. A time that was
//! taken and not used is of no importance to anybody, and neither is a revision without its revocation.

use cloakroom_core::{
    SessionId, Timestamp,
    owner_index::{Claim, Claimed, REVOCATION_TTL, Revision, Whose},
};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::{
    fault::Fault,
    rows::{Key, clamp},
};

pub(crate) fn revision(conn: &Connection, prefix: &str) -> Result<Revision, Fault> {
    let revision: Option<i64> = conn
        .prepare_cached("SELECT revision FROM prefixes WHERE prefix = ?1")?
        .query_row([prefix], |row| row.get(0))
        .optional()?;
    Ok(Revision(revision.unwrap_or(0).unsigned_abs()))
}

/// What a claim says about itself.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// Until when it is kept at least.
    pub(crate) until: Timestamp,
    /// How many of the owner's claims there may be.
    pub(crate) limit: Option<usize>,
    /// How many ids to name at most.
    pub(crate) most: usize,
}

pub(crate) fn claim(
    conn: &Connection,
    key: &Key,
    owner: &str,
    terms: Terms,
    now: Timestamp,
) -> Result<Claimed, Fault> {
    let (prefix, id, until) = (&*key.prefix, key.id.as_str(), terms.until.as_millis());
    let held = conn
        .prepare_cached("SELECT at FROM claims WHERE prefix = ?1 AND owner = ?2 AND id = ?3")?
        .query_row(params![prefix, owner, id], |row| row.get(0))
        .optional()?;
    let at = match held {
        Some(at) => {
            conn.prepare_cached(
                "UPDATE claims SET until = ?4
                 WHERE prefix = ?1 AND owner = ?2 AND id = ?3 AND until < ?4",
            )?
            .execute(params![prefix, owner, id, until])?;
            at
        }
        None => {
            let at: i64 = conn
                .prepare_cached(
                    "INSERT INTO prefixes (prefix, last) VALUES (?1, ?2)
                     ON CONFLICT (prefix) DO UPDATE SET last = max(last + 1, excluded.last)
                     RETURNING last",
                )?
                .query_row(params![prefix, now.as_millis()], |row| row.get(0))?;
            conn.prepare_cached(
                "INSERT INTO claims (prefix, owner, id, at, until) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![prefix, owner, id, at, until])?;
            at
        }
    };
    Ok(Claimed {
        at: Timestamp::from_millis(at),
        over: match terms.limit {
            Some(limit) => beyond(conn, key, owner, limit, terms.most)?,
            None => Vec::new(),
        },
    })
}

/// The oldest claims beyond the newest `limit`, without that of `key`. The inner query finds the newest of them and reads no
/// more than the limit.
fn beyond(
    conn: &Connection,
    key: &Key,
    owner: &str,
    limit: usize,
    most: usize,
) -> Result<Vec<SessionId>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT id FROM claims WHERE prefix = ?1 AND owner = ?2 AND id <> ?3 AND at <=
         (SELECT at FROM claims WHERE prefix = ?1 AND owner = ?2 ORDER BY at DESC LIMIT 1 OFFSET ?4)
         ORDER BY at LIMIT ?5",
    )?;
    let (prefix, id) = (&*key.prefix, key.id.as_str());
    let found = statement.query_map(
        params![prefix, owner, id, clamp(limit), clamp(most)],
        |row| Ok(parsed(row.get_ref(0)?.as_str_or_null()?)),
    )?;
    let ids: Result<Vec<_>, _> = found.collect();
    Ok(ids?.into_iter().flatten().collect())
}

/// `None` where no id of ours looks like this: somebody put it there by hand, and no request can name it.
fn parsed(id: Option<&str>) -> Option<SessionId> {
    SessionId::parse(id?)
}

/// What was found in one stretch of an owner's claims.
pub(crate) struct Stretch {
    pub(crate) claims: Vec<Claim>,
    /// The last time looked at; `None` if the claims ended.
    pub(crate) last: Option<i64>,
}

/// No more than `limit` claims, from the first that is later than `after`.
pub(crate) fn owned(
    conn: &Connection,
    prefix: &str,
    owner: &str,
    after: i64,
    limit: usize,
) -> Result<Stretch, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT at, id FROM claims WHERE prefix = ?1 AND owner = ?2 AND at > ?3 ORDER BY at LIMIT ?4",
    )?;
    let mut cursor = statement.query(params![prefix, owner, after, clamp(limit)])?;
    let (mut claims, mut seen, mut last) = (Vec::new(), 0, None);
    while let Some(row) = cursor.next()? {
        seen += 1;
        let at = row.get(0)?;
        last = Some(at);
        let id = parsed(row.get_ref(1)?.as_str_or_null().map_err(|_| Fault::Row)?);
        claims.extend(id.map(|id| Claim {
            id,
            at: Timestamp::from_millis(at),
        }));
    }
    if seen < limit {
        last = None;
    }
    Ok(Stretch { claims, last })
}

/// A few at once; what is not claimed is none of their business.
pub(crate) fn release(
    conn: &Connection,
    prefix: &str,
    owner: &str,
    ids: &[SessionId],
) -> Result<(), Fault> {
    let mut statement =
        conn.prepare_cached("DELETE FROM claims WHERE prefix = ?1 AND owner = ?2 AND id = ?3")?;
    for id in ids {
        statement.execute(params![prefix, owner, id.as_str()])?;
    }
    Ok(())
}

pub(crate) fn revoke(
    conn: &Connection,
    prefix: &str,
    whose: Whose<'_>,
    now: Timestamp,
) -> Result<Timestamp, Fault> {
    let at: i64 = conn
        .prepare_cached(
            "INSERT INTO prefixes (prefix, last, revision, everybody)
             VALUES (?1, ?2, ?2, CASE WHEN ?3 THEN ?2 END)
             ON CONFLICT (prefix) DO UPDATE
             SET last = max(last + 1, excluded.last), revision = max(last + 1, excluded.last),
                 everybody = CASE WHEN ?3 THEN max(last + 1, excluded.last) ELSE everybody END
             RETURNING last",
        )?
        .query_row(
            params![prefix, now.as_millis(), whose == Whose::Everybody],
            |row| row.get(0),
        )?;
    if let Whose::Owner(owner) = whose {
        conn.prepare_cached(
            "INSERT INTO revocations (prefix, owner, at) VALUES (?1, ?2, ?3)
             ON CONFLICT (prefix, owner) DO UPDATE SET at = excluded.at",
        )?
        .execute(params![prefix, owner, at])?;
    }
    Ok(Timestamp::from_millis(at))
}

pub(crate) fn revoked_at(
    conn: &Connection,
    prefix: &str,
    owner: &str,
) -> Result<Option<Timestamp>, Fault> {
    let at: Option<i64> = conn
        .prepare_cached(
            "SELECT max(at) FROM (SELECT at FROM revocations WHERE prefix = ?1 AND owner = ?2
             UNION ALL SELECT everybody FROM prefixes WHERE prefix = ?1)",
        )?
        .query_row(params![prefix, owner], |row| row.get(0))?;
    Ok(at.map(Timestamp::from_millis))
}

/// Looks at some of the claims whose time is over and deletes those whose session is over too. The others are kept until
/// their sessions end, lest every sweep look at them again and see nothing else. The same for revocations. Says how many rows
/// it changed: fewer than `limit` if it found no more.
pub(crate) fn sweep(
    conn: &Connection,
    prefix: &str,
    limit: usize,
    now: Timestamp,
) -> Result<usize, Fault> {
    let (now, limit) = (now.as_millis(), clamp(limit));
    let kept = conn
        .prepare_cached(
            "UPDATE claims SET until = live.expires FROM sessions AS live
             WHERE claims.row IN
             (SELECT row FROM claims WHERE prefix = ?1 AND until < ?2 ORDER BY until LIMIT ?3)
             AND live.prefix = claims.prefix AND live.id = claims.id AND live.ended IS NULL AND live.expires > ?2",
        )?
        .execute(params![prefix, now, limit])?;
    let deleted = conn
        .prepare_cached(
            "DELETE FROM claims WHERE row IN
             (SELECT row FROM claims WHERE prefix = ?1 AND until < ?2 ORDER BY until LIMIT ?3)
             AND NOT EXISTS (SELECT 1 FROM sessions AS live
             WHERE live.prefix = claims.prefix AND live.id = claims.id AND live.ended IS NULL AND live.expires > ?2)",
        )?
        .execute(params![prefix, now, limit])?;
    let known = i64::try_from(REVOCATION_TTL.as_millis()).unwrap_or(i64::MAX);
    let forgotten = conn
        .prepare_cached(
            "DELETE FROM revocations WHERE prefix = ?1 AND owner IN
             (SELECT owner FROM revocations WHERE prefix = ?1 AND at < ?2 ORDER BY at LIMIT ?3)",
        )?
        .execute(params![prefix, now.saturating_sub(known), limit])?;
    Ok((kept + deleted).max(forgotten))
}
