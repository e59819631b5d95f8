//! Opening a store beside the application that uses it.

use std::{path::Path, sync::Arc, time::Duration};

use cloakroom::{
    OwnerIndex,
    core::store::{Scan, ScanPage},
    redis::RedisStore,
    sqlite::SqliteStore,
};

use rusqlite::{Connection, OpenFlags};

use super::{
    StoreArgs,
    course::Course,
    place::{self, Environment, NamedBy, Place, Process},
};
use crate::{failure::Failure, output};

/// Longer than an application's own deadlines: a person waits, and no visitor.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What the commands ask of a store.
pub(crate) trait Sessions: Scan + OwnerIndex {}
impl<S: Scan + OwnerIndex> Sessions for S {}

/// A store that is open.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A Redis or Valkey server.
    Redis(RedisStore),
    /// A SQLite file.
    Sqlite {
        /// The store.
        store: SqliteStore,
        /// What every session of the application is listed under.
        prefix: String,
        /// A connection that cannot write, for what the store does not tell.
        file: Connection,
    },
}

impl Opened {
    /// Opens the store that the options and the variables name.
    pub(crate) async fn open(args: &StoreArgs) -> Result<Self, Failure> {
        Self::open_at(args, &Process).await
    }

    async fn open_at(args: &StoreArgs, env: &dyn Environment) -> Result<Self, Failure> {
        let prefix = place::prefix(args, env)?;
        let place = Place::find(args, env)?;
        if place.shows_password() {
            output::warn(
                "the password in --store can be read by others on this machine; put the URL into SESSION_STORE",
            );
        }
        match place {
            Place::Sqlite { path, named_by } => Self::file(&path, prefix, named_by),
            Place::Url { url, .. } => Self::server(RedisStore::builder(&url), &prefix).await,
            Place::Host(server) => Self::server(server.builder(), &prefix).await,
        }
    }

    async fn server(
        builder: cloakroom::redis::RedisStoreBuilder,
        prefix: &str,
    ) -> Result<Self, Failure> {
        let store = builder
            .prefix(prefix)
            .connect_timeout(PATIENCE)
            .command_timeout(PATIENCE)
            .connect()
            .await?;
        Ok(Self::Redis(store))
    }

    fn file(path: &Path, prefix: String, named_by: NamedBy) -> Result<Self, Failure> {
        let setting = match named_by {
            NamedBy::Setting(setting) => Some(setting),
            NamedBy::DataDir if !path.exists() => {
                return Err(Failure::usage(format!(
                    "the folder in DATA_DIR has no sessions: there is no {}; see DATA_DIR, or give --store",
                    path.display()
                )));
            }
            NamedBy::Nobody if !path.exists() => {
                return Err(Failure::usage(format!(
                    "no store is named, and there is no {}; give --store, or set SESSION_STORE",
                    path.display()
                )));
            }
            NamedBy::DataDir | NamedBy::Nobody => None,
        };
        let store = SqliteStore::builder(path)
            .prefix(&prefix)
            .attach(true)
            .sweep_interval(None)
            .busy_timeout(PATIENCE)
            .open()
            .map_err(|error| Failure::of_setting(setting, error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let file =
            Connection::open_with_flags(path, flags).map_err(|error| Failure::sqlite(&error))?;
        file.busy_timeout(PATIENCE)
            .map_err(|error| Failure::sqlite(&error))?;
        Ok(Self::Sqlite {
            store,
            prefix,
            file,
        })
    }

    /// The store, to be listed and changed.
    pub(crate) fn sessions(&self) -> Arc<dyn Sessions> {
        match self {
            Self::Redis(store) => Arc::new(store.clone()),
            Self::Sqlite { store, .. } => Arc::new(store.clone()),
        }
    }

    /// What every key begins with.
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::Redis(store) => store.prefix(),
            Self::Sqlite { prefix, .. } => prefix,
        }
    }

    /// Where the listing is, for whoever waits.
    pub(crate) fn course(&self) -> Course {
        match self {
            Self::Redis(_) => Course::server(),
            Self::Sqlite { file, .. } => Course::file(file),
        }
    }

    /// A page of sessions and where to go on.
    pub(crate) async fn page(
        &self,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<ScanPage, Failure> {
        let page = match self {
            Self::Redis(store) => store.scan(cursor, limit).await,
            Self::Sqlite { store, .. } => store.scan(cursor, limit).await,
        };
        Ok(page?)
    }
}
