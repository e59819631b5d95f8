//! When and how a session is committed, seen from the browser.

use std::time::Duration;

use axum::{Router, response::Redirect, routing::get};
use cloakroom::{ErrorKind, MemoryStore, Session, SessionError, core::store::Scan as _};
use http::StatusCode;

use crate::{
    article,
    client::{Answer, Client},
    safe, settle,
    troubled::{Trouble, Troubled},
};

fn app(store: &Troubled) -> Router {
    routes().layer(article(store.clone()).build().unwrap())
}

fn routes() -> Router {
    Router::new()
        .route("/static", get(async || "no session"))
        .route(
            "/read",
            get(async |session: Session| session.get_raw("n").unwrap_or_default()),
        )
        .route("/write", get(write))
        .route(
            "/same",
            get(async |session: Session| session.insert("n", &1).map_err(SessionError)),
        )
        .route(
            "/redirect",
            get(async |session: Session| {
                session.insert("n", &1)?;
                Ok::<_, SessionError>(Redirect::to("/read"))
            }),
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
            "/sign-in",
            get(async |session: Session| session.sign_in("a").map_err(SessionError)),
        )
        .route(
            "/destroy",
            get(async |session: Session| session.destroy().map_err(SessionError)),
        )
        .route("/certain", get(certain))
        .route(
            "/poll",
            get(async |session: Session| session.skip_renewal().map_err(SessionError)),
        )
}

async fn write(session: Session) -> Result<String, SessionError> {
    Ok(session
        .update("n", |n: Option<u32>| n.unwrap_or(0) + 1)?
        .to_string())
}

async fn certain(session: Session) -> Result<String, StatusCode> {
    session
        .insert("sure", &true)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    match session.commit().await {
        Ok(()) => Ok(session.id().as_str().to_owned()),
        Err(error) if error.kind() == ErrorKind::Gone => Err(StatusCode::GONE),
        Err(_) => Err(StatusCode::BAD_GATEWAY),
    }
}

fn client() -> (Client, Troubled) {
    let store = Troubled::new(MemoryStore::new());
    (Client::new(app(&store)), store)
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_asks_for_its_session_costs_no_store_call_and_has_no_headers_of_ours()
{
    let (client, store) = client();
    client.get("/write").await;
    store.take_calls();
    let answer = client.get("/static").await;
    assert_eq!(store.take_calls(), [""; 0]);
    assert_eq!((answer.set_cookie(), answer.header("vary")), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_read_is_one_round_trip_and_the_renewal_is_beside_it() {
    let (client, store) = client();
    client.get("/write").await;
    store.take_calls();
    // The renewal never answers, and the response does.
    store.set(Trouble {
        silent: vec!["renew"],
        ..Trouble::default()
    });
    assert_eq!(client.get("/read").await.body, "1");
    settle().await;
    assert_eq!(store.take_calls(), ["load", "renew"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_two_round_trips() {
    let (client, store) = client();
    client.get("/write").await;
    assert_eq!(store.take_calls(), ["create"]);
    client.get("/write").await;
    assert_eq!(store.take_calls(), ["load", "replace"]);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_set_to_what_it_was_is_no_change() {
    let (client, store) = client();
    client.get("/write").await;
    store.take_calls();
    client.get("/same").await;
    settle().await;
    assert_eq!(store.take_calls(), ["load", "renew"]);
}

/// es#360, aspnet#165 (R40): the head leaves after the save, however slow the store is.
#[tokio::test(start_paused = true)]
async fn r40_whoever_follows_a_redirect_finds_the_session_saved() {
    let (client, store) = client();
    store.slow(&["*"], Duration::from_millis(150));
    let answer = client.get("/redirect").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(client.get("/read").await.body, "1");
}

/// AspNetCore.Docs#3380; R39, R40.
#[tokio::test(start_paused = true)]
async fn r40_a_commit_that_fails_is_503_without_a_cookie_and_never_a_success() {
    let (client, store) = client();
    store.fail(&["create"]);
    let answer = client.get("/write").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.set_cookie(), None);
    assert!(answer.header("retry-after").is_some());
    assert_ne!(answer.body, "1");

    store.heal();
    client.get("/write").await;
    let cookie = client.cookie("connect.sid");
    store.fail(&["replace"]);
    let answer = client.get("/write").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.set_cookie(), None);
    assert_eq!(client.cookie("connect.sid"), cookie);
    store.heal();
    assert_eq!(client.get("/write").await.body, "2");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_after_the_write_is_found_out() {
    let (client, store) = client();
    for (path, operation) in [
        ("/write", "create"),
        ("/write", "replace"),
        ("/rotate", "create"),
        ("/rotate", "retire"),
    ] {
        store.lose_answer(operation);
        let before = client.id("connect.sid");
        let answer = client.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path} {operation}");
        let changed = client.id("connect.sid") != before;
        assert_eq!(changed, operation != "replace", "{path} {operation}");
    }
    assert_eq!(client.get("/read").await.body, "2");
}

/// R08, R52; tower-sessions#260.
#[tokio::test(start_paused = true)]
async fn r08_rotation_gives_a_new_id_keeps_the_data_and_leaves_no_alias() {
    let (client, store) = client();
    client.get("/write").await;
    for path in ["/rotate", "/sign-in"] {
        let old = client.copy();
        store.take_calls();
        client.get(path).await;
        assert_eq!(store.take_calls(), ["load", "create", "retire"], "{path}");
        assert_ne!(client.id("connect.sid"), old.id("connect.sid"));
        assert_eq!(client.get("/read").await.body, "1", "{path}");
        let answer = old.get("/read").await;
        assert_eq!(
            (answer.body.as_str(), answer.set_cookie()),
            ("", None),
            "{path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_fails_leaves_the_visitor_with_a_working_session() {
    let (client, store) = client();
    client.get("/write").await;
    for failing in ["create", "retire"] {
        store.fail(&[failing]);
        let answer = client.get("/rotate").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{failing}");
        assert_eq!(answer.set_cookie(), None);
        store.heal();
        assert_eq!(client.get("/read").await.body, "1", "{failing}");
    }
}

/// express/session#923: two parallel regenerates; the browser ends with a live id, and nothing else is left.
#[tokio::test(start_paused = true)]
async fn of_two_parallel_rotations_one_wins_and_the_other_sets_no_cookie() {
    let memory = MemoryStore::new();
    let store = Troubled::new(memory.clone());
    let client = Client::new(app(&store));
    client.get("/write").await;
    // Both have loaded the session before either ends it.
    store.slow(&["create"], Duration::from_millis(5));
    for round in 1..=20 {
        let (one, two) = (client.copy(), client.copy());
        let (a, b) = tokio::join!(one.get("/rotate"), two.get("/rotate"));
        assert_eq!((a.status, b.status), (StatusCode::OK, StatusCode::OK));
        let cookies = [&a, &b].into_iter().filter_map(Answer::set_cookie);
        assert_eq!(cookies.count(), 1, "{a:?} {b:?}");
        let winner = if a.set_cookie().is_some() { one } else { two };
        assert_eq!(winner.get("/read").await.body, "1");
        client.put_cookie("connect.sid", &winner.cookie("connect.sid").unwrap());
        let page = memory.scan(None, 1000).await.unwrap();
        assert_eq!(page.sessions.len(), 1, "round {round} leaves one session");
    }
}

/// A sign-in is a fresh grant: it does not depend on the anonymous session that two clicks share.
#[tokio::test(start_paused = true)]
async fn a_double_sign_in_gives_each_response_a_live_session() {
    let (client, store) = client();
    client.get("/write").await;
    store.slow(&["create"], Duration::from_millis(20));
    let (one, two) = (client.copy(), client.copy());
    let (a, b) = tokio::join!(one.get("/sign-in"), two.get("/sign-in"));
    assert_eq!((a.status, b.status), (StatusCode::OK, StatusCode::OK));
    store.heal();
    assert_ne!(one.id("connect.sid"), two.id("connect.sid"));
    for browser in [one, two] {
        assert_ne!(browser.id("connect.sid"), client.id("connect.sid"));
        assert_eq!(browser.get("/read").await.body, "1");
    }
}

/// What another request commits while a session gets its new id is not lost with the old one.
#[tokio::test(start_paused = true)]
async fn a_change_during_a_rotation_goes_along() {
    let (client, store) = client();
    client.get("/write").await;
    for n in 2..20 {
        store.slow(&["create"], Duration::from_millis(10));
        let rotating = client.copy();
        let write = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            client.get("/write").await
        };
        let (rotated, written) = tokio::join!(rotating.get("/rotate"), write);
        assert_eq!(
            (rotated.status, written.status),
            (StatusCode::OK, StatusCode::OK)
        );
        store.heal();
        assert_eq!(rotating.get("/read").await.body, n.to_string());
        client.put_cookie("connect.sid", &rotating.cookie("connect.sid").unwrap());
    }
}

/// express/session#935.
#[tokio::test(start_paused = true)]
async fn a_commit_by_hand_writes_once() {
    let (client, store) = client();
    let answer = client.get("/certain").await;
    settle().await;
    assert_eq!(store.take_calls(), ["create"]);
    assert_eq!(
        client.id("connect.sid").as_deref(),
        Some(answer.body.as_str())
    );
}

#[tokio::test(start_paused = true)]
async fn a_commit_by_hand_says_that_the_session_had_ended() {
    let (client, _) = client();
    client.get("/write").await;
    let old = client.copy();
    client.get("/rotate").await;
    let answer = old.get("/certain").await;
    assert_eq!(
        (answer.status, answer.set_cookie()),
        (StatusCode::GONE, None)
    );
}

/// es#241: express leaves the cookie in the browser. R10, R22.
#[tokio::test(start_paused = true)]
async fn r10_r22_destroy_ends_the_session_and_removes_the_cookie_with_its_attributes() {
    let store = Troubled::new(MemoryStore::new());
    let client = Client::new(routes().layer(safe(store.clone()).build().unwrap()));
    client.get("/write").await;
    let replay = client.copy();
    let answer = client.get("/destroy").await;
    assert_eq!(
        answer.set_cookie().unwrap(),
        "__Host-sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax"
    );
    assert_eq!(client.cookie("__Host-sid"), None);
    store.take_calls();
    client.get("/read").await;
    assert_eq!(store.take_calls(), [""; 0], "no cookie, no store call");
    let answer = replay.get("/read").await;
    assert_eq!((answer.body.as_str(), answer.set_cookie()), ("", None));
}

/// R10: a sign-out that would end a dead id alone is no success; with the new cookie it is one.
#[tokio::test(start_paused = true)]
async fn r10_a_sign_out_that_a_rotation_has_overtaken_says_so() {
    let (client, store) = client();
    client.get("/write").await;
    // The sign-out has loaded the session, and ends it after the rotation.
    store.slow(&["retire"], Duration::from_millis(40));
    let rotating = client.copy();
    let sign_out = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        client.get("/destroy").await
    };
    let (rotated, signed_out) = tokio::join!(rotating.get("/rotate"), sign_out);
    assert_eq!(rotated.status, StatusCode::OK);
    assert_eq!(signed_out.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(signed_out.set_cookie(), None, "the new cookie stays");
    store.heal();
    assert_eq!(rotating.get("/read").await.body, "1");
    assert_eq!(rotating.get("/destroy").await.status, StatusCode::OK);
    assert_eq!(rotating.copy().get("/read").await.body, "");
    // Two clicks on "sign out" are both true.
    client.get("/write").await;
    store.slow(&["end"], Duration::from_millis(20));
    let (one, two) = (client.copy(), client.copy());
    let (a, b) = tokio::join!(one.get("/destroy"), async {
        tokio::time::sleep(Duration::from_millis(40)).await;
        two.get("/destroy").await
    });
    assert_eq!((a.status, b.status), (StatusCode::OK, StatusCode::OK));
}

/// R17; es#291, bayanat#343, sebt-portal#267.
#[tokio::test(start_paused = true)]
async fn r17_a_silent_poll_neither_renews_nor_sends_the_cookie() {
    let (client, store) = client();
    client.get("/write").await;
    store.take_calls();
    let answer = client.get("/poll").await;
    settle().await;
    assert_eq!(
        (store.take_calls(), answer.set_cookie()),
        (vec!["load"], None)
    );
}

/// express/session#212 and its like: bots, health checks, OPTIONS.
#[tokio::test(start_paused = true)]
async fn a_thousand_visitors_without_a_cookie_leave_nothing_in_the_store() {
    let store = Troubled::new(MemoryStore::new());
    let client = Client::new(routes().layer(safe(store.clone()).build().unwrap()));
    for n in 0..1000 {
        let method = [http::Method::GET, http::Method::HEAD, http::Method::OPTIONS][n % 3].clone();
        let answer = client.other().method(method, "/read").await;
        assert_eq!(answer.set_cookie(), None);
    }
    assert_eq!(store.take_calls(), [""; 0]);
}
