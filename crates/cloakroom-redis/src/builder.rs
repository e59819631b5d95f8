//! The options, and connecting.

use std::{fmt, sync::Arc, time::Duration};

use cloakroom_core::{Error, ErrorKind};

use crate::{
    address::{Address, Endpoint},
    connect::{Identity, Target},
    credentials::{Credentials, CredentialsProvider},
    keys::Keys,
    link::Links,
    near_cache::{NearCache, tracking::Tracking},
    store::RedisStore,
    tls::Tls,
};

/// Options of a [`RedisStore`]; made by [`RedisStore::builder`], turned into a store by [`connect`](Self::connect) or
/// [`connect_lazy`](Self::connect_lazy).
#[derive(Clone)]
#[must_use = "a builder does nothing until `connect` or `connect_lazy` is called"]
pub struct RedisStoreBuilder {
    address: Address,
    username: Option<Arc<str>>,
    password: Option<Arc<str>>,
    provider: Option<Arc<dyn CredentialsProvider>>,
    database: Option<u32>,
    tls: Option<Tls>,
    prefix: Arc<str>,
    connect_timeout: Duration,
    command_timeout: Duration,
    max_in_flight: usize,
    max_value_size: usize,
    near_cache: Option<NearCache>,
    connection_per_thread: bool,
}

/// Tombstones and whatever else is ours alone begin so.
const RESERVED: &str = "ck:";

/// A longer prefix is a mistake: it is sent with every command.
const LONGEST_PREFIX: usize = 256;

/// Redis' own limit for a string.
const VALUE_SIZE_LIMIT: usize = 512 * 1024 * 1024;

impl RedisStoreBuilder {
    pub(crate) fn new(address: Address) -> Self {
        Self {
            address,
            username: None,
            password: None,
            provider: None,
            database: None,
            tls: None,
            prefix: "sess:".into(),
            connect_timeout: Duration::from_millis(500),
            command_timeout: Duration::from_millis(400),
            max_in_flight: 4096,
            max_value_size: 16 * 1024 * 1024,
            near_cache: None,
            connection_per_thread: false,
        }
    }

    /// The user's name, for servers with ACLs; wins over the URL's.
    pub fn username(mut self, username: impl AsRef<str>) -> Self {
        self.username = Some(username.as_ref().into());
        self
    }

    /// The password; wins over the URL's.
    pub fn password(mut self, password: impl AsRef<str>) -> Self {
        self.password = Some(password.as_ref().into());
        self
    }

    /// Who gives the user and the password each time that a connection is made; for what changes while the server runs.
    pub fn credentials_provider(mut self, provider: impl CredentialsProvider) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// The number of the database; wins over the URL's. Default 0.
    pub fn database(mut self, number: u32) -> Self {
        self.database = Some(number);
        self
    }

    /// Speaks TLS, and how. `rediss://` without this trusts the authorities of the machine.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// What every key begins with; default `sess:`, as connect-redis has it. Characters that are patterns to Redis are
    /// plain characters here. A prefix that another one begins with does not keep the two apart: end it with a colon.
    pub fn prefix(mut self, prefix: impl AsRef<str>) -> Self {
        self.prefix = prefix.as_ref().into();
        self
    }

    /// How long an attempt to connect may take, TLS and signing in included; default 500 ms.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// How long a call may take, everything included; default 400 ms, somewhat less than the session layer's deadline, so
    /// that a server that is silent is found out here.
    pub fn command_timeout(mut self, time: Duration) -> Self {
        self.command_timeout = time;
        self
    }

    /// How many calls may be under way on a connection at once; default 4096. Beyond, a call fails at once as unavailable.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.max_in_flight = calls;
        self
    }

    /// The longest value in bytes; default 16 MiB. A longer one is refused as too large.
    pub fn max_value_size(mut self, bytes: usize) -> Self {
        self.max_value_size = bytes;
        self
    }

    /// Keeps what was loaded in this process until the server says that it changed; default: off. See the [crate's
    /// documentation](crate#near-cache) for when that is of use, and what it delays.
    pub fn near_cache(mut self, options: NearCache) -> Self {
        self.near_cache = Some(options);
        self
    }

    /// A connection for each thread that uses the store, in place of one that all share; default: `false`. For servers with a
    /// runtime of its own on each thread ([`tokio::runtime::Builder::new_current_thread`], actix-web): whoever waits for an answer is
    /// then woken by its own thread. Where threads share a runtime, as with `#[tokio::main]`, it costs connections and gains
    /// nothing.
    ///
    /// A thread's connection is made when it first uses the store; a task in its runtime looks after it, and it ends with that. There
    /// are 64 at most: where more threads use stores at once, some share one, and wait for each other's runtime. Not together with [`near_cache`](Self::near_cache), which belongs to one connection.
    pub fn connection_per_thread(mut self, yes: bool) -> Self {
        self.connection_per_thread = yes;
        self
    }

    /// Connects, and fails if that is not possible now: for the start of an application that is of no use without its
    /// sessions. Afterwards the store restores its connection by itself, however long that takes.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) names the option that cannot be. Otherwise as the calls of the store:
    /// [`Unavailable`](ErrorKind::Unavailable) and [`Timeout`](ErrorKind::Timeout) where the server does not answer at this
    /// address, [`Rejected`](ErrorKind::Rejected) where it does not want us: password, database, certificate.
    pub async fn connect(self) -> Result<RedisStore, Error> {
        let store = self.connect_lazy()?;
        store.wait().await?;
        Ok(store)
    }

    /// A store that connects when it is first used and comes up when the server does. Until then every call is an error.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) names the option that cannot be.
    pub fn connect_lazy(self) -> Result<RedisStore, Error> {
        let parsed = self.address.parse()?;
        self.check()?;
        let tls = match (&self.tls, parsed.tls, &parsed.endpoint) {
            (Some(_), _, Endpoint::Unix(_)) => {
                return Err(config(
                    "`tls` is set for a Unix socket, which has none; remove it",
                ));
            }
            (Some(tls), _, _) => Some(tls.config()?),
            (None, true, _) => Some(Tls::new().config()?),
            (None, false, _) => None,
        };
        let username = self.username.or(parsed.username);
        let password = self.password.or(parsed.password);
        let identity = match (self.provider, username, password) {
            (Some(_), _, Some(_)) | (Some(_), Some(_), _) => {
                return Err(config(
                    "`credentials_provider` is set beside a user or a password; keep one of the two",
                ));
            }
            (Some(provider), None, None) => Identity::Asked(provider),
            (None, Some(_), None) => {
                return Err(config("`username` is set without a `password`; set both"));
            }
            (None, username, Some(password)) => {
                let mut credentials = Credentials::new(password);
                credentials.username = username;
                Identity::Fixed(credentials)
            }
            (None, None, None) => Identity::Nobody,
        };
        let keys = Keys {
            prefix: self.prefix.clone(),
        };
        let target = Target {
            endpoint: parsed.endpoint,
            tls,
            identity,
            database: self.database.or(parsed.database).unwrap_or(0),
            connect_timeout: self.connect_timeout,
            tracking: self
                .near_cache
                .map(|near| Tracking::new(near, keys.clone())),
            keys,
        };
        let links = Links::new(
            target,
            self.command_timeout,
            self.max_in_flight,
            self.connection_per_thread,
        );
        Ok(RedisStore::new(self.prefix, self.max_value_size, links))
    }

    fn check(&self) -> Result<(), Error> {
        let prefix = &*self.prefix;
        if prefix.contains(char::is_control) {
            return Err(config(
                "`prefix` holds a control character, a line end for instance; see where it is read from",
            ));
        }
        if prefix.len() > LONGEST_PREFIX {
            return Err(config(
                "`prefix` is longer than 256 bytes; take a shorter one",
            ));
        }
        if prefix.starts_with(RESERVED) {
            return Err(config(
                "`prefix` begins with `ck:`, where the store keeps keys of its own; take another",
            ));
        }
        let empty = [
            ("connect_timeout", self.connect_timeout.is_zero()),
            ("command_timeout", self.command_timeout.is_zero()),
            ("max_in_flight", self.max_in_flight == 0),
            ("max_value_size", self.max_value_size == 0),
        ];
        if let Some((name, _)) = empty.iter().find(|(_, empty)| *empty) {
            return Err(config(&format!(
                "`{name}` is zero; nothing could ever be stored"
            )));
        }
        let day = Duration::from_secs(24 * 60 * 60);
        if self.connect_timeout > day || self.command_timeout > day {
            return Err(config(
                "`connect_timeout` or `command_timeout` is more than a day; a visitor does not wait for that",
            ));
        }
        if self.max_in_flight > tokio::sync::Semaphore::MAX_PERMITS {
            return Err(config(
                "`max_in_flight` is larger than any number of calls; take less",
            ));
        }
        if self.max_value_size > VALUE_SIZE_LIMIT {
            return Err(config(
                "`max_value_size` is more than the 512 MiB that Redis can store",
            ));
        }
        if self.connection_per_thread && self.near_cache.is_some() {
            return Err(config(
                "`connection_per_thread` is set beside `near_cache`, which belongs to one connection; keep one of the two",
            ));
        }
        self.near_cache.map_or(Ok(()), |near| near.check())
    }
}

#[cold]
fn config(what: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("options of the session store: {what}"),
    )
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("address", &self.address)
            .field("database", &self.database)
            .field("tls", &self.tls)
            .field("prefix", &self.prefix)
            .field("connect_timeout", &self.connect_timeout)
            .field("command_timeout", &self.command_timeout)
            .field("max_in_flight", &self.max_in_flight)
            .field("max_value_size", &self.max_value_size)
            .field("near_cache", &self.near_cache)
            .field("connection_per_thread", &self.connection_per_thread)
            .finish_non_exhaustive()
    }
}
