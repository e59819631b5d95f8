//! Listing the sessions.

use async_trait::async_trait;
use cloakroom_core::{
    Error, ErrorKind, SessionId, Stored,
    store::{Scan, ScanPage},
};
use redis::{Pipeline, Value};

use crate::{
    answer::{Left, bytes, number, remaining},
    fault::{Fault, Refusal},
    link::{Call, Live},
    store::{Inner, RedisStore},
};
use std::sync::Arc;

/// How many keys the server looks at for one page, at most and about: it serves nobody else meanwhile.
const STRIDE: usize = 256;

/// How many stretches without a session of ours a page passes over, in a database that others use too.
const EMPTY_STRETCHES: usize = 16;

/// How many sessions are read in one round trip.
const BATCH: usize = 64;

/// Lists in the server's own order, with `SCAN` and never `KEYS`. A page may be empty although there is a next one. The
/// cursor is a number of the server's and says nothing about an id.
#[async_trait]
impl Scan for RedisStore {
    async fn scan(&self, cursor: Option<String>, limit: usize) -> Result<ScanPage, Error> {
        let cursor = match cursor {
            None => 0,
            Some(text) => text.parse().map_err(|_| {
                Error::new(
                    ErrorKind::Rejected,
                    "the scan's cursor is none of this store's; start with `None`",
                )
            })?,
        };
        let page = self.inner.page(cursor, limit.clamp(1, STRIDE)).await;
        page.map_err(|fault| self.fail(fault))
    }
}

impl Inner {
    async fn page(&self, mut cursor: u64, count: usize) -> Result<ScanPage, Fault> {
        let mut ids = Vec::new();
        for _ in 0..EMPTY_STRETCHES {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(self.keys.pattern());
            scan.arg("COUNT").arg(count);
            let call = self.links.call()?;
            let answer = call.command(&call.live().await?, &scan).await?;
            let (next, keys) = stretch(answer)?;
            ids.extend(keys.iter().filter_map(|key| self.keys.id(key)));
            cursor = next;
            if cursor == 0 || !ids.is_empty() {
                break;
            }
        }
        let mut page = ScanPage::default();
        for batch in ids.chunks(BATCH) {
            let call = self.links.call()?;
            self.read(&call, &call.live().await?, batch, &mut page)
                .await?;
        }
        page.next = (cursor != 0).then(|| cursor.to_string());
        Ok(page)
    }

    /// A key that ended since it was listed is left out, and so is one that stands beside its tombstone.
    async fn read(
        &self,
        call: &Call<'_>,
        live: &Arc<Live>,
        ids: &[SessionId],
        page: &mut ScanPage,
    ) -> Result<(), Fault> {
        let mut look = Pipeline::with_capacity(ids.len() * 3);
        for id in ids {
            let key = self.keys.session(id);
            look.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
            look.cmd("EXISTS").arg(self.keys.tombstone(id));
        }
        let mut answers = call.pipeline(live, &look).await?.into_iter();
        for id in ids {
            let mut next = || answers.next().ok_or(Fault::Protocol);
            let (value, left, tombstone) = (next()?, next()?, next()?);
            let value = match value {
                Value::ServerError(error) if Refusal::of(&error) == Refusal::WrongType => None,
                value => bytes(value)?,
            };
            if let (Some(value), Left::Some(remaining), 0) =
                (value, remaining(left)?, number(tombstone)?)
            {
                let value = value.into();
                page.sessions
                    .push((id.clone(), Stored { value, remaining }));
            }
        }
        Ok(())
    }
}

/// Where `SCAN` goes on, and what it found.
fn stretch(answer: Value) -> Result<(u64, Vec<Vec<u8>>), Fault> {
    let items = match answer {
        Value::Array(items) => items,
        Value::ServerError(error) => return Err((&error).into()),
        _ => return Err(Fault::Protocol),
    };
    let [cursor, keys] = <[Value; 2]>::try_from(items).map_err(|_| Fault::Protocol)?;
    let cursor = bytes(cursor)?.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok());
    let Value::Array(keys) = keys else {
        return Err(Fault::Protocol);
    };
    let keys: Result<Vec<_>, _> = keys.into_iter().map(bytes).collect();
    Ok((
        cursor.ok_or(Fault::Protocol)?,
        keys?.into_iter().flatten().collect(),
    ))
}
