//! What happens where commits by hand, several handles, and responses that fail meet.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use cloakroom::{
    Lifetime, MemoryStore, RequestScheme, Session, SessionError, SessionSlot, Sessions, Typed,
};
use futures_util::stream;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::{Barrier, Notify, oneshot};

use crate::{
    article,
    client::Client,
    safe, settle,
    troubled::{Trouble, Troubled},
};

/// A client of the routes that every test needs and of its own.
fn client(store: &Troubled, routes: Router) -> Client {
    let app = routes
        .route(
            "/read",
            get(async |session: Session| session.get_raw("n").unwrap_or_default()),
        )
        .route(
            "/write",
            get(async |session: Session| {
                session.update("n", |n: Option<u32>| n.unwrap_or(0) + 1)?;
                Ok::<_, SessionError>(())
            }),
        )
        .route(
            "/sign-in",
            get(async |session: Session| session.sign_in("a").map_err(SessionError)),
        )
        .route(
            "/owner",
            get(async |session: Session| session.owner().unwrap_or_default()),
        )
        .layer(article(store.clone()).build().unwrap());
    Client::new(app)
}

fn store() -> Troubled {
    Troubled::new(MemoryStore::new())
}

fn kind(result: Result<(), cloakroom::Error>) -> String {
    result.map_or_else(|error| error.kind().to_string(), |()| "ok".into())
}

/// A body of two parts; the second one comes when the head has left.
fn late<F>(second: F) -> Response
where
    F: Future<Output = String> + Send + 'static,
{
    let first = stream::iter(["head;".to_owned()]);
    let body = stream::StreamExt::chain(first, stream::once(second));
    let body = stream::StreamExt::map(body, |part| Ok::<_, Infallible>(Bytes::from(part)));
    Body::from_stream(body).into_response()
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_was_committed_by_hand_reaches_the_browser_though_a_later_commit_fails() {
    let store = store();
    let troubled = store.clone();
    let half = async move |session: Session| {
        session.rotate()?;
        session.commit().await?;
        troubled.fail(&["replace"]);
        session.insert("more", &true)?;
        Ok::<_, SessionError>(())
    };
    let client = client(&store, Router::new().route("/half", get(half)));
    client.get("/write").await;
    let answer = client.get("/half").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    store.heal();
    assert_eq!(client.get("/read").await.body, "1", "the old id has ended");
}

#[tokio::test(start_paused = true)]
async fn the_cookie_of_a_commit_by_hand_replaces_no_newer_one() {
    for again in [false, true] {
        let store = store();
        let gate = Arc::new(Barrier::new(2));
        let waiting = Arc::clone(&gate);
        let slow = async move |session: Session| {
            session.insert("slow", &1)?;
            session.commit().await?;
            waiting.wait().await;
            waiting.wait().await;
            tokio::time::sleep(Duration::from_millis(25)).await;
            if again {
                session.insert("slow", &2)?;
            }
            Ok::<_, SessionError>(())
        };
        let client = client(&store, Router::new().route("/slow", get(slow)));
        client.get("/write").await;
        let other = client.copy();
        let sign_in = async {
            gate.wait().await;
            assert!(other.get("/sign-in").await.set_cookie().is_some());
            gate.wait().await;
        };
        let (answer, ()) = tokio::join!(client.get("/slow"), sign_in);
        assert_eq!(answer.set_cookie(), None, "changed again: {again}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_id_after_the_head_is_refused_and_the_session_goes_on() {
    let rotate = async |session: Session| {
        session.keep_open();
        late(async move {
            session.rotate().unwrap();
            kind(session.commit().await)
        })
    };
    let client = client(&store(), Router::new().route("/late", get(rotate)));
    client.get("/write").await;
    assert_eq!(client.get("/late").await.body, "head;too_late");
    assert_eq!(client.get("/read").await.body, "1");
}

#[tokio::test(start_paused = true)]
async fn a_change_beside_the_last_commit_is_refused_and_not_lost_in_silence() {
    let store = store();
    let (started, seen) = (Arc::new(Notify::new()), store.clone());
    let (tell, told) = oneshot::channel();
    let tell = Arc::new(std::sync::Mutex::new(Some(tell)));
    let start = Arc::clone(&started);
    let beside = async move |session: Session| {
        session.insert("before", &1)?;
        let tell = tell.lock().unwrap().take().unwrap();
        tokio::spawn(async move {
            start.notified().await;
            tell.send(kind(session.insert("beside", &1))).unwrap();
        });
        Ok::<_, SessionError>(())
    };
    let client = client(&store, Router::new().route("/beside", get(beside)));
    client.get("/write").await;
    store.take_calls();
    store.slow(&["replace"], Duration::from_millis(50));
    let watch = async {
        while !seen.take_calls().contains(&"replace") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        started.notify_one();
        told.await.unwrap()
    };
    let (answer, told) = tokio::join!(client.get("/beside"), watch);
    assert_eq!((answer.status, told.as_str()), (StatusCode::OK, "too_late"));
}

/// A time limit around the handler, or around the commit, gives up waiting; the commit itself is not torn.
#[tokio::test(start_paused = true)]
async fn a_commit_by_hand_that_nobody_waits_for_any_more_counts_once() {
    let store = store();
    let hasty = async |session: Session| {
        session.update("n", |n: Option<u32>| n.unwrap_or(0) + 1)?;
        let hand = tokio::time::timeout(Duration::from_millis(10), session.commit()).await;
        assert!(hand.is_err(), "it takes longer than that");
        Ok::<_, SessionError>(())
    };
    let hasty_rotation = async |session: Session| {
        session.rotate()?;
        let hand = tokio::time::timeout(Duration::from_millis(75), session.commit()).await;
        assert!(hand.is_err(), "it takes longer than that");
        Ok::<_, SessionError>(())
    };
    let routes = Router::new()
        .route("/hasty", get(hasty))
        .route("/hasty-rotation", get(hasty_rotation));
    let client = client(&store, routes);
    client.get("/write").await;
    store.set(Trouble {
        late: vec!["replace", "create", "retire"],
        delay: Duration::from_millis(50),
        ..Trouble::default()
    });
    client.get("/hasty").await;
    assert_eq!(client.get("/read").await.body, "2");
    client.get("/hasty-rotation").await;
    assert_eq!(client.get("/read").await.body, "2");
}

/// The old session has ended: without a look, the new one would be taken back and the visitor left with none.
#[tokio::test(start_paused = true)]
async fn a_rotation_whose_answer_comes_too_late_is_found_out() {
    let store = store();
    let app = Router::new()
        .route(
            "/rotate",
            get(async |session: Session| {
                session.insert("n", &1)?;
                session.rotate().map_err(SessionError)
            }),
        )
        .route(
            "/read",
            get(async |session: Session| session.get_raw("n").unwrap_or_default()),
        )
        .layer(
            article(store.clone())
                .deadline(Duration::from_millis(200))
                .build()
                .unwrap(),
        );
    let client = Client::new(app);
    client.get("/read").await;
    store.set(Trouble {
        late: vec!["retire"],
        delay: Duration::from_secs(20),
        ..Trouble::default()
    });
    let answer = client.get("/rotate").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(client.get("/read").await.body, "1");
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_survives_its_request_refuses_changes() {
    let (go, told) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let result = Arc::new(std::sync::Mutex::new(String::new()));
    let (wait, tell, write) = (go.clone(), told.clone(), result.clone());
    let survive = async move |session: Session| {
        tokio::spawn(async move {
            wait.notified().await;
            *write.lock().unwrap() = kind(session.insert("late", &1));
            tell.notify_one();
        });
        std::future::pending::<()>().await;
    };
    let late_slot = async |request: Request| {
        let slot = request.extensions().get::<SessionSlot>().unwrap().clone();
        late(async move {
            let session = slot.session().await.unwrap();
            kind(session.insert("late", &1))
        })
    };
    let routes = Router::new()
        .route("/survive", get(survive))
        .route("/late-slot", get(late_slot));
    let client = client(&store(), routes);
    client.get("/write").await;
    let request = tokio::spawn({
        let client = client.clone();
        async move { client.get("/survive").await }
    });
    settle().await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    go.notify_one();
    told.notified().await;
    assert_eq!(*result.lock().unwrap(), "too_late");

    assert_eq!(client.get("/late-slot").await.body, "head;too_late");
}

/// Over plain HTTP the `Secure` cookie would not come back, so nothing is saved; who asks for certainty is told.
#[tokio::test(start_paused = true)]
async fn a_commit_by_hand_of_a_session_that_cannot_be_delivered_is_an_error() {
    let store = store();
    let app = Router::new()
        .route(
            "/",
            get(async |session: Session| {
                session.insert("n", &1).unwrap();
                kind(session.commit().await)
            }),
        )
        .layer(safe(store.clone()).build().unwrap())
        .layer(Extension(RequestScheme::Http));
    assert_eq!(Client::new(app).get("/").await.body, "config");
    assert_eq!(store.take_calls(), [""; 0]);
}

/// express's `regenerate` is how passport signs out.
#[tokio::test(start_paused = true)]
async fn regenerate_keeps_neither_the_owner_nor_what_a_parallel_request_puts_in() {
    let store = store();
    let gate = Arc::new(Barrier::new(2));
    let waiting = Arc::clone(&gate);
    let regenerate = async move |session: Session| {
        session.regenerate()?;
        session.insert("mine", &1)?;
        waiting.wait().await;
        waiting.wait().await;
        Ok::<_, SessionError>(session.owner().unwrap_or_default())
    };
    let routes = Router::new().route("/regenerate", get(regenerate)).route(
        "/names",
        get(async |session: Session| session.names().join(",")),
    );
    let client = client(&store, routes);
    client.get("/sign-in").await;
    let other = client.copy();
    let write = async {
        gate.wait().await;
        assert_eq!(other.get("/write").await.status, StatusCode::OK);
        gate.wait().await;
    };
    let (answer, ()) = tokio::join!(client.get("/regenerate"), write);
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
    assert_eq!(client.get("/owner").await.body, "");
    assert_eq!(client.get("/names").await.body, "mine");
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Visitor {
    name: Option<String>,
    theme: u32,
}

#[tokio::test(start_paused = true)]
async fn a_typed_change_of_one_field_does_not_reset_another_that_a_parallel_request_sets() {
    let gate = Arc::new(Barrier::new(2));
    let waiting = Arc::clone(&gate);
    let theme = async move |mut visitor: Typed<Visitor>| {
        visitor.change(|visitor| visitor.theme = 7)?;
        waiting.wait().await;
        waiting.wait().await;
        Ok::<_, SessionError>(())
    };
    let routes = Router::new()
        .route("/theme", get(theme))
        .route(
            "/name",
            get(async |mut visitor: Typed<Visitor>| {
                visitor.change(|visitor| visitor.name = Some("a".into()))?;
                Ok::<_, SessionError>(())
            }),
        )
        .route(
            "/look",
            get(async |visitor: Typed<Visitor>| format!("{:?} {}", visitor.name, visitor.theme)),
        );
    let client = client(&store(), routes);
    client.get("/read").await;
    let other = client.copy();
    let name = async {
        gate.wait().await;
        other.get("/name").await;
        gate.wait().await;
    };
    tokio::join!(client.get("/theme"), name);
    assert_eq!(client.get("/look").await.body, "Some(\"a\") 7");
}

#[tokio::test(start_paused = true)]
async fn reading_again_undoes_no_sign_out() {
    let out = async |session: Session| {
        session.sign_out().unwrap();
        kind(session.reload().await)
    };
    let client = client(&store(), Router::new().route("/out", get(out)));
    client.get("/sign-in").await;
    let replay = client.copy();
    assert_eq!(client.get("/out").await.body, "gone");
    assert_eq!(client.cookie("connect.sid"), None);
    assert_eq!(replay.get("/owner").await.body, "");
}

/// R17: however often a silent request commits.
#[tokio::test(start_paused = true)]
async fn r17_a_silent_request_that_lasts_does_not_give_the_session_its_time_again() {
    let silent = async |session: Session| {
        session.skip_renewal()?;
        for n in 0..3 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            session.insert("tick", &n)?;
            session.commit().await?;
        }
        Ok::<_, SessionError>(session.expires_in().unwrap().as_millis().to_string())
    };
    let client = client(&store(), Router::new().route("/silent", get(silent)));
    client.get("/write").await;
    let left: u64 = client.get("/silent").await.body.parse().unwrap();
    assert!(left <= 60_000 - 180, "{left}");
}

#[tokio::test(start_paused = true)]
async fn a_nested_layer_that_committed_keeps_its_cookie_though_the_outer_one_fails() {
    let (inner, outer) = (store(), store());
    let both = async |session: Session, request: Request| {
        session.rotate()?;
        let sessions = Sessions::of(request.extensions()).unwrap();
        let outer = sessions.named("outer").unwrap().session().await?;
        outer.insert("n", &1)?;
        Ok::<_, SessionError>(([("set-cookie", "handler=1")], ""))
    };
    let app = Router::new()
        .route("/both", get(both))
        .route(
            "/write",
            get(async |session: Session| session.insert("n", &1).map_err(SessionError)),
        )
        .route(
            "/read",
            get(async |session: Session| session.get_raw("n").unwrap_or_default()),
        )
        .layer(article(inner).cookie_name("inner").build().unwrap())
        .layer(article(outer.clone()).cookie_name("outer").build().unwrap());
    let client = Client::new(app);
    client.get("/write").await;
    outer.fail(&["create"]);
    let answer = client.get("/both").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let cookie = answer.set_cookie().unwrap();
    assert!(cookie.starts_with("inner="), "{cookie}");
    outer.heal();
    assert_eq!(client.get("/read").await.body, "1");
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_is_there_once() {
    let flash = async |session: Session| {
        let flash: Option<String> = session.take("flash")?;
        Ok::<_, SessionError>(flash.unwrap_or_default())
    };
    let routes = Router::new().route("/flash", get(flash)).route(
        "/put",
        get(async |session: Session| session.insert("flash", "hello").map_err(SessionError)),
    );
    let client = client(&store(), routes);
    client.get("/put").await;
    assert_eq!(client.get("/flash").await.body, "hello");
    assert_eq!(client.get("/flash").await.body, "");
}

#[tokio::test(start_paused = true)]
async fn a_lifetime_that_was_set_before_the_sign_in_lasts() {
    let day = Duration::from_secs(86_400);
    let app = Router::new()
        .route(
            "/",
            get(async move |session: Session| {
                session.set_lifetime(Lifetime::idle(30 * day).absolute(300 * day))?;
                session.sign_in("a")?;
                let left = session.expires_in().unwrap();
                Ok::<_, SessionError>((left.as_secs() / day.as_secs()).to_string())
            }),
        )
        .layer(safe(MemoryStore::new()).build().unwrap());
    assert_eq!(Client::new(app).get("/").await.body, "30");
}
