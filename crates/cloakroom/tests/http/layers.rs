//! Several layers, one store; the extractors.

use std::time::Duration;

use axum::{Router, extract::Request, routing::get};
use cloakroom::{CookieOptions, Lifetime, MemoryStore, Session, SessionError, Sessions, Typed};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::{article, client::Client, settle, troubled::Troubled};

/// es#521, es#613, connect#778: two configurations on one store, each with its own cookie and lifetime.
#[tokio::test(start_paused = true)]
async fn two_layers_with_different_cookies_share_a_store_and_keep_apart() {
    let store = MemoryStore::new();
    let show = async |session: Session| {
        session.update("n", |n: Option<u32>| n.unwrap_or(0) + 1)?;
        Ok::<_, SessionError>(format!(
            "{} {}",
            session.get_raw("n").unwrap(),
            session.expires_in().unwrap().as_secs()
        ))
    };
    let site = article(store.clone())
        .cookie_name("site")
        .lifetime(Lifetime::idle(Duration::from_secs(3600)));
    let admin = article(store).cookie(CookieOptions::express().name("admin").path("/admin"));
    let app = Router::new()
        .merge(
            Router::new()
                .route("/", get(show))
                .layer(site.build().unwrap()),
        )
        .merge(
            Router::new()
                .route("/admin", get(show))
                .layer(admin.build().unwrap()),
        );
    let client = Client::new(app);
    assert_eq!(client.get("/").await.body, "1 3600");
    assert_eq!(client.get("/admin").await.body, "1 60");
    assert_eq!(client.get("/").await.body, "2 3600");
    assert_eq!(client.get("/admin").await.body, "2 60");
    assert_ne!(client.id("site"), client.id("admin"));
}

#[tokio::test(start_paused = true)]
async fn nested_layers_both_have_their_session() {
    let store = MemoryStore::new();
    let handler = async |inner: Session, request: Request| {
        let sessions = Sessions::of(request.extensions()).unwrap();
        let outer = sessions.named("outer").unwrap().session().await?;
        outer.insert("who", "outer")?;
        inner.insert("who", "inner")?;
        assert!(sessions.named("nobody").is_none());
        Ok::<_, SessionError>(())
    };
    let read = async |inner: Session, sessions: Sessions| {
        let innermost = sessions.innermost().session().await.unwrap();
        assert_eq!(innermost.id(), inner.id());
        let outer = sessions.named("outer").unwrap().session().await.unwrap();
        format!("{:?} {:?}", inner.get_raw("who"), outer.get_raw("who"))
    };
    let app = Router::new()
        .route("/write", get(handler))
        .route("/read", get(read))
        .layer(article(store.clone()).cookie_name("inner").build().unwrap())
        .layer(article(store).cookie_name("outer").build().unwrap());
    let client = Client::new(app);
    assert_eq!(client.get("/write").await.set_cookies().len(), 2);
    assert_eq!(
        client.get("/read").await.body,
        r#"Some("\"inner\"") Some("\"outer\"")"#
    );
}

/// express: `req.session` is there already, so the second middleware does nothing (S002).
#[tokio::test(start_paused = true)]
async fn the_same_layer_twice_commits_once() {
    let store = Troubled::new(MemoryStore::new());
    let layer = article(store.clone()).eager(true).build().unwrap();
    let app = Router::new()
        .route(
            "/",
            get(async |session: Session| session.insert("n", &1).map_err(SessionError)),
        )
        .layer(layer.clone())
        .layer(layer);
    assert_eq!(Client::new(app).get("/").await.set_cookies().len(), 1);
    assert_eq!(store.take_calls(), ["create"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_without_a_layer_is_told_so() {
    let app = Router::new()
        .route("/must", get(async |_: Session| ""))
        .route("/all", get(async |_: Sessions| ""))
        .route(
            "/may",
            get(async |session: Option<Session>| session.is_none().to_string()),
        );
    let client = Client::new(app);
    for path in ["/must", "/all"] {
        let status = client.get(path).await.status;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
    assert_eq!(client.get("/may").await.body, "true");
}

/// express's habit: the session of every request is loaded, renewed, and made for every visitor.
#[tokio::test(start_paused = true)]
async fn eager_gives_every_request_its_session() {
    let store = Troubled::new(MemoryStore::new());
    let app = Router::new()
        .route("/", get(async || "static"))
        .layer(article(store.clone()).eager(true).build().unwrap());
    let client = Client::new(app);
    assert!(client.get("/").await.set_cookie().is_some());
    assert_eq!(store.take_calls(), ["create"]);
    assert!(client.get("/").await.set_cookie().is_some());
    settle().await;
    assert_eq!(store.take_calls(), ["load", "renew"]);
    store.fail(&["load"]);
    assert_eq!(
        client.get("/").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Visitor {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    visits: u32,
}

#[tokio::test(start_paused = true)]
async fn a_typed_session_reads_and_writes_its_fields_and_leaves_others_alone() {
    let store = Troubled::new(MemoryStore::new());
    let app = Router::new()
        .route(
            "/other",
            get(async |session: Session| session.insert("cart", &[1, 2]).map_err(SessionError)),
        )
        .route(
            "/visit",
            get(async |mut visitor: Typed<Visitor>| {
                visitor.change(|visitor| {
                    visitor.visits += 1;
                    visitor.user_name = (visitor.visits < 3).then(|| "花子".into());
                })?;
                Ok::<_, SessionError>(format!("{:?} {:?}", *visitor, visitor.session().names()))
            }),
        )
        .route(
            "/look",
            get(async |visitor: Typed<Visitor>| visitor.visits.to_string()),
        )
        .route(
            "/spoil",
            get(async |session: Session| session.insert("visits", "many").map_err(SessionError)),
        )
        .layer(article(store.clone()).build().unwrap());
    let client = Client::new(app);
    client.get("/other").await;
    for expected in [
        r#"Visitor { user_name: Some("花子"), visits: 1 } ["cart", "userName", "visits"]"#,
        r#"Visitor { user_name: Some("花子"), visits: 2 } ["cart", "userName", "visits"]"#,
        r#"Visitor { user_name: None, visits: 3 } ["cart", "visits"]"#,
    ] {
        assert_eq!(client.get("/visit").await.body, expected);
    }
    store.take_calls();
    assert_eq!(client.get("/look").await.body, "3");
    settle().await;
    assert_eq!(
        store.take_calls(),
        ["load", "renew"],
        "looking changes nothing"
    );
    client.get("/spoil").await;
    let answer = client.get("/look").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.body.contains("many"), "{}", answer.body);
}
