//! One Redis, and the programs on it.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
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

impl Redis {
    /// Starts one on a free port.
    ///
    /// # Errors
    ///
    /// There is none, or it does not answer within a minute.
    pub fn start(folder: &Path) -> Result<Self, Failure> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(folder);
        let process = Process::start("redis-server", &command)?;
        let redis = Self {
            pid: process.pid,
            port,
            client: redis::Client::open(("127.0.0.1", port))?,
            _process: process,
        };
        let start = Instant::now();
        loop {
            match redis.info("server") {
                // Whoever else has taken the port meanwhile is not the one to be measured.
                Ok(info) if redis_info::number(&info, "process_id") == Some(redis.pid.into()) => {
                    return Ok(redis);
                }
                Ok(_) => return Err(format!("port {port} was taken by another Redis").into()),
                Err(error) if start.elapsed() > Duration::from_secs(60) => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
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
