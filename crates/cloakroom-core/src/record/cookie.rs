//! The value of `cookie`: the lifetime that the session asks for, its date, and the attributes for Node's readers.

use std::{sync::Arc, time::Duration};

use super::{COOKIE, Record, raw};
use crate::{
    Timestamp,
    json::{Raw, RawObject, digits_of, entries_of, text_of},
};

/// The cookie attributes that a new session stores for its Node readers, which take them from there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredAttributes {
    /// `partitioned`, written only where it was configured.
    pub partitioned: Option<bool>,
    /// `priority`: `low`, `medium` or `high`.
    pub priority: Option<String>,
    /// `secure`, resolved for the request; written only where it was configured.
    pub secure: Option<bool>,
    /// `httpOnly`.
    pub http_only: bool,
    /// `domain`.
    pub domain: Option<String>,
    /// `path`.
    pub path: String,
    /// `sameSite`: `lax`, `strict` or `none`.
    pub same_site: Option<String>,
}

/// The lifetime that a record itself asks for, in `cookie.originalMaxAge`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnLifetime {
    /// So long after each use.
    Idle(Duration),
    /// A cookie without `Expires`: as long as the browser runs; the store decides its own time.
    Browser,
}

/// What is of use in the value of `cookie`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cookie {
    lifetime: Option<OwnLifetime>,
    expires: Option<Timestamp>,
    /// Whether express can load it.
    pub(super) is_loadable: bool,
}

impl Cookie {
    /// `None` for what is no object.
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let mut cookie = Self::EMPTY;
        entries_of(value, |name, value| cookie.note(name, value))?;
        Some(cookie)
    }

    /// The same of an object that was read already.
    fn of(object: &RawObject) -> Self {
        let mut cookie = Self::EMPTY;
        for entry in object.entries() {
            if let Some(name) = entry.name() {
                cookie.note(name.as_bytes(), entry.value());
            }
        }
        cookie
    }

    const EMPTY: Self = Self {
        lifetime: None,
        expires: None,
        is_loadable: true,
    };

    fn note(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"originalMaxAge" => self.lifetime = lifetime_of(value),
            b"expires" => self.expires = date_of(value),
            b"maxAge" => self.is_loadable = is_max_age(value),
            _ => {}
        }
    }
}

impl Record {
    fn change_cookie(&mut self, change: impl FnOnce(&mut RawObject)) {
        let parts = Arc::make_mut(&mut self.0);
        let cookie = parts.top.get(COOKIE);
        let cookie = cookie.and_then(|cookie| RawObject::from_raw(&cookie, usize::MAX));
        let mut cookie = cookie.unwrap_or_default();
        change(&mut cookie);
        parts.top.set_first(COOKIE, cookie.to_raw());
        parts.cookie = Some(Cookie::of(&cookie));
    }

    /// The lifetime this record asks for. `None` where `originalMaxAge` says nothing usable: absent, or a number that
    /// is not positive.
    #[must_use]
    pub fn lifetime(&self) -> Option<OwnLifetime> {
        self.0.cookie?.lifetime
    }

    /// Changes the lifetime that the record asks for.
    pub fn set_lifetime(&mut self, lifetime: OwnLifetime) {
        self.change_cookie(|cookie| cookie.set("originalMaxAge", lifetime_raw(lifetime)));
    }

    /// `cookie.expires`, if it is a date. Stale by nature: never a reason to think a session dead or alive.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.0.cookie?.expires
    }

    /// Writes `cookie.expires`: a date as `toISOString` writes it, or `null`.
    pub fn set_expires(&mut self, expires: Option<Timestamp>) {
        let text = expires.and_then(Timestamp::to_iso_string);
        let value = text.map_or_else(Raw::null, |text| raw(&text));
        self.change_cookie(|cookie| cookie.set("expires", value));
    }
}

/// The lifetime that a value of `originalMaxAge` asks for.
fn lifetime_of(value: &[u8]) -> Option<OwnLifetime> {
    if matches!(value, b"null" | b"false") {
        return Some(OwnLifetime::Browser);
    }
    if let Some(millis) = digits_of(value) {
        return (millis > 0).then(|| OwnLifetime::Idle(Duration::from_millis(millis)));
    }
    let millis: f64 = serde_json::from_slice(value).ok()?;
    (millis >= 1.0).then(|| {
        // A float-to-int cast saturates, so the largest numbers become the longest duration.
        OwnLifetime::Idle(Duration::from_millis(millis as u64))
    })
}

/// The date that a value of `expires` is.
fn date_of(value: &[u8]) -> Option<Timestamp> {
    let text = text_of(str::from_utf8(value).ok()?)?;
    Timestamp::parse_iso(&text)
}

pub(super) fn lifetime_raw(lifetime: OwnLifetime) -> Raw {
    match lifetime {
        OwnLifetime::Idle(idle) => raw(&u64::try_from(idle.as_millis()).unwrap_or(u64::MAX)),
        OwnLifetime::Browser => Raw::null(),
    }
}

/// Whether express-session can load a cookie with this `maxAge`: its setter throws for what is true and no number.
fn is_max_age(value: &[u8]) -> bool {
    match value {
        [b'"', rest @ ..] => rest == b"\"",
        [b't' | b'[' | b'{', ..] => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As JavaScript reads it: every number is a float.
    fn by_float(value: &str) -> Option<OwnLifetime> {
        let millis: f64 = serde_json::from_str(value).ok()?;
        (millis >= 1.0).then(|| OwnLifetime::Idle(Duration::from_millis(millis as u64)))
    }

    #[test]
    fn a_lifetime_is_read_as_the_number_that_it_is() {
        for value in [
            "0",
            "1",
            "-1",
            "0.5",
            "1.5",
            "1800000",
            "1.8e6",
            "999999999999999",
            "1000000000000000",
            "9007199254740993",
            "18446744073709551616",
            "1e400",
            "true",
            "\"1\"",
            "[1]",
            "{}",
        ] {
            assert_eq!(lifetime_of(value.as_bytes()), by_float(value), "{value}");
        }
        for value in ["null", "false"] {
            assert_eq!(lifetime_of(value.as_bytes()), Some(OwnLifetime::Browser));
        }
    }

    #[test]
    fn of_a_name_that_stands_twice_the_last_value_counts() {
        let cookie = Cookie::read(
            br#"{"originalMaxAge":1,"maxAge":[],"original\u004daxAge":5,"maxAge":1,"expires":"x"}"#,
        );
        let cookie = cookie.unwrap();
        let idle = OwnLifetime::Idle(Duration::from_millis(5));
        assert_eq!((cookie.lifetime, cookie.is_loadable), (Some(idle), true));
        assert_eq!(cookie.expires, None);
        assert!(Cookie::read(b"[]").is_none());
    }

    #[test]
    fn a_changed_cookie_is_what_is_read_of_its_text() {
        for text in [
            r#"{"cookie":{}}"#,
            r#"{"cookie":{"originalMaxAge":1,"expires":null,"maxAge":5,"originalMaxAge":null}}"#,
            r#"{ "cookie" : { "expires" : "2025-11-25T21:19:38.229Z", "\ud83d": 1 } , "n":1}"#,
            r#"{"n":1}"#,
        ] {
            let top = RawObject::parse(&text.into(), 10).unwrap();
            let mut record = Record::from(top);
            for millis in [0, 1_764_105_578_229, -1, i64::MAX] {
                record.set_expires(Some(Timestamp::from_millis(millis)));
                let read = record.value(COOKIE).and_then(Cookie::read);
                assert_eq!(record.0.cookie, read, "{text} {millis}");
            }
            record.set_lifetime(OwnLifetime::Idle(Duration::from_millis(7)));
            let read = record.value(COOKIE).and_then(Cookie::read);
            assert_eq!(record.0.cookie, read, "{text}");
        }
    }
}
