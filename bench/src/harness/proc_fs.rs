//! What `/proc` says of a process: its CPU time and its memory.

use std::fs;

use super::Failure;

/// The CPU time of all threads of a process so far, in clock ticks, user and system together; from `/proc/PID/stat`.
///
/// The second field is the program's name in parentheses, and may have spaces and parentheses of its own, so fields are
/// counted from the last one.
#[must_use]
pub fn parse_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    // The state is field 3; utime and stime are 14 and 15.
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The resident memory in bytes, from `/proc/PID/status`.
#[must_use]
pub fn parse_resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Reads the CPU time of a process, in clock ticks.
///
/// # Errors
///
/// There is no such process.
pub fn ticks(pid: u32) -> Result<u64, Failure> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    parse_ticks(&stat).ok_or_else(|| format!("{path} has no CPU time").into())
}

/// Reads the resident memory of a process, in bytes.
///
/// # Errors
///
/// There is no such process.
pub fn resident(pid: u32) -> Result<u64, Failure> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    parse_resident(&status).ok_or_else(|| format!("{path} has no VmRSS").into())
}

/// CPU microseconds for each request.
#[must_use]
pub fn micros_per_request(ticks: u64, ticks_per_second: u64, requests: u64) -> Option<f64> {
    let micros = ticks as f64 * 1e6 / ticks_per_second as f64;
    super::median::ratio(micros, requests as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER_NAME: &str = " S 1 42 42 0 -1 4194304 100 0 0 0 317 83 5 6 20 0 3 0 1000 2000 300";

    #[test]
    fn user_and_system_time_are_added_whatever_the_name() {
        for name in ["redis-server", "a b", "a) S 9 9", "((", ") ) S 1 (x"] {
            let stat = format!("42 ({name}){AFTER_NAME}");
            assert_eq!(parse_ticks(&stat), Some(400), "{name}");
        }
    }

    #[test]
    fn what_is_no_stat_has_no_time() {
        for stat in [
            "",
            "42 (x",
            "42 (x) S 1 2",
            "42 (x) S 1 2 3 4 5 6 7 8 9 10 11 a b",
        ] {
            assert_eq!(parse_ticks(stat), None, "{stat}");
        }
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    9000 kB\nVmRSS:\t    8192 kB\nThreads:\t3\n";
        assert_eq!(parse_resident(status), Some(8 << 20));
        assert_eq!(parse_resident("Name:\tx\n"), None);
    }

    #[test]
    fn ticks_become_microseconds_for_each_request() {
        assert_eq!(micros_per_request(200, 100, 100_000), Some(20.0));
        assert_eq!(micros_per_request(200, 100, 0), None);
    }
}
