//! The store fails: the browser's cookie is not touched, nothing looks saved that is not, and it comes back by itself.

use std::time::Duration;

use axum::{Router, routing::get};
use bytes::Bytes;
use cloakroom::{
    ErrorKind, MemoryStore, OptionalSession, OutagePolicy, Session, SessionError,
    SessionLayerBuilder,
};
use http::{Response, StatusCode};
use tokio::time::Instant;

use crate::{
    article,
    client::Client,
    troubled::{Trouble, Troubled},
};

fn client(
    configure: impl FnOnce(SessionLayerBuilder) -> SessionLayerBuilder,
) -> (Client, Troubled) {
    let store = Troubled::new(MemoryStore::new());
    (client_of(store.clone(), configure), store)
}

fn client_of(
    store: Troubled,
    configure: impl FnOnce(SessionLayerBuilder) -> SessionLayerBuilder,
) -> Client {
    let layer = configure(article(store)).build().unwrap();
    let app = Router::new()
        .route(
            "/read",
            get(async |session: Session| session.get_raw("n").unwrap_or_default()),
        )
        .route(
            "/write",
            get(async |session: Session| {
                session.update("n", |n: Option<u32>| n.unwrap_or(0) + 1)?;
                Ok::<_, SessionError>("written")
            }),
        )
        .route(
            "/try",
            get(async |session: Session| match session.insert("n", &0) {
                Err(error) if error.kind() == ErrorKind::Unavailable => "refused",
                _ => "taken",
            }),
        )
        .route(
            "/optional",
            get(
                async |OptionalSession(session): OptionalSession| {
                    if session.is_some() { "with" } else { "without" }
                },
            ),
        )
        .layer(layer);
    Client::new(app)
}

/// R39; Django 5.2's cache backend, oauth2-proxy, harbor#23290: an outage is not "no session".
#[tokio::test(start_paused = true)]
async fn r39_an_outage_is_503_with_retry_after_and_the_cookie_is_left_alone() {
    let (client, store) = client(|layer| layer);
    client.get("/write").await;
    store.fail(&["*"]);
    for path in ["/read", "/write"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.set_cookie(), None, "{path}");
    }
    store.heal();
    assert_eq!(
        client.get("/read").await.body,
        "1",
        "and works again by itself"
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_costs_the_deadline_and_no_more() {
    let (client, store) = client(|layer| layer.deadline(Duration::from_millis(100)));
    client.get("/write").await;
    for silent in ["load", "replace"] {
        store.set(Trouble {
            silent: vec![silent],
            ..Trouble::default()
        });
        // The test's clock moves when everybody waits: it shows exactly what was waited for.
        let start = Instant::now();
        let answer = client.get("/write").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{silent}");
        let waited = start.elapsed().as_millis();
        assert!((100..=200).contains(&waited), "{silent}: {waited} ms");
    }
}

/// `Store::deadline`: a timer of the layer's own would be a second one for each call.
#[tokio::test(start_paused = true)]
async fn a_store_is_believed_that_keeps_a_deadline_as_short_as_the_layer_s() {
    let (layers, slow) = (Duration::from_millis(100), Duration::from_millis(150));
    for (own, status) in [
        (layers, StatusCode::OK),
        (layers * 2, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let store = Troubled::punctual(MemoryStore::new(), own);
        let client = client_of(store.clone(), |layer| layer.deadline(layers));
        client.get("/write").await;
        // Longer than it has said: only a timer of the layer's ends this.
        store.slow(&["load"], slow);
        let start = Instant::now();
        assert_eq!(client.get("/read").await.status, status, "{own:?}");
        let waited = if status == StatusCode::OK {
            slow
        } else {
            layers
        };
        assert_eq!(start.elapsed().as_millis(), waited.as_millis(), "{own:?}");
    }
}

/// aspnetcore#38046: reading works where writing does not, a failed renewal is nobody's trouble.
#[tokio::test(start_paused = true)]
async fn reading_works_where_renewing_does_not() {
    let (client, store) = client(|layer| layer);
    client.get("/write").await;
    store.fail(&["renew", "replace", "create", "end", "retire"]);
    let answer = client.get("/read").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "1"));
    assert_eq!(
        client.get("/write").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test(start_paused = true)]
async fn read_only_serves_what_only_reads_and_never_a_change() {
    let failing = ["renew", "replace", "create"];
    let (closed, store) = client(|layer| layer);
    store.fail(&failing);
    // A new visitor's uninitialized session cannot be saved.
    assert_eq!(
        closed.get("/read").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );

    let (open, store) = client(|layer| layer.on_outage(OutagePolicy::ReadOnly));
    store.fail(&failing);
    let answer = open.get("/read").await;
    assert_eq!((answer.status, answer.set_cookie()), (StatusCode::OK, None));
    assert_eq!(
        open.get("/write").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    store.fail(&["load"]);
    open.put_cookie("connect.sid", "s%3Aabc.not");
    assert_eq!(
        open.get("/read").await.status,
        StatusCode::OK,
        "no load is needed"
    );
}

#[tokio::test(start_paused = true)]
async fn anonymous_goes_on_without_the_session_and_refuses_changes() {
    let (client, store) = client(|layer| layer.on_outage(OutagePolicy::Anonymous));
    client.get("/write").await;
    let cookie = client.cookie("connect.sid");
    store.fail(&["*"]);
    let answer = client.get("/read").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
    assert_eq!(answer.set_cookie(), None);
    assert_eq!(client.get("/try").await.body, "refused");
    assert_eq!(
        client.get("/write").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(client.cookie("connect.sid"), cookie);
    store.heal();
    assert_eq!(client.get("/read").await.body, "1");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_can_do_without_gets_none() {
    let (client, store) = client(|layer| layer);
    client.get("/write").await;
    store.fail(&["*"]);
    let answer = client.get("/optional").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, "without")
    );
    assert_eq!(answer.set_cookie(), None);
    assert_eq!(
        answer.header("vary"),
        Some("Cookie"),
        "the answer depended on it"
    );
}

#[tokio::test(start_paused = true)]
async fn the_application_renders_the_outage_page_and_the_headers_are_added() {
    let (client, store) = client(|layer| {
        layer.error_response(|error| {
            let mut response = Response::new(Bytes::from(format!("sorry: {}", error.kind())));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
                .headers_mut()
                .insert("set-cookie", "mine=1".parse().unwrap());
            response
        })
    });
    client.get("/write").await;
    store.fail(&["replace"]);
    let answer = client.get("/write").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(answer.body, "sorry: unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.set_cookie(), None);
    store.fail(&["load"]);
    assert_eq!(client.get("/read").await.body, "sorry: unavailable");
}

/// express hangs or answers 500 for as long as the key lives: es#824, #551.
#[tokio::test(start_paused = true)]
async fn an_unreadable_value_is_a_new_session_and_is_left_alone() {
    use cloakroom::Store as _;
    let store = MemoryStore::new();
    let app = Router::new()
        .route(
            "/write",
            get(async |session: Session| session.insert("n", &1).map_err(SessionError)),
        )
        .route(
            "/read",
            get(async |session: Session| session.get_raw("n").unwrap_or_default()),
        )
        .layer(article(store.clone()).build().unwrap());
    let client = Client::new(app);
    for poison in [
        "{bad",
        "{}",
        "[]",
        "5",
        "\"str\"",
        "{\"n\":5}",
        "{\"cookie\":null}",
        "{\"cookie\":\"x\"}",
    ] {
        client.get("/write").await;
        let id = cloakroom::SessionId::parse(&client.id("connect.sid").unwrap()).unwrap();
        let cloakroom::core::Loaded::Live(stored) = store.load(&id).await.unwrap() else {
            panic!("it was just written");
        };
        let poison = Bytes::from_static(poison.as_bytes());
        let minute = Duration::from_secs(60);
        store
            .replace(&id, &stored.value, poison.clone(), minute)
            .await
            .unwrap();
        let answer = client.get("/read").await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::OK, ""),
            "{poison:?}"
        );
        assert_ne!(
            client.id("connect.sid").as_deref(),
            Some(id.as_str()),
            "{poison:?}"
        );
        let after = store.load(&id).await.unwrap();
        assert!(matches!(after, cloakroom::core::Loaded::Live(s) if s.value == poison));
    }
}
