//! What can be set, by flag or by environment variable, and what each setting may be.
//!
//! Everything is read as text first and checked here, so that every complaint has one form: the variable, what it
//! was, and what is allowed. Three texts are never repeated: a secret, the part of a store's address that may
//! hold a password, and whatever stands in a variable that is not Unicode. An empty variable counts as not set,
//! since compose files pass empty ones on.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;

/// The shortest secret that production accepts, in bytes.
pub const MIN_SECRET_BYTES: usize = 32;

/// Browsers keep no cookie longer than 400 days, so no session is worth keeping longer either.
const MAX_AGE_RANGE_MS: std::ops::RangeInclusive<u64> = 1_000..=34_560_000_000;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "cloakroom-login",
    version,
    about = "The login application: a name, a session, a countdown",
    after_help = "Every setting is a flag or an environment variable; the flag wins. An empty variable counts as not \
                  set.\nRUST_LOG sets what is logged (default: info)."
)]
pub struct Cli {
    /// What to do; without a command the application is served.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings as text.
    #[command(flatten)]
    pub settings: Settings,
}

/// What to do instead of serving.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Command {
    /// Ask the application that runs with the same BIND and PORT whether it is alive; the exit status is the answer
    Healthcheck,
}

/// The settings as they were given, unchecked.
#[derive(Args, Clone, Default)]
pub struct Settings {
    /// Port to listen on; 0 takes a free one
    #[arg(long, env = "PORT", default_value = "3000", global = true)]
    pub port: String,
    /// Address to listen on; 0.0.0.0 is every IPv4 address of this machine
    #[arg(long, env = "BIND", default_value = "localhost", global = true)]
    pub bind: String,
    /// `production` demands a good secret and keeps error details off the pages
    #[arg(
        long,
        env = "APP_ENV",
        default_value = "development",
        value_name = "development|production"
    )]
    pub app_env: String,
    /// Secret that signs the cookie; several are separated by commas, the new one first. Prefer the variable: a
    /// command line can be read by the machine's other users. Without one, a secret is made and kept beside the store
    #[arg(
        long,
        env = "SESSION_SECRET",
        hide_env_values = true,
        value_name = "SECRET[,OLD...]"
    )]
    pub session_secret: Option<String>,
    /// Where sessions are kept: `memory` or `sqlite:<path>`. Without it, `sessions.db` in the data folder
    #[arg(
        long,
        env = "SESSION_STORE",
        hide_env_values = true,
        value_name = "STORE"
    )]
    pub session_store: Option<String>,
    /// Folder for the store and the secret that are made when none is set
    #[arg(long, env = "DATA_DIR", default_value = "data", value_name = "FOLDER")]
    pub data_dir: String,
    /// Lifetime of a session in milliseconds
    #[arg(
        long,
        env = "SESSION_MAX_AGE",
        default_value = "60000",
        value_name = "MS"
    )]
    pub session_max_age: String,
    /// Whether each answer sends the cookie again with a full lifetime
    #[arg(
        long,
        env = "SESSION_ROLLING",
        default_value = "true",
        value_name = "true|false"
    )]
    pub session_rolling: String,
    /// Whether a session that nothing was put into is saved
    #[arg(
        long,
        env = "SESSION_SAVE_UNINITIALIZED",
        default_value = "true",
        value_name = "true|false"
    )]
    pub session_save_uninitialized: String,
    /// Whether an unchanged session is saved anew at each use
    #[arg(
        long,
        env = "SESSION_RESAVE",
        default_value = "false",
        value_name = "true|false"
    )]
    pub session_resave: String,
    /// What stands before a session's id in the store
    #[arg(
        long,
        env = "SESSION_PREFIX",
        default_value = "sid:",
        value_name = "PREFIX"
    )]
    pub session_prefix: String,
    /// Name of the cookie
    #[arg(
        long,
        env = "SESSION_COOKIE_NAME",
        default_value = "connect.sid",
        value_name = "NAME"
    )]
    pub session_cookie_name: String,
    /// Addresses or networks of the proxies whose forwarded headers are believed, separated by commas
    #[arg(long, env = "TRUSTED_PROXIES", value_name = "ADDRESS[/BITS],...")]
    pub trusted_proxies: Option<String>,
    /// Host of the Redis server: this build has no Redis and refuses it
    #[arg(long, env = "REDIS_HOST", value_name = "HOST")]
    pub redis_host: Option<String>,
    /// Port of the Redis server: this build has no Redis and refuses it
    #[arg(long, env = "REDIS_PORT", value_name = "PORT")]
    pub redis_port: Option<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("port", &self.port)
            .field("bind", &self.bind)
            .finish_non_exhaustive()
    }
}

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub address: SocketAddr,
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

fn refuse(variable: &'static str, given: &str, allowed: impl Into<String>) -> ConfigError {
    ConfigError {
        variable,
        given: Some(given.to_owned()),
        allowed: allowed.into(),
    }
}

fn refuse_hidden(variable: &'static str, allowed: impl Into<String>) -> ConfigError {
    ConfigError {
        variable,
        given: None,
        allowed: allowed.into(),
    }
}

impl Settings {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first setting that is not allowed.
    pub fn check(&self) -> Result<Config, ConfigError> {
        let production = parse_app_env(or_default(&self.app_env, "development"))?;
        Ok(Config {
            address: self.address()?,
            production,
            store: self.store()?,
            secrets: parse_secrets(self.session_secret.as_deref().unwrap_or(""), production)?,
            max_age: parse_max_age(or_default(&self.session_max_age, "60000"))?,
            rolling: parse_bool("SESSION_ROLLING", or_default(&self.session_rolling, "true"))?,
            save_uninitialized: parse_bool(
                "SESSION_SAVE_UNINITIALIZED",
                or_default(&self.session_save_uninitialized, "true"),
            )?,
            resave: parse_bool("SESSION_RESAVE", or_default(&self.session_resave, "false"))?,
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

    fn store(&self) -> Result<StoreChoice, ConfigError> {
        match set(self.session_store.as_deref()) {
            Some(text) => parse_store(text),
            None => {
                self.refuse_redis()?;
                let folder = PathBuf::from(or_default(&self.data_dir, "data"));
                Ok(StoreChoice::Sqlite(folder.join("sessions.db")))
            }
        }
    }

    /// Only where no other store was chosen: whoever sets `SESSION_STORE` has said which one counts.
    fn refuse_redis(&self) -> Result<(), ConfigError> {
        let given = [
            ("REDIS_HOST", set(self.redis_host.as_deref())),
            ("REDIS_PORT", set(self.redis_port.as_deref())),
        ];
        for (variable, text) in given {
            if let Some(text) = text {
                return Err(refuse(
                    variable,
                    text,
                    "this build has no Redis; unset it, or set SESSION_STORE to `memory` or `sqlite:<path>`",
                ));
            }
        }
        Ok(())
    }
}

fn set(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn or_default<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

fn parse_app_env(text: &str) -> Result<bool, ConfigError> {
    match text {
        "production" => Ok(true),
        "development" => Ok(false),
        _ => Err(refuse(
            "APP_ENV",
            text,
            "either `development` or `production`",
        )),
    }
}

fn parse_bind(text: &str) -> Result<IpAddr, ConfigError> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| {
        refuse(
            "BIND",
            text,
            "an IP address of this machine without a port, such as 127.0.0.1, 0.0.0.0 or ::, or `localhost`",
        )
    })
}

fn parse_bool(variable: &'static str, text: &str) -> Result<bool, ConfigError> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(refuse(
            variable,
            text,
            "either `true` or `false` (also 1/0, yes/no, on/off)",
        )),
    }
}

fn parse_max_age(text: &str) -> Result<Duration, ConfigError> {
    match text.parse() {
        Ok(millis) if MAX_AGE_RANGE_MS.contains(&millis) => Ok(Duration::from_millis(millis)),
        _ => Err(refuse(
            "SESSION_MAX_AGE",
            text,
            format!(
                "whole milliseconds from {} (a second) to {} (400 days)",
                MAX_AGE_RANGE_MS.start(),
                MAX_AGE_RANGE_MS.end()
            ),
        )),
    }
}

fn parse_prefix(text: &str) -> Result<String, ConfigError> {
    let fits = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return Ok(text.to_owned());
    }
    Err(refuse(
        "SESSION_PREFIX",
        text,
        "at most 64 visible ASCII characters, such as `sid:`",
    ))
}

fn parse_cookie_name(text: &str) -> Result<String, ConfigError> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.len() <= 64 && text.bytes().all(token) {
        return Ok(text.to_owned());
    }
    Err(refuse(
        "SESSION_COOKIE_NAME",
        text,
        "at most 64 ASCII letters, digits and !#$%&'*+-.^_`|~",
    ))
}

fn parse_proxies(text: &str) -> Result<Vec<IpNet>, ConfigError> {
    let entries = text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let net = entry.parse::<IpNet>().ok();
            net.or_else(|| entry.parse::<IpAddr>().ok().map(IpNet::from))
                .ok_or_else(|| {
                    refuse(
                        "TRUSTED_PROXIES",
                        entry,
                        "each entry is an IP address or a network such as 10.0.0.0/8 or fd00::/8, separated by commas",
                    )
                })
        })
        .collect()
}

fn parse_store(text: &str) -> Result<StoreChoice, ConfigError> {
    let allowed = "either `memory` or `sqlite:<path>`";
    if text == "memory" {
        return Ok(StoreChoice::Memory);
    }
    // What follows the scheme may hold a password.
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(refuse_hidden("SESSION_STORE", allowed));
    };
    match scheme {
        "sqlite" if rest.is_empty() || rest.ends_with('/') => Err(refuse(
            "SESSION_STORE",
            text,
            "the path of a file must follow, such as `sqlite:data/sessions.db`",
        )),
        "sqlite" => Ok(StoreChoice::Sqlite(PathBuf::from(rest))),
        "redis" | "rediss" | "valkey" | "valkeys" => Err(refuse(
            "SESSION_STORE",
            &format!("{scheme}:..."),
            format!("this build has no Redis; {allowed}"),
        )),
        _ => Err(refuse_hidden("SESSION_STORE", allowed)),
    }
}

fn parse_secrets(text: &str, production: bool) -> Result<SecretTexts, ConfigError> {
    let error = |allowed: String| Err(refuse_hidden("SESSION_SECRET", allowed));
    if text.is_empty() {
        if production {
            return error(format!(
                "not set; in production it must be at least {MIN_SECRET_BYTES} random bytes of text, \
                 such as the output of `openssl rand -hex 32`"
            ));
        }
        return Ok(SecretTexts::default());
    }
    let secrets: Vec<String> = text.split(',').map(str::to_owned).collect();
    let count = secrets.len();
    for (index, secret) in secrets.iter().enumerate() {
        let which = if count == 1 {
            "the secret".to_owned()
        } else {
            format!("secret {} of {count}", index + 1)
        };
        if secret.is_empty() {
            return error(format!(
                "{which} is empty; separate several with single commas, the new one first"
            ));
        }
        if secret.trim() != secret {
            return error(format!(
                "{which} begins or ends with white space, which would be part of it; remove it"
            ));
        }
        if production && secret.len() < MIN_SECRET_BYTES {
            return error(format!(
                "{which} has {} bytes; in production each must have at least {MIN_SECRET_BYTES}, \
                 such as the output of `openssl rand -hex 32`",
                secret.len()
            ));
        }
    }
    Ok(SecretTexts(secrets))
}

#[cfg(test)]
mod tests;
