//! How far a long scan is, on standard error and only where a person watches.

use indicatif::{ProgressBar, ProgressStyle};

use crate::format;

/// A line that moves. Gone when dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    of: Option<u64>,
}

impl Progress {
    /// `of` is how many keys there are to look at, if that is known.
    pub(crate) fn new(of: Option<u64>) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed_precise}") {
            bar.set_style(style);
        }
        Self { bar, of }
    }

    /// None at all: where the results themselves move on the terminal.
    pub(crate) fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            of: None,
        }
    }

    /// So many sessions were looked at.
    pub(crate) fn at(&self, sessions: u64) {
        if self.bar.is_hidden() {
            return;
        }
        let sessions = format::sessions(sessions);
        self.bar.set_message(match self.of {
            Some(keys) => format!("{sessions}; the database has {} keys", format::count(keys)),
            None => sessions,
        });
        self.bar.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
