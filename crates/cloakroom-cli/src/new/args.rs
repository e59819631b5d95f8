//! The options of `cloakroom new`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The options of `cloakroom new`.
#[derive(Args, Debug)]
pub struct NewArgs {
    /// Folder of the project, made if it is missing; `.` is this one. What is in it already is never overwritten
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Name of the project, where it is not the folder's
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where sessions are kept by `cargo run` and by the containers; any other place is a setting away
    #[arg(long, value_enum, default_value = "sqlite")]
    pub store: Store,
    /// Folder of a checkout of cloakroom, whose crates the project uses in place of those on crates.io
    #[arg(long, value_name = "CHECKOUT")]
    pub path: Option<PathBuf>,
    /// Copy the checkout's crates into the project, so that it needs nothing outside of its folder
    #[arg(long, requires = "path")]
    pub vendor: bool,
    /// Leave the container files out
    #[arg(long)]
    pub no_containers: bool,
    /// Whether to begin a git repository
    #[arg(long, value_enum, default_value = "none")]
    pub vcs: Vcs,
    /// Say what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Where sessions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Store {
    /// In one file, `data/sessions.db`
    Sqlite,
    /// On a Redis or Valkey server
    Redis,
    /// In the process, gone with it
    Memory,
}

/// What keeps the project's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Vcs {
    /// Nothing
    None,
    /// A git repository
    Git,
}
