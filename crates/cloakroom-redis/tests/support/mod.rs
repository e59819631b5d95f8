//! Servers for tests: each its own process, port, socket and directory, and gone when it is dropped or the program ends.
//!
//! Other crates' tests take this in with `#[path = "../../cloakroom-redis/tests/support/mod.rs"] mod support;`. It needs
//! `tempfile`, and `tokio` with `net`, `io-util`, `rt`, `sync` and `time`. A server that cannot be had is a panic that says
//! what is missing: no test passes without one.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

pub mod awake;
pub mod proxy;
pub mod watched;
pub mod wire;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, OnceLock},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use watched::Watched;
use wire::Wire;

/// Deadlines of stores, and of waiting, in tests whose subject is no deadline. A call that hangs still fails by it; one that
/// a busy machine holds up does not.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Which program to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `$REDIS_SERVER` or the machine's redis-server.
    Redis,
    /// `$VALKEY_SERVER` or what `scripts/valkey` prints.
    Valkey,
}

impl Program {
    fn path(self) -> PathBuf {
        match self {
            Self::Redis => {
                std::env::var_os("REDIS_SERVER").map_or("redis-server".into(), PathBuf::from)
            }
            Self::Valkey => {
                static VALKEY: OnceLock<PathBuf> = OnceLock::new();
                VALKEY.get_or_init(fetch_valkey).clone()
            }
        }
    }
}

fn fetch_valkey() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|dir| dir.join("scripts/valkey"))
        .find(|script| script.exists())
        .expect("scripts/valkey, above this crate");
    let output = Command::new(&script).stderr(Stdio::inherit()).output();
    let output =
        output.unwrap_or_else(|error| panic!("{} cannot be run: {error}", script.display()));
    assert!(
        output.status.success(),
        "the tests need valkey-server 8.1 or later; scripts/valkey could not get it. Set VALKEY_SERVER to one"
    );
    String::from_utf8(output.stdout).unwrap().trim().into()
}

/// A server process. Data live as long as the process, unless it was started to keep them.
#[derive(Debug)]
pub struct Server {
    pub dir: TempDir,
    pub port: u16,
    program: Program,
    arguments: Vec<String>,
    child: Mutex<Option<Watched>>,
}

impl Server {
    pub fn redis() -> Self {
        Self::start(Program::Redis, &[])
    }

    pub fn valkey() -> Self {
        Self::start(Program::Valkey, &[])
    }

    /// Starts a server on a free port, with further arguments as on its command line.
    pub fn start(program: Program, arguments: &[&str]) -> Self {
        let arguments = arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect();
        let mut server = Self {
            dir: tempfile::tempdir().unwrap(),
            port: 0,
            program,
            arguments,
            child: Mutex::new(None),
        };
        // Between the look for a free port and the server's start somebody else may take it.
        for _ in 0..10 {
            let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            server.port = free.local_addr().unwrap().port();
            drop(free);
            if server.spawn(&[]) {
                return server;
            }
        }
        panic!("{program:?} does not start; its log: {}", server.log());
    }

    /// A sentinel that watches nothing. `config` is a file that it may write.
    pub fn sentinel(config: &Path) -> Self {
        let server = Self::start(Program::Redis, &[]);
        server.kill();
        std::fs::write(config, format!("port {}\n", server.port)).unwrap();
        assert!(server.run(|command| {
            command.arg(config).arg("--sentinel");
        }));
        server
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    fn spawn(&self, more: &[&str]) -> bool {
        self.run(|command| {
            command
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
                .args(["--enable-debug-command", "yes", "--daemonize", "no"])
                .arg("--port")
                .arg(self.port.to_string())
                .arg("--unixsocket")
                .arg(self.socket())
                .arg("--dir")
                .arg(self.dir.path())
                .arg("--logfile")
                .arg(self.dir.path().join("log"))
                .args(&self.arguments)
                .args(more);
        })
    }

    /// Starts the program and waits until it answers; `false` where it ended instead.
    fn run(&self, arguments: impl FnOnce(&mut Command)) -> bool {
        let path = self.program.path();
        let mut command = Command::new(&path);
        arguments(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = Watched::spawn(&mut command).unwrap_or_else(|error| {
            panic!(
                "the tests need {} ({error}); on Debian: apt-get install redis-server",
                path.display()
            )
        });
        *self.child.lock().unwrap() = Some(child);
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.wire_if_up().is_some() {
                return true;
            }
            let mut child = self.child.lock().unwrap();
            if child
                .as_mut()
                .is_some_and(|child| child.try_wait().unwrap().is_some())
            {
                return false;
            }
            drop(child);
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!(
            "{:?} was started and does not answer; its log: {}",
            self.program,
            self.log()
        );
    }

    fn wire_if_up(&self) -> Option<Wire> {
        let mut wire = Wire::connect(self.port).ok()?;
        wire.send(&["PING"]).ok()?;
        // An error, while it is loading for instance, is an answer too.
        wire.receive().is_ok().then_some(wire)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn socket_url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// A connection of the test's own.
    pub fn wire(&self) -> Wire {
        Wire::connect(self.port).expect("the server answers")
    }

    /// Sends one command and gives the answer as text.
    pub fn call(&self, command: &[&str]) -> String {
        self.wire().call(command)
    }

    /// How many connections there are beside the one that asks.
    pub fn connections(&self) -> usize {
        let clients: usize = self.stat("connected_clients").parse().unwrap();
        clients - 1
    }

    /// The value under `name` in `INFO`.
    pub fn stat(&self, name: &str) -> String {
        let info = self.call(&["INFO", "all"]);
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("INFO has no {name}"))
            .to_owned()
    }

    fn signal(&self, signal: &str) {
        let child = self.child.lock().unwrap();
        let pid = child.as_ref().expect("a running server").id();
        let status = Command::new("kill")
            .arg(signal)
            .arg(pid.to_string())
            .status();
        assert!(status.unwrap().success(), "kill {signal}");
    }

    /// SIGSTOP: the server keeps its connections and is silent.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// `kill -9`.
    pub fn kill(&self) {
        drop(self.child.lock().unwrap().take());
    }

    /// Starts the server again on its port after [`kill`](Self::kill).
    pub fn restart(&self, more: &[&str]) {
        assert!(
            self.spawn(more),
            "{:?} does not start again: {}",
            self.program,
            self.log()
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
