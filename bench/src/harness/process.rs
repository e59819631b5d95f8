//! A program that is started, says something, and ends with the value that holds it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::Failure;

/// How long a program may take until it says what it is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

/// The outer shell waits for the end of its input, which the kernel closes when we end, however we end; then it ends the
/// program. It outlives Ctrl-C for as long as that takes. The inner one says its process id and becomes the program.
const WRAPPER: &str = "trap '' INT
    sh -c 'echo \"pid $$\"; exec \"$@\"' sh \"$@\" </dev/null &
    cat >/dev/null; kill $! 2>/dev/null; wait";

/// A running program.
#[derive(Debug)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    lines: mpsc::Receiver<String>,
    name: String,
    shell: Child,
    input: Option<ChildStdin>,
}

impl Process {
    /// Starts a program. `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// No process can be started.
    pub fn start(name: &str, command: &Command) -> Result<Self, Failure> {
        let mut wrapped = Command::new("sh");
        wrapped
            .args(["-c", WRAPPER, "sh"])
            .arg(command.get_program());
        wrapped.args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(key, value),
                None => wrapped.env_remove(key),
            };
        }
        let spawned = wrapped.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut shell = spawned.map_err(|error| format!("{name} cannot be started: {error}"))?;
        let input = shell.stdin.take();
        let output = shell.stdout.take().ok_or("a child without an output")?;
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = String::new();
            while output.read_line(&mut line).is_ok_and(|read| read > 0) {
                if tell.send(line.trim_end().to_owned()).is_err() {
                    // Nobody listens any more, and the program must not wait for a full pipe.
                    let _ = std::io::copy(&mut output.by_ref(), &mut std::io::sink());
                }
                line.clear();
            }
        });
        let mut process = Self {
            pid: 0,
            lines,
            name: name.to_owned(),
            shell,
            input,
        };
        process.pid = process.number_after("pid ")?;
        Ok(process)
    }

    /// Waits for a line that begins so, and reads the number that follows.
    ///
    /// # Errors
    ///
    /// The program ended before, or said nothing of the kind for ten minutes.
    pub fn number_after(&self, prefix: &str) -> Result<u32, Failure> {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                return Err(format!("{} did not start; see above", self.name).into());
            };
            if let Some(rest) = line.split(prefix).nth(1) {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                if let Ok(number) = digits.parse() {
                    return Ok(number);
                }
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.shell.wait();
    }
}
