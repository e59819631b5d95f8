//! Moving the write-ahead log into the file, beside the writer.
//!
//! A checkpoint waits for the disk; done by the writer, as SQLite does by default, it is the slowest write of all. Here a
//! second thread does it whenever [`SOFT`] pages wait, without stopping anybody. It alone cannot bound the log, which
//! starts over only in a moment when all of it was moved, and under constant load that moment never comes by itself. So at
//! [`HARD`] pages the writer stops and moves the short rest.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use crate::{
    fault::Fault,
    file::{self, Tuning},
};

/// At how many pages of 4 KiB in the log, not yet moved, the second thread starts.
const SOFT: i64 = 1000;

/// At how many pages in all the writer steps in: 32 MiB.
const HARD: i64 = 8192;

/// How long the writer waits for readers of old pages before it goes on and lets the log grow: a foreign process with a
/// long read transaction must not stop the server.
const PATIENCE: Duration = Duration::from_millis(50);

/// After how many more pages it tries again; twice as many after each failure, so that waiting in vain gets rare.
const STEP: i64 = HARD / 8;

pub(crate) struct Checkpoints {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Held while the second thread works, so that the writer does not take its own process for a foreign lock.
    at_work: Arc<Mutex<()>>,
    busy_timeout: Duration,
    limit: i64,
    step: i64,
}

struct Log {
    pages: i64,
    moved: i64,
}

impl Checkpoints {
    pub(crate) fn start(path: &Path, tuning: Tuning) -> Result<Self, Fault> {
        let conn = file::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, tuning)?;
        let (wake, calls) = sync_channel(1);
        let at_work = Arc::new(Mutex::new(()));
        let working = at_work.clone();
        let thread = thread::Builder::new()
            .name("cloakroom-checkpoint".into())
            .spawn(move || {
                while calls.recv().is_ok() {
                    let _held = working.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Err(fault) = checkpoint(&conn, "PASSIVE") {
                        warn(&conn, fault);
                    }
                }
            })
            .ok();
        Ok(Self {
            wake: thread.is_some().then_some(wake),
            thread,
            at_work,
            busy_timeout: tuning.busy_timeout,
            limit: HARD,
            step: STEP,
        })
    }

    /// Called by the writer between two groups.
    pub(crate) fn after_commit(&mut self, conn: &Connection) {
        let Ok(log) = checkpoint(conn, "NOOP") else {
            return;
        };
        if log.pages >= self.limit {
            self.step_in(conn, log.pages);
        } else if log.pages - log.moved >= SOFT {
            match &self.wake {
                // Full: it has been called already.
                Some(wake) => drop(wake.try_send(())),
                None => drop(checkpoint(conn, "PASSIVE")),
            }
        }
    }

    fn step_in(&mut self, conn: &Connection, pages: i64) {
        let done = {
            let _held = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = conn.busy_timeout(PATIENCE);
            checkpoint(conn, "RESTART")
        };
        let _ = conn.busy_timeout(self.busy_timeout);
        if done.is_ok() {
            (self.limit, self.step) = (HARD, STEP);
            return;
        }
        self.limit = pages.saturating_add(self.step);
        self.step = self.step.saturating_mul(2);
        if let Err(fault) = done
            && !fault.is_busy()
        {
            warn(conn, fault);
        }
    }

    /// Empties the log where nobody else reads it; nothing is lost where it cannot be emptied.
    pub(crate) fn finish(mut self, conn: &Connection) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = conn.busy_timeout(PATIENCE);
        let _ = checkpoint(conn, "TRUNCATE");
    }
}

fn checkpoint(conn: &Connection, mode: &str) -> Result<Log, Fault> {
    let (busy, log) = conn
        .prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?
        .query_row([], |row| {
            let log = Log {
                pages: row.get(1)?,
                moved: row.get(2)?,
            };
            Ok((row.get::<_, i64>(0)? != 0, log))
        })?;
    if busy && mode == "RESTART" {
        return Err(Fault::busy());
    }
    Ok(log)
}

fn warn(conn: &Connection, fault: Fault) {
    let error = fault.into_error(Path::new(conn.path().unwrap_or("")));
    tracing::warn!(%error, "the write-ahead log could not be moved into the file and keeps growing");
}
