//! Random interleavings of requests on one session, on several servers of ours and one of express-session.
//!
//! `cargo run --release -p cloakroom-conformance --bin races -- --seed 7 --interleavings 100000`

use std::{
    io::Read as _,
    process::ExitCode,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use clap::{Parser, Subcommand};
use cloakroom_conformance::{
    ours::{Ours, on_redis},
    races::{self, Settings, account::Tally, conflicts::Conflicts},
};

/// Random interleavings of requests on one session.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which requests; printed, so that a run can be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// How many interleavings.
    #[arg(long, default_value_t = 100_000)]
    interleavings: u64,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve our routes on a Redis server until standard input ends.
    Serve {
        /// `redis://host:port/number`
        redis: String,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Command::Serve { redis }) = arguments.command {
        return serve(redis).await;
    }
    let seed = arguments.seed.unwrap_or_else(|| {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(now.as_millis()).unwrap_or(0)
    });
    println!(
        "races: seed {seed}, {} interleavings",
        arguments.interleavings
    );
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            eprintln!("the program does not know where it is: {error}");
            return ExitCode::FAILURE;
        }
    };
    let settings = Settings {
        seed,
        interleavings: arguments.interleavings,
    };
    let conflicts = Conflicts::install();
    let started = Instant::now();
    let tally = races::run(&program, &settings).await;
    println!(
        "{:>8} conflicts met and merged by the instances in this process",
        conflicts.count()
    );
    print(&tally, started.elapsed().as_secs_f64())
}

fn print(tally: &Tally, seconds: f64) -> ExitCode {
    for (name, count) in &tally.counts {
        println!("{count:>8} {name}");
    }
    println!(
        "races: {} interleavings ({} with express-session), {} requests, {} acknowledged changes found again, {} violations, {seconds:.1} s",
        tally.interleavings,
        tally.with_node,
        tally.requests,
        tally.accounted,
        tally.violations.len(),
    );
    for violation in tally.violations.iter().take(3) {
        println!("\n{violation}");
    }
    let shortcoming = tally.shortcoming();
    if let Some(what) = &shortcoming {
        println!("\n{what}");
    }
    if tally.violations.is_empty() && shortcoming.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn serve(redis: String) -> ExitCode {
    match Ours::new(on_redis(redis)).serve().await {
        Ok(port) => println!("listening {port}"),
        Err(error) => {
            eprintln!("the server does not start: {error}");
            return ExitCode::FAILURE;
        }
    }
    let ended = tokio::task::spawn_blocking(|| {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
    });
    let _ = ended.await;
    ExitCode::SUCCESS
}
