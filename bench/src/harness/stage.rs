//! One Redis, and the programs on it.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    Failure, probe,
    process::Process,
    redis_info,
    subject::{Places, Start, Subject},
};

/// A Redis server that keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    /// Its process.
    pub pid: u32,
    /// Its port.
    pub port: u16,
    client: redis::Client,
    _process: Process,
}

/// What Redis says when it serves.
const READY: &str = "Ready to accept connections";

/// Whether Redis has its port, where a line of its log says so.
fn has_port(line: &str) -> Option<bool> {
    let taken = line.contains("Address already in use");
    (taken || line.contains(READY)).then_some(!taken)
}

/// How often a port is tried that others may take before it is used.
const PORTS: u32 = 10;

/// Starts something on one port after the other until one was free to the end.
fn on_a_free_port<T>(
    mut start: impl FnMut(u16) -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    for _ in 0..PORTS {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        if let Some(started) = start(port)? {
            return Ok(started);
        }
    }
    Err(format!("{PORTS} ports were free, and each was taken before it could be used").into())
}

impl Redis {
    /// Starts one on a free port.
    ///
    /// # Errors
    ///
    /// There is none, or it does not start.
    pub fn start(folder: &Path) -> Result<Self, Failure> {
        on_a_free_port(|port| Self::start_on(port, folder))
    }

    /// `None` where somebody else has the port.
    fn start_on(port: u16, folder: &Path) -> Result<Option<Self>, Failure> {
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(folder);
        let process = Process::start("redis-server", &command)?;
        if process.first(READY, has_port)? {
            return Ok(Some(Self {
                pid: process.pid,
                port,
                client: redis::Client::open(("127.0.0.1", port))?,
                _process: process,
            }));
        }
        Ok(None)
    }

    /// A section of `INFO`.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn info(&self, section: &str) -> Result<String, Failure> {
        let mut connection = self.client.get_connection()?;
        Ok(redis::cmd("INFO").arg(section).query(&mut connection)?)
    }

    /// How often each command was called so far.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn calls(&self) -> Result<BTreeMap<String, u64>, Failure> {
        Ok(redis_info::parse_calls(&self.info("commandstats")?))
    }

    /// The memory that its data take, in bytes.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn used_memory(&self) -> Result<u64, Failure> {
        let info = self.info("memory")?;
        redis_info::number(&info, "used_memory").ok_or_else(|| "INFO has no used_memory".into())
    }

    /// Gives all sessions another time to live, in milliseconds.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn expire_all(&self, millis: u64) -> Result<(), Failure> {
        let mut connection = self.client.get_connection()?;
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection)?;
        for key in keys {
            let mut command = redis::cmd("PEXPIRE");
            command.arg(key).arg(millis).exec(&mut connection)?;
        }
        Ok(())
    }

    /// The longest time to live of all keys, in milliseconds.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn longest(&self) -> Result<i64, Failure> {
        let mut connection = self.client.get_connection()?;
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection)?;
        let mut longest = 0;
        for key in keys {
            longest = longest.max(redis::cmd("PTTL").arg(key).query(&mut connection)?);
        }
        Ok(longest)
    }

    /// Empties it.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn clear(&self) -> Result<(), Failure> {
        let mut connection = self.client.get_connection()?;
        Ok(redis::cmd("FLUSHALL").query(&mut connection)?)
    }
}

/// A program that serves.
#[derive(Debug)]
pub struct Running {
    /// Which.
    pub subject: Subject,
    /// Its process.
    pub pid: u32,
    /// Its port.
    pub port: u16,
    /// The file with its cookies.
    pub cookies: PathBuf,
    /// What its sessions take in Redis, in bytes.
    pub redis_bytes: u64,
    _process: Process,
}

impl Running {
    /// Makes the sessions and starts a program.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(
        subject: Subject,
        places: &Places,
        redis: &Redis,
        start: &Start<'_>,
    ) -> Result<Self, Failure> {
        let before = redis.used_memory()?;
        if let Some(mut seeding) = subject.seeding(places, start) {
            let status = seeding.stdin(Stdio::null()).status()?;
            if !status.success() {
                return Err(format!("no sessions for {}: {status}", subject.name()).into());
            }
        }
        let command = subject.command(places, start);
        let process = Process::start(subject.name(), &command)?;
        let port = process.number_after(subject.announcement())?;
        Ok(Self {
            subject,
            pid: process.pid,
            port: u16::try_from(port)?,
            cookies: subject.cookies(start.folder),
            redis_bytes: redis.used_memory()?.saturating_sub(before),
            _process: process,
        })
    }

    /// The cookie of the n-th session.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn cookie(&self, n: usize) -> Result<String, Failure> {
        let cookies = fs::read_to_string(&self.cookies)?;
        let cookie = cookies.lines().nth(n);
        Ok(cookie.ok_or("there are too few cookies")?.to_owned())
    }

    /// Sees that it shows the page that it must, to whoever is signed in and to whoever is not.
    ///
    /// # Errors
    ///
    /// It does not; the error says what it showed.
    pub fn verify(&self) -> Result<(), Failure> {
        let says = |objection: Option<String>| match objection {
            Some(objection) => Err(Failure::from(format!(
                "{}: {objection}",
                self.subject.name()
            ))),
            None => Ok(()),
        };
        let page = probe::get(self.port, "/", Some(&self.cookie(0)?))?;
        let login = probe::get(self.port, "/login", None)?;
        if self.subject.is_application() {
            // The application has pages of its own.
            let shown = |answer: &probe::Answer, text: &str| {
                (answer.status != 200 || !answer.body.contains(text)).then(|| answer.body.clone())
            };
            says(shown(&page, cloakroom_bench_common::sessions::USER))?;
            return says(shown(&login, "Log"));
        }
        says(probe::objection_to_page(&page, 0))?;
        says(probe::objection_to_login(&login))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_meanwhile_is_followed_by_another() {
        let mut tried = Vec::new();
        let started = on_a_free_port(|port| {
            tried.push(port);
            Ok((tried.len() == 3).then_some(port))
        });
        assert_eq!(started.unwrap(), tried[2]);
        assert_eq!(tried.len(), 3);
    }

    #[test]
    fn there_is_an_end_to_trying_and_a_fault_ends_it_at_once() {
        let mut tries = 0;
        let error = on_a_free_port::<()>(|_| {
            tries += 1;
            Ok(None)
        });
        assert!(error.unwrap_err().to_string().contains("10 ports"));
        assert_eq!(tries, 10);
        let error = on_a_free_port::<()>(|_| {
            tries += 1;
            Err("no program".into())
        });
        assert_eq!(error.unwrap_err().to_string(), "no program");
        assert_eq!(tries, 11);
    }

    #[test]
    fn redis_says_whether_it_has_its_port() {
        for (line, expected) in [
            ("1:C 26 Nov 2026 12:00:00.000 # Configuration loaded", None),
            (
                "1:M 26 Nov 2026 12:00:00.000 * Ready to accept connections",
                Some(true),
            ),
            (
                "1:M 26 Nov 2026 12:00:00.000 * Ready to accept connections tcp",
                Some(true),
            ),
            (
                "1:M 26 Nov 2026 12:00:00.000 # Warning: Could not create server TCP listening socket 127.0.0.1:6379: bind: Address already in use",
                Some(false),
            ),
        ] {
            assert_eq!(has_port(line), expected, "{line}");
        }
    }
}
