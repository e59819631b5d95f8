//! Processes that end with the test program, however that comes about.
//!
//! A value that is dropped ends its process, and a test that fails drops its values. A program that is killed, at a machine's
//! time limit for instance, drops nothing, and a server that is left behind takes its part of the machine from whatever runs
//! next; one that is busy takes a whole core. So a shell waits beside each process for the end of its own input, which the
//! kernel closes together with the test program.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::{
    io,
    ops::{Deref, DerefMut},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

/// A process, and what it has started, where it was started with [`Watched::group`].
#[derive(Debug)]
pub struct Watched {
    child: Child,
    watchdog: Child,
    group: bool,
}

impl Watched {
    /// Starts a process.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        Self::with(command, false)
    }

    /// Starts a process that starts others: they end with it.
    pub fn group(command: &mut Command) -> io::Result<Self> {
        Self::with(command.process_group(0), true)
    }

    fn with(command: &mut Command, group: bool) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let watchdog = Command::new("sh")
            .args(["-c", "read -r _; kill -KILL \"$1\"", "watchdog"])
            .arg(target(&child, group))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match watchdog {
            Ok(watchdog) => Ok(Self {
                child,
                watchdog,
                group,
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }
}

/// What `kill` takes for the process or its group.
fn target(child: &Child, group: bool) -> String {
    let dash = if group { "-" } else { "" };
    format!("{dash}{}", child.id())
}

impl Deref for Watched {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl DerefMut for Watched {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // The watchdog first: once a process has been waited for, its number may be another's.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        if self.group {
            let kill = Command::new("kill")
                .args(["-KILL", "--", &target(&self.child, true)])
                .stderr(Stdio::null())
                .status();
            drop(kill);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
