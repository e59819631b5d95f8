//! How large a session may be, and which names and values the application may give it.

use super::{COOKIE, META, Record};
use crate::{
    Error, ErrorKind, Timestamp,
    json::{Raw, depth_of},
};

/// How large a session may be. Checked when a value is read and when a name is given a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The whole stored value, in bytes, `cookie` and our own `__ck` included. Default: 1 MiB.
    pub bytes: usize,
    /// Nesting of arrays and objects in one name's value. Default: 256.
    pub depth: usize,
    /// Top-level names, `cookie` and our own `__ck` included. Default: 1,000.
    pub names: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 1024 * 1024,
            depth: 256,
            names: 1000,
        }
    }
}

impl Limits {
    /// The same limits with another largest value size in bytes.
    #[must_use]
    pub fn with_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// The same limits with another deepest nesting.
    #[must_use]
    pub fn with_depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// The same limits with another largest number of names.
    #[must_use]
    pub fn with_names(mut self, names: usize) -> Self {
        self.names = names;
        self
    }
}

/// Names that express-session drops when it loads a session, because its session object has members of these names.
const DROPPED_BY_EXPRESS: [&str; 20] = [
    "id",
    "req",
    "save",
    "reload",
    "touch",
    "destroy",
    "regenerate",
    "resetMaxAge",
    "constructor",
    "toString",
    "toLocaleString",
    "valueOf",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "__proto__",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
];

/// Checks that the application may use `name`. `cookie` and `__ck` never; the names that express drops unless the store
/// is `exclusive` to Rust.
///
/// # Errors
///
/// [`ErrorKind::Invalid`] with the name and the reason.
pub fn check_name(name: &str, exclusive: bool) -> Result<(), Error> {
    if name == COOKIE || name == META {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "the session name `{name}` is kept for the session's own metadata; use another name"
            ),
        ));
    }
    if !exclusive && DROPPED_BY_EXPRESS.contains(&name) {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "the session name `{name}` would be dropped by express-session, whose session object has a member of that name; use another name, or declare the store exclusive to Rust"
            ),
        ));
    }
    Ok(())
}

/// Checks a value that the application gives to `name`.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] or [`ErrorKind::Invalid`], naming the name.
pub fn check_value(name: &str, value: &Raw, limits: &Limits, exclusive: bool) -> Result<(), Error> {
    check_depth(name, value.as_str().as_bytes(), limits)?;
    if !exclusive && value.has_unsafe_integer() {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "the value of `{name}` holds an integer beyond 2^53 - 1, which Node would round; store it as a string, or declare the store exclusive to Rust"
            ),
        ));
    }
    Ok(())
}

/// A value nested deeper than the limit is longer than twice the limit.
pub(super) fn is_deep(value: &[u8], limits: &Limits) -> bool {
    value.len() > limits.depth.saturating_mul(2) && depth_of(value) > limits.depth
}

pub(super) fn check_depth(name: &str, value: &[u8], limits: &Limits) -> Result<(), Error> {
    if is_deep(value, limits) {
        let limit = limits.depth;
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("the value of `{name}` is nested deeper than the limit of {limit}"),
        ));
    }
    Ok(())
}

impl Record {
    /// Sets the end of the absolute lifetime, unless the record could not be read again then. Answers whether it is set.
    pub(crate) fn give_ends(&mut self, ends: Timestamp, limits: &Limits) -> bool {
        let mut changed = self.clone();
        changed.set_ends(Some(ends));
        let top = &changed.0.top;
        let fits = top.len() <= limits.names && top.byte_len() <= limits.bytes;
        if fits {
            *self = changed;
        }
        fits
    }
}

/// More than `cookie`, a date in it and the end of the absolute lifetime can add to a value.
const DATED_MORE: usize = 256;

/// Checks the whole record after `name` was changed.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`], naming the name.
pub fn check_size(record: &Record, name: &str, limits: &Limits) -> Result<(), Error> {
    let top = &record.0.top;
    if top.len() + 2 <= limits.names && top.byte_len() + DATED_MORE <= limits.bytes {
        return Ok(());
    }
    // The plan may still write the date and the end of the absolute lifetime. What is accepted here must be within the
    // limits when it is read again.
    let mut dated = record.clone();
    dated.set_expires(Some(Timestamp::UNIX_EPOCH));
    if dated.ends().is_none() {
        dated.set_ends(Some(Timestamp::from_millis(i64::MAX)));
    }
    let (names, size) = (dated.0.top.len(), dated.0.top.byte_len());
    if names > limits.names {
        let limit = limits.names;
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("with `{name}` the session has {names} names, more than the limit of {limit}"),
        ));
    }
    if size > limits.bytes {
        let limit = limits.bytes;
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("with `{name}` the session has {size} bytes, more than the limit of {limit}"),
        ));
    }
    Ok(())
}
