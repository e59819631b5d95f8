//! What can be set, by flag or by environment variable, and what each setting may be.
//!
//! Everything is read as text first and checked here, so that every complaint has one form: the variable, what it
//! was, and what is allowed. Three texts are never repeated: a secret, the part of a store's address that may
//! hold a password, and whatever stands in a variable that is not Unicode. An empty variable counts as not set,
//! since compose files pass empty ones on.

mod cli;
mod parse;
mod redis;

use std::{fmt, net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use ipnet::IpNet;

use self::parse::{
    parse_app_env, parse_bind, parse_bool, parse_cookie_name, parse_max_age, parse_prefix,
    parse_proxies, parse_secrets, parse_share, parse_store, parse_workers, refuse, refuse_hidden,
};
use self::redis::parse_near_cache;
pub use self::{
    cli::{Cli, Command, Settings},
    redis::{RedisHost, RedisServer},
};

/// The shortest secret that production accepts, in bytes.
pub const MIN_SECRET_BYTES: usize = 32;

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub address: SocketAddr,
    /// How many threads serve visitors.
    pub workers: NonZeroUsize,
    /// Whether this is production.
    pub production: bool,
    /// Where sessions are kept.
    pub store: StoreChoice,
    /// The secrets that were given; empty if none was.
    pub secrets: SecretTexts,
    /// Lifetime of a session without a visit.
    pub max_age: Duration,
    /// See [`Settings::session_rolling`].
    pub rolling: bool,
    /// See [`Settings::session_save_uninitialized`].
    pub save_uninitialized: bool,
    /// See [`Settings::session_resave`].
    pub resave: bool,
    /// See [`Settings::session_renew_after`].
    pub renew_after: f64,
    /// The maximum age of what is kept of a Redis server's answers; `None` keeps nothing.
    pub near_cache: Option<Duration>,
    /// What stands before a session's id in the store.
    pub prefix: String,
    /// Name of the cookie.
    pub cookie_name: String,
    /// Proxies whose forwarded headers are believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// Where sessions are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// In this process, gone with it.
    Memory,
    /// In one file.
    Sqlite(PathBuf),
    /// On a Redis or Valkey server.
    Redis {
        /// Which one.
        server: RedisServer,
        /// Where a secret is kept that was not set.
        folder: PathBuf,
    },
}

/// Secrets as text, the signing one first. `Debug` says how many.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretTexts(pub Vec<String>);

impl fmt::Debug for SecretTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretTexts({} hidden)", self.0.len())
    }
}

/// A setting that is not allowed. Its text names the variable, what it was and what is allowed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}{}: {allowed}", .given.as_ref().map(|given| format!(" is {given:?}")).unwrap_or_default())]
pub struct ConfigError {
    /// The environment variable; the flag has the same name in lower case with dashes.
    pub variable: &'static str,
    /// What it was; `None` where the text must not be shown.
    pub given: Option<String>,
    /// What is allowed.
    pub allowed: String,
}

impl Settings {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first setting that is not allowed.
    pub fn check(&self) -> Result<Config, ConfigError> {
        let production = parse_app_env(or_default(&self.app_env, "development"))?;
        let store = self.store()?;
        Ok(Config {
            address: self.address()?,
            workers: parse_workers(self.workers.as_deref().unwrap_or(""))?,
            production,
            near_cache: parse_near_cache(or_default(&self.redis_near_cache, "off"), &store)?,
            store,
            secrets: parse_secrets(self.session_secret.as_deref().unwrap_or(""), production)?,
            max_age: parse_max_age(or_default(&self.session_max_age, "60000"))?,
            rolling: parse_bool("SESSION_ROLLING", or_default(&self.session_rolling, "true"))?,
            save_uninitialized: parse_bool(
                "SESSION_SAVE_UNINITIALIZED",
                or_default(&self.session_save_uninitialized, "true"),
            )?,
            resave: parse_bool("SESSION_RESAVE", or_default(&self.session_resave, "false"))?,
            renew_after: parse_share(or_default(&self.session_renew_after, "0"))?,
            prefix: parse_prefix(or_default(&self.session_prefix, "sid:"))?,
            cookie_name: parse_cookie_name(or_default(&self.session_cookie_name, "connect.sid"))?,
            trusted_proxies: parse_proxies(self.trusted_proxies.as_deref().unwrap_or(""))?,
        })
    }

    /// Checks `BIND` and `PORT` alone.
    ///
    /// # Errors
    /// Either is not allowed.
    pub fn address(&self) -> Result<SocketAddr, ConfigError> {
        let ip = parse_bind(or_default(&self.bind, "localhost"))?;
        let port = or_default(&self.port, "3000");
        let port = port.parse().map_err(|_| {
            refuse(
                "PORT",
                port,
                "a number from 0 to 65535; 0 takes a free port",
            )
        })?;
        Ok(SocketAddr::new(ip, port))
    }

    /// `SESSION_STORE` counts before the others: whoever sets it has said which one.
    fn store(&self) -> Result<StoreChoice, ConfigError> {
        let folder = PathBuf::from(or_default(&self.data_dir, "data"));
        if let Some(text) = set(self.session_store.as_deref()) {
            return parse_store(text, &folder);
        }
        Ok(match redis::parse_redis(self)? {
            Some(server) => StoreChoice::Redis { server, folder },
            None => StoreChoice::Sqlite(folder.join("sessions.db")),
        })
    }
}

fn set(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn or_default<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

#[cfg(test)]
mod tests;
