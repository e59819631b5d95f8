//! The one error type of the commands: what happened, to which option, and what to do.

use std::{fmt, io};

use anstyle::{AnsiColor, Style};
use cloakroom::{Error, ErrorKind};

use crate::exit::Exit;

/// Why a command could not do its work. The text is for people and holds neither secrets nor passwords nor ids.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: Option<String>,
}

impl Failure {
    /// The command line or a variable is wrong. `what` names the option.
    #[must_use]
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// The answer is no.
    #[must_use]
    pub fn no(what: impl Into<String>) -> Self {
        Self::new(Exit::No, what)
    }

    /// There was no confirmation.
    #[must_use]
    pub fn unconfirmed(what: impl Into<String>) -> Self {
        Self::new(Exit::Unconfirmed, what)
    }

    /// A file cannot be read or written. `what` names it.
    #[must_use]
    pub fn file(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(Exit::File, format!("{what}: {error}"))
    }

    /// A store that cannot be opened, with the setting that names it.
    #[must_use]
    pub fn of_setting(setting: Option<&'static str>, error: Error) -> Self {
        let failure = Self::from(error);
        match (setting, failure.message) {
            (Some(setting), Some(what)) => Self::new(failure.exit, format!("{setting}: {what}")),
            (_, message) => Self {
                exit: failure.exit,
                message,
            },
        }
    }

    /// A SQLite file that was open cannot be read. SQLite's own words hold no values.
    #[must_use]
    pub fn sqlite(error: &rusqlite::Error) -> Self {
        Self::new(
            Exit::Store,
            format!("the file of the sessions cannot be read: {error}"),
        )
    }

    /// The output cannot be written. A pipe whose reader has gone, as `head` goes, is no failure: the command ends there.
    #[must_use]
    pub fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self {
                exit: Exit::Done,
                message: None,
            }
        } else {
            Self::file("the output cannot be written", error)
        }
    }

    fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            message: Some(what.into()),
        }
    }

    /// What the process ends with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Says it on standard error.
    pub fn report(&self) {
        let Some(message) = &self.message else { return };
        let red = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
        // Whoever closed our standard error does not want to know.
        let _ = io::Write::write_fmt(
            &mut anstream::stderr(),
            format_args!("{red}error:{red:#} {message}\n"),
        );
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.as_deref().unwrap_or("the output was closed"))
    }
}

impl std::error::Error for Failure {}

/// The store's errors are written for people already.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::Config | ErrorKind::Invalid => Exit::Usage,
            _ => Exit::Store,
        };
        Self::new(exit, error.to_string())
    }
}
