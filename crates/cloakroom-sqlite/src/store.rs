//! The store itself: the law of [`cloakroom_core::store`], kept with a table.

use std::{fmt, path::Path, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom_core::{
    Clock, Created, EndReason, Error, ErrorKind, Loaded, Replaced, Retired, SessionId, Store,
    Timestamp,
    store::{Scan, ScanPage, Sweep},
};
use rusqlite::Connection;

use crate::{
    builder::SqliteStoreBuilder,
    claims,
    fault::Fault,
    queue::Writer,
    readers::Readers,
    rows::{self, Key},
};

/// Sessions in one SQLite file. A clone is another handle on the same store. See the [crate's documentation](crate).
///
/// When the last handle is dropped, the file is closed as by [`close`](Self::close); that blocks the dropping thread, as
/// a rule for a few milliseconds.
#[derive(Clone)]
pub struct SqliteStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    path: PathBuf,
    pub(crate) prefix: Arc<str>,
    clock: Arc<dyn Clock>,
    max_value_size: usize,
    readers: Arc<Readers>,
    writer: Writer,
}

/// How many rows a page of a scan or a turn of a sweep looks at, at most: both stay below a few milliseconds.
pub(crate) const STRIDE: usize = 1000;

/// At how many bytes of values a page of a scan ends early.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

impl SqliteStore {
    /// Opens the file at `path` with the default options and makes it if there is none. Blocks shortly.
    ///
    /// # Errors
    ///
    /// As [`SqliteStoreBuilder::open`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::builder(path).open()
    }

    /// Options for the file at `path`.
    pub fn builder(path: impl Into<PathBuf>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(path.into())
    }

    pub(crate) fn new(
        path: PathBuf,
        prefix: Arc<str>,
        clock: Arc<dyn Clock>,
        max_value_size: usize,
        readers: Arc<Readers>,
        writer: Writer,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                path,
                prefix,
                clock,
                max_value_size,
                readers,
                writer,
            }),
        }
    }

    /// Where the file is, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The application's name for its sessions in the file.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.inner.prefix
    }

    /// Writes what waits, empties the log into the file and closes it, for every handle. Later calls are
    /// [`Rejected`](ErrorKind::Rejected); closing again does nothing.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) if the queue is full: try again.
    pub async fn close(&self) -> Result<(), Error> {
        let closed = self.inner.writer.close().await;
        closed.map_err(|fault| self.fail(fault))
    }

    pub(crate) fn key(&self, id: &SessionId) -> Key {
        Key {
            prefix: self.inner.prefix.clone(),
            id: id.clone(),
        }
    }

    pub(crate) fn expiry(&self, ttl: Duration) -> Timestamp {
        self.inner.clock.now().saturating_add(ttl)
    }

    #[cold]
    fn fail(&self, fault: Fault) -> Error {
        fault.into_error(&self.inner.path)
    }

    fn check_size(&self, value: &Bytes) -> Result<(), Error> {
        let (has, may) = (value.len(), self.inner.max_value_size);
        if has <= may {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::TooLarge,
            format!(
                "the session has {has} bytes and `max_value_size` is {may}; store less in it or raise the option"
            ),
        ))
    }

    /// Reads inline, or on the writer's thread where there is a lock to wait for.
    pub(crate) async fn read<T, F>(&self, mut work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&Connection, Timestamp) -> Result<T, Fault> + Send + 'static,
    {
        let now = self.inner.clock.now();
        let found = match self.inner.readers.read(|conn| work(conn, now)) {
            Err(fault) if fault.is_busy() => self.inner.writer.call(0, work).await,
            found => found,
        };
        found.map_err(|fault| self.fail(fault))
    }

    /// Writes; `bytes` are the values that wait with the call.
    pub(crate) async fn write<T, F>(&self, bytes: usize, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&Connection, Timestamp) -> Result<T, Fault> + Send + 'static,
    {
        let done = self.inner.writer.call(bytes, work).await;
        done.map_err(|fault| self.fail(fault))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.inner.path)
            .field("prefix", &self.inner.prefix)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self, id: &SessionId) -> Result<Loaded, Error> {
        let key = self.key(id);
        self.read(move |conn, now| rows::load(conn, &key, now))
            .await
    }

    async fn create(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<Created, Error> {
        self.check_size(&value)?;
        let bytes = value.len();
        let (key, expires) = (self.key(id), self.expiry(ttl));
        self.write(bytes, move |conn, now| {
            rows::create(conn, &key, &value, expires, now)
        })
        .await
    }

    async fn replace(
        &self,
        id: &SessionId,
        base: &Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Replaced, Error> {
        self.check_size(&value)?;
        let bytes = base.len() + value.len();
        let (key, base, expires) = (self.key(id), base.clone(), self.expiry(ttl));
        self.write(bytes, move |conn, now| {
            rows::replace(conn, &key, &base, &value, expires, now)
        })
        .await
    }

    async fn renew(&self, id: &SessionId, ttl: Duration) -> Result<bool, Error> {
        let (key, expires) = (self.key(id), self.expiry(ttl));
        self.write(0, move |conn, now| rows::renew(conn, &key, expires, now))
            .await
    }

    async fn renew_all(&self, renewals: &[(SessionId, Duration)]) -> Vec<Result<bool, Error>> {
        let rows = renewals.iter();
        let rows: Vec<_> = rows
            .map(|(id, ttl)| (self.key(id), self.expiry(*ttl)))
            .collect();
        let renewed = self.inner.writer.call(0, move |conn, now| {
            let rows = rows.iter();
            rows.map(|(key, expires)| rows::renew(conn, key, *expires, now))
                .collect::<Result<Vec<bool>, Fault>>()
        });
        match renewed.await {
            Ok(renewed) => renewed.into_iter().map(Ok).collect(),
            Err(fault) => renewals.iter().map(|_| Err(self.fail(fault))).collect(),
        }
    }

    async fn end(&self, id: &SessionId, reason: EndReason) -> Result<bool, Error> {
        let key = self.key(id);
        self.write(0, move |conn, now| rows::end(conn, &key, reason, now))
            .await
    }

    async fn retire(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Error> {
        let (key, base) = (self.key(id), base.clone());
        self.write(base.len(), move |conn, now| {
            rows::retire(conn, &key, &base, now)
        })
        .await
    }
}

/// Deletes in turns of a thousand rows at most, so that a large sweep stops nobody. Of the owner index, up to three times as
/// many rows as `limit` says are changed besides: a claim whose time is over is deleted if its session is over too, and kept
/// for as long as its session otherwise. They are not counted in the answer.
#[async_trait]
impl Sweep for SqliteStore {
    async fn sweep(&self, limit: usize) -> Result<usize, Error> {
        let (mut swept, mut beside) = (0, 0);
        while swept < limit {
            let prefix = self.inner.prefix.clone();
            let turn = (limit - swept).min(STRIDE);
            let turn_beside = limit.saturating_sub(beside).min(STRIDE);
            let (sessions, claims) = self
                .write(0, move |conn, now| {
                    let sessions = rows::sweep(conn, &prefix, turn, now)?;
                    let claims = claims::sweep(conn, &prefix, turn_beside, now)?;
                    Ok((sessions, claims))
                })
                .await?;
            swept += sessions;
            beside += claims;
            if sessions < turn && (claims < turn_beside || turn_beside == 0) {
                break;
            }
        }
        Ok(swept)
    }
}

/// Lists in the order in which the sessions were made. A page looks at a thousand rows at most and may be empty although
/// there is a next one. The cursor is a row's number and says nothing about an id.
#[async_trait]
impl Scan for SqliteStore {
    async fn scan(&self, cursor: Option<String>, limit: usize) -> Result<ScanPage, Error> {
        let after = match cursor {
            None => i64::MIN,
            Some(text) => text.parse().map_err(|_| {
                Error::new(
                    ErrorKind::Rejected,
                    "the scan's cursor is none of this store's; start with `None`",
                )
            })?,
        };
        let (prefix, turn) = (self.inner.prefix.clone(), limit.clamp(1, STRIDE));
        let stretch = self
            .read(move |conn, now| rows::scan(conn, &prefix, after, turn, PAGE_BYTES, now))
            .await?;
        Ok(ScanPage {
            sessions: stretch.sessions,
            next: stretch.last.map(|row| row.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_read_that_meets_a_lock_is_made_on_the_thread_that_may_wait() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path().join("sessions.db")).unwrap();
        let mut calls = 0;
        let thread = store
            .read(move |_, _| {
                calls += 1;
                match calls {
                    1 => Err(Fault::busy()),
                    _ => Ok(std::thread::current().name().map(str::to_owned)),
                }
            })
            .await
            .unwrap();
        assert_eq!(thread.as_deref(), Some("cloakroom-sqlite"));
    }
}
