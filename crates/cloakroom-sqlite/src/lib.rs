//! The embedded store of cloakroom: sessions in one SQLite file.
//!
//! No server, nothing to configure: the file is made when it is first opened, and sessions survive restarts. It is meant
//! for an application on one machine; several machines share their sessions through Redis.
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use cloakroom_core::{Loaded, SessionId, Store as _};
//! use cloakroom_sqlite::{Durability, SqliteStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloakroom_core::Error> {
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("data/sessions.db");
//! let store = SqliteStore::builder(&path)
//!     .prefix("shop:")
//!     .durability(Durability::PowerLoss)
//!     .create_dirs(true)
//!     .open()?;
//!
//! let id = SessionId::from_random([7; 24]); // fresh random bytes in earnest
//! store.create(&id, Bytes::from_static(b"{}"), Duration::from_secs(1800)).await?;
//! assert!(matches!(store.load(&id).await?, Loaded::Live(_)));
//! store.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! Everything in [`cloakroom_core::store`], and:
//!
//! - **An answer means committed.** Writes that wait at the same moment share a commit, and none is answered before it.
//!   What was answered survives `kill -9`; with [`Durability::PowerLoss`] it survives a power failure too.
//! - **Reads do not wait for writes**, nor for a full disk. A read runs inside the future that asks for it and takes a few
//!   microseconds.
//! - **Writes are bounded.** So many may wait ([`max_queue`](SqliteStoreBuilder::max_queue),
//!   [`max_queue_bytes`](SqliteStoreBuilder::max_queue_bytes)); the next fails at once as unavailable. One whose future was dropped before its turn is not made.
//! - **The file's size is flat.** Expired sessions and tombstones are deleted in small batches, their room is used again,
//!   and the write-ahead log has little more than 32 MiB unless another process reads in one
//!   transaction for long. `VACUUM` gives room back to the disk.
//! - **The file is its owner's alone**: made with mode 0600, side files included. A wider mode is left as it is, with a
//!   warning in the log.
//! - **Errors name the file and what to do**, never an id or a value.
//!
//! A value that is longer than [`max_value_size`](SqliteStoreBuilder::max_value_size) is
//! [`TooLarge`](cloakroom_core::ErrorKind::TooLarge).
//!
//! # For whoever runs it
//!
//! The file belongs on a local disk: write-ahead logging does not work over a network share. Copy it with `sqlite3 FILE
//! ".backup COPY"`, not with `cp`, while the server runs. Other processes may read it and delete from it at any time; the
//! server sees that at the next request. The sessions are one table:
//!
//! | column of `sessions` | |
//! |---|---|
//! | `row` | the row's number, ascending |
//! | `prefix` | the application's name for its sessions, `sess:` if it set none |
//! | `id` | the session's id: a secret, though of no use without the key that signs tickets |
//! | `expires` | when it ends, in milliseconds since 1970-01-01T00:00:00Z; later changes move it |
//! | `ended` | `NULL` for a session; `destroyed` or `rotated` for the tombstone of one that was ended |
//! | `value` | what the session holds, as JSON text in a blob; `NULL` for a tombstone |
//!
//! A row whose `expires` is past does not count, swept or not. The owner index is three more; times are as above:
//!
//! | column of `claims` | |
//! |---|---|
//! | `row`, `prefix`, `owner`, `id` | which session is whose, among those of a prefix |
//! | `at` | the time of the claim |
//! | `until` | until when it is kept at least; the sweeper moves it as long as the session lives |
//!
//! | column of `revocations` | |
//! |---|---|
//! | `prefix`, `owner` | whose sessions were ended |
//! | `at` | the latest time at which they were; kept for 400 days |
//!
//! | column of `prefixes` | |
//! |---|---|
//! | `prefix` | one row for each |
//! | `last` | the last time that was given to a claim or a revocation: the next is later |
//! | `revision` | the time of the latest revocation, 0 if there was none |
//! | `everybody` | the time of the latest revocation of everybody, `NULL` if there was none |
//!
//! `PRAGMA application_id` is 1668049778, `PRAGMA user_version` is the schema's version, 2 at present. A file of an earlier version
//! is brought up to date when it is opened; one of a later version is refused.
//!
//! ```sh
//! # how many sessions live, by application
//! sqlite3 sessions.db "SELECT prefix, count(*) FROM sessions
//!   WHERE ended IS NULL AND expires > unixepoch() * 1000 GROUP BY prefix"
//! # what a session holds
//! sqlite3 sessions.db "SELECT datetime(expires / 1000, 'unixepoch'), CAST(value AS TEXT) FROM sessions WHERE id = '...'"
//! # throw away what an application that is gone has left: each sweeps its own prefix alone
//! sqlite3 sessions.db "DELETE FROM sessions WHERE prefix = 'old:'; DELETE FROM claims WHERE prefix = 'old:';
//!   DELETE FROM revocations WHERE prefix = 'old:'; DELETE FROM prefixes WHERE prefix = 'old:'"
//! # sign somebody out
//! sqlite3 sessions.db "DELETE FROM sessions WHERE prefix = 'sess:' AND id = '...'"
//! # which sessions of an owner live
//! sqlite3 sessions.db "SELECT datetime(at / 1000, 'unixepoch'), id FROM claims JOIN sessions USING (prefix, id)
//!   WHERE prefix = 'sess:' AND owner = 'hanako' AND ended IS NULL AND expires > unixepoch() * 1000 ORDER BY at"
//! ```
//!
//! A session that was deleted like this is missing at the next load, and a request that was under way with it cannot bring
//! it back.

mod builder;
mod checkpoint;
mod claims;
mod clock;
mod fault;
mod file;
mod owner_index;
mod queue;
mod readers;
mod rows;
mod schema;
mod store;
mod writer;

pub use builder::{Durability, SqliteStoreBuilder};
pub use store::SqliteStore;
