//! `cloakroom sessions`: who is signed in, and signing somebody out.

mod ended;
mod filter;
mod find;
mod known;
mod ls;
mod revoke;
mod revoke_all;
mod revoke_owner;
mod revoked;
mod scope;
mod seen;
mod show;
mod source;
mod stats;
mod tally;
mod walk;
mod watch;

use clap::{Args, Subcommand};

use crate::{exit::Exit, failure::Failure, output::Output};

pub(crate) use self::{
    revoked::Revocations,
    scope::Scope,
    seen::{Content, Seen, limits},
    walk::Walk,
};

/// `cloakroom sessions`.
#[derive(Args, Debug)]
pub struct SessionsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: SessionsCommand,
    /// Which store, and whose the sessions in it are.
    #[command(flatten)]
    pub scope: scope::ScopeArgs,
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
    let opened = args.scope.open().await?;
    let scope = args.scope.of(&opened);
    match &args.command {
        SessionsCommand::Ls(args) => ls::run(args, scope, output).await,
        SessionsCommand::Show(args) => show::run(args, scope, output).await,
        SessionsCommand::Revoke(args) => revoke::run(args, scope, output).await,
        SessionsCommand::Watch(args) => watch::run(args, scope, output).await,
        SessionsCommand::Stats(args) => stats::run(args, scope, output).await,
    }
}
