//! One measured program: `target KIND`, see `--help`. It says `listening <port>` when it serves.

use std::process::ExitCode;

use clap::Parser;
use cloakroom_bench::target::{Kind, run};
use cloakroom_bench_common::args::Args;
use tokio::runtime::Builder;

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

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut runtime = if cli.kind.is_per_core() {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    let outcome = match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(run(cli.kind, cli.args)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("target: {error}");
            ExitCode::FAILURE
        }
    }
}
