//! The layer as a browser sees it.

#![allow(unreachable_pub, reason = "nothing outside of this program uses it")]

mod around;
mod at_hand;
mod by_hand;
mod client;
mod commits;
mod cookies;
mod layers;
mod lifetimes;
mod outage;
mod owners;
mod races;
mod renewals;
mod responses;
#[path = "../../../cloakroom-redis/tests/support/mod.rs"]
mod servers;
mod threads;
mod troubled;

use std::time::Duration;

use cloakroom::{Lifetime, Secrets, SessionLayer, SessionLayerBuilder, Store};

const SECRET: &str = "keyboard cat, but longer than that";

fn secrets() -> Secrets {
    Secrets::new([SECRET]).unwrap()
}

/// A layer with the safe defaults.
fn safe(store: impl Store) -> SessionLayerBuilder {
    SessionLayer::builder(store, secrets())
}

/// A layer as the article configures it, lazily loaded.
fn article(store: impl Store) -> SessionLayerBuilder {
    SessionLayer::express(store, secrets())
        .lifetime(Lifetime::idle(Duration::from_secs(60)))
        .rolling(true)
        .resave(false)
        .eager(false)
}

/// Waits for what runs beside the response. Where the test's clock is paused, time passes when nothing else is left to do.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
