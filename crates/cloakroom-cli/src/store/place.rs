//! From options and variables to a place. The rule is the login application's, so that one environment serves both; a test
//! holds the two together.

use std::{env, fmt, path::PathBuf};

use cloakroom::redis::{Address, RedisStore};

use super::{StoreArgs, host::Host};
use crate::failure::Failure;

/// The prefix of connect-redis, and of the library.
pub(crate) const DEFAULT_PREFIX: &str = "sess:";

/// Where variables come from; tests have their own.
pub(crate) trait Environment {
    /// The variable's text. An empty variable counts as not set, since compose files pass empty ones on.
    ///
    /// # Errors
    ///
    /// The variable is not Unicode.
    fn get(&self, name: &'static str) -> Result<Option<String>, Failure>;
}

/// The process' own environment.
#[derive(Debug)]
pub(crate) struct Process;

impl Environment for Process {
    fn get(&self, name: &'static str) -> Result<Option<String>, Failure> {
        match env::var(name) {
            Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => Err(Failure::usage(format!(
                "{name} is not Unicode text; set it anew"
            ))),
        }
    }
}

/// Where the sessions are.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// One file.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Who named it.
        named_by: NamedBy,
    },
    /// A server, by URL; it may hold a password.
    Url {
        /// The URL.
        url: String,
        /// The option or variable that named it.
        named_by: &'static str,
    },
    /// A server, by its host.
    Host(Host),
}

/// Who named a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamedBy {
    /// This option or variable: the file itself.
    Setting(&'static str),
    /// `DATA_DIR`: its folder.
    DataDir,
    /// Nobody: it is where the login application makes it, in the folder in which both are started.
    Nobody,
}

/// A URL may hold a password, so nothing of it is shown.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path, .. } => write!(f, "Sqlite({})", path.display()),
            Self::Url { named_by, .. } => write!(f, "Url(of {named_by})"),
            Self::Host(server) => write!(f, "Host({server:?})"),
        }
    }
}

impl Place {
    /// `--store` counts first, then `SESSION_STORE`, then `REDIS_URL` or `REDIS_HOST`; without these it is the file that the
    /// login application makes.
    pub(crate) fn find(args: &StoreArgs, env: &dyn Environment) -> Result<Self, Failure> {
        if let Some(text) = &args.store {
            return Self::parse("--store", text);
        }
        if let Some(text) = env.get("SESSION_STORE")? {
            return Self::parse("SESSION_STORE", &text);
        }
        let (url, host) = (env.get("REDIS_URL")?, env.get("REDIS_HOST")?);
        match (url, host, Host::beside(env)?) {
            (None, None, None) => {
                let (folder, named_by) = match env.get("DATA_DIR")? {
                    Some(folder) => (folder, NamedBy::DataDir),
                    None => ("data".to_owned(), NamedBy::Nobody),
                };
                let path = PathBuf::from(folder).join("sessions.db");
                Ok(Self::Sqlite { path, named_by })
            }
            (Some(url), None, None) => Self::parse_url("REDIS_URL", &url),
            (Some(_), host, beside) => Err(Failure::usage(format!(
                "REDIS_URL is set beside {}, and a URL says all of it; unset either",
                host.map_or(beside.unwrap_or_default(), |_| "REDIS_HOST"),
            ))),
            (None, Some(host), _) => Host::parse(host, env).map(Self::Host),
            (None, None, Some(beside)) => Err(Failure::usage(format!(
                "{beside} belongs to REDIS_HOST, which is not set; set both, or neither"
            ))),
        }
    }

    fn parse(named_by: &'static str, text: &str) -> Result<Self, Failure> {
        let allowed = format!(
            "{named_by} must be a URL of a Redis or Valkey server, such as `redis://localhost:6379`, or `sqlite:PATH`"
        );
        if text == "memory" {
            return Err(Failure::usage(format!(
                "{named_by} is `memory`: these sessions are inside of the application's process, where nobody else sees them"
            )));
        }
        // What follows the scheme may hold a password.
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(Failure::usage(allowed));
        };
        match scheme {
            "sqlite" if rest.is_empty() || rest.ends_with('/') => Err(Failure::usage(format!(
                "{named_by} names no file; write for instance `sqlite:data/sessions.db`"
            ))),
            "sqlite" => Ok(Self::Sqlite {
                path: PathBuf::from(rest),
                named_by: NamedBy::Setting(named_by),
            }),
            _ if Address::is_url(text) => Self::parse_url(named_by, text),
            _ => Err(Failure::usage(allowed)),
        }
    }

    fn parse_url(named_by: &'static str, text: &str) -> Result<Self, Failure> {
        if !Address::is_url(text) {
            return Err(Failure::usage(format!(
                "{named_by} must be a URL such as `redis://localhost:6379`, `rediss://` for TLS or `unix:///path` for a socket"
            )));
        }
        // Nothing is connected here: only what the URL says is checked.
        match RedisStore::builder(text).connect_lazy() {
            Ok(_) => Ok(Self::Url {
                url: text.to_owned(),
                named_by,
            }),
            Err(error) => Err(Failure::usage(format!("{named_by}: {error}"))),
        }
    }

    /// Whether a password stands on the command line, where others on the machine can read it.
    pub(crate) fn shows_password(&self) -> bool {
        let Self::Url { url, named_by } = self else {
            return false;
        };
        let authority = url.split_once("://").map_or("", |(_, rest)| rest);
        *named_by == "--store" && (authority.contains('@') || authority.contains("pass="))
    }
}

/// What every key of a session begins with.
pub(crate) fn prefix(args: &StoreArgs, env: &dyn Environment) -> Result<String, Failure> {
    if let Some(prefix) = &args.prefix {
        return Ok(prefix.clone());
    }
    let set = env.get("SESSION_PREFIX")?;
    Ok(set.unwrap_or_else(|| DEFAULT_PREFIX.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::exit::Exit;

    impl Environment for HashMap<&'static str, &'static str> {
        fn get(&self, name: &'static str) -> Result<Option<String>, Failure> {
            let text = HashMap::get(self, name).map(|&text| text.to_owned());
            Ok(text.filter(|text| !text.is_empty()))
        }
    }

    fn args(store: Option<&str>) -> StoreArgs {
        StoreArgs {
            store: store.map(str::to_owned),
            prefix: None,
        }
    }

    fn url(url: &str, named_by: &'static str) -> Place {
        let url = url.to_owned();
        Place::Url { url, named_by }
    }

    #[test]
    fn the_option_counts_first_and_an_empty_variable_is_none() {
        let mut env = HashMap::from([("SESSION_STORE", ""), ("REDIS_HOST", "h")]);
        let find = |store, env: &HashMap<_, _>| Place::find(&args(store), env).unwrap();
        let host = Host {
            host: "h".to_owned(),
            port: 6379,
            ..Host::default()
        };
        assert_eq!(find(None, &env), Place::Host(host));
        env.insert("SESSION_STORE", "redis://s");
        assert_eq!(find(None, &env), url("redis://s", "SESSION_STORE"));
        let sqlite = |path: &str, named_by| Place::Sqlite {
            path: path.into(),
            named_by,
        };
        let file = sqlite("a:b.db", NamedBy::Setting("--store"));
        assert_eq!(find(Some("sqlite:a:b.db"), &env), file);
        let none = HashMap::from([("DATA_DIR", "/var/lib/app")]);
        let file = sqlite("/var/lib/app/sessions.db", NamedBy::DataDir);
        assert_eq!(find(None, &none), file);
        let file = sqlite("data/sessions.db", NamedBy::Nobody);
        assert_eq!(find(None, &HashMap::new()), file);
        assert_eq!(prefix(&args(None), &none).unwrap(), "sess:");
    }

    #[test]
    fn wrong_places_name_the_option_and_never_the_password() {
        for (text, says) in [
            ("memory", "process"),
            ("", "must be"),
            ("hunter2", "must be"),
            ("http://:hunter2@h", "must be"),
            ("sqlite:", "no file"),
            ("sqlite:dir/", "no file"),
            ("redis:hunter2", "must be a URL"),
            ("redis://:hunter2@h/x", "database number"),
        ] {
            let failure = Place::find(&args(Some(text)), &HashMap::new()).unwrap_err();
            let shown = failure.to_string();
            assert_eq!(failure.exit(), Exit::Usage);
            assert!(shown.starts_with("--store"), "{shown}");
            assert!(shown.contains(says), "{text}: {shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        for env in [
            HashMap::from([("REDIS_URL", "redis://a"), ("REDIS_HOST", "b")]),
            HashMap::from([("REDIS_PORT", "6379")]),
            HashMap::from([("REDIS_HOST", "h:6379")]),
            HashMap::from([("REDIS_HOST", "h"), ("REDIS_PORT", "0")]),
            HashMap::from([("REDIS_URL", "localhost")]),
            HashMap::from([("REDIS_URL", "redis://a"), ("REDIS_PASSWORD", "hunter2")]),
            HashMap::from([("REDIS_PASSWORD", "hunter2")]),
            HashMap::from([("REDIS_HOST", "h"), ("REDIS_PASSWORD", "hunter2\n")]),
            HashMap::from([("REDIS_HOST", "h"), ("REDIS_USERNAME", "app")]),
            HashMap::from([("REDIS_HOST", "h"), ("REDIS_TLS", "perhaps")]),
        ] {
            let failure = Place::find(&args(None), &env).unwrap_err();
            let shown = failure.to_string();
            assert!(shown.starts_with("REDIS_"), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    /// One environment serves the login application and this program.
    #[test]
    fn the_store_is_the_login_applications() {
        use app::config::{RedisServer, Settings, StoreChoice};

        let cases: [&[(&'static str, &'static str)]; 35] = [
            &[],
            // Every scheme that there is, and some that there are not.
            &[("SESSION_STORE", "redis://h")],
            &[("SESSION_STORE", "rediss://h")],
            &[("SESSION_STORE", "valkey://h")],
            &[("SESSION_STORE", "valkeys://h")],
            &[("SESSION_STORE", "unix:///s")],
            &[("SESSION_STORE", "redis+unix:///s")],
            &[("SESSION_STORE", "valkey+unix:///s")],
            &[("SESSION_STORE", "redis-socket:///s")],
            &[("REDIS_URL", "valkey+unix:///s")],
            &[("REDIS_URL", "REDIS://h")],
            &[("SESSION_STORE", "Valkey+Unix:///s")],
            &[("SESSION_STORE", "redis:h")],
            &[("SESSION_STORE", "http://h")],
            &[("SESSION_STORE", "sqlite:x.db")],
            &[
                ("SESSION_STORE", "redis://h:1/2"),
                ("REDIS_HOST", "ignored"),
            ],
            &[("SESSION_STORE", "unix:///run/r.sock")],
            &[("SESSION_STORE", "sqlite:")],
            &[("SESSION_STORE", "nonsense")],
            &[("REDIS_URL", "rediss://:pw@h")],
            &[("REDIS_URL", "redis://h"), ("REDIS_HOST", "h")],
            &[("REDIS_URL", "redis://h"), ("REDIS_PASSWORD", "pw")],
            &[("REDIS_HOST", "h")],
            &[("REDIS_HOST", "::1"), ("REDIS_PORT", "6380")],
            &[("REDIS_HOST", "h:1")],
            &[("REDIS_HOST", "h"), ("REDIS_PORT", "0")],
            &[("REDIS_HOST", "h"), ("REDIS_PASSWORD", "p@:/ w")],
            &[("REDIS_HOST", "h"), ("REDIS_PASSWORD", "pw\n")],
            &[("REDIS_HOST", "h"), ("REDIS_USERNAME", "u")],
            &[
                ("REDIS_HOST", "h"),
                ("REDIS_USERNAME", "u"),
                ("REDIS_PASSWORD", "pw"),
                ("REDIS_TLS", "true"),
            ],
            &[("REDIS_HOST", "h"), ("REDIS_TLS", "false")],
            &[("REDIS_HOST", "h"), ("REDIS_TLS", "yes")],
            &[("REDIS_HOST", "h"), ("REDIS_TLS", "perhaps")],
            &[("REDIS_PORT", "6379")],
            &[("REDIS_TLS", "true")],
        ];
        let host =
            |host: &str, port: u16, tls: bool, user: &Option<String>, password: &Option<String>| {
                format!("{host} {port} {tls} {user:?} {password:?}")
            };
        for case in cases {
            let env: HashMap<_, _> = case.iter().copied().collect();
            let text = |name: &str| env.get(name).map(|&text: &&str| text.to_owned());
            let settings = Settings {
                session_store: text("SESSION_STORE"),
                redis_url: text("REDIS_URL"),
                redis_host: text("REDIS_HOST"),
                redis_port: text("REDIS_PORT"),
                redis_tls: text("REDIS_TLS"),
                redis_username: text("REDIS_USERNAME"),
                redis_password: text("REDIS_PASSWORD"),
                data_dir: "data".to_owned(),
                ..Settings::default()
            };
            let app = settings.check().map(|config| match config.store {
                StoreChoice::Memory => panic!("not asked for"),
                StoreChoice::Sqlite(path) => format!("{}", path.display()),
                StoreChoice::Redis { server, .. } => match server {
                    RedisServer::Url(url) => url,
                    RedisServer::Host(s) => host(&s.host, s.port, s.tls, &s.username, &s.password),
                },
            });
            let ours = Place::find(&args(None), &env).map(|place| match place {
                Place::Sqlite { path, .. } => format!("{}", path.display()),
                Place::Url { url, .. } => url,
                Place::Host(s) => host(&s.host, s.port, s.tls, &s.username, &s.password),
            });
            assert_eq!(ours.ok(), app.ok(), "{case:?}");
        }
    }

    #[test]
    fn a_password_on_the_command_line_is_seen() {
        for (place, shows) in [
            (url("redis://:hunter2@h", "--store"), true),
            (url("unix:///s?pass=hunter2", "--store"), true),
            (url("redis://:hunter2@h", "SESSION_STORE"), false),
            (url("redis://h", "--store"), false),
        ] {
            assert_eq!(place.shows_password(), shows);
            assert!(!format!("{place:?}").contains("hunter2"));
        }
    }
}
