//! From settings to a bound port, and from there to the end.
//!
//! Everything that can be refused is refused in [`build`], before the first visitor. The port comes first: a second
//! start beside a running application must not touch its files.

use std::{
    fmt, fs,
    future::Future,
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{self, Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
};
use cloakroom::{
    Lifetime, MemoryStore, OwnerIndex, Secrets, Secure, SessionLayer, Store,
    redis::{NearCache, RedisStore},
    sqlite::SqliteStore,
};
use tokio::{net::TcpListener, sync::oneshot};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    config::{Config, MIN_SECRET_BYTES, RedisServer, StoreChoice},
    guard, request_log,
    routes::{
        self,
        error::{self, PageError},
    },
    secret::{self, SecretError},
    security_headers, serve, user_name,
};

/// How long requests in flight may take once the application is told to stop: shorter than the ten seconds that
/// container runtimes grant.
const STOP_DEADLINE: Duration = Duration::from_secs(8);

/// How long a start waits for the Redis server.
const SERVER_DEADLINE: Duration = Duration::from_secs(10);

/// What handlers share.
#[derive(Clone, Debug)]
pub(crate) struct AppState {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) production: bool,
    pub(crate) lifetime: Duration,
    pub(crate) rolling: bool,
}

/// The application cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// The port is taken.
    #[error("PORT {} on {} is in use by another program; stop it, or set another PORT (0 takes a free one)", .0.port(), .0.ip())]
    PortInUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("BIND {} with PORT {} cannot be listened on: {source}", address.ip(), address.port())]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The folder for the store cannot be made.
    #[error("the folder {} cannot be made ({source}); set DATA_DIR or SESSION_STORE to a place that can be written", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The secret file cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The store cannot be opened, or an option of the sessions is refused.
    #[error("{0}")]
    Sessions(#[from] cloakroom::Error),
    /// Serving failed.
    #[error("serving failed: {0}")]
    Serve(io::Error),
}

/// The application, ready to serve.
pub struct Application {
    listener: TcpListener,
    router: Router,
    sessions: SessionLayer,
    workers: NonZeroUsize,
    address: SocketAddr,
    sqlite: Option<SqliteStore>,
    notices: Vec<String>,
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Binds the port, opens the store, finds or makes the secret.
///
/// # Errors
/// What cannot be had, by the name of the setting that changes it.
pub async fn build(config: Config) -> Result<Application, StartupError> {
    let bound = bind(config.address).await?;
    match &config.store {
        StoreChoice::Memory => {
            let notice = "Sessions are kept in memory: they end with this process.".to_owned();
            assemble(config, bound, MemoryStore::new(), None, vec![notice])
        }
        StoreChoice::Sqlite(path) => {
            make_folder(path)?;
            let store = SqliteStore::builder(path).prefix(&config.prefix).open()?;
            let shown = path::absolute(path).unwrap_or_else(|_| path.clone());
            let notice = format!("Sessions are kept in {}", shown.display());
            assemble(config, bound, store.clone(), Some(store), vec![notice])
        }
        StoreChoice::Redis { server, .. } => {
            let store = connect(server, &config).await?;
            let found = store.server_info();
            let found = found.map_or_else(|| "a server".to_owned(), |server| server.to_string());
            let notice = format!("Sessions are kept by {found} at {}", store.address());
            let mut notices = vec![notice];
            if let Some(age) = config.near_cache.filter(|_| store.has_near_cache()) {
                let age = age.as_millis();
                notices.push(format!("What was loaded is kept here for {age} ms at most"));
            }
            if config.near_cache.is_some() && config.renew_after == 0.0 {
                tracing::warn!(
                    "REDIS_NEAR_CACHE is of no use: each request renews its session, which makes the server say that it changed; set \
                     SESSION_RENEW_AFTER to a share such as 0.1"
                );
            }
            assemble(config, bound, store, None, notices)
        }
    }
}

/// Connects, and waits a while for a server that is about to come up: in containers, both start at once.
async fn connect(server: &RedisServer, config: &Config) -> Result<RedisStore, StartupError> {
    let builder = || {
        let builder = server.builder().prefix(&config.prefix);
        match config.near_cache {
            Some(age) => builder.near_cache(NearCache::new().max_age(age)),
            None => builder.connection_per_thread(config.workers.get() > 1),
        }
    };
    let start = Instant::now();
    let mut told = false;
    loop {
        let error = match builder().connect().await {
            Ok(store) => return Ok(store),
            Err(error) => error,
        };
        if !error.is_retryable() || start.elapsed() >= SERVER_DEADLINE {
            return Err(error.into());
        }
        if !told {
            told = true;
            tracing::warn!("{error}; trying again for {} s", SERVER_DEADLINE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// As [`build`], with a store that is open already in place of the configured one.
///
/// # Errors
/// As [`build`].
pub async fn build_with_store(
    config: Config,
    store: impl OwnerIndex,
) -> Result<Application, StartupError> {
    let bound = bind(config.address).await?;
    assemble(config, bound, store, None, Vec::new())
}

fn assemble(
    config: Config,
    (listener, address): (TcpListener, SocketAddr),
    store: impl OwnerIndex,
    sqlite: Option<SqliteStore>,
    mut notices: Vec<String>,
) -> Result<Application, StartupError> {
    let secrets = secrets(&config, &mut notices)?;
    let index: Arc<dyn OwnerIndex> = Arc::new(store);
    let store: Arc<dyn Store> = index.clone();
    let sessions = SessionLayer::express(Arc::clone(&store), secrets)
        .owners(index)
        .owner_from(user_name::owner)
        .secure(secure_for(&config))
        .cookie_name(&config.cookie_name)
        .lifetime(Lifetime::idle(config.max_age))
        .rolling(config.rolling)
        .save_uninitialized(config.save_uninitialized)
        .resave(config.resave)
        .renew_after(config.renew_after)
        .eager(false)
        .trusted_proxies(config.trusted_proxies)
        .error_response(|error| PageError::from(error).into_bare_response())
        .build()?;
    let state = AppState {
        store,
        production: config.production,
        lifetime: config.max_age,
        rolling: config.rolling,
    };
    Ok(Application {
        listener,
        router: router(state, sessions.clone()),
        sessions,
        workers: config.workers,
        address,
        sqlite,
        notices,
    })
}

/// The article's cookie is never `Secure`. Behind a trusted proxy the scheme is known, and a visitor who came by TLS gets a
/// `Secure` one; a name that browsers accept only with `Secure` always is.
fn secure_for(config: &Config) -> Secure {
    let name = config.cookie_name.to_ascii_lowercase();
    if name.starts_with("__host-") || name.starts_with("__secure-") {
        Secure::Yes
    } else if config.trusted_proxies.is_empty() {
        Secure::No
    } else {
        Secure::ByRequest
    }
}

/// The routes inside of their layers; the last one added sees a request first.
fn router(state: AppState, sessions: SessionLayer) -> Router {
    routes::router()
        .layer(sessions)
        .layer(from_fn(guard::refuse_other_sites))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(from_fn_with_state(state.clone(), error::show_pages))
        .layer(from_fn(security_headers::add))
        .layer(from_fn(request_log::log))
        .with_state(state)
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartupError> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound
        .await
        .map_err(|source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => StartupError::PortInUse(address),
            _ => StartupError::Bind { address, source },
        })
}

/// The folder of the store's file, for its owner alone.
fn make_folder(store: &Path) -> Result<(), StartupError> {
    let Some(folder) = store.parent().filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|source| StartupError::Folder {
            path: folder.to_owned(),
            source,
        })
}

fn secrets(config: &Config, notices: &mut Vec<String>) -> Result<Secrets, StartupError> {
    let given = &config.secrets.0;
    if !given.is_empty() {
        if given.iter().any(|secret| secret.len() < MIN_SECRET_BYTES) {
            tracing::warn!(
                "SESSION_SECRET is shorter than {MIN_SECRET_BYTES} bytes and can be guessed; production refuses it"
            );
        }
        return Ok(Secrets::new(given.iter().map(String::as_str))?);
    }
    let secret = match &config.store {
        StoreChoice::Memory => {
            tracing::warn!("SESSION_SECRET is not set: a secret was made for this process alone");
            secret::generate()?
        }
        StoreChoice::Sqlite(store) => kept_secret(&secret::path_beside(store), "", notices)?,
        StoreChoice::Redis { folder, .. } => {
            let path = folder.join("redis.secret");
            make_folder(&path)?;
            let others = "; every process that shares these sessions needs the same one";
            kept_secret(&path, others, notices)?
        }
    };
    Ok(Secrets::new([secret])?)
}

fn kept_secret(path: &Path, note: &str, notices: &mut Vec<String>) -> Result<String, StartupError> {
    let (secret, made) = secret::load_or_create(path)?;
    let shown = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let what = if made {
        "a secret was made and kept in"
    } else {
        "using the secret in"
    };
    tracing::warn!(
        "SESSION_SECRET is not set: {what} {}{note}",
        shown.display()
    );
    notices.push(format!("The secret is kept in {}", shown.display()));
    Ok(secret)
}

impl Application {
    /// Where it listens: the port is the real one even where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What whoever starts it should know, a line each.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Serves until `stop` is ready. Then no new connection is taken, requests in flight are finished and committed within
    /// eight seconds, and the store is closed.
    ///
    /// # Errors
    /// Serving failed, or the store could not be closed.
    pub async fn run_until_stopped(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), StartupError> {
        let (stopping, stopped) = oneshot::channel();
        let stop = async move {
            stop.await;
            tracing::info!("stopping: requests in flight are finished first");
            let _ = stopping.send(());
        };
        let sessions = self.sessions.clone();
        let settled = move || {
            let sessions = sessions.clone();
            async move { sessions.settled().await }
        };
        let server = serve::serve(self.listener, self.router, self.workers, stop, settled);
        let deadline = async {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(STOP_DEADLINE).await;
        };
        tokio::select! {
            served = server => served.map_err(StartupError::Serve)?,
            () = deadline => tracing::warn!("some requests did not finish in time and are cut off"),
        }
        self.sessions.settled().await;
        if let Some(sqlite) = self.sqlite {
            sqlite.close().await?;
        }
        tracing::info!("stopped");
        Ok(())
    }
}
