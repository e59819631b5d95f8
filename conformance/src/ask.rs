//! What a request asks of a server. It travels in the header `x-do`, so that path, method and body stay free.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The header that carries an [`Ask`].
pub const HEADER: &str = "x-do";

/// The options of `session()`, as far as both sides have them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    /// The secrets, first one signs.
    pub secret: Vec<String>,
    /// The cookie's name; `connect.sid` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Write unchanged sessions back.
    #[serde(default)]
    pub resave: bool,
    /// Save new sessions without data.
    #[serde(default)]
    pub save_uninitialized: bool,
    /// Send the cookie with each response.
    #[serde(default)]
    pub rolling: bool,
    /// `keep` or `destroy`; keep without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unset: Option<String>,
    /// Whether `X-Forwarded-Proto` is believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<bool>,
    /// An id that every new session gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genid: Option<String>,
    /// The cookie's attributes.
    #[serde(default)]
    pub cookie: Cookie,
    /// The store's options.
    #[serde(default)]
    pub store: Store,
}

/// The options of `cookie`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cookie {
    /// The path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The lifetime in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// `expires`: a date or `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Value>,
    /// Hidden from scripts; so without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_only: Option<bool>,
    /// `true`, `false` or `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure: Option<Value>,
    /// `true`, `lax`, `strict`, `none` or `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_site: Option<Value>,
    /// One cookie for each embedding site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitioned: Option<bool>,
    /// `low`, `medium` or `high`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
}

/// The options of the store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    /// What stands before the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Seconds for sessions without `maxAge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// Keep sessions without an end (Node alone).
    #[serde(
        default,
        rename = "disableTTL",
        skip_serializing_if = "Option::is_none"
    )]
    pub disable_ttl: Option<bool>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            secret: vec!["keyboard cat".to_owned()],
            name: None,
            resave: false,
            save_uninitialized: false,
            rolling: false,
            unset: None,
            proxy: None,
            genid: None,
            cookie: Cookie::default(),
            store: Store::default(),
        }
    }
}

impl Options {
    /// The cookie's name.
    #[must_use]
    pub fn cookie_name(&self) -> &str {
        self.name.as_deref().unwrap_or("connect.sid")
    }

    /// The prefix in the store.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.store.prefix.as_deref().unwrap_or("sess:")
    }

    /// The same options over sessions with another prefix.
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> Self {
        let mut options = self.clone();
        options.store.prefix = Some(prefix.to_owned());
        options
    }

    /// The same options with a lifetime.
    #[must_use]
    pub fn with_max_age(mut self, millis: u64) -> Self {
        self.cookie.max_age = Some(millis);
        self
    }
}

/// The content of the header.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// The session's options.
    pub options: Options,
    /// What the handler does: arrays of a name and arguments.
    pub ops: Value,
    /// The time, in milliseconds since 1970; the system's without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<i64>,
}

impl Ask {
    /// As a header's value: JSON in ASCII.
    #[must_use]
    pub fn to_header(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        let mut ascii = String::with_capacity(text.len());
        for c in text.chars() {
            if c.is_ascii() && c != '\x7f' {
                ascii.push(c);
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
        ascii
    }
}

/// What a server answers in the body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What each operation saw, up to the first that failed.
    pub log: Vec<Value>,
    /// Why nothing was tried at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
