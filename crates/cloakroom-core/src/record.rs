//! The stored value: what connect-redis writes and reads, as an ordered list of names with raw JSON each.
//!
//! The shape is express-session's: an object whose `cookie` holds the lifetime. Names that this request does not change
//! go back byte for byte. Our own metadata, only where it is needed, is one more name, `__ck`, which Node carries along.
//!
//! Whether a session lives is the store's business (the key's existence and its time to live). `cookie.expires` in the
//! value goes stale under express, because connect-redis' touch does not rewrite it; nothing here trusts it for that.

mod cookie;
mod identity;
mod limits;

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;

use cookie::{Cookie, lifetime_raw};
pub use cookie::{OwnLifetime, StoredAttributes};
pub use identity::Identity;
pub use limits::{Limits, check_name, check_size, check_value};
use limits::{check_depth, is_deep};

use crate::{
    Error, ErrorKind, Timestamp,
    json::{EntryOf, Raw, RawObject, integer_of},
};

/// The name of the cookie metadata.
pub const COOKIE: &str = "cookie";
/// The name of our own metadata.
pub const META: &str = "__ck";
/// Where the end of the absolute lifetime stands in it.
const ENDS: &str = "ends";

/// A session's stored value, readable and changeable by name. Cheap to clone: the clones share their text until one is
/// changed.
#[derive(Clone, Debug)]
pub struct Record(Arc<Parts>);

/// The text, and what stands in two of its values, read once.
#[derive(Clone, Debug)]
struct Parts {
    top: RawObject,
    cookie: Option<Cookie>,
    meta: Option<RawObject>,
    /// The time under `ends` in it.
    ends: Option<Timestamp>,
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.top == other.0.top
    }
}

impl Eq for Record {}

impl Record {
    /// A new record: `cookie` with express's keys in express's order, and nothing else.
    #[must_use]
    pub fn new(lifetime: OwnLifetime, attributes: &StoredAttributes) -> Self {
        let mut cookie = RawObject::new();
        // `originalMaxAge` and `expires` get their values here and in `set_expires`; their places are fixed.
        cookie.set("originalMaxAge", lifetime_raw(lifetime));
        if let Some(partitioned) = attributes.partitioned {
            cookie.set("partitioned", raw(&partitioned));
        }
        if let Some(priority) = &attributes.priority {
            cookie.set("priority", raw(priority));
        }
        cookie.set("expires", Raw::null());
        if let Some(secure) = attributes.secure {
            cookie.set("secure", raw(&secure));
        }
        cookie.set("httpOnly", raw(&attributes.http_only));
        if let Some(domain) = &attributes.domain {
            cookie.set("domain", raw(domain));
        }
        cookie.set("path", raw(&attributes.path));
        if let Some(same_site) = &attributes.same_site {
            cookie.set("sameSite", raw(same_site));
        }
        let mut top = RawObject::new();
        top.set(COOKIE, cookie.to_raw());
        Self(Arc::new(Parts {
            top,
            cookie: Cookie::read(&cookie.to_bytes()),
            meta: None,
            ends: None,
        }))
    }

    /// Reads a stored value. An empty value, `null`, `""` and `TOMBSTONE` (which connect-redis 6.1.0 and 6.1.2 wrote for
    /// a destroyed session) are express's ways to say "no session": `Ok(None)`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] for what express cannot load either: not JSON, not an object, no `cookie` object, a
    /// `cookie.maxAge` that is no number.
    /// [`ErrorKind::TooLarge`] beyond the limits. The value is not to be overwritten in either case.
    pub fn parse(value: &Bytes, limits: &Limits) -> Result<Option<Self>, Error> {
        if matches!(value.as_ref(), b"" | b"null" | b"\"\"" | b"TOMBSTONE") {
            return Ok(None);
        }
        if value.len() > limits.bytes {
            let (size, limit) = (value.len(), limits.bytes);
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the stored session has {size} bytes, more than the limit of {limit}"),
            ));
        }
        let top = RawObject::parse(value, limits.names)?;
        let record = Self::from(top);
        let Some(cookie) = record.0.cookie else {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "the stored session has no `cookie` object, which express-session requires",
            ));
        };
        if !cookie.is_loadable {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "the stored session's `cookie.maxAge` is not a number, which express-session requires",
            ));
        }
        for entry in record.0.top.entries() {
            // A name that cannot be read is carried along, whatever it has.
            if is_deep(entry.value(), limits)
                && let Some(name) = entry.name()
            {
                check_depth(&name, entry.value(), limits)?;
            }
        }
        Ok(Some(record))
    }

    /// The value to store.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.0.top.to_bytes()
    }

    /// The raw value of a top-level name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Raw> {
        self.0.top.get(name)
    }

    /// Its text.
    pub(crate) fn value(&self, name: &str) -> Option<&[u8]> {
        self.0.top.value(name)
    }

    /// Gives a top-level name a value. The caller has checked the name with [`check_name`].
    pub fn set(&mut self, name: &str, value: Raw) {
        let parts = Arc::make_mut(&mut self.0);
        parts.top.set(name, value);
        parts.read(name);
    }

    /// Takes a top-level name away.
    pub fn remove(&mut self, name: &str) -> Option<Raw> {
        let parts = Arc::make_mut(&mut self.0);
        let removed = parts.top.remove(name);
        parts.read(name);
        removed
    }

    /// The application's names in order, without `cookie` and `__ck`.
    pub fn data(&self) -> impl Iterator<Item = (String, Raw)> {
        self.data_entries()
            .map(|(name, entry)| (name.into_owned(), entry.raw()))
    }

    /// The same, decoded only as far as it is asked for.
    pub(crate) fn data_entries(&self) -> impl Iterator<Item = (Cow<'_, str>, EntryOf<'_>)> {
        let entries = self.0.top.entries();
        entries
            .filter_map(|entry| Some((entry.name()?, entry)))
            .filter(|(name, _)| name != COOKIE && name != META)
    }

    /// The whole object.
    #[must_use]
    pub fn object(&self) -> &RawObject {
        &self.0.top
    }

    /// For how many names there is memory, in the whole object or in our metadata, whichever has more.
    pub(crate) fn names_in_memory(&self) -> usize {
        let meta = self.0.meta.as_ref().map_or(0, RawObject::capacity);
        self.0.top.capacity().max(meta)
    }

    /// How much memory a record takes for whose objects there is memory for so many names, in bytes, beside its text.
    pub(crate) const fn size(names: usize) -> usize {
        size_of::<Parts>() + 2 * RawObject::size(names)
    }

    pub(crate) fn meta(&self) -> Option<&RawObject> {
        self.0.meta.as_ref()
    }

    pub(crate) fn change_meta(&mut self, change: impl FnOnce(&mut RawObject)) {
        let Parts {
            top, meta, ends, ..
        } = Arc::make_mut(&mut self.0);
        let object = meta.get_or_insert_default();
        change(object);
        *ends = moment(object, ENDS);
        if object.is_empty() {
            top.remove(META);
            *meta = None;
        } else {
            top.set(META, object.to_raw());
        }
    }

    /// The end of the absolute lifetime, where one was set.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        self.0.ends
    }

    /// Sets the end of the absolute lifetime.
    pub fn set_ends(&mut self, ends: Option<Timestamp>) {
        self.change_meta(|meta| match ends {
            Some(ends) => meta.set(ENDS, raw(&ends.as_millis())),
            None => drop(meta.remove(ENDS)),
        });
    }
}

impl From<RawObject> for Record {
    fn from(top: RawObject) -> Self {
        let mut parts = Parts {
            top,
            cookie: None,
            meta: None,
            ends: None,
        };
        parts.read(COOKIE);
        parts.read(META);
        Self(Arc::new(parts))
    }
}

impl Parts {
    /// Reads what stands under `name`, if it is one of ours.
    fn read(&mut self, name: &str) {
        match name {
            COOKIE => self.cookie = self.top.value(COOKIE).and_then(Cookie::read),
            META => {
                let meta = self.top.get(META);
                self.meta = meta.and_then(|meta| RawObject::from_raw(&meta, usize::MAX));
                self.ends = self.meta.as_ref().and_then(|meta| moment(meta, ENDS));
            }
            _ => {}
        }
    }
}

/// A moment as `__ck` has it: milliseconds since the epoch.
pub(crate) fn moment(meta: &RawObject, name: &str) -> Option<Timestamp> {
    integer_of(meta.value(name)?).map(Timestamp::from_millis)
}

/// JSON of a plain value, which cannot fail.
pub(crate) fn raw<T: serde::Serialize + ?Sized>(value: &T) -> Raw {
    Raw::of(value).unwrap_or_else(|_| Raw::null())
}
