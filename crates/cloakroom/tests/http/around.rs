//! The layer around a whole application: the same as around its routes.

use std::net::SocketAddr;

use axum::{Router, body::Body, extract::ConnectInfo, routing::get};
use cloakroom::{
    MemoryStore, Secure, Session, SessionError, SessionLayerBuilder, layer::SessionRouter,
};
use http::{Request, StatusCode, header::SET_COOKIE};
use http_body_util::BodyExt as _;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::{article, client::Client, troubled::Troubled};

fn app() -> Router {
    Router::new()
        .route(
            "/count",
            get(async |session: Session| {
                let count = session.update("n", |n: Option<u32>| n.unwrap_or(0) + 1);
                count.map(|n| n.to_string()).map_err(SessionError)
            }),
        )
        .route("/static", get(async || "static"))
        .fallback(async |session: Session| {
            (
                StatusCode::NOT_FOUND,
                session.get_raw("n").unwrap_or_default(),
            )
        })
}

fn around(layer: SessionLayerBuilder) -> SessionRouter {
    layer.build().unwrap().around(app())
}

/// Under another router, which sees requests first.
fn client(layer: SessionLayerBuilder) -> Client {
    Client::new(Router::new().fallback_service(around(layer)))
}

#[tokio::test(start_paused = true)]
async fn the_sessions_are_those_of_a_layer_around_the_routes() {
    for eager in [false, true] {
        let store = MemoryStore::new();
        let layer = || {
            article(store.clone())
                .save_uninitialized(false)
                .eager(eager)
        };
        let whole = client(layer());
        let answer = whole.get("/count").await;
        assert_eq!(answer.body, "1");
        assert_eq!(answer.header("vary"), Some("Cookie"));
        assert!(answer.set_cookie().is_some());
        let routes = Client::new(app().layer(layer().build().unwrap()));
        routes.put_cookie("connect.sid", &whole.cookie("connect.sid").unwrap());
        assert_eq!(routes.get("/count").await.body, "2");
        assert_eq!(whole.get("/count").await.body, "3");
        // Also where no route is.
        let missing = whole.get("/missing").await;
        assert_eq!(
            (missing.status, &*missing.body),
            (StatusCode::NOT_FOUND, "3")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_touch_the_session_costs_no_call() {
    let told = Troubled::new(MemoryStore::new());
    let client = client(article(told.clone()));
    client.get("/count").await;
    told.take_calls();
    let answer = client.get("/static").await;
    assert_eq!((&*answer.body, answer.set_cookie()), ("static", None));
    assert!(told.take_calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_answered_by_the_layer() {
    for eager in [false, true] {
        let trouble = Troubled::new(MemoryStore::new());
        let app = around(article(trouble.clone()).eager(eager));
        let ask = |cookie: Option<String>| {
            let mut request = Request::get("/count");
            if let Some(cookie) = cookie {
                request = request.header("cookie", cookie);
            }
            app.clone().oneshot(request.body(Body::empty()).unwrap())
        };
        let made = ask(None).await.unwrap();
        let cookie = made.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        trouble.fail(&["*"]);
        let answer = ask(Some(cookie)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key("retry-after"));
        assert!(!answer.headers().contains_key(SET_COOKIE));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(!body.is_empty());
    }
}

/// With `axum::serve`, over TCP.
#[tokio::test]
async fn the_peer_is_known_where_it_is_served_with_connect_info() {
    let layer = article(MemoryStore::new())
        .secure(Secure::ByRequest)
        .trusted_proxies(["127.0.0.1/32".parse().unwrap()]);
    let peer = get(
        async |ConnectInfo(peer): ConnectInfo<SocketAddr>, session: Session| {
            session.insert("n", &1).map_err(SessionError)?;
            Ok::<_, SessionError>(peer.ip().to_string())
        },
    );
    let app = Router::new().route("/peer", peer);
    let app = layer.build().unwrap().around(app);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, service).await });
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
    let client = client.build_http::<Body>();
    let request = Request::get(format!("http://{address}/peer"))
        .header("x-forwarded-proto", "https")
        .body(Body::empty());
    let answer = client.request(request.unwrap()).await.unwrap();
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.contains("; Secure"), "{cookie}");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "127.0.0.1");
}
