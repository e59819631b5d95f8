//! The file: that it exists, whose it is, and how connections to it are opened.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use cloakroom_core::{Error, ErrorKind};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::{
    builder::Durability,
    fault::Fault,
    schema::{self, Misfit},
};

/// SQLite locks a file with POSIX locks, and these fall when the process closes *any* descriptor of the file. So the file
/// is never opened beside SQLite except to create it, and nobody else in this process opens it in that moment.
static CREATING: Mutex<()> = Mutex::new(());

/// Where the file is, in a form that SQLite takes for a path and nothing else: an absolute path is neither `:memory:` nor
/// a URI, and a later change of the working directory does not matter.
pub(crate) fn locate(path: &Path) -> Result<PathBuf, Error> {
    if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
        return Err(Error::new(
            ErrorKind::Config,
            "`path` must name a file; sessions that need not survive a restart belong in the memory store",
        ));
    }
    std::path::absolute(path)
        .map_err(|error| trouble(path, "the path cannot be made absolute", error))
}

/// Makes the file if there is none, readable and writable for its owner alone; SQLite gives its side files the same mode.
pub(crate) fn prepare(path: &Path, create_dirs: bool) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(path);
    if !parent.is_dir() {
        if !create_dirs {
            return Err(refuse(
                path,
                "its directory does not exist; make it, or set `create_dirs`",
            ));
        }
        make_dirs(parent).map_err(|error| trouble(path, "its directory cannot be made", error))?;
    }
    if path.is_dir() {
        return Err(refuse(path, "this is a directory; name a file in it"));
    }
    let _alone = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    match private(fs::OpenOptions::new().write(true).create_new(true)).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            warn_if_wide(path);
            Ok(())
        }
        Err(error) => Err(trouble(path, "the file cannot be made or opened", error)),
    }
}

#[cfg(unix)]
fn private(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    options
}

/// That the file is there, is ours and needs no migration. Writes nothing.
pub(crate) fn check_attached(path: &Path) -> Result<(), Error> {
    if !path.exists() {
        return Err(refuse(
            path,
            "there is no such file; the application makes it when it starts",
        ));
    }
    if path.is_dir() {
        return Err(refuse(path, "this is a directory; name a file in it"));
    }
    let found = open_reader(path)
        .and_then(|conn| {
            // The writer of a moment ago may be in the middle of closing the file.
            conn.busy_timeout(Duration::from_secs(1))?;
            Ok(conn)
        })
        .map_err(Misfit::Fault)
        .and_then(|conn| schema::current(&conn));
    found.map_err(|misfit| misfits(path, misfit))
}

fn make_dirs(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A mode that was widened may have been widened on purpose, so that an operator's group can read: say it, leave it.
fn warn_if_wide(path: &Path) {
    #[cfg(unix)]
    if let Ok(metadata) = fs::metadata(path) {
        let mode = std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777;
        if mode & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                mode = %format_args!("{mode:04o}"),
                "the session store's file is open to other users; `chmod 600` it unless that is meant"
            );
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// The file that was opened, whatever its path leads to later. SQLite itself does not notice: it would go on writing to a
/// file that nobody finds again.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    path: PathBuf,
    inode: Option<(u64, u64)>,
}

impl Home {
    pub(crate) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            inode: inode(path),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads there.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if inode(&self.path) == self.inode {
            Ok(())
        } else {
            Err(Fault::Moved)
        }
    }
}

#[cfg(unix)]
fn inode(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Elsewhere an open file cannot be moved.
#[cfg(not(unix))]
fn inode(_path: &Path) -> Option<(u64, u64)> {
    None
}

/// What a connection that writes needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    pub(crate) durability: Durability,
    pub(crate) busy_timeout: Duration,
    pub(crate) max_file_size: Option<u64>,
}

/// Opens the connection of the writer and brings the file's schema up to date.
pub(crate) fn open_writer(path: &Path, tuning: Tuning) -> Result<Connection, Error> {
    let start = Instant::now();
    loop {
        match try_open(path, tuning) {
            // SQLite does not wait where waiting could be for each other: two that turn a new file to WAL at once.
            Err(Misfit::Fault(fault))
                if fault.is_busy() && start.elapsed() < tuning.busy_timeout =>
            {
                thread::sleep(Duration::from_millis(2));
            }
            opened => return opened.map_err(|misfit| misfits(path, misfit)),
        }
    }
}

fn try_open(path: &Path, tuning: Tuning) -> Result<Connection, Misfit> {
    let mut conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, tuning)?;
    if conn.is_readonly("main")? {
        return Err(Misfit::ReadOnly);
    }
    schema::migrate(&mut conn, schema::STEPS)?;
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Misfit::NoLog);
    }
    limit_size(&conn, tuning.max_file_size)?;
    Ok(conn)
}

/// Opens a connection that writes, without looking at the schema.
pub(crate) fn connect(path: &Path, flags: OpenFlags, tuning: Tuning) -> Result<Connection, Fault> {
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(tuning.busy_timeout)?;
    conn.set_prepared_statement_cache_capacity(32);
    let synchronous = match tuning.durability {
        Durability::ProcessCrash => "NORMAL",
        Durability::PowerLoss => "FULL",
    };
    conn.pragma_update(None, "synchronous", synchronous)?;
    // Checkpoints have their own thread, and what was ended is overwritten where that costs no additional write.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update_and_check(None, "secure_delete", "FAST", |_| Ok(()))?;
    conn.pragma_update_and_check(None, "journal_size_limit", JOURNAL_SIZE_LIMIT, |_| Ok(()))?;
    Ok(conn)
}

/// To what size the log is cut after it was longer.
const JOURNAL_SIZE_LIMIT: i64 = 16 * 1024 * 1024;

/// Opens a connection that cannot write. It waits for no lock: see [`crate::readers`].
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::ZERO)?;
    // In KiB: room for the index of some ten thousand sessions.
    conn.pragma_update(None, "cache_size", -8192)?;
    Ok(conn)
}

fn limit_size(conn: &Connection, max_file_size: Option<u64>) -> Result<(), Fault> {
    if let Some(bytes) = max_file_size {
        let page: i64 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
        conn.pragma_update_and_check(None, "max_page_count", pages.max(1), |_| Ok(()))?;
    }
    Ok(())
}

fn misfits(path: &Path, misfit: Misfit) -> Error {
    match misfit {
        Misfit::Newer { file, build } => refuse(
            path,
            &format!(
                "the file has schema version {file} and this build knows versions up to {build}; run the release that \
                 wrote it or a later one, or name another file"
            ),
        ),
        Misfit::Older { file, build } => refuse(
            path,
            &format!(
                "the file has schema version {file} and this build needs version {build}; the application brings it up to \
                 date when its new release starts"
            ),
        ),
        Misfit::Foreign => refuse(
            path,
            "this is another program's SQLite database; name another file",
        ),
        Misfit::ReadOnly => refuse(
            path,
            "the file is read-only; give the process write access to it and to its directory",
        ),
        Misfit::NoLog => refuse(
            path,
            "the file system cannot hold a write-ahead log; use a local disk, not a network share",
        ),
        // While the server runs it may pass; at the start, waiting does not help.
        Misfit::Fault(fault) if fault.code() == Some(ErrorCode::CannotOpen) => refuse(
            path,
            "the file cannot be opened; see that the process may read and write it and its directory",
        ),
        Misfit::Fault(fault) => fault.into_error(path),
    }
}

fn refuse(path: &Path, what: &str) -> Error {
    Error::new(
        ErrorKind::Rejected,
        format!("session store {}: {what}", path.display()),
    )
}

fn trouble(path: &Path, what: &str, source: io::Error) -> Error {
    refuse(path, &format!("{what} ({})", source.kind())).with_source(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durability_is_what_sqlite_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sessions.db");
        prepare(&path, false).unwrap();
        for (durability, level) in [(Durability::ProcessCrash, 1), (Durability::PowerLoss, 2)] {
            let tuning = Tuning {
                durability,
                busy_timeout: Duration::ZERO,
                max_file_size: None,
            };
            let conn = open_writer(&path, tuning).unwrap();
            let number = |name: &str| -> i64 {
                conn.pragma_query_value(None, name, |row| row.get(0))
                    .unwrap()
            };
            assert_eq!(number("synchronous"), level);
            assert_eq!(number("wal_autocheckpoint"), 0);
        }
    }

    #[test]
    fn a_reader_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sessions.db");
        prepare(&path, false).unwrap();
        let tuning = Tuning {
            durability: Durability::ProcessCrash,
            busy_timeout: Duration::ZERO,
            max_file_size: None,
        };
        let _writer = open_writer(&path, tuning).unwrap();
        let reader = open_reader(&path).unwrap();
        let fault: Fault = reader
            .execute("DELETE FROM sessions", [])
            .unwrap_err()
            .into();
        assert_eq!(fault.code(), Some(ErrorCode::ReadOnly));
    }
}
