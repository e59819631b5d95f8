//! The options, and opening.

use std::{path::PathBuf, sync::Arc, time::Duration};

use cloakroom_core::{Clock, Error, ErrorKind};

use crate::{
    checkpoint::Checkpoints,
    clock::SystemClock,
    fault::Fault,
    file::{self, Home, Tuning},
    queue::{Limits, Writer},
    readers::Readers,
    store::SqliteStore,
    writer::{Settings, Thread},
};

/// What an acknowledged change survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// The end of the process, `kill -9` included, but not for certain a power failure or a crash of the system: these may
    /// cost the last moments' changes, never the file. SQLite's `synchronous = NORMAL`.
    #[default]
    ProcessCrash,
    /// A power failure too, as far as the disk keeps its word: every group of changes waits for the disk. SQLite's
    /// `synchronous = FULL`.
    PowerLoss,
}

/// Options of a [`SqliteStore`]; made by [`SqliteStore::builder`], turned into a store by [`open`](Self::open).
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `open` is called"]
pub struct SqliteStoreBuilder {
    path: PathBuf,
    prefix: Arc<str>,
    clock: Arc<dyn Clock>,
    durability: Durability,
    create_dirs: bool,
    attach: bool,
    sweep_interval: Option<Duration>,
    sweep_batch: usize,
    busy_timeout: Duration,
    max_group: usize,
    max_queue: usize,
    max_queue_bytes: usize,
    max_value_size: usize,
    max_file_size: Option<u64>,
}

/// The longest value that `max_value_size` can allow; SQLite itself ends at 10^9 bytes a row.
const VALUE_SIZE_LIMIT: usize = 512 * 1024 * 1024;

/// The queue's memory is taken at once.
const QUEUE_LIMIT: usize = 1024 * 1024;

impl SqliteStoreBuilder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            prefix: "sess:".into(),
            clock: Arc::new(SystemClock),
            durability: Durability::default(),
            create_dirs: false,
            attach: false,
            sweep_interval: Some(Duration::from_secs(60)),
            sweep_batch: 500,
            busy_timeout: Duration::from_secs(1),
            max_group: 256,
            max_queue: 4096,
            max_queue_bytes: 64 * 1024 * 1024,
            max_value_size: 16 * 1024 * 1024,
            max_file_size: None,
        }
    }

    /// The application's name for its sessions in the file; default `sess:`, as connect-redis has it. Several applications
    /// can share a file: none sees, lists or sweeps a session of another prefix, whatever the prefixes have in common.
    pub fn prefix(mut self, prefix: impl AsRef<str>) -> Self {
        self.prefix = prefix.as_ref().into();
        self
    }

    /// What an acknowledged change survives; default [`Durability::ProcessCrash`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Whether to make the file's directory, and those above it, if they do not exist; default `false`. They are made for
    /// the owner alone.
    pub fn create_dirs(mut self, create: bool) -> Self {
        self.create_dirs = create;
        self
    }

    /// Whether to open only a file that is there already and has the schema of this build; default `false`. For tools beside
    /// an application: a mistyped path makes no file, and nothing is migrated under a running application of an older
    /// release.
    pub fn attach(mut self, attach: bool) -> Self {
        self.attach = attach;
        self
    }

    /// How often to delete what has expired; default every minute. `None` leaves it to [`Sweep`](cloakroom_core::store::Sweep).
    pub fn sweep_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.sweep_interval = interval.into();
        self
    }

    /// How many rows to delete at once, between two groups of writes; default 500.
    pub fn sweep_batch(mut self, rows: usize) -> Self {
        self.sweep_batch = rows;
        self
    }

    /// Where the present time comes from; default the system's clock. All who share a file must agree on the time.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How long to wait for another process that writes to the file; default one second.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How many writes share a commit at most; default 256.
    pub fn max_group(mut self, calls: usize) -> Self {
        self.max_group = calls;
        self
    }

    /// How many writes may wait; default 4096. Beyond, a write fails at once as unavailable.
    pub fn max_queue(mut self, calls: usize) -> Self {
        self.max_queue = calls;
        self
    }

    /// How many bytes of values may wait; default 64 MiB. A value that finds none waiting may be longer.
    pub fn max_queue_bytes(mut self, bytes: usize) -> Self {
        self.max_queue_bytes = bytes;
        self
    }

    /// The longest value in bytes; default 16 MiB. A longer one is refused as too large.
    pub fn max_value_size(mut self, bytes: usize) -> Self {
        self.max_value_size = bytes;
        self
    }

    /// How large the file may grow; default as large as the disk allows. When the limit is reached, writes are rejected and
    /// reads go on. The write-ahead log beside it is not counted: it has little more than 32 MiB, unless another process reads in
    /// one transaction for long.
    pub fn max_file_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.max_file_size = bytes.into();
        self
    }

    /// Opens the file, makes it if there is none, and brings its schema up to date. This blocks: for a millisecond as a
    /// rule, for about `busy_timeout` if another process holds a lock, longer where a migration has much to do. Call it
    /// where the server starts.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) names the option that cannot be. [`Rejected`](ErrorKind::Rejected) says why this file
    /// cannot be used: no directory, no rights, read-only, no database, another program's database, damaged, or written by
    /// a later release. [`Unavailable`](ErrorKind::Unavailable) means that trying again may help: a lock held by another
    /// process, an error of the disk.
    pub fn open(self) -> Result<SqliteStore, Error> {
        self.check()?;
        let path = file::locate(&self.path)?;
        if self.attach {
            file::check_attached(&path)?;
        }
        file::prepare(&path, self.create_dirs)?;
        let tuning = Tuning {
            durability: self.durability,
            busy_timeout: self.busy_timeout,
            max_file_size: self.max_file_size,
        };
        let conn = file::open_writer(&path, tuning)?;
        let home = Home::of(&path);
        let fail = |fault: Fault| fault.into_error(&path);
        let readers = Arc::new(Readers::open(home.clone()).map_err(fail)?);
        let checkpoints = Checkpoints::start(&path, tuning).map_err(fail)?;
        let settings = Settings {
            prefix: self.prefix.clone(),
            clock: self.clock.clone(),
            max_group: self.max_group,
            sweep_interval: self.sweep_interval,
            sweep_batch: self.sweep_batch,
        };
        let limits = Limits {
            calls: self.max_queue,
            bytes: self.max_queue_bytes,
        };
        let reading = readers.clone();
        let writer = Writer::start(limits, |messages| {
            Thread::new(conn, home, checkpoints, reading, messages, settings)
        })
        .map_err(|error| {
            let what = format!("session store {}: no thread to write with", path.display());
            Error::new(ErrorKind::Unavailable, what).with_source(error)
        })?;
        Ok(SqliteStore::new(
            path,
            self.prefix,
            self.clock,
            self.max_value_size,
            readers,
            writer,
        ))
    }

    fn check(&self) -> Result<(), Error> {
        let problem = if self.prefix.contains('\0') {
            "`prefix` must not contain a NUL character"
        } else if self.sweep_batch == 0 {
            "`sweep_batch` must be at least 1; to turn the sweeper off, set `sweep_interval` to `None`"
        } else if self.sweep_interval == Some(Duration::ZERO) {
            "`sweep_interval` must be longer than zero; to turn the sweeper off, set it to `None`"
        } else if self.max_group == 0 {
            "`max_group` must be at least 1"
        } else if !(1..=QUEUE_LIMIT).contains(&self.max_queue) {
            "`max_queue` must be from 1 to 1048576"
        } else if self.max_value_size > VALUE_SIZE_LIMIT {
            "`max_value_size` must be at most 536870912"
        } else if self.busy_timeout > Duration::from_secs(3600) {
            "`busy_timeout` must be at most an hour"
        } else if self.max_file_size.is_some_and(|bytes| bytes < 64 * 1024) {
            "`max_file_size` must be at least 65536"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Config, problem))
    }
}
