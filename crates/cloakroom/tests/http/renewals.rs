//! Renewals beside the response: that they are made, whatever becomes of others.

use std::time::Duration;

use axum::{Router, routing::get};
use cloakroom::{MemoryStore, Session, SessionError, SessionLayer};

use crate::{
    article,
    client::Client,
    settle,
    troubled::{Trouble, Troubled},
};

struct Stage {
    store: Troubled,
    layer: SessionLayer,
    client: Client,
}

impl Stage {
    fn new() -> Self {
        let store = Troubled::new(MemoryStore::new());
        let layer = article(store.clone()).build().unwrap();
        let count = async |session: Session| {
            let counted = session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1);
            counted.map(|n| n.to_string()).map_err(SessionError)
        };
        let app = Router::new()
            .route("/count", get(count))
            .route(
                "/read",
                get(async |session: Session| session.get_raw("n").unwrap_or_default()),
            )
            .layer(layer.clone());
        Self {
            store,
            layer,
            client: Client::new(app),
        }
    }

    fn renewals(&self) -> usize {
        let calls = self.store.take_calls();
        calls.iter().filter(|call| **call == "renew").count()
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_until_all_is_settled_finds_the_renewals_made() {
    let stage = Stage::new();
    stage.client.get("/count").await;
    stage.layer.settled().await;
    stage.store.take_calls();
    let begin = tokio::time::Instant::now();
    stage.store.slow(&["renew"], Duration::from_millis(300));
    stage.client.get("/read").await;
    assert_eq!(stage.renewals(), 0, "nobody waits for it");
    stage.layer.settled().await;
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert_eq!(stage.renewals(), 1);
    // Nothing is left: there is nothing to wait for.
    let settled = tokio::time::Instant::now();
    stage.layer.settled().await;
    assert_eq!(settled.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn pages_that_are_read_together_are_renewed_in_one_call() {
    let stage = Stage::new();
    stage.client.get("/count").await;
    stage.store.take_calls();
    for _ in 0..5 {
        stage.client.get("/read").await;
    }
    stage.layer.settled().await;
    assert_eq!(stage.renewals(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_hangs_holds_up_no_other() {
    let stage = Stage::new();
    stage.client.get("/count").await;
    stage.store.set(Trouble {
        silent: vec!["renew"],
        ..Trouble::default()
    });
    stage.client.get("/read").await;
    settle().await;
    assert_eq!(stage.renewals(), 1);
    stage.store.heal();
    stage.client.get("/read").await;
    // Much less than the deadline that ends the first one.
    settle().await;
    assert_eq!(stage.renewals(), 1);
}

/// Made after the change, it would take back the time to live that the change gave.
#[tokio::test(start_paused = true)]
async fn a_change_forgets_the_renewal_that_waits() {
    let stage = Stage::new();
    stage.client.get("/count").await;
    stage.store.take_calls();
    stage.client.get("/read").await;
    assert_eq!(stage.client.get("/count").await.body, "2");
    stage.layer.settled().await;
    assert_eq!(stage.store.take_calls(), ["load", "load", "replace"]);
}

#[test]
fn renewals_go_on_after_their_runtime_has_gone() {
    let stage = Stage::new();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    runtime().block_on(stage.client.get("/count"));
    // Time stands still while there is something to do, so this one's renewal is never made.
    runtime().block_on(stage.client.get("/read"));
    assert_eq!(stage.renewals(), 0);
    runtime().block_on(async {
        stage.client.get("/read").await;
        stage.layer.settled().await;
    });
    assert_eq!(stage.renewals(), 1);
}
