//! What the tests of this crate share.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use cloakroom_core::{SessionId, Timestamp, time::ManualClock};
use cloakroom_sqlite::{SqliteStore, SqliteStoreBuilder};
use tempfile::TempDir;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A directory with room for one file, and a clock that stands still.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) clock: Arc<ManualClock>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::new(Timestamp::from_millis(1_764_105_578_229))),
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("sessions.db")
    }

    /// No sweeper of its own, and little patience.
    pub(crate) fn builder(&self) -> SqliteStoreBuilder {
        SqliteStore::builder(self.file())
            .clock(self.clock.clone())
            .sweep_interval(None)
            .busy_timeout(Duration::from_millis(50))
    }

    pub(crate) fn open(&self) -> SqliteStore {
        self.builder().open().unwrap()
    }

    /// Another process' view of the file, as far as SQLite is concerned.
    pub(crate) fn stranger(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.file()).unwrap()
    }
}

pub(crate) fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
