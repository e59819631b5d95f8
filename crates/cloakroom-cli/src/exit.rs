//! What the exit status means. Scripts decide by it, so a number keeps its meaning.

use std::process::ExitCode;

/// How a command went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, and the answer is yes where there was a question.
    Done = 0,
    /// The answer is no: the cookie does not verify, there is no such session, the doctor found an error.
    No = 1,
    /// The command line or an environment variable is wrong; nothing was done.
    Usage = 2,
    /// The store cannot be reached, or refuses.
    Store = 3,
    /// What was asked for needs a confirmation, and there was none; nothing was done.
    Unconfirmed = 4,
    /// A file, or the output, cannot be read or written.
    File = 5,
}

impl Exit {
    /// Every status with what it means, in words.
    pub const ALL: [(Self, &'static str); 6] = [
        (
            Self::Done,
            "done; where there was a question, the answer is yes",
        ),
        (
            Self::No,
            "the answer is no: the cookie does not verify, there is no such session, the doctor found an error",
        ),
        (
            Self::Usage,
            "the command line or a variable is wrong; nothing was done",
        ),
        (Self::Store, "the store cannot be reached, or refuses"),
        (
            Self::Unconfirmed,
            "a confirmation is needed and was not given; nothing was done",
        ),
        (
            Self::File,
            "a file, or the output, cannot be read or written",
        ),
    ];
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
