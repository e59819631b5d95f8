//! How far a long walk is, on standard error and only where a person watches.

use std::cell::Cell;

use indicatif::{ProgressBar, ProgressStyle};

use crate::format;

/// What a whole bar is.
const WHOLE: u64 = 1000;

/// A bar that moves. Gone when dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    /// A server that does not count as we think must not make the bar go backwards.
    furthest: Cell<u64>,
}

impl Progress {
    pub(crate) fn shown() -> Self {
        let bar = ProgressBar::new(WHOLE);
        let style =
            ProgressStyle::with_template("{bar:24} {percent:>3}%  {msg}  {elapsed_precise}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        Self::of(bar)
    }

    /// None at all: where the results themselves move on the terminal.
    pub(crate) fn hidden() -> Self {
        Self::of(ProgressBar::hidden())
    }

    fn of(bar: ProgressBar) -> Self {
        Self {
            bar,
            furthest: Cell::new(0),
        }
    }

    /// So many sessions were looked at, and this share of the store where that is known.
    pub(crate) fn at(&self, sessions: u64, share: Option<f64>) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_message(format::sessions(sessions));
        // A cast of a float saturates.
        let position = share.map_or(0, |share| (share * WHOLE as f64) as u64);
        self.furthest.set(self.furthest.get().max(position));
        self.bar.set_position(self.furthest.get());
        self.bar.tick();
    }

    /// Writes something to the terminal beside it.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
