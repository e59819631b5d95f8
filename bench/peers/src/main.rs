//! One measured program on another crate's sessions: `peer KIND`, see `--help`. It says `listening <port>` when it serves.

#![forbid(unsafe_code)]

mod actix;
mod tower;

use std::{error::Error, process::ExitCode};

use clap::Parser;
use cloakroom_bench_common::args::Args;

/// As the login application has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever went wrong, for whoever started it.
type Failure = Box<dyn Error + Send + Sync>;

/// Whose sessions.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// tower-sessions with its Redis store, on axum.
    TowerSessions,
    /// actix-session with its Redis store, on actix-web.
    ActixSession,
}

#[derive(Debug, Parser)]
#[command(
    name = "peer",
    about = "Serves the article's page on another crate's sessions, to be measured"
)]
struct Cli {
    kind: Kind,
    #[command(flatten)]
    args: Args,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ran = match cli.kind {
        Kind::TowerSessions => tower::run(cli.args),
        Kind::ActixSession => actix::run(cli.args),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peer: {error}");
            ExitCode::FAILURE
        }
    }
}
