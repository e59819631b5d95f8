//! The `Set-Cookie` header out, in express's order of attributes.

use super::{CookieOptions, Priority, SameSite, validate};
use crate::{
    Error, ErrorKind, SessionId, Timestamp,
    ascii::alphanumeric_or,
    ticket::{self, Seal},
    time::Text,
};

/// The form of a moment that has passed everywhere.
const PAST: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

/// A value as it stands in a cookie: JavaScript's `encodeURIComponent`, as express writes it.
#[must_use]
pub fn encode_value(value: &str) -> String {
    // Of a ticket's bytes few are escaped.
    let mut encoded = String::with_capacity(value.len() + 16);
    encode(&mut encoded, value);
    encoded
}

/// Escapes all bytes but those that JavaScript's `encodeURIComponent` leaves as they are. What is left are cookie-octets
/// (RFC 6265 section 4.1.1), so no value can end the cookie or the header.
fn encode(wire: &mut String, value: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut kept = 0;
    // What is kept is ASCII, and so is what stands between two bytes that are not.
    let run = |from: usize, to: usize| value.get(from..to).unwrap_or_default();
    for (at, byte) in value.bytes().enumerate() {
        if !is_kept(byte) {
            wire.push_str(run(kept, at));
            let digit = |half: u8| char::from(DIGITS[usize::from(half & 15)]);
            wire.extend(['%', digit(byte >> 4), digit(byte)]);
            kept = at + 1;
        }
    }
    wire.push_str(run(kept, value.len()));
}

fn is_kept(byte: u8) -> bool {
    static KEPT: [bool; 256] = alphanumeric_or(b"-_.!~*'()");
    KEPT[usize::from(byte)]
}

/// Writes the `Set-Cookie` headers of options that were checked, with what is the same in all of them written once.
#[derive(Clone, Debug)]
pub struct SetCookie {
    /// The name and `=`.
    start: String,
    /// The attributes in front of `Expires`.
    scope: String,
    /// Those behind it, in answer to a request over plain HTTP and over TLS.
    rest: [String; 2],
}

impl SetCookie {
    fn of(options: &CookieOptions) -> Self {
        let mut scope = String::new();
        if let Some(domain) = &options.domain {
            scope.extend(["; Domain=", domain]);
        }
        scope.extend(["; Path=", &options.path]);
        Self {
            start: format!("{}=", options.name),
            scope,
            rest: [false, true].map(|secure_request| options.rest(secure_request)),
        }
    }

    /// As [`CookieOptions::set_cookie`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if name and value have more than the 4096 bytes that browsers accept;
    /// [`ErrorKind::Invalid`] if `expires` cannot be written as a date.
    pub fn value(
        &self,
        value: &str,
        expires: Option<Timestamp>,
        secure_request: bool,
    ) -> Result<String, Error> {
        let mut header = self.begin(value.len());
        encode(&mut header, value);
        self.end(header, expires, secure_request)
    }

    /// The header with the ticket of `id` under a signature that is known.
    ///
    /// # Errors
    ///
    /// As [`SetCookie::value`].
    pub fn ticket(
        &self,
        id: &SessionId,
        seal: &Seal,
        expires: Option<Timestamp>,
        secure_request: bool,
    ) -> Result<String, Error> {
        let mut header = self.begin(ticket::MAX_TICKET_LEN);
        ticket::pieces(id.as_str(), seal, |piece| encode(&mut header, piece));
        self.end(header, expires, secure_request)
    }

    /// As [`CookieOptions::removal`].
    #[must_use]
    pub fn removal(&self, secure_request: bool) -> String {
        self.attributes(self.begin(0), Some(PAST), secure_request)
    }

    fn begin(&self, value_len: usize) -> String {
        let mut header = String::with_capacity(self.start.len() + value_len + 128);
        header.push_str(&self.start);
        header
    }

    fn end(
        &self,
        header: String,
        expires: Option<Timestamp>,
        secure_request: bool,
    ) -> Result<String, Error> {
        // Without the `=`.
        let size = header.len() - 1;
        if size > validate::MAX_PAIR_LEN {
            return Err(too_large(size));
        }
        let date = match expires {
            None => None,
            Some(moment) => Some(moment.http_date().ok_or_else(no_date)?),
        };
        let date = date.as_ref().map(Text::as_str);
        Ok(self.attributes(header, date, secure_request))
    }

    fn attributes(
        &self,
        mut header: String,
        expires: Option<&str>,
        secure_request: bool,
    ) -> String {
        let [plain, over_tls] = &self.rest;
        header.push_str(&self.scope);
        if let Some(expires) = expires {
            header.push_str("; Expires=");
            header.push_str(expires);
        }
        header.push_str(if secure_request { over_tls } else { plain });
        header
    }
}

#[cold]
fn too_large(size: usize) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!(
            "the cookie's name and value have {size} bytes and browsers accept {}: shorten the value",
            validate::MAX_PAIR_LEN
        ),
    )
}

#[cold]
fn no_date() -> Error {
    Error::new(
        ErrorKind::Invalid,
        "the cookie's expires cannot be written as a date: it must lie before the year 10000",
    )
}

impl CookieOptions {
    /// What writes the `Set-Cookie` headers, for whoever writes more than one.
    ///
    /// Errors: what [`validate`](Self::validate) refuses.
    pub fn prepare(&self) -> Result<SetCookie, Error> {
        self.validate()?;
        Ok(SetCookie::of(self))
    }

    /// The `Set-Cookie` header that gives the browser `value`, a ticket, until `expires`, or until the browser is closed.
    ///
    /// The moment is cut to the whole second and may be as far away as the caller likes, up to the year 9999; browsers
    /// cut it to 400 days. There is never a `Max-Age`, since express writes none.
    ///
    /// Errors: what [`validate`](Self::validate) refuses; [`ErrorKind::TooLarge`] if name and value have more than the
    /// 4096 bytes that browsers accept; [`ErrorKind::Invalid`] if `expires` cannot be written as a date.
    pub fn set_cookie(
        &self,
        value: &str,
        expires: Option<Timestamp>,
        secure_request: bool,
    ) -> Result<String, Error> {
        self.prepare()?.value(value, expires, secure_request)
    }

    /// The `Set-Cookie` header that makes the browser drop the cookie.
    ///
    /// Browsers tell cookies apart by name, domain, path and partition, and keep one that a header without `Secure`
    /// means to replace: the header has all the attributes that the cookie was set with. For options that
    /// [`validate`](Self::validate) accepts.
    #[must_use]
    pub fn removal(&self, secure_request: bool) -> String {
        SetCookie::of(self).removal(secure_request)
    }

    /// The attributes behind `Expires`.
    fn rest(&self, secure_request: bool) -> String {
        let mut rest = String::new();
        let mut put = |parts: [&str; 2]| rest.extend(parts);
        if self.http_only {
            put(["; HttpOnly", ""]);
        }
        if self.secure_for(secure_request) {
            put(["; Secure", ""]);
        }
        if self.partitioned {
            put(["; Partitioned", ""]);
        }
        if let Some(priority) = self.priority {
            put(["; Priority=", priority.as_str()]);
        }
        if let Some(same_site) = self.same_site_for(secure_request) {
            put(["; SameSite=", same_site.as_str()]);
        }
        rest
    }
}

impl Priority {
    fn as_str(self) -> &'static str {
        match self {
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
        }
    }
}

impl SameSite {
    fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax | Self::Auto => "Lax",
            Self::None => "None",
        }
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

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

    proptest! {
        #[test]
        fn values_are_escaped_as_percent_encoding_does(value in any::<String>()) {
            prop_assert_eq!(encode_value(&value), utf8_percent_encode(&value, ENCODED).to_string());
        }
    }

    #[test]
    fn every_ascii_character_is_escaped_as_percent_encoding_does() {
        let all: String = (0..128_u8)
            .map(char::from)
            .chain("äé日本👍".chars())
            .collect();
        assert_eq!(
            encode_value(&all),
            utf8_percent_encode(&all, ENCODED).to_string()
        );
    }
}
