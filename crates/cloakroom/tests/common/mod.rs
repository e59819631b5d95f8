//! What the tests of the layer share: a browser in miniature and a store whose troubles are set by hand.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod client;
pub mod store;

use cloakroom::{Secrets, SessionLayer, SessionLayerBuilder, Store};

pub const SECRET: &str = "keyboard cat, but longer than that";

pub fn secrets() -> Secrets {
    Secrets::new([SECRET]).unwrap()
}

/// A layer with the safe defaults.
pub fn safe(store: impl Store) -> SessionLayerBuilder {
    SessionLayer::builder(store, secrets())
}

/// A layer as the article configures it: one minute, rolling, lazily loaded.
pub fn article(store: impl Store) -> SessionLayerBuilder {
    SessionLayer::express(store, secrets())
        .lifetime(cloakroom::Lifetime::idle(std::time::Duration::from_secs(60)))
        .rolling(true)
        .resave(false)
        .eager(false)
}
