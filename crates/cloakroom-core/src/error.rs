//! What can go wrong, and whether trying again may help.
//!
//! One opaque error type with a public [`ErrorKind`]: callers decide by kind, people read the message. Messages name
//! the option or the top-level name that is at fault and what to do; they never hold an id, a secret or a value.

use std::{error::Error as StdError, fmt};

/// An error of a session operation or of a store.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: Box<str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The class of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store cannot be reached or refuses to work at present. Says nothing about whether the session exists.
    Unavailable,
    /// The store did not answer within the deadline. A change may or may not have happened.
    Timeout,
    /// A stored value is not a session: not JSON, not an object, or without the `cookie` that express requires.
    Corrupt,
    /// A size, depth or count limit is exceeded.
    TooLarge,
    /// The store understood and refuses for good: no rights, read-only, full, a newer schema.
    Rejected,
    /// A name or value cannot be part of a session, for instance a name that express drops.
    Invalid,
    /// A value could not be turned into JSON, or a stored value is not of the type that was asked for.
    Type,
    /// Other requests kept changing the session, or it now belongs to somebody else; this change was not saved.
    Conflict,
    /// The session has ended meanwhile; this change was not saved.
    Gone,
    /// The response's head has left already; a change now needs its own commit, or cannot be saved at all.
    TooLate,
    /// An option or a combination of options is not allowed.
    Config,
    /// Nobody is signed in to the session.
    NotSignedIn,
    /// Somebody is signed in, but signed in too long ago for what was asked.
    NotFresh,
    /// The owner has as many sessions as the limit allows, and none of them gives way.
    TooManySessions,
}

impl ErrorKind {
    /// The kind as a lower-case word, for metric labels and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Corrupt => "corrupt",
            Self::TooLarge => "too_large",
            Self::Rejected => "rejected",
            Self::Invalid => "invalid",
            Self::Type => "type",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::TooLate => "too_late",
            Self::Config => "config",
            Self::NotSignedIn => "not_signed_in",
            Self::NotFresh => "not_fresh",
            Self::TooManySessions => "too_many_sessions",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    /// An error of `kind` with a message for people. The message must not hold an id, a secret or a value.
    #[cold]
    pub fn new(kind: ErrorKind, message: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// The same error with its cause attached.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The class of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later without any change by the caller.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Conflict
        )
    }

    /// Whether the store is the trouble, rather than the session or the caller.
    #[must_use]
    pub fn is_store_trouble(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Rejected
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
