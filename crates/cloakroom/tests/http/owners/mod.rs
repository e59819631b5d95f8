//! Who is signed in where: the layer with an owner index.

mod adoption;
mod facts;
mod limits;
mod lists;
mod others;
mod personal;
mod races;
mod trouble;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::Path,
    response::{IntoResponse as _, Response},
    routing::get,
};
use bytes::Bytes;
use cloakroom::{
    Clock, EndReason, ErrorKind, Lifetime, MemoryStore, OwnedSession, OwnerIndex, Owners, Session,
    SessionError, SessionHandle, SessionId, SessionLayer, SessionLayerBuilder, Timestamp,
    core::{
        Loaded, Store as _,
        record::{Limits, Record},
        store::Scan as _,
        ticket,
        time::ManualClock,
    },
};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::{article, client::Client, secrets};

const START: Timestamp = Timestamp::from_millis(1_764_105_578_229);
const MINUTE: Duration = Duration::from_secs(60);

/// A memory store whose time the test moves; the layer has the same clock.
pub(crate) fn memory() -> (MemoryStore, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(START));
    (MemoryStore::new().with_clock(clock.clone()), clock)
}

/// A layer as the article's, with an index.
fn layer(index: impl OwnerIndex + Clone, clock: impl Clock) -> SessionLayerBuilder {
    article(index.clone()).owners(index).clock(clock)
}

fn routes() -> Router {
    Router::new()
        .route("/sign-in/{owner}", get(sign_in))
        .route(
            "/sign-out",
            get(async |session: Session| session.sign_out().map_err(SessionError)),
        )
        .route(
            "/rotate",
            get(async |session: Session| session.rotate().map_err(SessionError)),
        )
        .route(
            "/regenerate",
            get(async |session: Session| session.regenerate().map_err(SessionError)),
        )
        .route(
            "/owner",
            get(async |session: Session| session.owner().unwrap_or_default()),
        )
        .route(
            "/write",
            get(async |session: Session| {
                let count = session.update("n", |n: Option<u32>| n.unwrap_or(0) + 1);
                count.map(|n| n.to_string()).map_err(SessionError)
            }),
        )
        .route("/sessions", get(sessions))
        .route("/revoke/{handle}", get(revoke))
        .route(
            "/revoke-others",
            get(async |session: Session| {
                let ended = session.revoke_others().await;
                ended.map(|n| n.to_string()).map_err(SessionError)
            }),
        )
        .route(
            "/revoke-all",
            get(async |session: Session| {
                let ended = session.revoke_all().await;
                ended.map(|n| n.to_string()).map_err(SessionError)
            }),
        )
        .route("/fresh/{seconds}", get(fresh))
}

async fn sign_in(session: Session, Path(owner): Path<String>) -> Result<(), SessionError> {
    Ok(session.sign_in(owner)?)
}

async fn sessions(session: Session) -> Result<String, SessionError> {
    let sessions = session.sessions().await?;
    Ok(sessions.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn line(session: &OwnedSession) -> String {
    let OwnedSession {
        handle,
        current,
        address,
        user_agent,
        ..
    } = session;
    let text = |fact: &Option<String>| fact.clone().unwrap_or_default();
    format!(
        "{handle} {current} [{}] {}",
        text(address),
        text(user_agent)
    )
}

async fn revoke(session: Session, Path(handle): Path<String>) -> Result<Response, SessionError> {
    let Some(handle) = SessionHandle::parse(&handle) else {
        return Ok(StatusCode::BAD_REQUEST.into_response());
    };
    Ok(session.revoke(&handle).await?.to_string().into_response())
}

async fn fresh(session: Session, Path(seconds): Path<u64>) -> Result<&'static str, SessionError> {
    session.require_fresh(Duration::from_secs(seconds))?;
    Ok("fresh")
}

/// Whether a request with this session's ticket has an owner.
async fn owner_of(client: &Client, id: &SessionId) -> String {
    let browser = client.other();
    browser.put_cookie("connect.sid", &ticket::sign(id.as_str(), &secrets()));
    browser.get("/owner").await.body
}

/// The live sessions in the store that say that they are somebody's, with their sign-ins.
async fn owned_in(store: &MemoryStore) -> Vec<(SessionId, String, Timestamp)> {
    let page = store.scan(None, 100_000).await.unwrap();
    let sessions = page.sessions.into_iter().filter_map(|(id, stored)| {
        let record = Record::parse(&stored.value, &Limits::default()).unwrap()?;
        let identity = record.identity();
        Some((id, identity.owner?, identity.signed_in?))
    });
    sessions.collect()
}

async fn record(store: &MemoryStore, id: &str) -> Record {
    let id = SessionId::parse(id).unwrap();
    let Loaded::Live(stored) = store.load(&id).await.unwrap() else {
        panic!("there is no such session");
    };
    let record = Record::parse(&stored.value, &Limits::default());
    record.unwrap().unwrap()
}

/// Lets what runs beside the responses come to its end.
async fn settled(condition: impl AsyncFn() -> bool) {
    for _ in 0..10_000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("what runs beside the response does not come to its end");
}

/// An application on a real socket.
struct Site {
    address: SocketAddr,
    http: Http<HttpConnector, Empty<Bytes>>,
}

/// A browser with a cookie jar of its own.
#[derive(Default)]
struct Browser {
    jar: Mutex<BTreeMap<String, String>>,
    headers: Vec<(&'static str, String)>,
}

struct Page {
    status: StatusCode,
    body: String,
}

impl Site {
    async fn start(layer: SessionLayer) -> Self {
        let app = routes().layer(layer);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = app.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self {
            address,
            http: Http::builder(TokioExecutor::new()).build_http(),
        }
    }

    async fn get(&self, browser: &Browser, path: &str) -> Page {
        let mut request = Request::get(format!("http://{}{path}", self.address));
        let cookies: Vec<_> = {
            let jar = browser.jar.lock().unwrap();
            jar.iter().map(|(n, v)| format!("{n}={v}")).collect()
        };
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        for (name, value) in &browser.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Empty::new()).unwrap();
        let response = self.http.request(request).await.unwrap();
        let status = response.status();
        for header in response.headers().get_all(header::SET_COOKIE) {
            let header = header.to_str().unwrap();
            let (name, rest) = header.split_once('=').unwrap();
            let mut jar = browser.jar.lock().unwrap();
            if header.contains("Expires=Thu, 01 Jan 1970") {
                jar.remove(name);
            } else {
                let value = rest.split(';').next().unwrap();
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Page {
            status,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn owner(&self, browser: &Browser) -> String {
        self.get(browser, "/owner").await.body
    }

    /// The lines of the owner's list of sessions.
    async fn list(&self, browser: &Browser) -> Vec<String> {
        let page = self.get(browser, "/sessions").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        page.body.lines().map(str::to_owned).collect()
    }
}

impl Browser {
    fn with(headers: &[(&'static str, &str)]) -> Self {
        Self {
            headers: headers.iter().map(|(n, v)| (*n, (*v).to_owned())).collect(),
            ..Self::default()
        }
    }
}
