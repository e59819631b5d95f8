//! Where a server is, and how a URL says it.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use cloakroom_core::{Error, ErrorKind};
use percent_encoding::percent_decode_str;
use url::Url;

/// Where a server is: a URL, a host and a port, or the path of a Unix socket.
///
/// ```
/// use std::path::Path;
///
/// use cloakroom_redis::RedisStore;
///
/// # let (host, port) = ("cache.internal", 6379);
/// let by_url = RedisStore::builder("rediss://app:secret@cache.internal:6380/2");
/// let by_parts = RedisStore::builder((host, port));
/// let by_socket = RedisStore::builder(Path::new("/run/redis/redis.sock"));
/// ```
///
/// | URL | |
/// |---|---|
/// | `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]` | in the clear; `valkey://` is the same |
/// | `rediss://...` | over TLS; `valkeys://` is the same |
/// | `unix:///PATH[?db=DATABASE&user=USER&pass=PASSWORD]` | a Unix socket; `redis+unix://`, `valkey+unix://` and `redis-socket://` are the same |
///
/// Characters that have a meaning in URLs are written with percent signs: a password `a/b` is `a%2Fb`.
#[derive(Clone)]
pub struct Address(Form);

#[derive(Clone)]
enum Form {
    Url(Arc<str>),
    Host(Arc<str>, u16),
    Socket(Arc<Path>),
}

impl From<&str> for Address {
    fn from(url: &str) -> Self {
        Self(Form::Url(url.into()))
    }
}

impl From<String> for Address {
    fn from(url: String) -> Self {
        Self(Form::Url(url.into()))
    }
}

impl From<&String> for Address {
    fn from(url: &String) -> Self {
        url.as_str().into()
    }
}

impl<H: AsRef<str>> From<(H, u16)> for Address {
    fn from((host, port): (H, u16)) -> Self {
        Self(Form::Host(host.as_ref().into(), port))
    }
}

impl From<&Path> for Address {
    fn from(path: &Path) -> Self {
        Self(Form::Socket(path.into()))
    }
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Self {
        Self(Form::Socket(path.into()))
    }
}

/// A URL may hold a password, so nothing of it is shown.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Url(_) => f.write_str("Address(URL)"),
            Form::Host(host, port) => write!(f, "Address({host}:{port})"),
            Form::Socket(path) => write!(f, "Address({})", path.display()),
        }
    }
}

/// How to get a byte stream to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Tcp { host: Arc<str>, port: u16 },
    Unix(Arc<Path>),
}

/// What an address says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) endpoint: Endpoint,
    pub(crate) tls: bool,
    pub(crate) username: Option<Arc<str>>,
    pub(crate) password: Option<Arc<str>>,
    pub(crate) database: Option<u32>,
}

impl Parsed {
    fn at(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            tls: false,
            username: None,
            password: None,
            database: None,
        }
    }
}

/// The default port of Redis and Valkey.
const PORT: u16 = 6379;

#[cold]
fn wrong(what: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("the URL of the session store {what}"),
    )
}

/// What the scheme of a URL says.
enum Scheme {
    /// A host, with TLS or without.
    Host {
        tls: bool,
    },
    Socket,
}

fn scheme(name: &str) -> Option<Scheme> {
    match name {
        "redis" | "valkey" => Some(Scheme::Host { tls: false }),
        "rediss" | "valkeys" => Some(Scheme::Host { tls: true }),
        "unix" | "redis+unix" | "valkey+unix" | "redis-socket" => Some(Scheme::Socket),
        _ => None,
    }
}

impl Address {
    /// Whether this is meant as the URL of a server: one of the schemes above, in whatever case, and `://`. For settings that
    /// may name something else; what follows is not looked at.
    ///
    /// ```
    /// use cloakroom_redis::Address;
    ///
    /// assert!(Address::is_url("rediss://cache.internal"));
    /// assert!(!Address::is_url("sqlite:data/sessions.db"));
    /// ```
    #[must_use]
    pub fn is_url(text: &str) -> bool {
        let name = text.split_once("://").map(|(name, _)| name);
        name.is_some_and(|name| scheme(&name.to_ascii_lowercase()).is_some())
    }

    pub(crate) fn parse(&self) -> Result<Parsed, Error> {
        match &self.0 {
            Form::Url(url) => parse_url(url),
            Form::Host(host, port) => {
                let host = host.trim_matches(|c| c == '[' || c == ']');
                let odd = |c: char| c.is_whitespace() || c.is_control() || "/@?#".contains(c);
                if host.is_empty() || host.contains(odd) {
                    return Err(Error::new(
                        ErrorKind::Config,
                        "the host of the session store is no host name and no address; write a host alone, the port beside it",
                    ));
                }
                if *port == 0 {
                    return Err(Error::new(
                        ErrorKind::Config,
                        "the port of the session store is 0; Redis listens at 6379 as a rule",
                    ));
                }
                let host = host.into();
                Ok(Parsed::at(Endpoint::Tcp { host, port: *port }))
            }
            Form::Socket(path) if path.as_os_str().is_empty() => Err(Error::new(
                ErrorKind::Config,
                "the path of the session store's socket is empty",
            )),
            Form::Socket(path) => Ok(Parsed::at(Endpoint::Unix(path.clone()))),
        }
    }
}

fn parse_url(text: &str) -> Result<Parsed, Error> {
    if text.is_empty() {
        return Err(wrong("is empty; write for instance redis://localhost:6379"));
    }
    let url = Url::parse(text).map_err(|error| {
        wrong(&format!(
            "cannot be read ({error}); write redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], and `/`, `#`, `?`, `@` and \
             `%` in a password with percent signs"
        ))
    })?;
    if url.fragment().is_some() {
        return Err(wrong(
            "has a `#`; write `%23` if it belongs to the password, and leave other things away: there is no option behind it",
        ));
    }
    let mut parsed = match scheme(url.scheme()) {
        Some(Scheme::Host { tls }) => parse_host(&url, tls)?,
        Some(Scheme::Socket) => parse_socket(&url)?,
        None => {
            return Err(wrong(
                "has an unknown scheme; there are redis://, rediss:// for TLS and unix:// for a socket",
            ));
        }
    };
    if !url.username().is_empty() {
        parsed.username = Some(decode(url.username(), "user")?);
    }
    if let Some(password) = url.password().filter(|password| !password.is_empty()) {
        parsed.password = Some(decode(password, "password")?);
    }
    if parsed.username.is_some() && parsed.password.is_none() {
        return Err(wrong(
            "has a user without a password; a password alone is written `:PASSWORD@`, with the colon",
        ));
    }
    Ok(parsed)
}

fn parse_host(url: &Url, tls: bool) -> Result<Parsed, Error> {
    let host = match url.host_str() {
        Some(host) if !host.is_empty() => host.trim_matches(|c| c == '[' || c == ']').into(),
        _ => return Err(wrong("names no host")),
    };
    let port = url.port().unwrap_or(PORT);
    if port == 0 {
        return Err(wrong("has port 0; Redis listens at 6379 as a rule"));
    }
    if let Some((name, _)) = url.query_pairs().next() {
        // The name is the operator's own word; the value may be a secret.
        let name: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(32)
            .collect();
        return Err(wrong(&format!(
            "has the parameter `{name}`, which has no meaning here; remove it, or write `%3F` for a `?` in the password"
        )));
    }
    let mut parsed = Parsed::at(Endpoint::Tcp { host, port });
    parsed.tls = tls;
    parsed.database = match url.path().trim_matches('/') {
        "" => None,
        number => Some(database(number)?),
    };
    Ok(parsed)
}

fn parse_socket(url: &Url) -> Result<Parsed, Error> {
    if url.host_str().is_some_and(|host| !host.is_empty()) {
        return Err(wrong(
            "names a host and a path; a socket has three slashes: unix:///run/redis.sock",
        ));
    }
    let path = decode(url.path(), "path")?;
    if path.trim_matches('/').is_empty() {
        return Err(wrong("names no socket; write unix:///run/redis.sock"));
    }
    let mut parsed = Parsed::at(Endpoint::Unix(Path::new(&*path).into()));
    for (name, value) in url.query_pairs() {
        match &*name {
            "db" => parsed.database = Some(database(&value)?),
            "user" => parsed.username = Some((*value).into()),
            "pass" => parsed.password = Some((*value).into()),
            _ => {
                return Err(wrong(
                    "has an unknown parameter; a socket has `db`, `user` and `pass`",
                ));
            }
        }
    }
    Ok(parsed)
}

fn database(text: &str) -> Result<u32, Error> {
    text.parse().map_err(|_| {
        wrong("has something behind the host that is no database number; write for instance redis://localhost:6379/1")
    })
}

fn decode(text: &str, what: &str) -> Result<Arc<str>, Error> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| (&*text).into()).map_err(|_| {
        wrong(&format!(
            "has a {what} that is not UTF-8 behind its percent signs"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Endpoint {
        let host = host.into();
        Endpoint::Tcp { host, port }
    }

    #[test]
    fn what_is_taken_for_a_url_is_read_and_nothing_else_is() {
        for (start, rest) in [
            ("redis", "h"),
            ("rediss", "h"),
            ("valkey", "h"),
            ("valkeys", "h"),
            ("unix", "/s"),
            ("redis+unix", "/s"),
            ("valkey+unix", "/s"),
            ("redis-socket", "/s"),
        ] {
            for start in [start.to_owned(), start.to_uppercase()] {
                let url = format!("{start}://{rest}");
                assert!(Address::is_url(&url), "{url}");
                assert!(Address::from(url.as_str()).parse().is_ok(), "{url}");
            }
        }
        for other in ["", "h", "redis", "redis:h", "http://h", "sqlite:x", "://h"] {
            assert!(!Address::is_url(other), "{other}");
            assert!(Address::from(other).parse().is_err(), "{other}");
        }
    }

    #[test]
    fn urls_say_everything() {
        let parsed = Address::from("rediss://app:a%2Fb%40c@cache.internal:6380/2")
            .parse()
            .unwrap();
        assert!(parsed.tls);
        assert_eq!(parsed.endpoint, tcp("cache.internal", 6380));
        assert_eq!(parsed.username.as_deref(), Some("app"));
        assert_eq!(parsed.password.as_deref(), Some("a/b@c"));
        assert_eq!(parsed.database, Some(2));

        let parsed = Address::from("redis://:pw@[::1]").parse().unwrap();
        assert_eq!(parsed.endpoint, tcp("::1", 6379));
        assert_eq!((parsed.username, parsed.database), (None, None));
        assert_eq!(parsed.password.as_deref(), Some("pw"));

        for url in [
            "unix:///run/r.sock?db=3&pass=a%26b",
            "redis+unix:///run/r.sock?db=3&pass=a%26b",
        ] {
            let parsed = Address::from(url).parse().unwrap();
            assert_eq!(
                parsed.endpoint,
                Endpoint::Unix(Path::new("/run/r.sock").into())
            );
            assert_eq!(parsed.database, Some(3));
            assert_eq!(parsed.password.as_deref(), Some("a&b"));
        }
        let parsed = Address::from(("localhost", 6400)).parse().unwrap();
        assert_eq!(parsed.endpoint, tcp("localhost", 6400));
    }

    #[test]
    fn wrong_addresses_say_what_is_wrong_and_never_the_password() {
        for (url, says) in [
            ("", "empty"),
            ("localhost:6379", "scheme"),
            ("http://localhost", "scheme"),
            ("redis://", "host"),
            ("redis://:hunter2@", "cannot be read"),
            ("redis://:hunter2@h/x", "database number"),
            ("redis://:hunter2@h/-1", "database number"),
            ("redis://:hunter2@h:99999", "cannot be read"),
            ("redis://:hunter2@h:0", "port 0"),
            ("redis://:hunter2#@h", "cannot be read"),
            ("redis://:hunter2@h#insecure", "`#`"),
            ("redis://:hunter2@h?protocol=resp3", "`protocol`"),
            ("redis://hunter2@h", "without a password"),
            ("redis://:hunter2%ff@h", "UTF-8"),
            ("unix://", "names no socket"),
            ("unix://run/hunter2.sock", "three slashes"),
            ("unix:///run/r.sock?password=hunter2", "unknown parameter"),
        ] {
            let address = Address::from(url);
            let error = address
                .parse()
                .err()
                .unwrap_or_else(|| panic!("{url} is read"));
            assert_eq!(error.kind(), ErrorKind::Config);
            let shown = format!("{error} {error:?} {address:?}");
            assert!(shown.contains(says), "{url}: {shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        for (host, port) in [("", 6379), ("h", 0), ("redis://h", 6379), ("a b", 6379)] {
            assert!(
                Address::from((host, port)).parse().is_err(),
                "{host}:{port}"
            );
        }
    }
}
