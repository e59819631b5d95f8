//! Connections for reading, beside the writer.
//!
//! A point read takes a few microseconds, less than a hop to another thread, so it runs inside the caller's future. There
//! is never one in progress for longer than its statement, hence never more connections than threads that poll futures.
//! A reader waits for no lock: in WAL mode nothing but a foreign exclusive lock stops it, and then the call is handed to
//! the writer's thread, which may wait.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::{
    fault::Fault,
    file::{self, Home},
};

/// How many connections are kept for the next calls; what is beyond is closed after use.
const MAX_IDLE: usize = 32;

pub(crate) struct Readers {
    home: Home,
    /// `None` once the store is closed.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    /// A pool with one connection, so that a file that cannot be read is known at once; with none where another process
    /// holds a lock at this moment.
    pub(crate) fn open(home: Home) -> Result<Self, Fault> {
        let first = match file::open_reader(home.path()) {
            Err(fault) if fault.is_busy() => None,
            opened => Some(opened?),
        };
        Ok(Self {
            idle: Mutex::new(Some(Vec::from_iter(first))),
            home,
        })
    }

    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let kept = self.idle().as_mut().ok_or(Fault::Closed)?.pop();
        let conn = match kept {
            Some(conn) => conn,
            None => {
                let conn = file::open_reader(self.home.path());
                // Another file in the same place would answer that every session is missing.
                self.home.check()?;
                conn?
            }
        };
        let found = work(&conn);
        let surplus = match &mut *self.idle() {
            Some(idle) if idle.len() < MAX_IDLE => {
                idle.push(conn);
                None
            }
            _ => Some(conn),
        };
        drop(surplus);
        found
    }

    /// Closes what is idle; what is in use is closed when it comes back.
    pub(crate) fn close(&self) {
        let idle = self.idle().take();
        drop(idle);
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
