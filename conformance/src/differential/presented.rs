//! The cookies that a browser, or somebody who is none, may send.

use cloakroom::core::{keyring::Key, ticket};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// All bytes but those that `encodeURIComponent` leaves as they are.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// What a request presents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presented {
    /// No cookie.
    None,
    /// The cookie that the browser was given last.
    Current,
    /// One that it was given earlier, counted back from the last.
    Past(usize),
    /// The last one's id, in a form that counts.
    Good(Form),
    /// The last one's id, in a form that does not.
    Bad(Flaw),
    /// A good signature over an id that nobody has.
    Signed(String),
    /// The good cookie, then a bad one of the same name.
    GoodThenBad,
    /// A bad cookie, then the good one of the same name.
    BadThenGood,
    /// Another cookie in a header of its own, then the good one.
    TwoHeaders,
}

/// Forms of a cookie that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Not percent-encoded.
    Raw,
    /// In double quotes.
    Quoted,
    /// Escapes in lower case.
    LowerHex,
    /// Between other cookies.
    Crowded,
    /// Signed with the secret that verifies last.
    LastSecret,
}

/// Forms of a cookie that is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// The id alone.
    Bare,
    /// `s:` and the id, without a signature.
    Unsigned,
    /// Another id under the same signature.
    OtherId,
    /// Another signature.
    OtherMac,
    /// A signature in another base64.
    UrlSafe,
    /// A signature with padding.
    Padded,
    /// Signed with a secret that the server does not know.
    Stranger,
    /// `S:` in front.
    UpperCase,
    /// Percent-encoded twice.
    Twice,
    /// Nothing.
    Empty,
    /// The name in upper case.
    OtherName,
}

impl Presented {
    /// The word that facts use for it.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::Past(_) => "past".to_owned(),
            Self::Signed(_) => "signed".to_owned(),
            other => serde_json::to_string(other)
                .unwrap_or_default()
                .replace(['"', '{', '}'], ""),
        }
    }

    /// The `Cookie` headers, and the id that they present if the reader is right.
    #[must_use]
    pub fn headers(
        &self,
        name: &str,
        secrets: &[String],
        given: &[String],
        current: Option<&str>,
    ) -> (Vec<String>, Option<String>) {
        let first = secrets.first().map_or("", String::as_str);
        let pair = |id: &str| format!("{name}={}", encode(&sign(id, first)));
        let header = |text: String, id: Option<&str>| (vec![text], id.map(str::to_owned));
        match self {
            Self::None => return (Vec::new(), None),
            Self::Signed(id) => return header(pair(id), Some(id)),
            Self::Past(back) => {
                let id = given.iter().rev().nth(*back);
                return id.map_or_else(Default::default, |id| header(pair(id), Some(id)));
            }
            _ => {}
        }
        let Some(id) = current else {
            return (Vec::new(), None);
        };
        let bad = || format!("{name}={}", encode(&sign(id, "a stranger's secret")));
        match self {
            Self::Good(form) => header(form.header(name, id, secrets), Some(id)),
            Self::Bad(flaw) => header(flaw.header(name, id, first), None),
            Self::GoodThenBad => header(format!("{}; {}", pair(id), bad()), Some(id)),
            Self::BadThenGood => header(format!("{}; {}", bad(), pair(id)), Some(id)),
            Self::TwoHeaders => (vec!["a=b".to_owned(), pair(id)], Some(id.to_owned())),
            _ => header(pair(id), Some(id)),
        }
    }
}

impl Form {
    fn header(self, name: &str, id: &str, secrets: &[String]) -> String {
        let first = secrets.first().map_or("", String::as_str);
        let wire = encode(&sign(id, first));
        match self {
            Self::Raw => format!("{name}={}", sign(id, first)),
            Self::Quoted => format!("{name}=\"{wire}\""),
            Self::LowerHex => format!(
                "{name}={}",
                wire.replace("%3A", "%3a")
                    .replace("%2B", "%2b")
                    .replace("%2F", "%2f")
            ),
            Self::Crowded => format!("a=b; {name}2=x;{name}={wire} ; c=\"d\""),
            Self::LastSecret => {
                let last = secrets.last().map_or("", String::as_str);
                format!("{name}={}", encode(&sign(id, last)))
            }
        }
    }
}

impl Flaw {
    fn header(self, name: &str, id: &str, secret: &str) -> String {
        let ticket = sign(id, secret);
        let mac = ticket.rsplit_once('.').map_or("", |(_, mac)| mac);
        let value = match self {
            Self::Bare => id.to_owned(),
            Self::Unsigned => format!("s:{id}"),
            Self::OtherId => {
                let first = if id.starts_with('x') { 'y' } else { 'x' };
                format!("s:{first}{}.{mac}", id.get(1..).unwrap_or_default())
            }
            Self::OtherMac => format!(
                "s:{id}.{}",
                sign("x", secret)
                    .rsplit_once('.')
                    .map_or("", |(_, mac)| mac)
            ),
            // Where the signature has nothing that differs, it is made to be another.
            Self::UrlSafe => format!(
                "s:{id}.-{}",
                mac.get(1..)
                    .unwrap_or_default()
                    .replace('+', "-")
                    .replace('/', "_")
            ),
            Self::Padded => format!("{ticket}="),
            Self::Stranger => sign(id, "a stranger's secret"),
            Self::UpperCase => ticket.replacen("s:", "S:", 1),
            Self::Twice => encode(&ticket),
            Self::Empty => String::new(),
            Self::OtherName => return format!("{}={}", name.to_uppercase(), encode(&ticket)),
        };
        format!("{name}={}", encode(&value))
    }
}

/// `s:<id>.<mac>`.
///
/// # Panics
///
/// Never: every text is a key.
#[must_use]
pub fn sign(id: &str, secret: &str) -> String {
    match Key::new(secret) {
        Ok(key) => ticket::sign_with(id, &key),
        Err(error) => panic!("{error}"),
    }
}

/// `encodeURIComponent`.
#[must_use]
pub fn encode(value: &str) -> String {
    utf8_percent_encode(value, ENCODED).to_string()
}

/// The cookie of an id as the browser sends it.
#[must_use]
pub fn cookie(name: &str, id: &str, secret: &str) -> String {
    format!("{name}={}", encode(&sign(id, secret)))
}
