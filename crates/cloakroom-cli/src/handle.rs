//! How somebody names a session without its id: by the library's handle, or by the fingerprint that logs show.

use std::{ffi::OsString, fmt};

use cloakroom::{SessionHandle, SessionId};

/// One handle in 64 begins with a dash. The words of the command line, with a `#` before such a one, so that it is not taken
/// for an option.
pub(crate) fn marked(words: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    words.map(|word| match word.to_str() {
        Some(text) if text.starts_with('-') && SessionHandle::parse(text).is_some() => {
            format!("#{text}").into()
        }
        _ => word,
    })
}

/// A session as somebody typed it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Typed {
    /// The handle, as listings show it, the application's own among them.
    Handle(SessionHandle),
    /// The eight hexadecimal digits that an application's log shows; two sessions may have the same.
    Fingerprint(String),
}

impl Typed {
    /// Reads it, for clap.
    ///
    /// # Errors
    ///
    /// It is neither. What was typed is not repeated: it may be an id.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('#').unwrap_or(text);
        if let Some(handle) = SessionHandle::parse(text) {
            return Ok(Self::Handle(handle));
        }
        let digits = text.to_ascii_lowercase();
        if digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self::Fingerprint(digits));
        }
        Err(
            "a handle has 22 characters, as `cloakroom sessions ls` shows them, and the fingerprint of a log 8 hexadecimal \
             digits; an id goes to --id"
                .to_owned(),
        )
    }

    /// The handle, if it is one.
    pub(crate) fn handle(&self) -> Option<SessionHandle> {
        match self {
            Self::Handle(handle) => Some(*handle),
            Self::Fingerprint(_) => None,
        }
    }

    /// Whether this names that session.
    pub(crate) fn names(&self, id: &SessionId) -> bool {
        match self {
            Self::Handle(handle) => id.handle() == *handle,
            Self::Fingerprint(digits) => id.fingerprint().to_string() == *digits,
        }
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handle(handle) => write!(f, "{handle}"),
            Self::Fingerprint(digits) => write!(f, "#{digits}"),
        }
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Typed({self})")
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn a_handle_or_a_fingerprint_names_a_session() {
        let id = SessionId::parse("Wn1xPVWzOX8dIzL2cTqV4DiJqHXrqYpS").unwrap();
        let other = SessionId::parse("b").unwrap();
        let fingerprint = id.fingerprint().to_string();
        for typed in [
            id.handle().to_string(),
            fingerprint.clone(),
            format!("#{fingerprint}"),
            fingerprint.to_uppercase(),
        ] {
            let typed = Typed::parse(&typed).unwrap();
            assert!(typed.names(&id) && !typed.names(&other), "{typed}");
        }
    }

    #[test]
    fn a_handle_that_begins_with_a_dash_is_no_option_and_no_option_is_a_handle() {
        let handle = "-AAAAAAAAAAAAAAAAAAAAA";
        let words = ["--yes", handle, "-y"].map(OsString::from);
        let marked: Vec<_> = marked(words.into_iter()).collect();
        assert_eq!(
            marked,
            ["--yes", "#-AAAAAAAAAAAAAAAAAAAAA", "-y"].map(OsString::from)
        );
        let typed = Typed::parse("#-AAAAAAAAAAAAAAAAAAAAA").unwrap();
        assert_eq!(typed.to_string(), handle);
        options(&crate::cli::Cli::command());
    }

    fn options(command: &clap::Command) {
        for option in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(
                SessionHandle::parse(&format!("--{option}")).is_none(),
                "--{option}"
            );
        }
        command.get_subcommands().for_each(options);
    }

    #[test]
    fn what_is_neither_is_not_repeated() {
        for wrong in [
            "",
            "ca97811",
            "ca97811z",
            "hunter2-hunter2",
            "hunter2-hunter2-hunter2-hunter2-",
        ] {
            let error = Typed::parse(wrong).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
