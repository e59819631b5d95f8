//! Sessions that the store has at hand: nobody is asked, and nothing else is different.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use bytes::Bytes;
use cloakroom::{
    Lifetime, MemoryStore, Session, SessionError, SessionId, SessionLayerBuilder, Store as _,
    core::{
        Clock as _, Loaded, OwnerIndex as _,
        json::Raw,
        owner_index::Whose,
        record::{Limits, OwnLifetime, Record, StoredAttributes},
        ticket,
        time::ManualClock,
    },
};

use crate::{article, client::Client, owners, secrets, settle, troubled::Troubled};

const MINUTE: Duration = Duration::from_secs(60);

struct House {
    store: MemoryStore,
    clock: Arc<ManualClock>,
    told: Troubled,
    client: Client,
}

fn house(adapt: impl FnOnce(SessionLayerBuilder, &Troubled) -> SessionLayerBuilder) -> House {
    let (store, clock) = owners::memory();
    let told = Troubled::that_tells(&store);
    let layer = article(told.clone())
        .clock(clock.clone())
        .save_uninitialized(false)
        .renew_after(0.25);
    let app = Router::new()
        .route("/static", get(async || "static"))
        .route(
            "/read",
            get(async |session: Session| session.get_raw("n").unwrap_or_default()),
        )
        .route(
            "/write",
            get(async |session: Session| {
                let count = session.update("n", |n: Option<u32>| n.unwrap_or(0) + 1);
                count.map(|n| n.to_string()).map_err(SessionError)
            }),
        )
        .route(
            "/sign-in",
            get(async |session: Session| session.sign_in("anna").map_err(SessionError)),
        )
        .route(
            "/owner",
            get(async |session: Session| session.owner().unwrap_or_default()),
        )
        .layer(adapt(layer, &told).build().unwrap());
    House {
        store,
        clock,
        told,
        client: Client::new(app),
    }
}

fn plain() -> House {
    house(|layer, _| layer)
}

/// A browser with a session of this value.
async fn put(house: &House, value: impl Into<Bytes>) -> (Client, SessionId) {
    let id = SessionId::parse("given").unwrap();
    let created = house.store.create(&id, value.into(), MINUTE * 60);
    created.await.unwrap();
    let browser = house.client.other();
    browser.put_cookie("connect.sid", &ticket::sign(id.as_str(), &secrets()));
    (browser, id)
}

async fn bytes(house: &House, id: &SessionId) -> Bytes {
    match house.store.load(id).await.unwrap() {
        Loaded::Live(stored) => stored.value,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_is_read_and_changed_without_being_asked_for() {
    let house = plain();
    assert_eq!(house.client.get("/write").await.body, "1");
    assert_eq!(house.told.take_calls(), ["create"]);
    assert_eq!(house.client.get("/read").await.body, "1");
    assert_eq!(house.told.take_calls(), ["cached"]);
    assert_eq!(house.client.get("/write").await.body, "2");
    assert_eq!(house.client.copy().get("/write").await.body, "3");
    assert_eq!(
        house.told.take_calls(),
        ["cached", "replace", "cached", "replace"]
    );
    assert_eq!(house.client.get("/read").await.body, "3");
}

#[tokio::test]
async fn it_is_renewed_in_its_time() {
    let house = plain();
    house.client.get("/write").await;
    house.clock.advance(MINUTE / 6);
    house.client.get("/read").await;
    settle().await;
    assert_eq!(house.told.take_calls(), ["create", "cached"]);
    house.clock.advance(MINUTE / 6);
    house.client.get("/read").await;
    settle().await;
    assert_eq!(house.told.take_calls(), ["cached", "renew"]);
    house.clock.advance(MINUTE / 6 * 5);
    assert_eq!(house.client.get("/read").await.body, "1");
}

/// With `eager` too: the handler is called at once, whether it asks for the session or not.
#[tokio::test]
async fn an_eager_layer_finds_it_at_hand() {
    let house = house(|layer, _| layer.eager(true).renew_after(0.0));
    assert_eq!(house.client.get("/static").await.body, "static");
    assert_eq!(house.client.get("/write").await.body, "1");
    assert_eq!(house.told.take_calls(), ["create"]);
    for path in ["/static", "/read"] {
        let answer = house.client.get(path).await;
        assert!(answer.set_cookie().is_some(), "{path}");
        settle().await;
        assert_eq!(house.told.take_calls(), ["cached", "renew"], "{path}");
    }
    house.clock.advance(MINUTE * 2);
    assert_eq!(house.client.get("/read").await.body, "");
    assert_eq!(house.told.take_calls(), ["load"]);
}

#[tokio::test]
async fn what_is_not_at_hand_is_asked_for() {
    let house = plain();
    house.client.get("/write").await;
    house.clock.advance(MINUTE * 2);
    house.told.take_calls();
    assert_eq!(house.client.get("/read").await.body, "");
    assert_eq!(house.told.take_calls(), ["load"]);
}

/// Whatever is not plain goes the way of a load, which says so in the log and counts it.
#[tokio::test]
async fn a_value_that_cannot_be_read_is_a_new_session_and_is_left_alone() {
    let house = plain();
    let (browser, id) = put(&house, "no json").await;
    assert_eq!(browser.get("/write").await.body, "1");
    assert_eq!(house.told.take_calls(), ["cached", "load", "create"]);
    assert_eq!(bytes(&house, &id).await, "no json");
}

#[tokio::test]
async fn one_whose_absolute_lifetime_is_over_is_not_served() {
    let house = house(|layer, _| layer.lifetime(Lifetime::idle(MINUTE).absolute(MINUTE * 10)));
    let lifetime = OwnLifetime::Idle(MINUTE);
    let mut record = Record::new(lifetime, &StoredAttributes::default());
    record.set("n", Raw::of(&7).unwrap());
    record.set_ends(Some(house.clock.now()));
    let (browser, _) = put(&house, record.to_bytes()).await;
    assert_eq!(browser.get("/read").await.body, "");
    assert_eq!(house.told.take_calls(), ["cached", "load"]);
}

/// Another layer's narrower limits count for it, whoever has read the value before.
#[tokio::test]
async fn the_limits_of_each_layer_count() {
    let house = house(|layer, _| layer.limits(Limits::default().with_names(3)));
    let value = r#"{"cookie":{"originalMaxAge":60000,"expires":null},"n":7,"a":1,"b":2}"#;
    let (browser, _) = put(&house, value).await;
    assert_eq!(browser.get("/read").await.body, "");
}

#[tokio::test]
async fn an_owners_session_is_at_hand_until_it_is_revoked() {
    let house = house(|layer, told| layer.owners(told.clone()));
    let owners = house.client.get("/sign-in").await;
    assert!(owners.set_cookie().is_some());
    house.told.take_calls();
    // The first request of a process learns of the owner's revocations.
    assert_eq!(house.client.get("/owner").await.body, "anna");
    assert_eq!(
        house.told.take_calls(),
        ["cached_with_revision", "load_with_revision", "revoked_at"]
    );
    assert_eq!(house.client.get("/owner").await.body, "anna");
    assert_eq!(house.told.take_calls(), ["cached_with_revision"]);
    // By another process, which knows nothing of this one. The session stays where it is, and is known to be revoked.
    house.told.fail(&["end", "retire"]);
    let (one, two) = (house.client.copy(), house.client.copy());
    house.clock.advance(Duration::from_millis(1));
    house.store.revoke(Whose::Owner("anna")).await.unwrap();
    assert_eq!(one.get("/owner").await.body, "");
    settle().await;
    let asked = ["cached_with_revision", "load_with_revision", "revoked_at"];
    assert_eq!(house.told.take_calls()[..3], asked);
    assert_eq!(two.get("/owner").await.body, "");
    assert_eq!(house.told.take_calls()[..2], asked[..2]);
}
