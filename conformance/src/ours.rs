//! A server on our layer that does what each request says, as `peers/server.js` does on express-session.

use std::{
    collections::HashMap,
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Extension,
    response::{IntoResponse, Response},
};
use cloakroom::{
    Clock, CookieOptions, Error, Lifetime, PeerAddr, Priority, SameSite, Secrets, Secure, Session,
    SessionLayer, Store, SystemClock, Timestamp, Unset, core::policy::BROWSER_SESSION_TTL,
};
use cloakroom_redis::RedisStore;
use http::{Request, StatusCode, header::CONTENT_TYPE};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json, value::RawValue};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};
use tower::{Layer as _, ServiceExt as _};

use crate::ask::{Answer, Ask, HEADER, Options};

/// Opens the store whose keys start with a prefix.
pub type OpenStore = Arc<dyn Fn(&str) -> Result<Arc<dyn Store>, Error> + Send + Sync>;

/// Stores on a database of a Redis server: `redis://host:port/number`.
#[must_use]
pub fn on_redis(url: String) -> OpenStore {
    Arc::new(move |prefix: &str| {
        let store = RedisStore::builder(url.as_str())
            .prefix(prefix)
            .command_timeout(Duration::from_secs(20))
            .connect_lazy()?;
        Ok(Arc::new(store) as Arc<dyn Store>)
    })
}

/// The system's time, or the one that the last request asked for.
#[derive(Clone, Debug, Default)]
struct AskedClock(Arc<AtomicI64>);

impl AskedClock {
    fn ask(&self, now: Option<i64>) {
        self.0.store(now.unwrap_or(0), Ordering::SeqCst);
    }
}

impl Clock for AskedClock {
    fn now(&self) -> Timestamp {
        match self.0.load(Ordering::SeqCst) {
            0 => SystemClock.now(),
            millis => Timestamp::from_millis(millis),
        }
    }
}

/// The server. Clones share everything.
#[derive(Clone)]
pub struct Ours(Arc<Inner>);

struct Inner {
    open: OpenStore,
    clock: AskedClock,
    apps: Mutex<HashMap<String, (SessionLayer, Router)>>,
}

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ours")
    }
}

impl Ours {
    /// A server over the stores that `open` opens.
    #[must_use]
    pub fn new(open: OpenStore) -> Self {
        Self(Arc::new(Inner {
            open,
            clock: AskedClock::default(),
            apps: Mutex::default(),
        }))
    }

    /// Answers one request.
    pub async fn answer(&self, mut request: Request<Body>) -> Response {
        let header = request.headers().get(HEADER).map(|v| v.as_bytes().to_vec());
        let ask = header.and_then(|header| serde_json::from_slice::<Ask>(&header).ok());
        let Some(ask) = ask else {
            return refusal("the header x-do says nothing");
        };
        self.0.clock.ask(ask.now);
        match self.app(&ask.options) {
            Ok(app) => {
                let loopback = std::net::Ipv4Addr::LOCALHOST.into();
                request.extensions_mut().insert(PeerAddr(loopback));
                request.extensions_mut().insert(Arc::new(ask));
                app.oneshot(request).await.into_response()
            }
            Err(error) => refusal(&error.to_string()),
        }
    }

    fn app(&self, options: &Options) -> Result<Router, Error> {
        let key = serde_json::to_string(options).unwrap_or_default();
        let mut apps = self.0.apps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, app)) = apps.get(&key) {
            return Ok(app.clone());
        }
        let store = (self.0.open)(options.prefix())?;
        let layer = layer(options, store, self.0.clock.clone())?;
        let around = layer.clone();
        let app = Router::new()
            .fallback(handle)
            .layer(tower::layer::layer_fn(move |inner| around.layer(inner)));
        apps.insert(key, (layer, app.clone()));
        Ok(app)
    }

    /// Serves from a thread of its own.
    ///
    /// # Errors
    ///
    /// The network's.
    pub async fn serve_apart(&self) -> io::Result<u16> {
        let ours = self.clone();
        let (tell, port) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async move {
                let _ = tell.send(ours.serve().await);
                std::future::pending::<()>().await;
            });
        });
        port.await.map_err(io::Error::other)?
    }

    /// Waits until what was left to be done beside the answers so far is done.
    pub async fn settled(&self) {
        let layers: Vec<_> = {
            let apps = self.0.apps.lock().unwrap_or_else(PoisonError::into_inner);
            apps.values().map(|(layer, _)| layer.clone()).collect()
        };
        for layer in layers {
            layer.settled().await;
        }
    }

    /// Serves on a free port of this machine for as long as the runtime lives, and says which.
    ///
    /// # Errors
    ///
    /// The network's.
    pub async fn serve(&self) -> io::Result<u16> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let ours = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let ours = ours.clone();
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request: Request<_>| {
                        let ours = ours.clone();
                        async move {
                            let answer = ours.answer(request.map(Body::new)).await;
                            Ok::<_, std::convert::Infallible>(answer)
                        }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .timer(TokioTimer::new())
                        .max_buf_size(2 << 20)
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(port)
    }
}

fn refusal(why: &str) -> Response {
    let answer = Answer {
        log: vec![json!("failed")],
        error: Some(why.to_owned()),
    };
    (StatusCode::INTERNAL_SERVER_ERROR, axum_json(&answer)).into_response()
}

fn axum_json(answer: &Answer) -> ([(http::HeaderName, &'static str); 1], String) {
    let text = serde_json::to_string(answer).unwrap_or_default();
    ([(CONTENT_TYPE, "application/json")], text)
}

/// The layer that corresponds to `session(options)`.
///
/// # Errors
///
/// What [`SessionLayerBuilder::build`](cloakroom::SessionLayerBuilder::build) refuses.
fn layer(options: &Options, store: impl Store, clock: AskedClock) -> Result<SessionLayer, Error> {
    let secrets = Secrets::new(options.secret.iter().map(String::as_str))?;
    let browser = options
        .store
        .ttl
        .map_or(BROWSER_SESSION_TTL, Duration::from_secs);
    let lifetime = match options.cookie.max_age {
        Some(millis) => Lifetime::idle(Duration::from_millis(millis)),
        None => Lifetime::browser_session(browser),
    };
    let mut builder = SessionLayer::express(store, secrets)
        .clock(clock)
        .deadline(Duration::from_secs(20))
        .cookie(cookie(options))
        .lifetime(lifetime)
        .resave(options.resave)
        .save_uninitialized(options.save_uninitialized)
        .rolling(options.rolling);
    if options.unset.as_deref() == Some("destroy") {
        builder = builder.unset(Unset::Destroy);
    }
    if options.proxy == Some(true) {
        let loopback = std::net::IpAddr::from(std::net::Ipv4Addr::LOCALHOST);
        builder = builder.trusted_proxies([loopback.into()]);
    }
    builder.build()
}

fn cookie(options: &Options) -> CookieOptions {
    let wanted = &options.cookie;
    let mut cookie = CookieOptions::express().name(options.cookie_name());
    if let Some(path) = &wanted.path {
        cookie = cookie.path(path);
    }
    if let Some(domain) = &wanted.domain {
        cookie = cookie.domain(domain);
    }
    cookie
        .http_only(wanted.http_only.unwrap_or(true))
        .partitioned(wanted.partitioned.unwrap_or(false))
        .secure(match &wanted.secure {
            Some(Value::String(_)) => Secure::ByRequest,
            Some(Value::Bool(true)) => Secure::Yes,
            _ => Secure::No,
        })
        .same_site(match &wanted.same_site {
            Some(Value::Bool(true)) => Some(SameSite::Strict),
            Some(Value::String(text)) => match text.as_str() {
                "strict" => Some(SameSite::Strict),
                "lax" => Some(SameSite::Lax),
                "none" => Some(SameSite::None),
                _ => Some(SameSite::Auto),
            },
            _ => None,
        })
        .priority(match wanted.priority.as_deref() {
            Some("low") => Some(Priority::Low),
            Some("medium") => Some(Priority::Medium),
            Some("high") => Some(Priority::High),
            _ => None,
        })
}

async fn handle(Extension(ask): Extension<Arc<Ask>>, session: Option<Session>) -> Response {
    let mut doing = Doing {
        session,
        ended: false,
        status: StatusCode::OK,
        headers: Vec::new(),
    };
    let mut log = Vec::new();
    for op in ask.ops.as_array().into_iter().flatten() {
        match doing.run(op).await {
            Ok(seen) => log.push(seen),
            Err(failure) => {
                doing.status = StatusCode::INTERNAL_SERVER_ERROR;
                log.push(json!("failed"));
                if let Failure::Session(error) = failure {
                    doing
                        .headers
                        .push(("x-error".to_owned(), error.kind().as_str().to_owned()));
                }
                break;
            }
        }
    }
    let mut response = (doing.status, axum_json(&Answer { log, error: None })).into_response();
    for (name, value) in doing.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

struct Doing {
    session: Option<Session>,
    /// `destroy` or `unset` was called: express has no session object from there on.
    ended: bool,
    status: StatusCode,
    headers: Vec<(String, String)>,
}

enum Failure {
    NoSession,
    Asked,
    Session(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Session(error)
    }
}

impl Doing {
    fn session(&self) -> Result<&Session, Failure> {
        self.session
            .as_ref()
            .filter(|_| !self.ended)
            .ok_or(Failure::NoSession)
    }

    async fn run(&mut self, op: &Value) -> Result<Value, Failure> {
        let text = |index: usize| op.get(index).and_then(Value::as_str).ok_or(Failure::Asked);
        let name = text(0)?;
        match name {
            "set" => {
                let raw = RawValue::from_string(text(2)?.to_owned()).map_err(|_| Failure::Asked)?;
                self.session()?.insert(text(1)?, &raw)?;
            }
            "delete" => self.session()?.remove(text(1)?)?,
            "inc" => {
                let add = |n: Option<i64>| n.unwrap_or(0) + 1;
                return Ok(json!(self.session()?.update(text(1)?, add)?));
            }
            "read" => return Ok(self.read()),
            "regenerate" => self.session()?.regenerate()?,
            "rotate" => self.session()?.rotate()?,
            "signIn" => self.session()?.sign_in(text(1)?)?,
            "owner" => return Ok(json!(self.session()?.owner())),
            "destroy" => {
                self.session()?.destroy()?;
                self.ended = true;
            }
            "unset" => {
                // `req.session = null` is no error where there is no session.
                if let Some(session) = &self.session {
                    session.unset()?;
                }
                self.ended = true;
            }
            "save" => self.session()?.commit().await?,
            "reload" => self.session()?.reload().await?,
            "touch" => drop(self.session()?),
            "maxAge" => self
                .session()?
                .set_lifetime(match op.get(1).and_then(Value::as_u64) {
                    Some(millis) => Lifetime::idle(Duration::from_millis(millis)),
                    None => Lifetime::browser_session(BROWSER_SESSION_TTL),
                })?,
            "sleep" => {
                let millis = op.get(1).and_then(Value::as_u64).ok_or(Failure::Asked)?;
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            "hold" => {
                let port = op.get(1).and_then(Value::as_u64);
                let port = port.and_then(|port| u16::try_from(port).ok());
                let port = port.ok_or(Failure::Asked)?;
                // The end of the connection is what is waited for, whatever it looks like.
                if let Ok(mut gate) = TcpStream::connect(("127.0.0.1", port)).await {
                    let _ = gate.read(&mut [0]).await;
                }
            }
            "yield" => {
                for _ in 0..op.get(1).and_then(Value::as_u64).unwrap_or(0) {
                    tokio::task::yield_now().await;
                }
            }
            "status" => {
                let code = op
                    .get(1)
                    .and_then(Value::as_u64)
                    .and_then(|code| u16::try_from(code).ok());
                let status = code.and_then(|code| StatusCode::from_u16(code).ok());
                self.status = status.ok_or(Failure::Asked)?;
            }
            "header" => self
                .headers
                .push((text(1)?.to_owned(), text(2)?.to_owned())),
            _ => return Err(Failure::Asked),
        }
        Ok(json!(name))
    }

    fn read(&self) -> Value {
        let Ok(session) = self.session() else {
            return json!("none");
        };
        let mut names = session.names();
        names.sort();
        names
            .iter()
            .map(|name| json!([name, session.get_raw(name)]))
            .collect()
    }
}
