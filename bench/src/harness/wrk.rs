//! The load generator: how it is called, and what it says.

use std::{path::Path, process::Command};

use serde::{Deserialize, Serialize};

use super::Failure;

/// What wrk runs in each of its threads.
const SCRIPT: &str = include_str!("../../templates/load.lua");

/// The threads of wrk. Two do not wait for each other on a machine of two processors, and one would be the limit of what the
/// fastest programs can do.
const THREADS: u32 = 2;

/// What wrk is started by: as a batch process it does not take a processor from the program that it loads each time that an answer
/// comes, but works off what has come when it is its turn, as a client on a machine of its own would.
const AS_BATCH: [&str; 3] = ["chrt", "--batch", "0"];

/// What is asked, how, and how long.
#[derive(Clone, Debug)]
pub struct Load<'a> {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The path.
    pub path: &'a str,
    /// A file with a cookie on each line, and how many of them are used; without it, requests have none.
    pub cookies: Option<(&'a Path, usize)>,
    /// The connections that are open, each with one request under way.
    pub connections: u32,
    /// For how long.
    pub seconds: u32,
}

/// What wrk counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Answers.
    pub requests: u64,
    /// How long it took.
    pub micros: u64,
    /// Half of the answers came within this time.
    pub p50_us: u64,
    /// 99 of 100 answers came within this time.
    pub p99_us: u64,
    /// Connections that could not be made.
    pub connect: u64,
    /// Connections that ended while an answer was read.
    pub read: u64,
    /// Connections that ended while a request was written.
    pub write: u64,
    /// Answers with a status of 400 or more.
    pub status: u64,
    /// Answers that took longer than two seconds.
    pub timeout: u64,
}

impl Counted {
    /// Answers in a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        super::median::ratio(self.requests as f64 * 1e6, self.micros as f64).unwrap_or(0.0)
    }

    /// Whatever was no answer of the expected kind.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.connect + self.read + self.write + self.status + self.timeout
    }
}

/// Finds the line that our script writes among what wrk says.
///
/// # Errors
///
/// There is none, or it is not what the script writes.
pub fn parse(output: &str) -> Result<Counted, Failure> {
    let line = output.lines().find_map(|line| line.strip_prefix("RESULT "));
    let line = line.ok_or("wrk ended without a result")?;
    serde_json::from_str(line).map_err(|error| format!("wrk's result {line:?}: {error}").into())
}

/// Loads a program and waits for the end. `folder` is where the script is put.
///
/// # Errors
///
/// wrk cannot be started, or failed.
pub fn run(load: &Load<'_>, folder: &Path) -> Result<Counted, Failure> {
    let script = folder.join("load.lua");
    std::fs::write(&script, SCRIPT).map_err(|error| format!("{}: {error}", script.display()))?;
    let threads = THREADS.min(load.connections);
    let [chrt, arguments @ ..] = AS_BATCH;
    let mut command = Command::new(chrt);
    command
        .args(arguments)
        .arg("wrk")
        .args(["--threads", &threads.to_string()])
        .args(["--connections", &load.connections.to_string()])
        .args(["--duration", &format!("{}s", load.seconds)])
        .arg("--script")
        .arg(&script)
        .arg(format!("http://127.0.0.1:{}", load.port))
        .args(["--", load.path]);
    if let Some((file, most)) = load.cookies {
        command.arg(file).arg(most.to_string());
    }
    let output = command
        .output()
        .map_err(|error| format!("wrk cannot be started: {error}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(format!("wrk failed ({}): {words}", output.status).into());
    }
    parse(&String::from_utf8_lossy(&output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "Running 3s test @ http://127.0.0.1:4000\n  2 threads and 64 connections\n\
        Requests/sec:  57364.00\nTransfer/sec:     20.00MB\n\
        RESULT {\"requests\":172092,\"micros\":3000000,\"p50_us\":1100,\"p99_us\":2300,\"connect\":0,\"read\":0,\"write\":0,\"status\":1,\"timeout\":2}\n";

    #[test]
    fn the_result_is_found_among_the_rest() {
        let counted = parse(OUTPUT).unwrap();
        assert_eq!(counted.requests, 172_092);
        assert_eq!(counted.p99_us, 2300);
        assert!((counted.per_second() - 57364.0).abs() < 1e-9);
        assert_eq!(counted.errors(), 3);
    }

    #[test]
    fn an_output_without_a_result_is_an_error_that_says_so() {
        let error = parse("unable to connect").unwrap_err().to_string();
        assert!(error.contains("without a result"), "{error}");
        let error = parse("RESULT {\"requests\":1}").unwrap_err().to_string();
        assert!(error.contains("micros"), "{error}");
    }

    #[test]
    fn no_time_is_no_rate() {
        let mut counted = parse(OUTPUT).unwrap();
        counted.micros = 0;
        assert!(counted.per_second().abs() < f64::EPSILON);
    }
}
