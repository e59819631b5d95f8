//! The secrets that sign tickets: the first signs, all verify.
//!
//! Rotation takes three steps and signs nobody out. Put the new secret first and keep the old one behind it; wait until
//! the visitors have come back, since a ticket that an old secret verified is signed anew; then drop the old one.
//!
//! What a secret's bytes are is what Node makes of them: a string stands for its UTF-8 bytes, and nothing is trimmed
//! or decoded, so that both sides compute the same signature. Only [`Secrets::from_env`] trims, because there the
//! white space belongs to the list.

use std::{env, fmt, sync::Arc};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::{Error, ErrorKind};

/// The length of a signature in bytes: SHA-256's.
pub const MAC_LEN: usize = 32;

/// One key, ready for use: the keyed state is computed once and copied for each signature.
///
/// This is the raw level, at which even an empty key is one, as for Node's `createHmac`. Applications use [`Secrets`],
/// which refuses it.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    /// Prepares a key of any length. HMAC has a place for every length, so no error is known to occur.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, Error> {
        let state = Hmac::new_from_slice(bytes.as_ref())
            .map_err(|cause| Error::new(ErrorKind::Config, "not a key").with_source(cause))?;
        Ok(Self(state))
    }

    /// The HMAC-SHA256 of the id's UTF-8 bytes.
    #[must_use]
    pub fn mac(&self, id: &str) -> [u8; MAC_LEN] {
        let mut state = self.0.clone();
        state.update(id.as_bytes());
        state.finalize().into_bytes().into()
    }

    /// Whether `mac` is this key's signature of `id`. How long the answer takes says nothing about where they differ.
    #[must_use]
    pub fn verify(&self, id: &str, mac: &[u8; MAC_LEN]) -> bool {
        self.mac(id).ct_eq(mac).into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// One or more secrets, never none: the first signs, all verify.
///
/// A clone shares the keys. `Debug` tells how many there are and nothing else.
#[derive(Clone)]
pub struct Secrets(Arc<Ring>);

struct Ring {
    first: Key,
    older: Box<[Key]>,
    shortest: usize,
}

impl Secrets {
    /// The secrets in order, the one that signs first. Each is a string or bytes, used as it is.
    ///
    /// No secret at all and an empty secret are [`ErrorKind::Config`]; the message names the position, counted from 1.
    ///
    /// ```
    /// # use cloakroom_core::Secrets;
    /// let secrets = Secrets::new(["the new secret", "the old secret"])?;
    /// assert_eq!(format!("{secrets:?}"), "Secrets(2)");
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn new<I>(secrets: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: Into<Vec<u8>>,
    {
        let mut shortest = usize::MAX;
        let mut keys = Vec::new();
        for (index, secret) in secrets.into_iter().enumerate() {
            let bytes: Vec<u8> = secret.into();
            if bytes.is_empty() {
                let position = index + 1;
                return Err(Error::new(
                    ErrorKind::Config,
                    format!(
                        "secret {position} is empty: give every secret at least one byte, better 32 random ones"
                    ),
                ));
            }
            shortest = shortest.min(bytes.len());
            keys.push(Key::new(&bytes)?);
        }
        let mut keys = keys.into_iter();
        let Some(first) = keys.next() else {
            return Err(Error::new(
                ErrorKind::Config,
                "there is no secret: give at least one, at position 1, to sign with",
            ));
        };
        Ok(Self(Arc::new(Ring {
            first,
            older: keys.collect(),
            shortest,
        })))
    }

    /// Reads the secrets from an environment variable: one or several, separated by commas, the new one first.
    ///
    /// White space around each is dropped, so a secret in such a list can neither contain a comma nor start or end
    /// with white space; [`Secrets::new`] takes any. A variable that is not set, is not UTF-8 or has an empty entry is
    /// [`ErrorKind::Config`]; the message names the variable and never its content.
    ///
    /// This is the only function of the crate that looks at its surroundings, and it does so when it is called, not
    /// later: a variable that changes afterwards changes nothing.
    pub fn from_env(name: &str) -> Result<Self, Error> {
        match env::var(name) {
            Ok(list) => Self::from_list(name, &list),
            Err(env::VarError::NotPresent) => Err(Error::new(
                ErrorKind::Config,
                format!(
                    "the environment variable {name} is not set: put the secret there, or several separated by commas"
                ),
            )),
            Err(env::VarError::NotUnicode(_)) => Err(Error::new(
                ErrorKind::Config,
                format!("the environment variable {name} is not UTF-8: write the secrets as text"),
            )),
        }
    }

    fn from_list(name: &str, list: &str) -> Result<Self, Error> {
        Self::new(list.split(',').map(str::trim)).map_err(|error| {
            let message = format!("in the environment variable {name}, {error}");
            Error::new(error.kind(), message)
        })
    }

    /// The signature of `id` by the first secret.
    #[must_use]
    pub fn mac(&self, id: &str) -> [u8; MAC_LEN] {
        self.0.first.mac(id)
    }

    /// Which secret, counted from 0, signed `id` with `mac`; `None` if none did. Anything but 0 asks for a new
    /// signature. The time taken tells which secret matched, and that is no secret; it tells nothing about the bytes.
    #[must_use]
    pub fn verify(&self, id: &str, mac: &[u8; MAC_LEN]) -> Option<usize> {
        std::iter::once(&self.0.first)
            .chain(&self.0.older)
            .position(|key| key.verify(id, mac))
    }

    /// The length of the shortest secret in bytes: an application can refuse to start with a short one.
    #[must_use]
    pub fn shortest_len(&self) -> usize {
        self.0.shortest
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", 1 + self.0.older.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_and_an_empty_secret_are_refused_with_the_position() {
        let none = Secrets::new(Vec::<String>::new()).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::Config);
        assert!(none.to_string().contains("position 1"), "{none}");
        for (list, position) in [(vec![""], 1), (vec!["a", "b", ""], 3)] {
            let error = Secrets::new(list).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let named = format!("secret {position} is empty");
            assert!(error.to_string().contains(&named), "{error}");
        }
    }

    #[test]
    fn strings_and_bytes_are_the_same_key() {
        let text = Secrets::new([String::from("ключ")]).unwrap();
        let bytes = Secrets::new(["ключ".as_bytes().to_vec()]).unwrap();
        assert_eq!(text.mac("id"), bytes.mac("id"));
        assert_ne!(text.mac("id"), Secrets::new(["ключ "]).unwrap().mac("id"));
    }

    #[test]
    fn the_first_signs_and_all_verify() {
        let secrets = Secrets::new(["new", "old", "older"]).unwrap();
        for (index, secret) in ["new", "old", "older"].into_iter().enumerate() {
            let mac = Key::new(secret).unwrap().mac("id");
            assert_eq!(secrets.verify("id", &mac), Some(index));
        }
        assert_eq!(secrets.verify("id", &secrets.mac("id")), Some(0));
        let stranger = Key::new("stranger").unwrap().mac("id");
        assert_eq!(secrets.verify("id", &stranger), None);
    }

    #[test]
    fn the_shortest_secret_is_known() {
        assert_eq!(
            Secrets::new(["longer", "é", "long"])
                .unwrap()
                .shortest_len(),
            2
        );
    }

    #[test]
    fn a_list_is_split_at_commas_and_trimmed() {
        let list = Secrets::from_list("S", " new ,\told\n").unwrap();
        let same = Secrets::new(["new", "old"]).unwrap();
        assert_eq!(list.mac("id"), same.mac("id"));
        let old = Key::new("old").unwrap().mac("id");
        assert_eq!(list.verify("id", &old), Some(1));
    }

    #[test]
    fn the_environment_is_read_and_errors_name_the_variable_alone() {
        // Cargo sets this variable for every test that it runs.
        let read = Secrets::from_env("CARGO_PKG_NAME").unwrap();
        let same = Secrets::new([env!("CARGO_PKG_NAME")]).unwrap();
        assert_eq!(read.mac("id"), same.mac("id"));

        let unset = Secrets::from_env("CLOAKROOM_TEST_UNSET").unwrap_err();
        assert_eq!(unset.kind(), ErrorKind::Config);
        assert!(
            unset.to_string().contains("CLOAKROOM_TEST_UNSET"),
            "{unset}"
        );
        for odd in ["", "A=B", "A\0"] {
            assert_eq!(
                Secrets::from_env(odd).unwrap_err().kind(),
                ErrorKind::Config
            );
        }

        let hole = Secrets::from_list("SESSION_SECRET", "hunter2, ,x").unwrap_err();
        assert_eq!(hole.kind(), ErrorKind::Config);
        let message = hole.to_string();
        assert!(message.contains("SESSION_SECRET"), "{message}");
        assert!(message.contains("secret 2"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn r29_debug_shows_the_number_of_secrets_and_nothing_else() {
        let secrets = Secrets::new(["hunter2", "correct horse"]).unwrap();
        assert_eq!(format!("{secrets:?}"), "Secrets(2)");
        assert_eq!(format!("{:?}", Key::new("hunter2").unwrap()), "Key(..)");
    }

    #[test]
    fn r06_a_difference_in_any_bit_is_seen() {
        let key = Key::new("k").unwrap();
        let good = key.mac("id");
        assert!(key.verify("id", &good));
        for bit in 0..MAC_LEN * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.verify("id", &bad), "bit {bit}");
        }
    }
}
