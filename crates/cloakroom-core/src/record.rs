//! The stored value: what connect-redis writes and reads, as an ordered list of names with raw JSON each.
//!
//! The shape is express-session's: an object whose `cookie` holds the lifetime. Names that this request does not change
//! go back byte for byte. Our own metadata, only where it is needed, is one more name, `__ck`, which Node carries along.
//!
//! Whether a session lives is the store's business (the key's existence and its time to live). `cookie.expires` in the
//! value goes stale under express, because connect-redis' touch does not rewrite it; nothing here trusts it for that.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    Error, ErrorKind, Timestamp,
    json::{Raw, RawObject, text_of},
};

/// The name of the cookie metadata.
pub const COOKIE: &str = "cookie";
/// The name of our own metadata.
pub const META: &str = "__ck";

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

/// Who is signed in and since when: what two versions of one session must agree on to be merged.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The owner, as given to `sign_in`.
    pub owner: Option<String>,
    /// When they signed in: the time of the store, where there is an owner index, and else the application's. By this time
    /// revocations count.
    pub signed_in: Option<Timestamp>,
    /// When they last said who they are. Another time than `signed_in` only where they have ended their other sessions
    /// since: that gives the session a new sign-in, and nobody has authenticated for it.
    pub authenticated: Option<Timestamp>,
}

impl Identity {
    /// `owner`, who said at `at` who they are; `None` where the time is not known.
    #[must_use]
    pub fn new(owner: impl Into<String>, at: Option<Timestamp>) -> Self {
        Self {
            owner: Some(owner.into()),
            signed_in: at,
            authenticated: at,
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("has_owner", &self.owner.is_some())
            .field("signed_in", &self.signed_in)
            .field("authenticated", &self.authenticated)
            .finish()
    }
}

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
}

/// What is of use in the value of `cookie`.
#[derive(Clone, Copy, Debug)]
struct Cookie {
    lifetime: Option<OwnLifetime>,
    expires: Option<Timestamp>,
    /// Whether express can load it.
    is_loadable: bool,
}

impl Cookie {
    /// `None` for what is no object.
    fn read(value: &Raw) -> Option<Self> {
        let mut cookie = Self {
            lifetime: None,
            expires: None,
            is_loadable: true,
        };
        value.entries(|name, value| match name {
            "originalMaxAge" => cookie.lifetime = lifetime_of(value),
            "expires" => {
                cookie.expires = text_of(value).and_then(|text| Timestamp::parse_iso(&text));
            }
            "maxAge" => cookie.is_loadable = is_max_age(value),
            _ => {}
        })?;
        Some(cookie)
    }
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
            cookie: Cookie::read(&cookie.to_raw()),
            meta: None,
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
        for (name, value) in record.0.top.raw_entries() {
            // A name that cannot be read is carried along, whatever it has.
            if is_deep(value, limits)
                && let Some(name) = name.text()
            {
                check_depth(&name, value, limits)?;
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
    pub fn get(&self, name: &str) -> Option<&Raw> {
        self.0.top.get(name)
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
    pub fn data(&self) -> impl Iterator<Item = (String, &Raw)> {
        self.0
            .top
            .iter()
            .filter(|(name, _)| name != COOKIE && name != META)
    }

    /// The whole object.
    #[must_use]
    pub fn object(&self) -> &RawObject {
        &self.0.top
    }

    fn change_cookie(&mut self, change: impl FnOnce(&mut RawObject)) {
        let parts = Arc::make_mut(&mut self.0);
        let cookie = parts.top.get(COOKIE);
        let cookie = cookie.and_then(|cookie| RawObject::from_raw(cookie, usize::MAX));
        let mut cookie = cookie.unwrap_or_default();
        change(&mut cookie);
        parts.top.set_first(COOKIE, cookie.to_raw());
        parts.read(COOKIE);
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

    pub(crate) fn meta(&self) -> Option<&RawObject> {
        self.0.meta.as_ref()
    }

    pub(crate) fn change_meta(&mut self, change: impl FnOnce(&mut RawObject)) {
        let Parts { top, meta, .. } = Arc::make_mut(&mut self.0);
        let object = meta.get_or_insert_default();
        change(object);
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
        self.meta()?
            .get("ends")?
            .read()
            .ok()
            .map(Timestamp::from_millis)
    }

    /// Sets the end of the absolute lifetime.
    pub fn set_ends(&mut self, ends: Option<Timestamp>) {
        self.change_meta(|meta| match ends {
            Some(ends) => meta.set("ends", raw(&ends.as_millis())),
            None => drop(meta.remove("ends")),
        });
    }

    /// Who is signed in. Where `authenticated` stands there and is no time of ours, when they authenticated is not known.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let Some(meta) = self.meta() else {
            return Identity::default();
        };
        let time = |raw: &Raw| raw.read().ok().map(Timestamp::from_millis);
        let signed_in = meta.get("signedIn").and_then(time);
        Identity {
            owner: meta.get("owner").and_then(Raw::text).map(Cow::into_owned),
            signed_in,
            authenticated: meta.get("authenticated").map_or(signed_in, time),
        }
    }

    /// Stamps who is signed in and since when. `authenticated` is written only where it is another time than the sign-in,
    /// and then also where it is none.
    pub fn set_identity(&mut self, identity: &Identity) {
        self.change_meta(|meta| {
            match &identity.owner {
                Some(owner) => meta.set("owner", raw(owner)),
                None => drop(meta.remove("owner")),
            }
            match identity.signed_in {
                Some(at) => meta.set("signedIn", raw(&at.as_millis())),
                None => drop(meta.remove("signedIn")),
            }
            match identity.authenticated {
                at if at == identity.signed_in => drop(meta.remove("authenticated")),
                Some(at) => meta.set("authenticated", raw(&at.as_millis())),
                None => meta.set("authenticated", Raw::null()),
            }
        });
    }
}

impl From<RawObject> for Record {
    fn from(top: RawObject) -> Self {
        let mut parts = Parts {
            top,
            cookie: None,
            meta: None,
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
            COOKIE => self.cookie = self.top.get(COOKIE).and_then(Cookie::read),
            META => {
                let meta = self.top.get(META);
                self.meta = meta.and_then(|meta| RawObject::from_raw(meta, usize::MAX));
            }
            _ => {}
        }
    }
}

/// The lifetime that a value of `originalMaxAge` asks for.
fn lifetime_of(value: &str) -> Option<OwnLifetime> {
    if matches!(value, "null" | "false") {
        return Some(OwnLifetime::Browser);
    }
    let millis: f64 = serde_json::from_str(value).ok()?;
    (millis >= 1.0).then(|| {
        // A float-to-int cast saturates, so the largest numbers become the longest duration.
        OwnLifetime::Idle(Duration::from_millis(millis as u64))
    })
}

fn lifetime_raw(lifetime: OwnLifetime) -> Raw {
    match lifetime {
        OwnLifetime::Idle(idle) => raw(&u64::try_from(idle.as_millis()).unwrap_or(u64::MAX)),
        OwnLifetime::Browser => Raw::null(),
    }
}

/// Whether express-session can load a cookie with this `maxAge`: its setter throws for what is true and no number.
fn is_max_age(value: &str) -> bool {
    match value.as_bytes() {
        [b'"', rest @ ..] => rest == b"\"",
        [b't' | b'[' | b'{', ..] => false,
        _ => true,
    }
}

/// JSON of a plain value, which cannot fail.
pub(crate) fn raw<T: serde::Serialize + ?Sized>(value: &T) -> Raw {
    Raw::of(value).unwrap_or_else(|_| Raw::null())
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
    check_depth(name, value, limits)?;
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
fn is_deep(value: &Raw, limits: &Limits) -> bool {
    value.len() > limits.depth.saturating_mul(2) && value.depth() > limits.depth
}

fn check_depth(name: &str, value: &Raw, limits: &Limits) -> Result<(), Error> {
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
    /// Whether it can be read again when it was written.
    pub(crate) fn fits(&self, limits: &Limits) -> bool {
        self.0.top.len() <= limits.names && self.0.top.byte_len() <= limits.bytes
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
