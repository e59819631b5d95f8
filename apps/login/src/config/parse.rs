//! From a setting's text to its value, or to a complaint.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use cloakroom::redis::Address;
use ipnet::IpNet;

use super::{ConfigError, MIN_SECRET_BYTES, SecretTexts, StoreChoice, redis::parse_redis_url};

/// Browsers keep no cookie longer than 400 days, so no session is worth keeping longer either.
const MAX_AGE_RANGE_MS: std::ops::RangeInclusive<u64> = 1_000..=34_560_000_000;

pub(super) fn refuse(
    variable: &'static str,
    given: &str,
    allowed: impl Into<String>,
) -> ConfigError {
    ConfigError {
        variable,
        given: Some(given.to_owned()),
        allowed: allowed.into(),
    }
}

pub(super) fn refuse_hidden(variable: &'static str, allowed: impl Into<String>) -> ConfigError {
    ConfigError {
        variable,
        given: None,
        allowed: allowed.into(),
    }
}

pub(super) fn parse_app_env(text: &str) -> Result<bool, ConfigError> {
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

/// As many as a Redis store has connections at most.
const MOST_WORKERS: usize = 64;

/// As many as the process may use processors, where nothing is said.
pub(super) fn parse_workers(text: &str) -> Result<NonZeroUsize, ConfigError> {
    let most = NonZeroUsize::MIN.saturating_add(MOST_WORKERS - 1);
    if text.is_empty() {
        let processors = thread::available_parallelism();
        return Ok(processors.map_or(NonZeroUsize::MIN, |processors| processors.min(most)));
    }
    text.parse()
        .ok()
        .filter(|workers| *workers <= most)
        .ok_or_else(|| {
            refuse(
                "WORKERS",
                text,
                format!("a number from 1 to {MOST_WORKERS}, or nothing for as many as there are processors"),
            )
        })
}

pub(super) fn parse_bind(text: &str) -> Result<IpAddr, ConfigError> {
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

pub(super) fn parse_bool(variable: &'static str, text: &str) -> Result<bool, ConfigError> {
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

pub(super) fn parse_share(text: &str) -> Result<f64, ConfigError> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(refuse(
            "SESSION_RENEW_AFTER",
            text,
            "a share of the lifetime from 0 to 1, such as 0.1",
        )),
    }
}

pub(super) fn parse_max_age(text: &str) -> Result<Duration, ConfigError> {
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

pub(super) fn parse_prefix(text: &str) -> Result<String, ConfigError> {
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

pub(super) fn parse_cookie_name(text: &str) -> Result<String, ConfigError> {
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

pub(super) fn parse_proxies(text: &str) -> Result<Vec<IpNet>, ConfigError> {
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

pub(super) fn parse_store(text: &str, folder: &Path) -> Result<StoreChoice, ConfigError> {
    let allowed = "either `memory`, `sqlite:<path>`, or the URL of a Redis or Valkey server, such as `redis://localhost:6379`";
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
        _ if Address::is_url(text) => Ok(StoreChoice::Redis {
            server: parse_redis_url("SESSION_STORE", text)?,
            folder: folder.to_owned(),
        }),
        _ => Err(refuse_hidden("SESSION_STORE", allowed)),
    }
}

pub(super) fn parse_secrets(text: &str, production: bool) -> Result<SecretTexts, ConfigError> {
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
