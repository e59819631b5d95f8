//! Checks that each measured program serves what it must; `bench/check` builds them and starts this.

use std::process::ExitCode;

use clap::Parser as _;
use cloakroom_bench::harness::{check, options::CheckOptions};

fn main() -> ExitCode {
    let options = CheckOptions::parse();
    let checked = tempfile::tempdir()
        .map_err(Into::into)
        .and_then(|folder| check::run(&options.subjects(), &options.places(), folder.path()));
    match checked {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench/check: {error}");
            ExitCode::FAILURE
        }
    }
}
