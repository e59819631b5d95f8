//! The processes that tests need: Redis, Node peers, more servers of ours. Each ends with the value that holds it.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Mutex,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{client::Client, resp::Redis};

/// Which npm packages a Node peer runs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Peer {
    /// express-session 1.17.2, connect-redis 6.0.0, ioredis 4.28.5.
    Article,
    /// express-session 1.19.0, connect-redis 9.0.0, redis 5.
    Today,
    /// express-session 1.19.0, connect-redis 8.1.0, ioredis 5.
    Ioredis5,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Article, Self::Today, Self::Ioredis5];

    /// The name of its folder.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Article => "article",
            Self::Today => "today",
            Self::Ioredis5 => "ioredis5",
        }
    }
}

/// The folder of the peers.
fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// A Redis server that keeps nothing on disk.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    _child: Child,
    _folder: tempfile::TempDir,
}

impl RedisServer {
    /// Starts one on a free port.
    ///
    /// # Panics
    ///
    /// If there is no `redis-server`, or it does not answer.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one with further arguments.
    ///
    /// # Panics
    ///
    /// As [`RedisServer::start`].
    pub async fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary folder: {e}"));
        for _ in 0..5 {
            let port = free_port();
            // Ended with this process however it ends, since a server outlives its parent: the shell waits for the end of
            // its input, which the kernel closes.
            let script = "redis-server \"$@\" </dev/null & cat >/dev/null; kill $!; wait";
            let mut child = Command::new("sh")
                .args(["-c", script, "redis", "--port", &port.to_string()])
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
                .args(["--databases", "64"])
                .args(arguments)
                .current_dir(folder.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap_or_else(|error| panic!("no process can be started: {error}"));
            for _ in 0..500 {
                if let Ok(mut redis) = Redis::connect(port, 0).await
                    && redis.try_call(&["PING"]).await.is_ok()
                {
                    return Self {
                        port,
                        _child: child,
                        _folder: folder,
                    };
                }
                if !matches!(child.try_wait(), Ok(None)) {
                    // Somebody else has taken the port in between.
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        panic!("redis-server does not answer: install the package redis-server")
    }

    /// Where it is, as a URL of one database.
    #[must_use]
    pub fn url(&self, database: u32) -> String {
        format!("redis://127.0.0.1:{}/{database}", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection to one database.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    pub async fn connect(&self, database: u32) -> Redis {
        match Redis::connect(self.port, database).await {
            Ok(redis) => redis,
            Err(error) => panic!("Redis does not answer: {error}"),
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map_or_else(|e| panic!("no free port: {e}"), |address| address.port())
}

/// A server process that says where it listens.
#[derive(Debug)]
pub struct Server {
    port: u16,
    _child: Child,
}

impl Server {
    /// Starts an express-session server on a database of Redis.
    ///
    /// # Panics
    ///
    /// If Node or the packages are not there and cannot be installed, or it does not start.
    pub async fn node(peer: Peer, redis: &str) -> Self {
        let folder = install(peer.name());
        let mut command = Command::new("node");
        command
            .arg(peers().join("server.js"))
            .arg(folder)
            .arg(redis);
        Self::start(command, "node").await
    }

    /// Starts the article's application.
    ///
    /// # Panics
    ///
    /// As [`Server::node`].
    pub async fn application(redis: &RedisServer, secret: &str) -> Self {
        let folder = install("application");
        let mut command = Command::new("node");
        command
            .arg(folder.join("app.js"))
            .env("REDIS_HOST", "127.0.0.1")
            .env("REDIS_PORT", redis.port().to_string())
            .env("SESSION_SECRET", secret);
        Self::start(command, "the article's application").await
    }

    /// Starts a server of ours: `program serve <redis>`.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn ours(program: &Path, redis: &str) -> Self {
        let mut command = Command::new(program);
        command.arg("serve").arg(redis);
        Self::start(command, "our server").await
    }

    async fn start(mut command: Command, what: &str) -> Self {
        let spawned = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = spawned.unwrap_or_else(|e| panic!("{what} cannot be started: {e}"));
        let mut lines = match child.stdout.take() {
            Some(stdout) => BufReader::new(stdout).lines(),
            None => panic!("{what} has no output"),
        };
        let started = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await;
        let port = match &started {
            Ok(Ok(Some(line))) => line.strip_prefix("listening ").and_then(|p| p.parse().ok()),
            _ => None,
        };
        match port {
            Some(port) => Self {
                port,
                _child: child,
            },
            None => panic!("{what} does not say where it listens: {started:?}"),
        }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.port)
    }
}

/// Installs a peer's packages as its lock file has them, once, and says where.
fn install(peer: &str) -> PathBuf {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = peers().join(peer);
    let time = |file: &str| folder.join(file).metadata().and_then(|m| m.modified()).ok();
    let (locked, installed) = (
        time("package-lock.json"),
        time("node_modules/.package-lock.json"),
    );
    if installed.is_some() && installed >= locked {
        return folder;
    }
    let status = std::process::Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(&folder)
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => folder,
        other => panic!(
            "`npm ci` in conformance/peers/{peer} failed ({other:?}): install nodejs (18 or later) and npm"
        ),
    }
}
