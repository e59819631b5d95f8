//! The ticket, `s:<id>.<mac>`: what the browser carries in place of the session.
//!
//! The form is that of Node's cookie-signature inside express-session, bit for bit. `mac` is the HMAC-SHA256 of the id's
//! UTF-8 bytes in standard base64 without padding. The id ends at the last dot and may contain dots itself. The prefix
//! is lower-case; a padded or URL-safe signature does not verify.
//!
//! The signature is what keeps strangers' ids away from the store: an id leaves this module only if one of our secrets
//! signed it and it keeps the grammar of [`SessionId`]. Whatever else a browser sends is [`Invalid`](Presented::Invalid)
//! and treated as if nothing had been sent, except that the reason can be counted.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use crate::{
    SessionId, cookie,
    id::MAX_ID_LEN,
    keyring::{Key, MAC_LEN, Secrets},
};

/// What a ticket starts with.
const PREFIX: &str = "s:";

/// The length of the signature in base64.
const MAC_TEXT_LEN: usize = 43;

/// The longest ticket of an id that keeps the grammar, in bytes.
pub const MAX_TICKET_LEN: usize = PREFIX.len() + MAX_ID_LEN + 1 + MAC_TEXT_LEN;

/// Even with every byte percent-encoded, a ticket has no more than three times its length.
const MAX_WIRE_LEN: usize = 3 * MAX_TICKET_LEN;

/// How many signatures of one request are checked at most. A browser that holds stale cookies beside the good one
/// sends a few of the same name; a thousand of them are an attack, and the rest of those is not looked at.
pub const MAX_TRIED: usize = 16;

/// Signs an id with the first secret.
#[must_use]
pub fn sign(id: &str, secrets: &Secrets) -> String {
    write(id, &Seal(secrets.mac(id)))
}

/// Signs an id with one key, whatever id and key are.
#[must_use]
pub fn sign_with(id: &str, key: &Key) -> String {
    write(id, &Seal(key.mac(id)))
}

fn write(id: &str, seal: &Seal) -> String {
    let mut ticket = String::with_capacity(PREFIX.len() + id.len() + 1 + MAC_TEXT_LEN);
    pieces(id, seal, |piece| ticket.push_str(piece));
    ticket
}

/// The ticket piece by piece.
pub(crate) fn pieces(id: &str, seal: &Seal, mut put: impl FnMut(&str)) {
    let mut text = [0; MAC_TEXT_LEN];
    let written = STANDARD_NO_PAD
        .encode_slice(seal.0, &mut text)
        .unwrap_or_default();
    put(PREFIX);
    put(id);
    put(".");
    // Base64 is ASCII.
    put(str::from_utf8(&text[..written]).unwrap_or_default());
}

/// The signature of one id by one secret. Whoever has verified a ticket can send it again by it without another computation.
/// `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seal([u8; MAC_LEN]);

impl Seal {
    /// Signs an id with the first secret.
    #[must_use]
    pub fn of(id: &SessionId, secrets: &Secrets) -> Self {
        Self(secrets.mac(id.as_str()))
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(..)")
    }
}

/// The id in `<id>.<mac>`, without the prefix, if `key` signed it. The id may be any text, even an empty one.
#[must_use]
pub fn unsign<'a>(signed: &'a str, key: &Key) -> Option<&'a str> {
    let (id, mac) = signed.rsplit_once('.')?;
    key.verify(id, &decode_mac(mac)?).then_some(id)
}

/// Bytes and their base64 correspond one to one here: padding, another alphabet, white space and stray bits in the last
/// character are refused, so comparing bytes accepts no more than comparing the text would.
fn decode_mac(text: &str) -> Option<[u8; MAC_LEN]> {
    let mut bytes = [0_u8; MAC_LEN + 1];
    let written = STANDARD_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    bytes[..written].try_into().ok()
}

/// Why a ticket is not valid, from the least telling to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum InvalidReason {
    /// It is no ticket: no `s:` in front, or nothing that looks like a signature behind.
    Unsigned,
    /// It is longer than any ticket of ours; its signature was not checked.
    TooLong,
    /// None of our secrets made the signature: tampered with, guessed, or signed by a secret dropped since.
    BadSignature,
    /// The signature is ours but the id is not one that this library accepts: some other service's ids differ.
    BadId,
}

impl InvalidReason {
    /// The reason as a lower-case word, for metric labels and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::TooLong => "too_long",
            Self::BadSignature => "bad_signature",
            Self::BadId => "bad_id",
        }
    }
}

/// What [`verify`] says about one ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One of our secrets signed this id.
    Valid {
        /// The id.
        id: SessionId,
        /// An older secret signed it: send the ticket anew, signed with the first one.
        needs_resign: bool,
    },
    /// Not a ticket of ours: no store is asked.
    Invalid(InvalidReason),
}

/// Checks one ticket, `s:<id>.<mac>`, as it is after the cookie's decoding.
#[must_use]
pub fn verify(ticket: &str, secrets: &Secrets) -> Verdict {
    match check(ticket, secrets) {
        Ok(Checked {
            id, needs_resign, ..
        }) => Verdict::Valid { id, needs_resign },
        Err(reason) => Verdict::Invalid(reason),
    }
}

/// A ticket of ours.
struct Checked {
    id: SessionId,
    needs_resign: bool,
    seal: Seal,
}

fn check(ticket: &str, secrets: &Secrets) -> Result<Checked, InvalidReason> {
    let signed = ticket.strip_prefix(PREFIX).ok_or(InvalidReason::Unsigned)?;
    if ticket.len() > MAX_TICKET_LEN {
        return Err(InvalidReason::TooLong);
    }
    let (id, mac) = signed.rsplit_once('.').ok_or(InvalidReason::Unsigned)?;
    let mac = decode_mac(mac).ok_or(InvalidReason::BadSignature)?;
    let index = secrets
        .verify(id, &mac)
        .ok_or(InvalidReason::BadSignature)?;
    let id = SessionId::parse(id).ok_or(InvalidReason::BadId)?;
    Ok(Checked {
        id,
        needs_resign: index > 0,
        seal: Seal(mac),
    })
}

/// What a request's `Cookie` headers hold under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// No cookie of this name.
    None,
    /// A ticket of ours.
    Valid {
        /// The id.
        id: SessionId,
        /// An older secret signed it: send the ticket anew, signed with the first one.
        needs_resign: bool,
        /// The signature.
        seal: Seal,
    },
    /// Cookies of this name, but no ticket of ours among them: the visitor is anonymous and no store is asked. The
    /// reason is the most telling one of all that were looked at.
    Invalid(InvalidReason),
}

/// Reads the `Cookie` headers of a request: of all cookies called `name`, over all headers, the first that verifies
/// counts.
///
/// A browser sends cookies of the same name side by side when they were set for different paths or domains, the longest
/// path first. One that is stale must not hide the good one behind it, or signing in never takes effect. A pair that is
/// not UTF-8 is passed over and its neighbours are read.
#[must_use]
pub fn presented<'a, I>(headers: I, name: &str, secrets: &Secrets) -> Presented
where
    I: IntoIterator<Item = &'a [u8]>,
{
    let mut reason = None;
    let mut tried = 0;
    let candidates = headers
        .into_iter()
        .flat_map(|header| cookie::named(header, name));
    for pair in candidates {
        let mut buffer = [0; MAX_WIRE_LEN];
        let checked = if pair.raw().len() > buffer.len() {
            Err(InvalidReason::TooLong)
        } else {
            check(pair.value_in(&mut buffer), secrets)
        };
        match checked {
            Ok(Checked {
                id,
                needs_resign,
                seal,
            }) => {
                return Presented::Valid {
                    id,
                    needs_resign,
                    seal,
                };
            }
            Err(why) => {
                reason = reason.max(Some(why));
                tried += usize::from(why >= InvalidReason::BadSignature);
            }
        }
        if tried == MAX_TRIED {
            break;
        }
    }
    reason.map_or(Presented::None, Presented::Invalid)
}
