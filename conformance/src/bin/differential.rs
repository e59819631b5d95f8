//! Holds random sequences of requests against express-session and against ours.
//!
//! `cargo run --release -p cloakroom-conformance --bin differential -- --seed 7 --steps 20000`

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use cloakroom_conformance::{
    children::RedisServer,
    differential::{self, Sequence, Settings, differences::Differences, lane::Lane},
};

/// Holds random sequences of requests against express-session and against ours.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which sequences; printed, so that a run can be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// At least so many requests to each side.
    #[arg(long, default_value_t = 20_000)]
    steps: u64,
    /// Run one sequence, as a failure has printed it, in place of random ones.
    #[arg(long)]
    replay: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let redis = RedisServer::start().await;
    if let Some(file) = arguments.replay {
        return replay(&redis, &file).await;
    }
    let seed = arguments.seed.unwrap_or_else(|| {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(now.as_millis()).unwrap_or(0)
    });
    println!("differential: seed {seed}, {} steps", arguments.steps);
    let started = Instant::now();
    let settings = Settings {
        seed,
        steps: arguments.steps,
    };
    let report = differential::run(&redis, &settings).await;
    for entry in Differences::load().all() {
        if entry.fields.is_empty() {
            continue;
        }
        let times = report.seen.get(&entry.id).copied().unwrap_or(0);
        println!("{times:>8} times: {}", entry.id);
    }
    println!(
        "differential: {} steps in {} sequences, {} of them by express-session on both sides, {} deliberate differences, {:.1} s",
        report.steps,
        report.sequences,
        report.by_node,
        report.seen.values().sum::<u64>(),
        started.elapsed().as_secs_f64(),
    );
    let shortcoming = report.shortcoming();
    match report.failure {
        None => match shortcoming {
            None => ExitCode::SUCCESS,
            Some(what) => {
                println!("\n{what}");
                ExitCode::FAILURE
            }
        },
        Some(failure) => {
            println!(
                "\na difference that is in no list (seed of the sequence: {}):\n{}",
                failure.seed, failure.what
            );
            println!(
                "{}",
                serde_json::to_string(&failure.sequence).unwrap_or_default()
            );
            ExitCode::FAILURE
        }
    }
}

async fn replay(redis: &RedisServer, file: &Path) -> ExitCode {
    let sequence: Sequence = match std::fs::read(file)
        .map_err(|error| error.to_string())
        .and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()))
    {
        Ok(sequence) => sequence,
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    };
    let mut lane = Lane::start(redis, 1, sequence.peer).await;
    match lane.run(&sequence, &Differences::load()).await.failure {
        None => {
            println!("no difference that is in no list");
            ExitCode::SUCCESS
        }
        Some(what) => {
            println!("{what}");
            ExitCode::FAILURE
        }
    }
}
