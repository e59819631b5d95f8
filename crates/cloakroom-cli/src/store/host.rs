//! A server by its host, with the variables that belong to it.

use std::fmt;

use cloakroom::redis::{RedisStore, RedisStoreBuilder, Tls};

use super::place::Environment;
use crate::failure::Failure;

/// What may stand beside `REDIS_HOST`.
const BESIDE: [&str; 4] = [
    "REDIS_PORT",
    "REDIS_TLS",
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
];

/// A server by its host.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
}

/// Host and port alone.
impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Host {
    /// The variable that is set although it belongs to `REDIS_HOST`.
    pub(super) fn beside(env: &dyn Environment) -> Result<Option<&'static str>, Failure> {
        for name in BESIDE {
            if env.get(name)?.is_some() {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    pub(super) fn parse(host: String, env: &dyn Environment) -> Result<Self, Failure> {
        let port = env.get("REDIS_PORT")?.unwrap_or_else(|| "6379".to_owned());
        let server = Self {
            host,
            port: port
                .parse()
                .ok()
                .filter(|&port| port > 0)
                .ok_or_else(|| Failure::usage("REDIS_PORT must be a number from 1 to 65535"))?,
            tls: is_on("REDIS_TLS", env)?,
            username: env.get("REDIS_USERNAME")?,
            password: env.get("REDIS_PASSWORD")?,
        };
        server.check()?;
        Ok(server)
    }

    fn check(&self) -> Result<(), Failure> {
        // One colon is a port; more are an IPv6 address.
        let has_port = self.host.matches(':').count() == 1;
        let address = (self.host.as_str(), self.port);
        if has_port || RedisStore::builder(address).connect_lazy().is_err() {
            return Err(Failure::usage(
                "REDIS_HOST must be the name or address of a host alone; the port goes to REDIS_PORT, and a URL to REDIS_URL",
            ));
        }
        let password = self.password.as_deref().unwrap_or_default();
        if password.contains(char::is_control) {
            return Err(Failure::usage(
                "REDIS_PASSWORD holds a control character, a line end for instance; see where it is read from",
            ));
        }
        if self.username.is_some() && self.password.is_none() {
            return Err(Failure::usage(
                "REDIS_USERNAME is set without REDIS_PASSWORD; set both, or neither",
            ));
        }
        match self.builder().connect_lazy() {
            Ok(_) => Ok(()),
            // Host, user and password are checked: what is left are the machine's authorities.
            Err(error) => Err(Failure::usage(format!("REDIS_TLS: {error}"))),
        }
    }

    pub(super) fn builder(&self) -> RedisStoreBuilder {
        let mut builder = RedisStore::builder((self.host.as_str(), self.port));
        if self.tls {
            builder = builder.tls(Tls::new());
        }
        if let Some(username) = &self.username {
            builder = builder.username(username);
        }
        if let Some(password) = &self.password {
            builder = builder.password(password);
        }
        builder
    }
}

/// The words are the login application's.
fn is_on(name: &'static str, env: &dyn Environment) -> Result<bool, Failure> {
    let text = env.get(name)?.unwrap_or_default().to_ascii_lowercase();
    match text.as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" | "" => Ok(false),
        _ => Err(Failure::usage(format!(
            "{name} must be either `true` or `false` (also 1/0, yes/no, on/off)"
        ))),
    }
}
