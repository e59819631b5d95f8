//! The command line of cloakroom, `cloakroom`: for whoever runs an application with sessions.
//!
//! ```sh
//! cloakroom sessions ls --store redis://localhost:6379 --owner hanako
//! cloakroom doctor
//! ```
//!
//! It works on Redis, Valkey and the SQLite file of a running application, and on sessions that express-session made. What
//! it shows is safe to paste into a ticket: ids are handles and values are left out unless they are asked for, and a secret
//! or a password is never shown.
//!
//! # Layout
//!
//! - [`cli`]: every command and option, as clap reads them.
//! - [`exit`]: what the exit status means.
//! - [`failure`]: the one error type; it says what happened, to which option, and what to do.
//! - `new`: writes a project.
//! - [`output`]: standard output and error, colours, a pipe that is closed.

pub mod cli;
pub mod exit;
pub mod failure;
pub mod output;

mod clock;
mod completions;
mod confirm;
mod cookie;
mod doctor;
mod format;
mod handle;
mod man;
mod new;
mod prefixes;
mod progress;
mod refused;
mod secrets;
mod sessions;
mod store;
mod table;

use std::{future::Future, process::ExitCode};

use clap::{CommandFactory as _, Parser as _};

use crate::{
    cli::{Cli, Command},
    exit::Exit,
    failure::Failure,
    output::Output,
};

/// Reads the command line, runs the command and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(handle::marked(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => return refused(&refused::without_ids(error)),
    };
    cli.color.apply();
    let mut output = Output::stdout();
    match run(&cli, &mut output).and_then(|exit| output.finish().map(|()| exit)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.report();
            failure.exit().into()
        }
    }
}

/// `--help` and `--version` are no errors; what cannot be read is one, in clap's own words.
fn refused(error: &clap::Error) -> ExitCode {
    // Whoever closed the pipe does not want to know.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage.into()
    } else {
        Exit::Done.into()
    }
}

fn run(cli: &Cli, output: &mut Output) -> Result<Exit, Failure> {
    match &cli.command {
        Command::New(args) => new::run(args, output),
        Command::Sessions(args) => block_on(sessions::run(args, output)),
        Command::Doctor(args) => block_on(doctor::run(args, output)),
        Command::Cookie(args) => cookie::run(args, output),
        Command::Completions { shell } => completions::write(*shell, Cli::command(), output),
        Command::Man { folder } => man::write(folder.as_deref(), Cli::command(), output),
    }
}

/// One thread is enough: a command waits for one answer at a time.
fn block_on(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::file("the program cannot start", &error))?;
    runtime.block_on(work)
}
