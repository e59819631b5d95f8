//! What was read, and what is made of it: the JSON of `bench/run`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    median::{median, ratio, spread},
    options::Workload,
    subject::Subject,
    wrk::Counted,
};

/// One load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// Answers in a second.
    pub requests_per_second: f64,
    /// The server's CPU time for each request, in microseconds.
    pub server_us: f64,
    /// Redis' CPU time for each request, in microseconds.
    pub redis_us: f64,
    /// How often each command was called in Redis.
    pub redis_calls: BTreeMap<String, u64>,
    /// The server's resident memory after the load, in bytes.
    pub resident: u64,
    /// What wrk counted.
    pub wrk: Counted,
}

impl Reading {
    /// Redis' commands for each request, those of scripts included.
    #[must_use]
    pub fn redis_commands(&self) -> f64 {
        let calls: u64 = self.redis_calls.values().sum();
        ratio(calls as f64, self.wrk.requests as f64).unwrap_or(0.0)
    }
}

/// The medians of the rounds of one program with one workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Answers in a second.
    pub requests_per_second: f64,
    /// (largest - smallest) / median of it.
    pub spread: f64,
    /// The server's CPU time for each request, in microseconds.
    pub server_us: f64,
    /// Redis' CPU time for each request, in microseconds.
    pub redis_us: f64,
    /// Half of the answers came within this time, in microseconds.
    pub p50_us: f64,
    /// 99 of 100 answers came within this time, in microseconds.
    pub p99_us: f64,
    /// Redis' commands for each request.
    pub redis_commands: f64,
    /// Whatever was no answer of the expected kind, in all rounds.
    pub errors: u64,
}

impl Summary {
    /// The medians of some rounds; `None` of none.
    #[must_use]
    pub fn of(readings: &[Reading]) -> Option<Self> {
        let values = |f: &dyn Fn(&Reading) -> f64| readings.iter().map(f).collect::<Vec<_>>();
        let rates = values(&|r| r.requests_per_second);
        Some(Self {
            requests_per_second: median(&rates)?,
            spread: spread(&rates).unwrap_or(0.0),
            server_us: median(&values(&|r| r.server_us))?,
            redis_us: median(&values(&|r| r.redis_us))?,
            p50_us: median(&values(&|r| r.wrk.p50_us as f64))?,
            p99_us: median(&values(&|r| r.wrk.p99_us as f64))?,
            redis_commands: median(&values(&Reading::redis_commands))?,
            errors: readings.iter().map(|r| r.wrk.errors()).sum(),
        })
    }
}

/// A program with one workload.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which program.
    pub subject: Subject,
    /// The medians.
    pub summary: Summary,
    /// All rounds.
    pub readings: Vec<Reading>,
}

/// What a program needs beside requests.
#[derive(Clone, Debug, Serialize)]
pub struct Needs {
    /// Which program.
    pub subject: Subject,
    /// From the start of the process to the first answer, without sessions to make, in milliseconds.
    pub start_ms: f64,
    /// Resident memory after all loads, in bytes.
    pub resident: u64,
    /// Resident memory before the first load, in bytes.
    pub resident_idle: u64,
    /// What its sessions take in Redis, in bytes; `None` without Redis.
    pub redis_bytes: Option<u64>,
    /// The size of what is installed, in bytes, for the two applications.
    pub program_bytes: Option<u64>,
    /// The size of the container image, in bytes, where it is known.
    pub image_bytes: Option<u64>,
}

/// Where it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor.
    pub processor: String,
    /// How many of them.
    pub processors: usize,
    /// The load of the machine before, as the average of a minute.
    pub load_before: f64,
    /// Versions of what is not pinned by lock files.
    pub versions: BTreeMap<String, String>,
}

/// Where and how the table was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Conditions {
    /// Where.
    #[serde(flatten)]
    pub machine: Machine,
    /// Rounds of the page.
    pub rounds: u32,
    /// Seconds of each load.
    pub seconds: u32,
    /// Connections.
    pub connections: u32,
    /// Sessions in each store.
    pub sessions: u64,
    /// About how large the value of a session is, in bytes.
    pub bytes: usize,
}

/// All of `bench/run`.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// Where and how.
    pub conditions: Conditions,
    /// The rows of each workload.
    pub workloads: Vec<(Workload, Vec<Row>)>,
    /// Memory, start, sizes.
    pub needs: Vec<Needs>,
}

impl Results {
    /// The rows of a workload.
    #[must_use]
    pub fn rows(&self, workload: Workload) -> Option<&[Row]> {
        let found = self.workloads.iter().find(|(which, _)| *which == workload);
        found.map(|(_, rows)| rows.as_slice())
    }
}

#[cfg(test)]
pub(super) mod samples {
    use super::*;

    /// A reading of a program that answers `rate` requests in a second.
    pub(in super::super) fn reading(rate: u64) -> Reading {
        Reading {
            requests_per_second: rate as f64,
            server_us: 1e6 / rate as f64,
            redis_us: 3.0,
            redis_calls: BTreeMap::from([("getex".to_owned(), rate), ("set".to_owned(), rate / 2)]),
            resident: 10 << 20,
            wrk: Counted {
                requests: rate,
                micros: 1_000_000,
                p50_us: 1000,
                p99_us: 2000,
                connect: 0,
                read: 0,
                write: 0,
                status: 1,
                timeout: 0,
            },
        }
    }

    /// A row with one reading.
    pub(in super::super) fn row(subject: Subject, rate: u64) -> Row {
        let readings = vec![reading(rate)];
        Row {
            subject,
            summary: Summary::of(&readings).unwrap(),
            readings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{samples::reading, *};

    #[test]
    fn a_summary_is_made_of_medians_and_all_errors() {
        let readings = [reading(1000), reading(4000), reading(1250)];
        let summary = Summary::of(&readings).unwrap();
        let is = |value: f64, expected: f64| (value - expected).abs() < 1e-9;
        assert!(is(summary.requests_per_second, 1250.0));
        assert!(is(summary.server_us, 800.0));
        assert!(is(summary.redis_commands, 1.5));
        assert!(is(summary.spread, 2.4));
        assert_eq!(summary.errors, 3);
        assert_eq!(Summary::of(&[]), None);
    }
}
