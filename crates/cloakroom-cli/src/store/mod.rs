//! The store: how it is named, and how it is opened beside a running application.

mod course;
mod host;
mod open;
mod place;

pub(crate) use self::{
    course::Course,
    open::{Opened, PATIENCE, Sessions},
    place::{Environment, Process},
};

use clap::Args;

/// Which store, and which sessions in it.
#[derive(Args, Clone)]
#[command(next_help_heading = "Store")]
pub(crate) struct StoreArgs {
    /// Where the sessions are: `sqlite:PATH`, or the URL of a Redis or Valkey server (`redis://[user:password@]host[:port][/database]`,
    /// `rediss://` for TLS, `unix:///path`). A URL with a password belongs into the variable, since others on this machine can
    /// read a command line [env: SESSION_STORE; then REDIS_URL, or REDIS_HOST with REDIS_PORT,
    /// REDIS_TLS, REDIS_USERNAME and REDIS_PASSWORD; then sessions.db in DATA_DIR]
    #[arg(long, value_name = "STORE", global = true)]
    pub store: Option<String>,
    /// What stands before a session's id in the store. The login application has `sid:` unless SESSION_PREFIX says otherwise
    /// [env: SESSION_PREFIX] [default: `sess:`, as the library and connect-redis]
    #[arg(long, value_name = "PREFIX", global = true)]
    pub prefix: Option<String>,
}

/// The store may hold a password.
impl std::fmt::Debug for StoreArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreArgs")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
