//! `cloakroom sessions`: who is signed in, and signing somebody out.

mod filter;
mod find;
mod known;
mod ls;
mod revoke;
mod revoke_all;
mod revoked;
mod seen;
mod show;
mod stats;
mod tally;
mod walk;
mod watch;

use clap::{Args, Subcommand};

use crate::{
    exit::Exit,
    failure::Failure,
    output::Output,
    store::{Opened, StoreArgs},
};

pub(crate) use self::{seen::limits, walk::Walk};

/// `cloakroom sessions`.
#[derive(Args, Debug)]
pub struct SessionsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: SessionsCommand,
    /// Which store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// List sessions
    Ls(ls::LsArgs),
    /// Show one session
    Show(show::ShowArgs),
    /// End sessions
    Revoke(revoke::RevokeArgs),
    /// Show which sessions begin and end, until Ctrl-C
    Watch(watch::WatchArgs),
    /// Count sessions: signed in, by size, by the time they have left, by owner
    Stats(stats::StatsArgs),
}

/// `--json`.
#[derive(Args, Clone, Copy, Debug)]
pub struct JsonArgs {
    /// Write JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

/// `--show-ids`.
#[derive(Args, Clone, Copy, Debug)]
pub struct IdArgs {
    /// Show ids. Whoever has the secret too can be any of these visitors
    #[arg(long)]
    pub show_ids: bool,
}

pub(crate) async fn run(args: &SessionsArgs, output: &mut Output) -> Result<Exit, Failure> {
    let opened = Opened::open(&args.store).await?;
    match &args.command {
        SessionsCommand::Ls(args) => ls::run(args, &opened, output).await,
        SessionsCommand::Show(args) => show::run(args, &opened, output).await,
        SessionsCommand::Revoke(args) => revoke::run(args, &opened, output).await,
        SessionsCommand::Watch(args) => watch::run(args, &opened, output).await,
        SessionsCommand::Stats(args) => stats::run(args, &opened, output).await,
    }
}
