//! The session id: its grammar, how a new one is made, and the fingerprint that stands for it in logs.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::ascii::alphanumeric_or;

/// The number of random bytes in an id: 192 bits, as express-session 1.19 draws for its own ids.
pub const ID_BYTES: usize = 24;

/// The longest id that is accepted, in bytes. Ids that we make have 32.
pub const MAX_ID_LEN: usize = 128;

/// A session id that keeps the grammar: 1 to 128 bytes of ASCII letters, digits and `- _ . ~ : + / = @ ,`.
///
/// The grammar has room for the ids that Node's `genid` functions commonly make (base64url, base64, UUIDs, prefixed
/// forms), and none for white space, control characters, glob characters or braces: an id is checked before a key is
/// built from it. Its `Debug` shows the fingerprint, never the id; there is no `Display`.
#[derive(Clone)]
pub struct SessionId(Text);

/// The longest id that is kept in place: those that we and express-session make, and UUIDs.
const IN_PLACE: usize = 38;

/// An id is compared and copied many times in a request and in every table: one of the usual length costs no allocation and no
/// way through memory for that.
#[derive(Clone)]
enum Text {
    Short { len: u8, bytes: [u8; IN_PLACE] },
    Long(Arc<str>),
}

impl Text {
    /// Text that keeps the grammar, so that its bytes are ASCII.
    fn new(text: &str) -> Self {
        let mut bytes = [0; IN_PLACE];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(text.as_bytes());
                Self::Short { len, bytes }
            }
            _ => Self::Long(text.into()),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(text) => text.as_bytes(),
        }
    }
}

impl SessionId {
    /// An id from fresh random bytes: base64url without padding, 32 characters, as express-session makes them.
    #[must_use]
    pub fn from_random(bytes: [u8; ID_BYTES]) -> Self {
        let mut text = [0_u8; ID_BYTES / 3 * 4];
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text).unwrap_or(0);
        // Base64 is ASCII.
        Self(Text::new(
            str::from_utf8(&text[..written]).unwrap_or_default(),
        ))
    }

    /// Checks the grammar. `None` means that this text is no id and no store needs to be asked.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=MAX_ID_LEN).contains(&text.len());
        (fits && text.bytes().all(is_id_byte)).then(|| Self(Text::new(text)))
    }

    /// The id itself: for store keys and tickets alone.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // ASCII.
            Text::Short { .. } => str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Text::Long(text) => text,
        }
    }

    /// The bytes of [`as_str`](Self::as_str).
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Eight hexadecimal digits of the id's SHA-256: the same id gives the same digits, and nobody finds the id from
    /// them. This is what logs, traces and error messages show.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = Sha256::digest(self.as_bytes());
        Fingerprint([digest[0], digest[1], digest[2], digest[3]])
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for SessionId {}

impl PartialOrd for SessionId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SessionId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for SessionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

fn is_id_byte(byte: u8) -> bool {
    static BYTES: [bool; 256] = alphanumeric_or(b"-_.~:+/=@,");
    BYTES[usize::from(byte)]
}

/// An id for a session that may come to be. It is drawn for every request that opens its session and most need none, so it is
/// written out only when it is asked for. All clones have the same id. `Debug` shows what that of the [`SessionId`] does.
#[derive(Clone)]
pub struct FreshId {
    /// What the id is made from.
    bytes: [u8; ID_BYTES],
    id: OnceLock<SessionId>,
}

impl FreshId {
    /// An id from fresh random bytes: [`SessionId::from_random`].
    #[must_use]
    pub const fn from_random(bytes: [u8; ID_BYTES]) -> Self {
        Self {
            bytes,
            id: OnceLock::new(),
        }
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        self.id.get_or_init(|| SessionId::from_random(self.bytes))
    }
}

impl From<SessionId> for FreshId {
    fn from(id: SessionId) -> Self {
        Self {
            bytes: [0; ID_BYTES],
            id: OnceLock::from(id),
        }
    }
}

impl fmt::Debug for FreshId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId(#{})", self.fingerprint())
    }
}

/// What logs show in place of a [`SessionId`]; see [`SessionId::fingerprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 4]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::*;

    #[test]
    fn r01_new_ids_are_24_bytes_in_32_base64url_characters() {
        let id = SessionId::from_random([0xfb; ID_BYTES]);
        assert_eq!(id.as_str(), "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7");
        assert_eq!(SessionId::parse(id.as_str()), Some(id));
    }

    #[test]
    fn ids_of_every_length_come_back_and_are_compared_as_their_text() {
        let id = |text: &str| SessionId::parse(text).unwrap();
        for length in 1..=MAX_ID_LEN {
            let (text, longer) = ("a".repeat(length), "a".repeat(length - 1) + "b");
            assert_eq!(id(&text).as_str(), text);
            assert_eq!(id(&text).as_bytes(), text.as_bytes());
            assert_eq!(id(&text), id(&text).clone());
            assert!(id(&text) < id(&longer));
            let hasher = RandomState::new();
            assert_eq!(hasher.hash_one(id(&text)), hasher.hash_one(id(&text)));
            if length > 1 {
                assert_ne!(id(&text), id(&text[1..]));
                assert!(id(&text[1..]) < id(&text));
            }
        }
    }

    #[test]
    fn r01_a_fresh_id_is_the_same_in_all_clones_whenever_they_are_asked() {
        let fresh = FreshId::from_random([0xfb; ID_BYTES]);
        let (before, expected) = (fresh.clone(), SessionId::from_random([0xfb; ID_BYTES]));
        assert_eq!(*fresh.id(), expected);
        assert_eq!(*before.id(), expected);
        assert_eq!(*fresh.clone().id(), expected);
        let given = SessionId::parse("given").unwrap();
        assert_eq!(*FreshId::from(given.clone()).clone().id(), given);
        let shown = format!("{fresh:?} {before:?}");
        assert!(!shown.contains("_v7-") && !shown.contains("251"), "{shown}");
    }

    #[test]
    fn r05_the_bytes_of_the_grammar_are_these() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"-_.~:+/=@,".contains(&byte);
            assert_eq!(is_id_byte(byte), expected, "{byte}");
        }
    }

    #[test]
    fn r05_the_grammar_is_checked_before_a_key_is_built() {
        let longest = "a".repeat(MAX_ID_LEN);
        for good in [
            "a",
            "AZaz09-_.~:+/=@,",
            "aZ0-_bY1",
            "user:550e8400-e29b",
            "a.b.c",
            &longest,
        ] {
            assert!(SessionId::parse(good).is_some(), "{good}");
        }
        let too_long = "a".repeat(MAX_ID_LEN + 1);
        for bad in [
            "", " ", "a b", "a\r\nb", "*", "{x}", "[a]", "a?", "é", "\0", "a\\b", "\"a\"", "a;b",
            "%", &too_long,
        ] {
            assert!(SessionId::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn r29_debug_shows_the_fingerprint_and_never_the_id() {
        let id = SessionId::parse("Wn1xPVWzOX8dIzL2cTqV4DiJqHXrqYpS").unwrap();
        let shown = format!("{id:?}");
        assert!(!shown.contains("Wn1x"), "{shown}");
        assert_eq!(shown, format!("SessionId(#{})", id.fingerprint()));
        assert_eq!(id.fingerprint().to_string().len(), 8);
    }
}
