//! How long a session lives, on a clock that the test moves.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use cloakroom::{
    Clock as _, Lifetime, MemoryStore, Session, SessionError, SessionId, SessionLayerBuilder,
    Store as _, Timestamp,
    core::{Loaded, Stored, time::ManualClock},
};

use crate::{article, client::Client, settle, troubled::Troubled};

const SECOND: Duration = Duration::from_secs(1);

struct Stage {
    clock: Arc<ManualClock>,
    memory: MemoryStore,
    store: Troubled,
    client: Client,
}

impl Stage {
    fn new(configure: impl FnOnce(SessionLayerBuilder) -> SessionLayerBuilder) -> Self {
        let start = Timestamp::parse_iso("2026-11-26T08:00:00.000Z").unwrap();
        let clock = Arc::new(ManualClock::new(start));
        let memory = MemoryStore::new().with_clock(clock.clone());
        let store = Troubled::new(memory.clone());
        let layer = configure(article(store.clone()).clock(clock.clone()));
        let app = Router::new()
            .route(
                "/write",
                get(async |session: Session| session.insert("n", &1).map_err(SessionError)),
            )
            .route(
                "/read",
                get(async |session: Session| session.get_raw("n").unwrap_or_default()),
            )
            .route(
                "/poll",
                get(async |session: Session| {
                    session.skip_renewal()?;
                    Ok::<_, SessionError>(session.get_raw("n").unwrap_or_default())
                }),
            )
            .route(
                "/left",
                get(async |session: Session| {
                    session
                        .expires_in()
                        .map_or(0, |left| left.as_secs())
                        .to_string()
                }),
            )
            .layer(layer.build().unwrap());
        Self {
            clock,
            memory,
            store,
            client: Client::new(app),
        }
    }

    async fn pass(&self, time: Duration) {
        settle().await;
        self.clock.advance(time);
    }

    async fn get(&self, path: &str) -> String {
        self.client.get(path).await.body
    }

    async fn stored(&self) -> Option<Stored> {
        settle().await;
        let id = SessionId::parse(&self.client.id("connect.sid")?)?;
        match self.memory.load(&id).await.unwrap() {
            Loaded::Live(stored) => Some(stored),
            _ => None,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r13_r16_an_unused_session_ends_in_the_store_whatever_the_browser_keeps() {
    let stage = Stage::new(|layer| layer);
    stage.client.get("/write").await;
    for _ in 0..3 {
        stage.pass(SECOND * 59).await;
        assert_eq!(stage.get("/read").await, "1", "each use renews");
        assert_eq!(stage.stored().await.unwrap().remaining, Some(SECOND * 60));
    }
    let kept = stage.client.copy();
    stage.pass(SECOND * 60).await;
    let answer = kept.get("/read").await;
    assert_eq!(answer.body, "");
    assert_ne!(
        kept.id("connect.sid"),
        stage.client.id("connect.sid"),
        "a new session, another id"
    );
}

/// es#557.
#[tokio::test(start_paused = true)]
async fn r14_r15_a_busy_session_ends_with_its_absolute_lifetime() {
    let stage =
        Stage::new(|layer| layer.lifetime(Lifetime::idle(SECOND * 60).absolute(SECOND * 150)));
    stage.client.get("/write").await;
    for (now, left) in [(50, 60), (100, 50), (149, 1)] {
        let passed = stage.clock.now().as_millis() / 1000 % 600;
        stage
            .pass(SECOND * u32::try_from(now - passed).unwrap())
            .await;
        assert_eq!(stage.get("/left").await, left.to_string(), "after {now} s");
        assert_eq!(
            stage.stored().await.unwrap().remaining,
            Some(SECOND * left),
            "after {now} s"
        );
    }
    stage.pass(SECOND).await;
    assert_eq!(stage.get("/read").await, "");
}

/// A Node peer knows nothing of the absolute lifetime: its touch gives the key more time than is left.
#[tokio::test(start_paused = true)]
async fn r14_a_peer_that_renews_for_longer_does_not_lengthen_the_absolute_lifetime() {
    let stage =
        Stage::new(|layer| layer.lifetime(Lifetime::idle(SECOND * 60).absolute(SECOND * 100)));
    stage.client.get("/write").await;
    let id = SessionId::parse(&stage.client.id("connect.sid").unwrap()).unwrap();
    assert!(stage.memory.renew(&id, SECOND * 600).await.unwrap());
    stage.pass(SECOND * 99).await;
    assert_eq!(stage.get("/poll").await, "1");
    stage.pass(SECOND).await;
    assert_eq!(stage.get("/read").await, "");
}

/// R17; es#291, bayanat#343.
#[tokio::test(start_paused = true)]
async fn r17_a_page_that_only_polls_lets_its_visitor_be_signed_out() {
    let stage = Stage::new(|layer| layer);
    stage.client.get("/write").await;
    for _ in 0..5 {
        stage.pass(SECOND * 11).await;
        assert_eq!(stage.get("/poll").await, "1");
    }
    stage.pass(SECOND * 11).await;
    assert_eq!(stage.get("/poll").await, "");
}

/// connect-redis#259: express' touch leaves `expires` stale, and a peer's `save()` then deletes the session.
#[tokio::test(start_paused = true)]
async fn a_session_that_was_only_used_never_shows_node_a_date_that_has_passed() {
    let stage = Stage::new(|layer| layer);
    stage.client.get("/write").await;
    for _ in 0..20 {
        stage.pass(SECOND * 20).await;
        stage.client.get("/read").await;
        let value = stage.stored().await.unwrap().value;
        let text = String::from_utf8(value.to_vec()).unwrap();
        let expires = text
            .split("\"expires\":\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let left = Timestamp::parse_iso(expires)
            .unwrap()
            .saturating_since(stage.clock.now());
        assert!(left >= SECOND * 30, "{left:?}");
    }
}

/// aspnetcore#38046 once more, when reading would have written fresh dates as well.
#[tokio::test(start_paused = true)]
async fn a_page_that_only_reads_is_served_though_its_upkeep_fails() {
    let stage = Stage::new(|layer| layer);
    stage.client.get("/write").await;
    stage.pass(SECOND * 45).await;
    stage.store.fail(&["replace", "renew"]);
    stage.store.take_calls();
    let answer = stage.client.get("/read").await;
    assert_eq!((answer.body.as_str(), answer.set_cookie()), ("1", None));
    assert!(stage.store.take_calls().contains(&"replace"));
}

/// es#891: a renewal at each use costs a write at each use.
#[tokio::test(start_paused = true)]
async fn renew_after_saves_the_writes_in_between_and_the_cookies_with_them() {
    let stage = Stage::new(|layer| layer.renew_after(0.5).exclusive(true));
    stage.client.get("/write").await;
    stage.store.take_calls();
    for _ in 0..100 {
        stage.pass(Duration::from_millis(100)).await;
        let answer = stage.client.get("/read").await;
        assert_eq!((answer.body.as_str(), answer.set_cookie()), ("1", None));
    }
    assert!(!stage.store.take_calls().contains(&"renew"));
    stage.pass(SECOND * 25).await;
    assert!(stage.client.get("/read").await.set_cookie().is_some());
    settle().await;
    assert_eq!(stage.store.take_calls(), ["load", "renew"]);
}

/// The value of a plain session is express's, to the byte.
#[tokio::test(start_paused = true)]
async fn a_plain_session_is_stored_as_express_stores_it() {
    let stage = Stage::new(|layer| layer);
    stage.client.get("/write").await;
    assert_eq!(
        stage.stored().await.unwrap().value,
        r#"{"cookie":{"originalMaxAge":60000,"expires":"2026-11-26T08:01:00.000Z","httpOnly":true,"path":"/"},"n":1}"#
    );
}
