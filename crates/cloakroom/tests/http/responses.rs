//! Where there is no ordinary response: streams, upgrades, panics, clients that go away.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{State, WebSocketUpgrade},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use cloakroom::{ErrorKind, MemoryStore, Session, SessionError};
use futures_util::stream;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{article, client::Client, safe, settle, troubled::Troubled};

fn app(store: &Troubled, signal: &Arc<Notify>) -> Router {
    Router::new()
        .route(
            "/read",
            get(async |session: Session| session.get_raw("n").unwrap_or_default()),
        )
        .route(
            "/write",
            get(async |session: Session| session.insert("n", &1).map_err(SessionError)),
        )
        .route("/status/{status}", get(status))
        .route("/late", get(late))
        .route("/late-kept", get(late_kept))
        .route("/late-ended", get(late_ended))
        .route("/panic", get(panics))
        .route("/caught", get(panics).layer(CatchPanicLayer::new()))
        .route("/wait", get(wait))
        .route("/ws", get(websocket))
        .layer(article(store.clone()).build().unwrap())
        .with_state(Arc::clone(signal))
}

async fn status(
    session: Session,
    axum::extract::Path(status): axum::extract::Path<u16>,
) -> Result<StatusCode, SessionError> {
    session.insert("n", &status)?;
    Ok(StatusCode::from_u16(status).unwrap())
}

/// A body of two parts; the second one is what `late` says once the head has left.
fn two_parts<F>(late: F) -> Response
where
    F: Future<Output = String> + Send + 'static,
{
    let first = stream::iter(["head;".to_owned()]);
    let body = stream::StreamExt::chain(first, stream::once(late));
    let body = stream::StreamExt::map(body, |part| Ok::<_, Infallible>(Bytes::from(part)));
    Body::from_stream(body).into_response()
}

fn kind(result: Result<(), cloakroom::Error>) -> String {
    match result {
        Ok(()) => "ok".into(),
        Err(error) => error.kind().to_string(),
    }
}

async fn late(session: Session) -> Response {
    two_parts(async move { kind(session.insert("n", &2)) })
}

async fn late_kept(session: Session) -> Response {
    session.keep_open();
    two_parts(async move {
        let inserted = kind(session.insert("n", &2));
        format!("{inserted} {}", kind(session.commit().await))
    })
}

async fn late_ended(session: Session) -> Response {
    session.keep_open();
    session.destroy().unwrap();
    two_parts(async move { kind(session.insert("n", &2)) })
}

async fn panics(session: Session) {
    session.insert("n", &"before the panic").unwrap();
    panic!("on purpose");
}

async fn wait(State(signal): State<Arc<Notify>>, session: Session) -> Result<(), SessionError> {
    session.insert("n", &"waited")?;
    signal.notified().await;
    Ok(())
}

async fn websocket(
    State(signal): State<Arc<Notify>>,
    session: Session,
    upgrade: WebSocketUpgrade,
) -> Result<Response, SessionError> {
    session.insert("n", &"upgrading")?;
    session.keep_open();
    Ok(upgrade.on_upgrade(async move |mut socket| {
        session.insert("n", &"upgraded").unwrap();
        session.commit().await.unwrap();
        signal.notify_one();
        let _ = socket.recv().await;
    }))
}

fn start() -> (Client, Troubled, Arc<Notify>) {
    let (store, signal) = (Troubled::new(MemoryStore::new()), Arc::default());
    (Client::new(app(&store, &signal)), store, signal)
}

#[tokio::test(start_paused = true)]
async fn head_204_304_and_error_answers_commit_like_any_other() {
    for (method, status) in [
        (Method::HEAD, 200),
        (Method::GET, 204),
        (Method::GET, 304),
        (Method::GET, 404),
        (Method::GET, 500),
    ] {
        let (client, ..) = start();
        let answer = client.method(method, &format!("/status/{status}")).await;
        assert_eq!(answer.status.as_u16(), status);
        assert!(answer.set_cookie().is_some(), "{status}");
        assert_eq!(client.get("/read").await.body, status.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_while_the_body_streams_is_an_error_and_not_silence() {
    let (client, ..) = start();
    client.get("/write").await;
    assert_eq!(
        client.get("/late").await.body,
        format!("head;{}", ErrorKind::TooLate)
    );
    assert_eq!(client.get("/read").await.body, "1");
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_is_kept_open_commits_by_hand() {
    let (client, ..) = start();
    assert_eq!(client.get("/late-kept").await.body, "head;ok ok");
    assert_eq!(
        client.get("/read").await.body,
        "2",
        "saved uninitialized with the head, changed after it"
    );
    assert_eq!(client.get("/late-ended").await.body, "head;gone");
}

/// A session that was not saved with the head has no cookie; saved after it, nobody could come back to it.
#[tokio::test(start_paused = true)]
async fn a_session_that_the_head_did_not_bring_cannot_be_made_after_it() {
    let store = Troubled::new(MemoryStore::new());
    let app = Router::new()
        .route("/late-kept", get(late_kept))
        .layer(safe(store.clone()).build().unwrap());
    assert_eq!(
        Client::new(app).get("/late-kept").await.body,
        "head;ok too_late"
    );
    assert_eq!(store.take_calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_commits_nothing() {
    let (client, store, _) = start();
    client.get("/write").await;
    store.take_calls();
    let other = client.clone();
    let died = tokio::spawn(async move { other.get("/panic").await }).await;
    assert!(died.unwrap_err().is_panic());
    settle().await;
    assert_eq!(store.take_calls(), ["load"]);
    assert_eq!(client.get("/read").await.body, "1");
}

#[tokio::test(start_paused = true)]
async fn a_panic_that_is_caught_inside_is_an_answer_like_any_other() {
    let (client, ..) = start();
    client.get("/write").await;
    assert_eq!(
        client.get("/caught").await.status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert_eq!(client.get("/read").await.body, "\"before the panic\"");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_before_the_answer_commits_nothing() {
    let (client, store, signal) = start();
    client.get("/write").await;
    let other = client.clone();
    let request = tokio::spawn(async move { other.get("/wait").await });
    settle().await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    signal.notify_one();
    settle().await;
    assert!(!store.take_calls().contains(&"replace"));
    assert_eq!(client.get("/read").await.body, "1");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_during_the_commit_has_it_finished() {
    let (client, store, signal) = start();
    client.get("/write").await;
    signal.notify_one();
    store.slow(&["*"], Duration::from_millis(100));
    let other = client.clone();
    let request = tokio::spawn(async move { other.get("/wait").await });
    while !store.take_calls().contains(&"replace") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    store.heal();
    // The commit runs by itself now; a machine that is busy may take its time over it.
    for _ in 0..200 {
        if client.get("/read").await.body == "\"waited\"" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the commit was not finished");
}

/// The session is committed before the 101 leaves; what the socket changes is committed by hand.
#[tokio::test]
async fn an_upgrade_is_committed_before_its_head_and_by_hand_after_it() {
    let (client, store, signal) = start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app(&store, &signal);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(socket.read_buf(&mut head).await.unwrap(), 0);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    let cookie = head
        .split("set-cookie: connect.sid=")
        .nth(1)
        .expect("a cookie with the 101");
    assert!(cookie.starts_with("s%3a"));
    signal.notified().await;
    assert_eq!(store.take_calls(), ["create", "replace"]);
    drop(client);
}

/// Any tower HTTP service: no axum, another body type.
#[tokio::test(start_paused = true)]
async fn a_plain_tower_service_finds_its_session_in_the_extensions() {
    use tower::{Layer as _, service_fn};
    let layer = article(MemoryStore::new()).build().unwrap();
    let service = layer.layer(service_fn(async |request: Request<()>| {
        let slot = request
            .extensions()
            .get::<cloakroom::SessionSlot>()
            .unwrap();
        let session = slot.session().await.unwrap();
        let n = session
            .update("n", |n: Option<u32>| n.unwrap_or(0) + 1)
            .unwrap();
        Ok::<_, Infallible>(http::Response::new(http_body_util::Full::new(Bytes::from(
            n.to_string(),
        ))))
    }));
    let first = service.clone().oneshot(Request::new(())).await.unwrap();
    let cookie = first.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let request = Request::builder()
        .header("cookie", cookie)
        .body(())
        .unwrap();
    let second = service.oneshot(request).await.unwrap();
    let body = second.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "2");
}
