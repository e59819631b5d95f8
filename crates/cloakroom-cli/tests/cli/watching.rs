//! A `sessions watch` that runs, and what it says meanwhile.

use std::{
    io::{BufRead as _, BufReader, Lines},
    process::{ChildStderr, ChildStdout, Command, Stdio},
};

use crate::{
    stage::program,
    support::{Server, watched::Watched},
};

/// It ends with this value.
pub(crate) struct Watching {
    child: Watched,
    notes: Lines<BufReader<ChildStderr>>,
    events: Option<Lines<BufReader<ChildStdout>>>,
}

impl Watching {
    /// Watches a server's sessions with some options.
    pub(crate) fn on(server: &Server, options: &[&str]) -> Self {
        let mut command = program();
        command.env("SESSION_STORE", server.url());
        Self::start(command.args(["sessions", "watch"]).args(options))
    }

    /// Starts a command that watches, itself or in a shell.
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Watched::group(command).unwrap();
        let notes = BufReader::new(child.stderr.take().unwrap()).lines();
        let events = child.stdout.take().map(|out| BufReader::new(out).lines());
        Self {
            child,
            notes,
            events,
        }
    }

    /// What it says next of the watch itself; `None` where it has ended.
    pub(crate) fn note(&mut self) -> Option<String> {
        self.notes.next().transpose().unwrap()
    }

    /// What it says next of the sessions.
    pub(crate) fn event(&mut self) -> String {
        let events = self.events.as_mut().expect("somebody reads");
        events.next().expect("another event").unwrap()
    }

    /// Whoever read the events has gone.
    pub(crate) fn leave(&mut self) {
        self.events = None;
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end, and answers with the exit status.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}
