//! The `Set-Cookie` header out, in express's order of attributes.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{CookieOptions, Priority, SameSite, validate};
use crate::{Error, ErrorKind, Timestamp};

/// All bytes but those that JavaScript's `encodeURIComponent` leaves as they are. What is left are cookie-octets
/// (RFC 6265 section 4.1.1), so no value can end the cookie or the header.
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

/// The form of a moment that has passed everywhere.
const PAST: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

/// A value as it stands in a cookie: JavaScript's `encodeURIComponent`, as express writes it.
#[must_use]
pub fn encode_value(value: &str) -> String {
    // Of a ticket's bytes few are escaped.
    let mut encoded = String::with_capacity(value.len() + 16);
    encoded.extend(utf8_percent_encode(value, ENCODED));
    encoded
}

impl CookieOptions {
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
        self.validate()?;
        let wire = encode_value(value);
        let size = self.name.len() + wire.len();
        if size > validate::MAX_PAIR_LEN {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "the cookie's name and value have {size} bytes and browsers accept {}: shorten the value",
                    validate::MAX_PAIR_LEN
                ),
            ));
        }
        let expires = match expires {
            None => None,
            Some(moment) => Some(moment.to_http_date().ok_or_else(|| {
                Error::new(
                    ErrorKind::Invalid,
                    "the cookie's expires cannot be written as a date: it must lie before the year 10000",
                )
            })?),
        };
        Ok(self.write(&wire, expires.as_deref(), secure_request))
    }

    /// The `Set-Cookie` header that makes the browser drop the cookie.
    ///
    /// Browsers tell cookies apart by name, domain, path and partition, and keep one that a header without `Secure`
    /// means to replace: the header has all the attributes that the cookie was set with. For options that
    /// [`validate`](Self::validate) accepts.
    #[must_use]
    pub fn removal(&self, secure_request: bool) -> String {
        self.write("", Some(PAST), secure_request)
    }

    fn write(&self, wire: &str, expires: Option<&str>, secure_request: bool) -> String {
        let mut header = String::with_capacity(self.name.len() + wire.len() + 128);
        let mut put = |parts: [&str; 3]| header.extend(parts);
        put([&self.name, "=", wire]);
        if let Some(domain) = &self.domain {
            put(["; ", "Domain=", domain]);
        }
        put(["; ", "Path=", &self.path]);
        if let Some(expires) = expires {
            put(["; ", "Expires=", expires]);
        }
        if self.http_only {
            put(["; ", "HttpOnly", ""]);
        }
        if self.secure_for(secure_request) {
            put(["; ", "Secure", ""]);
        }
        if self.partitioned {
            put(["; ", "Partitioned", ""]);
        }
        if let Some(priority) = self.priority {
            put(["; ", "Priority=", priority.as_str()]);
        }
        if let Some(same_site) = self.same_site_for(secure_request) {
            put(["; ", "SameSite=", same_site.as_str()]);
        }
        header
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
