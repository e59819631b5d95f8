//! Parallel requests on one session, over real HTTP: nothing lost, nothing brought back.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use bytes::Bytes;
use cloakroom::{MemoryStore, Session, SessionError, Store};
use cloakroom_redis::RedisStore;
use cloakroom_sqlite::SqliteStore;
use futures_util::future::join_all;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::sync::Barrier;

use crate::{
    article,
    servers::{PATIENCE, Server as RedisServer},
};

const ROUNDS: usize = 200;

/// Slow handlers wait here until the test lets them go on.
type Gate = Arc<Barrier>;

fn app(store: Arc<dyn Store>, gate: Gate) -> Router {
    Router::new()
        .route("/increment", get(increment))
        .route("/set/{name}", get(set))
        .route("/slow", get(slow))
        .route("/slow-read", get(slow_read))
        .route("/sign-in", get(sign_in))
        .route("/sign-out", get(sign_out))
        .route("/read/{name}", get(read))
        .route("/names", get(names))
        .layer(article(store).deadline(PATIENCE).build().unwrap())
        .with_state(gate)
}

async fn increment(session: Session) -> Result<String, SessionError> {
    // Every request is under way before the first one commits.
    tokio::task::yield_now().await;
    let n = session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(n.to_string())
}

async fn set(session: Session, Path(name): Path<String>) -> Result<(), SessionError> {
    tokio::task::yield_now().await;
    Ok(session.insert(&name, &name)?)
}

async fn slow(State(gate): State<Gate>, session: Session) -> Result<(), SessionError> {
    session.insert("slow", &true)?;
    gate.wait().await;
    gate.wait().await;
    Ok(())
}

async fn slow_read(State(gate): State<Gate>, session: Session) -> String {
    gate.wait().await;
    gate.wait().await;
    // As slow requests are; the faster ones race on the network, whatever the server does.
    tokio::time::sleep(Duration::from_millis(25)).await;
    session.get_raw("userName").unwrap_or_default()
}

async fn sign_in(session: Session) -> Result<(), SessionError> {
    session.insert("userName", "花子")?;
    Ok(session.sign_in("花子")?)
}

async fn sign_out(session: Session) -> Result<(), SessionError> {
    Ok(session.sign_out()?)
}

async fn read(session: Session, Path(name): Path<String>) -> String {
    session.get_raw(&name).unwrap_or_default()
}

async fn names(session: Session) -> String {
    session.names().join(",")
}

/// The application on a real socket.
struct Server {
    address: SocketAddr,
    client: Client<hyper_util::client::legacy::connect::HttpConnector, Empty<Bytes>>,
    gate: Gate,
}

struct Reply {
    status: StatusCode,
    cookie: Option<String>,
    body: String,
}

impl Server {
    async fn start(store: Arc<dyn Store>) -> Self {
        let gate: Gate = Arc::new(Barrier::new(2));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app(store, Arc::clone(&gate));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            client: Client::builder(TokioExecutor::new()).build_http(),
            gate,
        }
    }

    async fn get(&self, path: &str, cookie: &str) -> Reply {
        let uri = format!("http://{}{path}", self.address);
        let request = Request::get(uri).header(header::COOKIE, cookie);
        let request = request.body(Empty::new()).unwrap();
        let response = self.client.request(request).await.unwrap();
        let status = response.status();
        let cookie = response.headers().get(header::SET_COOKIE).map(|value| {
            let value = value.to_str().unwrap();
            value.split(';').next().unwrap().to_owned()
        });
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Reply {
            status,
            cookie,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn fresh_cookie(&self) -> String {
        self.get("/sign-in", "").await.cookie.unwrap()
    }
}

/// connect-redis#75, laravel#30996; the article's stack keeps 9 of 50.
async fn fifty_increments_give_fifty(store: Arc<dyn Store>) {
    let server = Server::start(store).await;
    for round in 0..ROUNDS {
        let cookie = server.fresh_cookie().await;
        let replies = join_all((0..50).map(|_| server.get("/increment", &cookie))).await;
        assert!(replies.iter().all(|reply| reply.status == StatusCode::OK));
        let n = server.get("/read/n", &cookie).await.body;
        assert_eq!(n, "50", "round {round}");
    }
}

/// The article's stack keeps 1 of 20.
async fn twenty_names_are_all_kept(store: Arc<dyn Store>) {
    let server = Server::start(store).await;
    for round in 0..ROUNDS {
        let cookie = server.fresh_cookie().await;
        let paths: Vec<_> = (0..20).map(|n| format!("/set/name{n}")).collect();
        join_all(paths.iter().map(|path| server.get(path, &cookie))).await;
        let names = server.get("/names", &cookie).await.body;
        assert_eq!(names.split(',').count(), 21, "round {round}: {names}");
    }
}

/// R11, R10; connect-redis#328, CVE-2025-46336.
async fn a_slow_change_brings_no_signed_out_session_back(store: Arc<dyn Store>) {
    let server = Server::start(store).await;
    for round in 0..ROUNDS {
        let cookie = server.fresh_cookie().await;
        let slow = server.get("/slow", &cookie);
        let sign_out = async {
            server.gate.wait().await;
            let reply = server.get("/sign-out", &cookie).await;
            server.gate.wait().await;
            reply
        };
        let (slow, sign_out) = tokio::join!(slow, sign_out);
        assert_eq!(sign_out.status, StatusCode::OK, "round {round}");
        assert_eq!(
            slow.cookie, None,
            "the late answer touches no cookie, round {round}"
        );
        for name in ["userName", "slow"] {
            let replay = server.get(&format!("/read/{name}"), &cookie).await;
            assert_eq!(replay.body, "", "round {round}: {name} is back");
            assert_eq!(
                replay.cookie, None,
                "an ended id gets no cookie, round {round}"
            );
        }
    }
}

/// R08, R09: what the slow request holds is dead after a sign-in; it changes nothing and touches no cookie.
async fn a_slow_change_during_a_sign_in_touches_nothing(store: Arc<dyn Store>) {
    let server = Server::start(store).await;
    for round in 0..ROUNDS {
        let old = server.fresh_cookie().await;
        let slow = server.get("/slow", &old);
        let sign_in = async {
            server.gate.wait().await;
            let reply = server.get("/sign-in", &old).await;
            server.gate.wait().await;
            reply
        };
        let (slow, sign_in) = tokio::join!(slow, sign_in);
        let new = sign_in.cookie.unwrap();
        assert_ne!(new, old, "round {round}");
        assert_eq!(slow.cookie, None, "round {round}");
        assert_eq!(
            server.get("/read/userName", &old).await.body,
            "",
            "round {round}"
        );
        assert_eq!(server.get("/read/userName", &new).await.body, "\"花子\"");
        assert_eq!(
            server.get("/read/slow", &new).await.body,
            "",
            "round {round}"
        );
    }
}

/// scs' idle mode, code-dot-org#61815: a request that only reads brings nothing back either, and with `rolling` its late
/// answer does not replace the new cookie by the dead one.
async fn a_slow_read_replaces_no_newer_cookie(store: Arc<dyn Store>) {
    let server = Server::start(store).await;
    for round in 0..ROUNDS / 4 {
        for ending in ["/sign-out", "/sign-in"] {
            let old = server.fresh_cookie().await;
            let slow = server.get("/slow-read", &old);
            let end = async {
                server.gate.wait().await;
                server.get(ending, &old).await;
                server.gate.wait().await;
            };
            let (slow, ()) = tokio::join!(slow, end);
            assert_eq!(slow.body, "\"花子\"", "it was signed in when it was asked");
            assert_eq!(slow.cookie, None, "round {round} {ending}");
            assert_eq!(
                server.get("/read/userName", &old).await.body,
                "",
                "round {round} {ending}"
            );
        }
    }
}

/// Fifty requests at once keep two cores busy; no deadline is the subject here.
async fn patient(server: &RedisServer) -> RedisStore {
    let builder = RedisStore::builder(server.url())
        .command_timeout(PATIENCE)
        .connect_timeout(PATIENCE);
    builder.connect().await.unwrap()
}

macro_rules! on_every_store {
    ($($case:ident),+ $(,)?) => {
        mod memory {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$case(Arc::new(MemoryStore::new())).await;
            })+
        }
        mod sqlite {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let folder = tempfile::tempdir().unwrap();
                let store = SqliteStore::open(folder.path().join("sessions.db")).unwrap();
                super::$case(Arc::new(store)).await;
            })+
        }
        mod redis {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let server = RedisServer::redis();
                let store = patient(&server).await;
                super::$case(Arc::new(store)).await;
            })+
        }
        mod valkey {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let server = RedisServer::valkey();
                let store = patient(&server).await;
                super::$case(Arc::new(store)).await;
            })+
        }
    };
}

on_every_store!(
    fifty_increments_give_fifty,
    twenty_names_are_all_kept,
    a_slow_change_brings_no_signed_out_session_back,
    a_slow_change_during_a_sign_in_touches_nothing,
    a_slow_read_replaces_no_newer_cookie,
);
