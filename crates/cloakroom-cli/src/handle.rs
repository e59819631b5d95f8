//! The handle: what stands for a session's id where people can see it.

use std::fmt;

use cloakroom::SessionId;
use sha2::{Digest as _, Sha256};

/// The first 16 hexadecimal digits of the id's SHA-256. Nobody finds the id from it, and among a million sessions two
/// have the same with a chance of one in 36 million. Its first eight digits are what the logs of an application show.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Handle(u64);

impl Handle {
    pub(crate) fn of(id: &SessionId) -> Self {
        let digest = Sha256::digest(id.as_str().as_bytes());
        let first = digest.iter().take(8);
        Self(first.fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({self})")
    }
}

/// A handle as somebody typed it: the whole, or its first eight digits or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    text: String,
    bits: u32,
    start: u64,
}

/// The digits that logs show.
const SHORTEST: usize = 8;

impl Typed {
    /// Reads it, for clap.
    ///
    /// # Errors
    ///
    /// It is no handle. What was typed is not repeated: it may be an id.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('#').unwrap_or(text).to_ascii_lowercase();
        let fits = (SHORTEST..=16).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = fits.then(|| u64::from_str_radix(&text, 16).ok()).flatten();
        let Some(number) = number else {
            return Err(
                "a handle has 8 to 16 hexadecimal digits, as `cloakroom sessions ls` shows them; an id goes to --id"
                    .to_owned(),
            );
        };
        let bits = u32::try_from(4 * (16 - text.len())).unwrap_or(0);
        Ok(Self {
            start: number << bits,
            bits,
            text,
        })
    }

    /// Whether this names that session.
    pub(crate) fn names(&self, handle: Handle) -> bool {
        (self.start ^ handle.0) >> self.bits == 0
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_begins_with_the_fingerprint_of_the_logs() {
        let id = SessionId::parse("Wn1xPVWzOX8dIzL2cTqV4DiJqHXrqYpS").unwrap();
        let handle = Handle::of(&id);
        assert_eq!(handle.to_string().len(), 16);
        assert!(
            handle
                .to_string()
                .starts_with(&id.fingerprint().to_string())
        );
    }

    #[test]
    fn eight_digits_or_more_name_a_session() {
        let id = SessionId::parse("a").unwrap();
        let handle = Handle::of(&id);
        let text = handle.to_string();
        for typed in [
            &text,
            &text[..8],
            &text[..11],
            &text.to_uppercase(),
            &format!("#{text}"),
        ] {
            assert!(Typed::parse(typed).unwrap().names(handle), "{typed}");
        }
        let other = Handle::of(&SessionId::parse("b").unwrap()).to_string();
        assert!(!Typed::parse(&other[..8]).unwrap().names(handle));
        for wrong in [
            "",
            "ca97811",
            "ca978112ca1bbdcaf",
            "ca97811z",
            "hunter2-hunter2",
        ] {
            let error = Typed::parse(wrong).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
