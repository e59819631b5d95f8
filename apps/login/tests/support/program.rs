//! The application as its own process.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    path::Path,
    process::{Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

#[allow(
    clippy::duplicate_mod,
    reason = "some test binaries have the servers' support too"
)]
#[path = "watched.rs"]
pub(crate) mod watched;

use watched::Watched;

/// The program, without the variables of whoever runs the tests.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME"))));
    command
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The program, serving on a free port.
#[derive(Debug)]
pub(crate) struct Running {
    child: Watched,
    pub(crate) address: SocketAddr,
    /// What it printed until it listened.
    #[allow(dead_code, reason = "each test binary uses its part")]
    pub(crate) printed: String,
}

#[allow(dead_code, reason = "each test binary uses its part")]
impl Running {
    pub(crate) fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = program(folder);
        command.env("PORT", "0").envs(variables.iter().copied());
        let mut child = Watched::spawn(&mut command).unwrap();
        let mut printed = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let address = loop {
            let start = printed.len();
            if lines.read_line(&mut printed).unwrap() == 0 {
                let mut log = String::new();
                let mut stderr = child.stderr.take().unwrap();
                stderr.read_to_string(&mut log).unwrap();
                panic!("did not start: {log}");
            }
            if let Some(url) = printed[start..].strip_prefix("Listening on http://") {
                break url.trim().parse().unwrap();
            }
        };
        Self {
            child,
            address,
            printed,
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end; answers with the exit status and the log.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => panic!("does not end"),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        (status, log)
    }

    /// Stops it as a container runtime does.
    pub(crate) fn stop(self) -> (ExitStatus, String) {
        self.signal("TERM");
        self.wait()
    }
}

/// Standard output and standard error of a program that has ended.
#[allow(dead_code, reason = "each test binary uses its part")]
pub(crate) fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}
