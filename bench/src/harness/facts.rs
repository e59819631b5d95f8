//! What is asked of the machine once: its processor, versions, clock ticks; and of programs: their size and start.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::{
    Failure, probe,
    process::Process,
    redis_info,
    results::Machine,
    stage::Redis,
    subject::{Places, Start, Subject},
};

/// The programs that must be there, and how they get there on Debian.
const NEEDED: [(&str, &str, &str); 5] = [
    ("wrk", "-v", "apt-get install wrk"),
    ("chrt", "--version", "apt-get install util-linux"),
    ("redis-server", "--version", "apt-get install redis-server"),
    ("node", "--version", "apt-get install nodejs"),
    ("getconf", "--version", "apt-get install libc-bin"),
];

/// Sees that the programs are there that measuring needs.
///
/// # Errors
///
/// One is missing; the error says how to install it.
pub fn needed(subjects: &[Subject]) -> Result<(), Failure> {
    for (program, argument, install) in NEEDED {
        if program == "node" && !subjects.contains(&Subject::Node) {
            continue;
        }
        if first_line(program, argument).is_none() {
            return Err(format!("{program} is missing; install it with: {install}").into());
        }
    }
    Ok(())
}

/// The first line that a program writes, wherever it writes it, and whatever its exit status: `wrk -v` fails.
fn first_line(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    Some(text.lines().next()?.trim().to_owned())
}

/// How many clock ticks a second has in `/proc/PID/stat`.
///
/// # Errors
///
/// `getconf` does not know.
pub fn ticks_per_second() -> Result<u64, Failure> {
    let ticks = first_line("getconf", "CLK_TCK").ok_or("getconf is missing")?;
    let ticks: u64 = ticks.parse()?;
    if ticks == 0 {
        return Err("getconf CLK_TCK says 0".into());
    }
    Ok(ticks)
}

/// Where it is measured.
///
/// # Errors
///
/// Redis does not answer.
pub fn machine(redis: &Redis) -> Result<Machine, Failure> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let loadavg = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load_before = load_of_last_minute(&loadavg).unwrap_or(0.0);
    if load_before > 0.5 {
        eprintln!("The machine is busy (load {load_before}): what is measured will scatter.");
    }
    Ok(Machine {
        processor: processor(&cpuinfo).unwrap_or("unknown").to_owned(),
        processors: thread::available_parallelism()?.get(),
        load_before,
        versions: versions(redis)?,
    })
}

/// The versions of what no lock file pins.
fn versions(redis: &Redis) -> Result<BTreeMap<String, String>, Failure> {
    let server = redis.info("server")?;
    let mut versions = BTreeMap::new();
    let mut note = |name: &str, version: Option<String>| {
        versions.extend(version.map(|version| (name.to_owned(), version)));
    };
    note(
        "redis",
        redis_info::text(&server, "redis_version").map(str::to_owned),
    );
    note("node", first_line("node", "--version"));
    // "wrk debian/4.1.0-3+b2 [epoll] Copyright ..."
    let wrk = first_line("wrk", "-v");
    note(
        "wrk",
        wrk.and_then(|line| Some(line.split(' ').nth(1)?.to_owned())),
    );
    // "rustc 1.95.0 (59807616e 2026-04-14)"
    let rustc = first_line("rustc", "--version");
    note(
        "rustc",
        rustc.and_then(|line| Some(line.split(' ').nth(1)?.to_owned())),
    );
    Ok(versions)
}

/// The name of the processor, from `/proc/cpuinfo`.
#[must_use]
pub fn processor(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

/// The load of the last minute, from `/proc/loadavg`.
#[must_use]
pub fn load_of_last_minute(loadavg: &str) -> Option<f64> {
    loadavg.split(' ').next()?.parse().ok()
}

/// The size of what is installed, in bytes: of the login application without debug data, and of Node with the packages.
/// `None` for the other programs, which have several kinds in one, and where it cannot be had.
#[must_use]
pub fn program_bytes(subject: Subject, places: &Places, folder: &Path) -> Option<u64> {
    match subject {
        Subject::Login => stripped_bytes(&subject.program(places), folder),
        Subject::Node => {
            let path = std::env::var_os("PATH")?;
            let mut found = std::env::split_paths(&path).map(|folder| folder.join("node"));
            let node = found.find_map(|file| fs::metadata(file).ok())?;
            Some(node.len() + folder_bytes(&places.packages.join("node_modules"))?)
        }
        _ => None,
    }
}

fn folder_bytes(folder: &Path) -> Option<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        let kind = entry.file_type().ok()?;
        bytes += if kind.is_dir() {
            folder_bytes(&entry.path())?
        } else {
            entry.metadata().ok()?.len()
        };
    }
    Some(bytes)
}

fn stripped_bytes(program: &Path, folder: &Path) -> Option<u64> {
    let stripped = folder.join("stripped");
    let done = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(program)
        .status();
    if !done.is_ok_and(|status| status.success()) {
        return None;
    }
    Some(fs::metadata(stripped).ok()?.len())
}

/// From the start of a process to its first answer with 200, without any sessions to make.
///
/// # Errors
///
/// It does not start.
pub fn start_time(
    subject: Subject,
    places: &Places,
    redis: &Redis,
    folder: &Path,
) -> Result<Duration, Failure> {
    let start = Start {
        redis: redis.port,
        folder,
        sessions: 0,
        bytes: 300,
    };
    let command = subject.command(places, &start);
    let begin = Instant::now();
    let process = Process::start(subject.name(), &command)?;
    let port = u16::try_from(process.number_after(subject.announcement())?)?;
    loop {
        match probe::get(port, "/login", None) {
            Ok(answer) if answer.status == 200 => return Ok(begin.elapsed()),
            Ok(answer) => return Err(format!("status {} at the start", answer.status).into()),
            Err(error) if begin.elapsed() > Duration::from_secs(30) => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_and_the_load_are_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nprocessor\t: 1\n";
        assert_eq!(processor(cpuinfo), Some("Some CPU @ 2.00GHz"));
        assert_eq!(processor(""), None);
        assert_eq!(load_of_last_minute("0.54 0.80 1.34 1/200 77"), Some(0.54));
        assert_eq!(load_of_last_minute(""), None);
    }
}
