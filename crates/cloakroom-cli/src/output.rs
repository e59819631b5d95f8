//! Standard output: buffered, with colours where they are wanted, and without a panic when its reader has gone.

use std::{
    fmt,
    io::{self, IsTerminal as _, StdoutLock, Write},
};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};

use crate::failure::Failure;

/// How much is kept before it is written, where nobody watches.
const BUFFER: usize = 32 * 1024;

/// How things are shown.
pub mod style {
    use super::{AnsiColor, Style};

    /// The head of a table.
    pub const HEAD: Style = Style::new().bold();
    /// What is beside the point.
    pub const FAINT: Style = Style::new().dimmed();
    /// What is well.
    pub const GOOD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
    /// What wants attention.
    pub const WARN: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
    /// What is wrong.
    pub const BAD: Style = Style::new()
        .bold()
        .fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
}

/// Standard output. A write that fails is a [`Failure`]; one that fails because the reader has gone is a quiet one.
pub struct Output {
    stream: AutoStream<StdoutLock<'static>>,
    buffer: Vec<u8>,
    terminal: bool,
    width: usize,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("terminal", &self.terminal)
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}

impl Output {
    /// This process' standard output.
    #[must_use]
    pub fn stdout() -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let size = terminal_size::terminal_size_of(&stdout);
        let width = size.map_or(80, |(width, _)| usize::from(width.0).max(20));
        Self {
            stream: AutoStream::auto(stdout.lock()),
            buffer: Vec::with_capacity(BUFFER),
            terminal,
            width,
        }
    }

    /// Whether a person watches.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// How many columns a terminal has; 80 where there is none.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Writes one line. What stands in it must have gone through [`plain`] where it is not ours.
    ///
    /// # Errors
    ///
    /// The output cannot be written.
    pub fn line(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        writeln!(self.buffer, "{line}").map_err(|error| Failure::output(&error))?;
        if self.terminal || self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    ///
    /// The output cannot be written.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands on what is kept.
    ///
    /// # Errors
    ///
    /// The output cannot be written.
    pub fn flush(&mut self) -> Result<(), Failure> {
        let written = self.stream.write_all(&self.buffer);
        self.buffer.clear();
        written
            .and_then(|()| self.stream.flush())
            .map_err(|error| Failure::output(&error))
    }

    /// The end: hands on what is kept.
    ///
    /// # Errors
    ///
    /// The output cannot be written.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.flush()
    }
}

/// Says on standard error what does not stop the command.
pub fn warn(what: impl fmt::Display) {
    let yellow = style::WARN;
    // Whoever closed our standard error does not want to know.
    let _ = writeln!(anstream::stderr(), "{yellow}warning:{yellow:#} {what}");
}

/// Says on standard error what helps a person and belongs into no result.
pub fn note(what: impl fmt::Display) {
    let _ = writeln!(anstream::stderr(), "{what}");
}

/// A text from a store or a server as it may be shown: control characters, which could move a terminal's cursor or colour
/// a lie, are replaced, and so are the marks that turn the direction of writing.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if is_harmless(c) { c } else { '\u{fffd}' })
        .collect()
}

fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_holds_cannot_move_the_cursor() {
        assert_eq!(plain("花子"), "花子");
        assert_eq!(
            plain("a\x1b[31mb\nc\r\u{202e}d"),
            "a\u{fffd}[31mb\u{fffd}c\u{fffd}\u{fffd}d"
        );
    }
}
