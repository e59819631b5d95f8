//! What names a session to people and programs that must not know its id.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::SessionId;

/// Keeps handles apart from every other hash of an id.
const LABEL: &[u8] = b"cloakroom session handle\0";

/// A name of a session for lists, forms and administrators: 22 characters of base64url, made from the id by a one-way
/// function. Whoever has it cannot present the session, and nobody finds the id from it. It changes with the id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHandle([u8; 16]);

impl SessionHandle {
    /// Reads what [`Display`](fmt::Display) writes; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl SessionId {
    /// The handle of the session that has this id.
    #[must_use]
    pub fn handle(&self) -> SessionHandle {
        let digest = Sha256::new()
            .chain_update(LABEL)
            .chain_update(self.as_str().as_bytes())
            .finalize();
        let mut handle = [0; 16];
        handle.copy_from_slice(&digest[..16]);
        SessionHandle(handle)
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionHandle({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r30_a_handle_names_the_session_and_shows_nothing_of_the_id() {
        let id = SessionId::parse("Wn1xPVWzOX8dIzL2cTqV4DiJqHXrqYpS").unwrap();
        let handle = id.handle().to_string();
        assert_eq!(handle.len(), 22);
        assert_eq!(SessionHandle::parse(&handle), Some(id.handle()));
        assert!(!format!("{:?}", id.handle()).contains("Wn1x"));
        // Not the beginning of the plain hash, which logs show.
        let fingerprint = id.fingerprint().to_string();
        let first: String = id.handle().0[..4]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_ne!(first, fingerprint);
    }

    #[test]
    fn what_is_no_handle_is_none() {
        let longer = "A".repeat(23);
        for text in [
            "",
            "A",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "äAAAAAAAAAAAAAAAAAAAA",
            &longer,
        ] {
            assert_eq!(SessionHandle::parse(text), None, "{text:?}");
        }
        assert!(SessionHandle::parse(&"A".repeat(22)).is_some());
    }
}
