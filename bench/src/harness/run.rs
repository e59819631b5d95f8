//! The main table: all programs at once, loaded in turn, round after round.

use std::{fs, path::Path};

use super::{
    Failure, facts,
    load::{self, Shape},
    options::{RunOptions, Workload},
    proc_fs,
    results::{Conditions, Needs, Reading, Results, Row, Summary},
    stage::{Redis, Running},
    subject::{Start, Subject},
};

/// How many of the prepared cookies a load uses in turn.
const COOKIES: u64 = 10_000;

/// How often a program is started to know how long it takes.
const STARTS: usize = 5;

/// Measures what the options name. `folder` is empty and for files of the programs.
///
/// # Errors
///
/// A program does not start, or does not answer as it must.
pub fn run(options: &RunOptions, folder: &Path) -> Result<Results, Failure> {
    let subjects = options.subjects();
    facts::needed(&subjects)?;
    let ticks = facts::ticks_per_second()?;
    let redis = Redis::start(folder)?;
    let conditions = Conditions {
        machine: facts::machine(&redis)?,
        rounds: options.rounds,
        seconds: options.seconds,
        connections: options.connections,
        sessions: options.sessions,
        bytes: options.bytes,
    };
    let starts = starts(options, &subjects, &redis, folder)?;
    let running = start_all(options, &subjects, &redis, folder)?;
    let idle = resident(&running)?;
    let mut workloads = Vec::new();
    for workload in options.workloads() {
        let rows = rounds(options, workload, &running, &redis, ticks, folder)?;
        workloads.push((workload, rows));
    }
    let after = resident(&running)?;
    let mut needs = Vec::new();
    for (place, one) in running.iter().enumerate() {
        needs.push(Needs {
            subject: one.subject,
            start_ms: starts[place],
            resident: after[place],
            resident_idle: idle[place],
            redis_bytes: one.subject.uses_redis().then_some(one.redis_bytes),
            program_bytes: facts::program_bytes(one.subject, &options.places(), folder),
            image_bytes: options.image_size.filter(|_| one.subject.is_application()),
        });
    }
    Ok(Results {
        conditions,
        workloads,
        needs,
    })
}

/// The median of some starts of each program, in milliseconds.
fn starts(
    options: &RunOptions,
    subjects: &[Subject],
    redis: &Redis,
    folder: &Path,
) -> Result<Vec<f64>, Failure> {
    let folder = folder.join("starts");
    fs::create_dir(&folder)?;
    let places = options.places();
    let mut medians = Vec::new();
    for &subject in subjects {
        let mut times = Vec::new();
        for _ in 0..if options.quick { 1 } else { STARTS } {
            let time = facts::start_time(subject, &places, redis, &folder)?;
            times.push(time.as_secs_f64() * 1e3);
        }
        medians.push(super::median::median(&times).unwrap_or(0.0));
    }
    redis.clear()?;
    Ok(medians)
}

fn start_all(
    options: &RunOptions,
    subjects: &[Subject],
    redis: &Redis,
    folder: &Path,
) -> Result<Vec<Running>, Failure> {
    let start = Start {
        redis: redis.port,
        folder,
        sessions: options.sessions,
        bytes: options.bytes,
    };
    let mut running = Vec::new();
    for &subject in subjects {
        eprintln!(
            "starting {} with {} sessions",
            subject.name(),
            options.sessions
        );
        running.push(Running::start(subject, &options.places(), redis, &start)?);
    }
    Ok(running)
}

fn resident(running: &[Running]) -> Result<Vec<u64>, Failure> {
    running
        .iter()
        .map(|one| proc_fs::resident(one.pid))
        .collect()
}

/// All rounds of a workload: in each, every program in turn.
fn rounds(
    options: &RunOptions,
    workload: Workload,
    running: &[Running],
    redis: &Redis,
    ticks: u64,
    folder: &Path,
) -> Result<Vec<Row>, Failure> {
    let mut readings: Vec<Vec<Reading>> = vec![Vec::new(); running.len()];
    let cookies = match workload {
        Workload::Anonymous => 0,
        Workload::Page | Workload::Change => options.sessions.min(COOKIES).try_into()?,
    };
    let shape = Shape {
        path: workload.path(),
        cookies,
        connections: options.connections,
        seconds: options.seconds,
    };
    let rounds = options.rounds_of(workload);
    // The first requests find cold caches, and sessions that the login application has not seen. They are not measured.
    for round in 0..=rounds {
        for (one, readings) in running.iter().zip(&mut readings) {
            if !workload.suits(one.subject) {
                continue;
            }
            one.verify()?;
            if round == 0 {
                let warm = Shape {
                    seconds: 1,
                    ..shape
                };
                load::measure(one, redis, warm, ticks, folder)?;
                continue;
            }
            let reading = load::measure(one, redis, shape, ticks, folder)?;
            eprintln!(
                "{} {round}/{rounds} {}: {:.0} requests/s, {:.1} us",
                workload.path(),
                one.subject.name(),
                reading.requests_per_second,
                reading.server_us
            );
            if reading.wrk.errors() > 0 {
                return Err(format!("{}: {:?}", one.subject.name(), reading.wrk).into());
            }
            readings.push(reading);
        }
    }
    let rows = running.iter().zip(readings).filter_map(|(one, readings)| {
        Some(Row {
            subject: one.subject,
            summary: Summary::of(&readings)?,
            readings,
        })
    });
    Ok(rows.collect())
}
