//! One measured program: `target KIND`, see `--help`. It says `listening <port>` when it serves.

use std::process::ExitCode;

use clap::Parser;
use cloakroom_bench::target::{Kind, run};
use cloakroom_bench_common::args::Args;

/// As the login application has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(about = "Serves the article's page with one kind of session, to be measured")]
struct Cli {
    kind: Kind,
    #[command(flatten)]
    args: Args,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.kind, cli.args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("target: {error}");
            ExitCode::FAILURE
        }
    }
}
