//! The command line and the variables, as they were given.

use std::fmt;

use clap::{Args, Parser, Subcommand};

/// The command line.
#[derive(Debug, Parser)]
#[command(
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
    /// How many threads serve visitors, from 1 to 64 [default: as many as there are processors]
    #[arg(long, env = "WORKERS", value_name = "NUMBER")]
    pub workers: Option<String>,
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
    /// Where sessions are kept: `memory`, `sqlite:<path>`, or the URL of a Redis or Valkey server
    /// (`redis://[user:password@]host[:port][/database]`, `rediss://` for TLS, `unix:///path`). Without it, the server of
    /// REDIS_URL or REDIS_HOST; without these, `sessions.db` in the data folder
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
    /// Which share of its lifetime, from 0 to 1, passes before a session is renewed; 0 renews it at each use
    #[arg(
        long,
        env = "SESSION_RENEW_AFTER",
        default_value = "0",
        value_name = "SHARE"
    )]
    pub session_renew_after: String,
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
    /// URL of the Redis or Valkey server that keeps the sessions, as for SESSION_STORE
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL")]
    pub redis_url: Option<String>,
    /// Host of the Redis or Valkey server that keeps the sessions
    #[arg(long, env = "REDIS_HOST", value_name = "HOST")]
    pub redis_host: Option<String>,
    /// Port of the server at REDIS_HOST [default: 6379]
    #[arg(long, env = "REDIS_PORT", value_name = "PORT")]
    pub redis_port: Option<String>,
    /// Whether TLS is spoken to the server at REDIS_HOST; its certificate is verified [default: false]
    #[arg(long, env = "REDIS_TLS", value_name = "true|false")]
    pub redis_tls: Option<String>,
    /// User at the server at REDIS_HOST; without one, the password is that of the server's default user
    #[arg(long, env = "REDIS_USERNAME", value_name = "USER")]
    pub redis_username: Option<String>,
    /// Password at the server at REDIS_HOST, as it is: nothing is escaped. Prefer the variable: a command line can be read
    /// by the machine's other users
    #[arg(
        long,
        env = "REDIS_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD"
    )]
    pub redis_password: Option<String>,
    /// For how many milliseconds at most this process answers from sessions that it has loaded, unless the server says that
    /// they changed. Of use where SESSION_RENEW_AFTER is more than 0
    #[arg(
        long,
        env = "REDIS_NEAR_CACHE",
        default_value = "off",
        value_name = "off|MS"
    )]
    pub redis_near_cache: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("port", &self.port)
            .field("bind", &self.bind)
            .finish_non_exhaustive()
    }
}
