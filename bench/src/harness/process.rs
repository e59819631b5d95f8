//! A program that is started, says something, and ends with the value that holds it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use super::Failure;

/// How long a program may take until it says what it is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long a program may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(10);

/// The outer shell waits for the end of its input, which the kernel closes when we end, however we end; then it asks the
/// program to end, and ends it where that has not helped after `$1` seconds. It outlives Ctrl-C for as long as that takes. It
/// keeps no output open, so that the end of a program's output is the end of the program. The inner one says its process id
/// and becomes the program.
const WRAPPER: &str = r#"trap '' INT
    grace=$1
    shift
    sh -c 'echo "pid $$"; exec "$@"' sh "$@" </dev/null &
    program=$!
    exec >/dev/null 2>&1
    cat
    kill "$program"
    (sleep "$grace" & trap "kill $!; exit" TERM; wait; kill -KILL "$program") &
    killer=$!
    wait "$program"
    kill "$killer"
    wait"#;

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
        Self::start_with_grace(name, command, GRACE)
    }

    fn start_with_grace(name: &str, command: &Command, grace: Duration) -> Result<Self, Failure> {
        let mut wrapped = Command::new("sh");
        wrapped
            .args(["-c", WRAPPER, "sh"])
            .arg(grace.as_secs().to_string())
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

    /// Waits for a line with these words, and reads the number that follows.
    ///
    /// # Errors
    ///
    /// The program ended before, or said nothing of the kind for ten minutes.
    pub fn number_after(&self, words: &str) -> Result<u32, Failure> {
        self.first(words, |line| {
            let rest = line.split(words).nth(1)?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
    }

    /// Waits for the first line that something can be read from. `awaited` is what errors call it.
    ///
    /// # Errors
    ///
    /// The program ended before, or said nothing of the kind for ten minutes.
    pub fn first<T>(&self, awaited: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
        let mut last = String::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => match read(&line) {
                    Some(found) => return Ok(found),
                    None => last = line,
                },
                Err(error) => {
                    let what = match error {
                        RecvTimeoutError::Disconnected => "ended without saying",
                        RecvTimeoutError::Timeout => "did not say within ten minutes",
                    };
                    return Err(format!(
                        "{} {what} {awaited:?}; its last line: {last:?}; its errors stand above",
                        self.name
                    )
                    .into());
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// What a shell would wait for in vain, if it waited.
    fn within_a_minute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = mpsc::channel();
        thread::spawn(move || tell.send(work()));
        told.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    fn shell(script: &str, grace: Duration) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start_with_grace("a shell", &command, grace).unwrap()
    }

    #[test]
    fn a_program_that_ends_early_is_not_waited_for() {
        let error = within_a_minute(|| {
            let process = shell("echo the reason; exit 1", GRACE);
            process.number_after("listening ").unwrap_err().to_string()
        });
        assert!(error.contains("\"listening \""), "{error}");
        assert!(error.contains("the reason"), "{error}");
    }

    #[test]
    fn a_program_is_ended_with_its_value_even_if_it_does_not_listen() {
        for script in [
            "echo ready 1; exec sleep 120",
            "trap '' TERM; echo ready 1; exec sleep 120",
        ] {
            let pid = within_a_minute(|| {
                let process = shell(script, Duration::from_secs(1));
                assert_eq!(process.number_after("ready ").unwrap(), 1);
                process.pid
            });
            let program = PathBuf::from(format!("/proc/{pid}"));
            assert!(!program.exists(), "{script}");
        }
    }
}
