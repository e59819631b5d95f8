//! Which Redis or Valkey server keeps the sessions: by URL, or by host with the settings that belong to it.

use std::{fmt, time::Duration};

use cloakroom::redis::{Address, NearCache, RedisStore, RedisStoreBuilder, Tls};

use super::{ConfigError, Settings, StoreChoice, parse::parse_bool, refuse, refuse_hidden, set};

/// A Redis or Valkey server.
#[derive(Clone, PartialEq, Eq)]
pub enum RedisServer {
    /// By URL, which may hold a password.
    Url(String),
    /// By host, with everything else beside it.
    Host(RedisHost),
}

/// A server by its host.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisHost {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// The user, where the server has several.
    pub username: Option<String>,
    /// The user's password, or that of the server's default user.
    pub password: Option<String>,
}

impl RedisServer {
    /// The options of a store on this server.
    pub fn builder(&self) -> RedisStoreBuilder {
        let server = match self {
            Self::Url(url) => return RedisStore::builder(url),
            Self::Host(server) => server,
        };
        let mut builder = RedisStore::builder((server.host.as_str(), server.port));
        if server.tls {
            builder = builder.tls(Tls::new());
        }
        if let Some(username) = &server.username {
            builder = builder.username(username);
        }
        if let Some(password) = &server.password {
            builder = builder.password(password);
        }
        builder
    }
}

/// The address alone: no user, no password.
impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(_) => f.write_str("Url(hidden)"),
            Self::Host(server) => fmt::Debug::fmt(server, f),
        }
    }
}

/// The address alone: no user, no password.
impl fmt::Debug for RedisHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        write!(f, "Host({scheme} {}:{})", self.host, self.port)
    }
}

/// The server of the variables that begin with `REDIS_`; `None` if none of them is set.
pub(super) fn parse_redis(settings: &Settings) -> Result<Option<RedisServer>, ConfigError> {
    let url = set(settings.redis_url.as_deref());
    let host = set(settings.redis_host.as_deref());
    let port = set(settings.redis_port.as_deref());
    let tls = set(settings.redis_tls.as_deref());
    let username = set(settings.redis_username.as_deref());
    let password = set(settings.redis_password.as_deref());
    let belongs = [
        ("REDIS_PORT", port),
        ("REDIS_TLS", tls),
        ("REDIS_USERNAME", username),
        ("REDIS_PASSWORD", password),
    ];
    let beside = belongs.iter().find(|(_, text)| text.is_some());
    match (url, host) {
        (None, None) => match beside {
            None => Ok(None),
            Some((variable, text)) => {
                let allowed = "it belongs to REDIS_HOST, which is not set; set both, or neither";
                Err(match text.filter(|_| *variable != "REDIS_PASSWORD") {
                    Some(text) => refuse(variable, text, allowed),
                    None => refuse_hidden(variable, allowed),
                })
            }
        },
        (Some(url), host) => {
            let beside = host.map(|_| "REDIS_HOST");
            let beside = beside.or(belongs.iter().find_map(|(name, text)| text.map(|_| *name)));
            match beside {
                None => Ok(Some(parse_redis_url("REDIS_URL", url)?)),
                Some(beside) => Err(refuse_hidden(
                    "REDIS_URL",
                    format!("set beside {beside}, and a URL says all of it; unset either"),
                )),
            }
        }
        (None, Some(host)) => {
            let server = RedisHost {
                host: host.to_owned(),
                port: parse_port(port.unwrap_or("6379"))?,
                tls: parse_bool("REDIS_TLS", tls.unwrap_or("false"))?,
                username: username.map(str::to_owned),
                password: password.map(parse_password).transpose()?,
            };
            Ok(Some(check_host(server)?))
        }
    }
}

/// The scheme is checked here, the rest by the store, whose error says what is wrong with it.
pub(super) fn parse_redis_url(
    variable: &'static str,
    text: &str,
) -> Result<RedisServer, ConfigError> {
    if !Address::is_url(text) {
        return Err(refuse_hidden(
            variable,
            "it must be a URL such as `redis://localhost:6379`, `rediss://` for TLS or `unix:///path` for a socket",
        ));
    }
    // Nothing is connected here: only what the URL says is checked.
    match RedisStore::builder(text).connect_lazy() {
        Ok(_) => Ok(RedisServer::Url(text.to_owned())),
        Err(error) => Err(refuse_hidden(variable, error.to_string())),
    }
}

/// The maximum age of a near cache.
pub(super) fn parse_near_cache(
    text: &str,
    store: &StoreChoice,
) -> Result<Option<Duration>, ConfigError> {
    const VARIABLE: &str = "REDIS_NEAR_CACHE";
    if text == "off" {
        return Ok(None);
    }
    if !matches!(store, StoreChoice::Redis { .. }) {
        let allowed = "it belongs to a Redis or Valkey server, and the sessions are kept elsewhere; set `off`, or REDIS_URL or \
                       REDIS_HOST too";
        return Err(refuse(VARIABLE, text, allowed));
    }
    let time = text.parse().map(Duration::from_millis).ok();
    let fits = |time: &Duration| NearCache::new().max_age(*time).check().is_ok();
    match time.filter(fits) {
        Some(time) => Ok(Some(time)),
        None => Err(refuse(
            VARIABLE,
            text,
            "either `off` or milliseconds from 1 to 60000",
        )),
    }
}

fn parse_port(text: &str) -> Result<u16, ConfigError> {
    let number = text.parse().ok().filter(|&port| port > 0);
    number.ok_or_else(|| refuse("REDIS_PORT", text, "a number from 1 to 65535"))
}

/// What a file or a pipe leaves at the end of a password would be part of it, and the server would only say that it is wrong.
fn parse_password(text: &str) -> Result<String, ConfigError> {
    if text.contains(char::is_control) {
        return Err(refuse_hidden(
            "REDIS_PASSWORD",
            "it holds a control character, a line end for instance; see where it is read from",
        ));
    }
    Ok(text.to_owned())
}

fn check_host(server: RedisHost) -> Result<RedisServer, ConfigError> {
    let host = &server.host;
    // One colon is a port; more are an IPv6 address.
    let has_port = host.matches(':').count() == 1;
    let address = (host.as_str(), server.port);
    if has_port || RedisStore::builder(address).connect_lazy().is_err() {
        let allowed = "the name or address of a host alone; the port goes to REDIS_PORT, and a URL to REDIS_URL";
        // A URL that landed here may hold a password, and so may what is left of one.
        return Err(if host.contains('@') {
            refuse_hidden("REDIS_HOST", allowed)
        } else {
            refuse("REDIS_HOST", host, allowed)
        });
    }
    if let (Some(username), None) = (&server.username, &server.password) {
        let allowed = "a user has a password; set REDIS_PASSWORD too, or neither";
        return Err(refuse("REDIS_USERNAME", username, allowed));
    }
    let server = RedisServer::Host(server);
    match server.builder().connect_lazy() {
        Ok(_) => Ok(server),
        // Host, user and password are checked: what is left are the machine's authorities.
        Err(error) => Err(refuse("REDIS_TLS", "true", error.to_string())),
    }
}
