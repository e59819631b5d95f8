//! From SQLite's result codes to the errors of a store.
//!
//! A [`Fault`] is small and `Copy`, because one failed commit is the failure of everyone in its group. Messages are
//! fixed texts and the file's path: what SQLite says in words is never passed on, so no id and no value can be in it.

use std::path::Path;

use cloakroom_core::{Error, ErrorKind};
use rusqlite::{ErrorCode, ffi};

/// Why a call failed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// SQLite's result code.
    Sqlite(ffi::Error),
    /// A row is not as the schema says.
    Row,
    /// The path leads to another file than the one that is open, or to none.
    Moved,
    /// More calls wait for the writer than `max_queue` allows.
    Crowded,
    /// The store was closed.
    Closed,
    /// The writer's thread is gone although nobody closed the store.
    Stopped,
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        error
            .sqlite_error()
            .copied()
            .map_or(Self::Row, Self::Sqlite)
    }
}

impl Fault {
    /// The fault of a call that reports a foreign lock in its answer instead of by a result code.
    pub(crate) fn busy() -> Self {
        Self::Sqlite(ffi::Error::new(ffi::SQLITE_BUSY))
    }

    /// Whether somebody else holds a lock.
    pub(crate) fn is_busy(self) -> bool {
        matches!(
            self.code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        )
    }

    /// Whether a smaller change may succeed where this one did not.
    pub(crate) fn is_about_size(self) -> bool {
        matches!(
            self.code(),
            Some(ErrorCode::DiskFull | ErrorCode::OutOfMemory | ErrorCode::TooBig)
        )
    }

    pub(crate) fn code(self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite(error) => Some(error.code),
            _ => None,
        }
    }

    /// The error for whoever called, about the file at `path`.
    #[cold]
    pub(crate) fn into_error(self, path: &Path) -> Error {
        let (kind, what) = self.explain();
        let error = Error::new(kind, format!("session store {}: {what}", path.display()));
        match self {
            Self::Sqlite(source) => error.with_source(source),
            _ => error,
        }
    }

    fn explain(self) -> (ErrorKind, &'static str) {
        use ErrorKind::{Rejected, TooLarge, Unavailable};
        match self {
            Self::Row => (
                Rejected,
                "a row does not have the form that this schema version gives it; see what changed the table",
            ),
            Self::Moved => (
                Rejected,
                "the file was moved or deleted while it was open; put it back, or open the store anew",
            ),
            Self::Crowded => (
                Unavailable,
                "too many writes are waiting; try again later, or raise `max_queue` or `max_queue_bytes`",
            ),
            Self::Closed => (Rejected, "the store was closed"),
            Self::Stopped => (Unavailable, "the writer has stopped; open the store anew"),
            Self::Sqlite(error) => match error.code {
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (
                    Unavailable,
                    "another process holds a lock on the file for longer than `busy_timeout`; end that process' \
                     transaction or try again",
                ),
                ErrorCode::DiskFull => (
                    Rejected,
                    "there is no room left on the disk or below `max_file_size`; make room or raise the limit",
                ),
                ErrorCode::ReadOnly => (
                    Rejected,
                    "the file cannot be written; give the process write access to the file and to its directory",
                ),
                ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => (
                    Rejected,
                    "access is denied; give the process read and write access to the file and to its directory",
                ),
                ErrorCode::CannotOpen => (
                    Unavailable,
                    "the file cannot be opened; see that it and its directory exist, that the process may read and \
                     write both, and that it may open more files",
                ),
                ErrorCode::SystemIoFailure => (
                    Unavailable,
                    "the disk reported an error; see the system's log",
                ),
                ErrorCode::DatabaseCorrupt => (
                    Rejected,
                    "the file is damaged; move it away together with its -wal and -shm files and start with a new one \
                     or with a backup",
                ),
                ErrorCode::NotADatabase => (
                    Rejected,
                    "this is not an SQLite database; name another file or move this one away",
                ),
                ErrorCode::OutOfMemory => (Unavailable, "SQLite could not get the memory it needs"),
                ErrorCode::TooBig => (TooLarge, "the value is larger than SQLite can store"),
                _ => (
                    Rejected,
                    "SQLite refused the operation; its code is attached",
                ),
            },
        }
    }
}
