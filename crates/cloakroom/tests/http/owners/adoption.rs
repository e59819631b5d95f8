//! Sessions that a Node peer has signed in, switched or signed out: values as express-session writes them, put straight
//! into the store.

mod beside;
mod held;
mod limited;
mod trouble;

use super::*;
use crate::troubled::Troubled;

struct House {
    store: MemoryStore,
    troubled: Troubled,
    clock: Arc<ManualClock>,
    owners: Owners,
    client: Client,
    gate: Arc<held::Gate>,
}

fn house() -> House {
    house_with(|layer| layer)
}

fn house_with(configured: impl Fn(SessionLayerBuilder) -> SessionLayerBuilder) -> House {
    let (store, clock) = memory();
    let troubled = Troubled::indexed(&store);
    let layer = layer(troubled.clone(), clock.clone())
        .owner_from(|session| session.get::<String>("userName"));
    let layer = configured(layer).build().unwrap();
    let owners = layer.owners().unwrap();
    let revoker = store.clone();
    let app = routes().route(
        "/revoked-meanwhile",
        get(async move |session: Session| {
            let owner = session.owner().unwrap();
            Owners::new(revoker.clone())
                .revoke_all(&owner)
                .await
                .unwrap();
            owner
        }),
    );
    let gate = held::Gate::new();
    let app = app.merge(limited::routes()).merge(held::routes(&gate));
    House {
        store,
        troubled,
        clock,
        owners,
        client: Client::new(app.layer(layer)),
        gate,
    }
}

/// What Node has under this id from now on, last written at `at`.
async fn node_writes(house: &House, id: &str, at: Timestamp, rest: &str) -> Client {
    let expires = at.saturating_add(MINUTE).to_iso_string().unwrap();
    let cookie =
        format!(r#"{{"originalMaxAge":60000,"expires":"{expires}","httpOnly":true,"path":"/"}}"#);
    put(house, id, &cookie, rest).await
}

async fn put(house: &House, id: &str, cookie: &str, rest: &str) -> Client {
    let value: Bytes = format!(r#"{{"cookie":{cookie}{rest}}}"#).into();
    let browser = house.client.other();
    browser.put_cookie("connect.sid", &ticket::sign(id, &secrets()));
    let id = SessionId::parse(id).unwrap();
    match house.store.load(&id).await.unwrap() {
        Loaded::Live(stored) => {
            let replaced = house.store.replace(&id, &stored.value, value, MINUTE);
            replaced.await.unwrap();
        }
        _ => drop(house.store.create(&id, value, MINUTE).await.unwrap()),
    }
    browser
}

/// The same with a cookie for as long as the browser runs, which has no date.
async fn node_writes_dateless(house: &House, id: &str, rest: &str) -> Client {
    let cookie = r#"{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}"#;
    put(house, id, cookie, rest).await
}

/// Node's own text of our metadata, which it carries along.
async fn meta(house: &House, id: &str) -> String {
    let record = record(&house.store, id).await;
    let meta = record.get("__ck").map(|raw| raw.as_str().to_owned());
    meta.map(|meta| format!(r#","__ck":{meta}"#))
        .unwrap_or_default()
}

#[tokio::test]
async fn a_session_of_nodes_is_put_under_its_owner_and_keeps_its_id() {
    let house = house();
    let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    house.clock.advance(Duration::from_secs(5));
    let answer = browser.get("/owner").await;
    assert_eq!(answer.body, "anna");
    assert_eq!(browser.id("connect.sid").as_deref(), Some("node-1"));
    let listed = house.owners.list("anna").await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].signed_in, Some(START), "when Node wrote it");
    let identity = record(&house.store, "node-1").await.identity();
    assert_eq!(identity.owner.as_deref(), Some("anna"));
    // From the next request on it is like any other.
    house.troubled.take_calls();
    assert_eq!(browser.get("/owner").await.body, "anna");
    crate::settle().await;
    assert_eq!(house.troubled.take_calls(), ["load_with_revision", "renew"]);
    assert_eq!(house.owners.revoke_all("anna").await.unwrap(), 1);
    assert_eq!(browser.get("/owner").await.body, "");
}

#[tokio::test]
async fn a_session_that_node_gives_to_another_moves() {
    let house = house();
    let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    browser.get("/owner").await;
    let later = START.saturating_add(Duration::from_secs(3));
    house.clock.advance(Duration::from_secs(3));
    let carried = meta(&house, "node-1").await;
    node_writes(
        &house,
        "node-1",
        later,
        &format!(r#"{carried},"userName":"berta""#),
    )
    .await;
    assert_eq!(browser.get("/owner").await.body, "berta");
    assert_eq!(house.owners.list("anna").await.unwrap(), vec![]);
    let listed = house.owners.list("berta").await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].signed_in, Some(later));
    settled(async || house.store.claims() == 1).await;
    // What ends the first owner's sessions does not touch the second's.
    house.owners.revoke_all("anna").await.unwrap();
    assert_eq!(browser.get("/owner").await.body, "berta");
}

#[tokio::test]
async fn a_session_that_node_signs_out_is_nobodys() {
    let house = house();
    let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    browser.get("/owner").await;
    let carried = meta(&house, "node-1").await;
    node_writes(&house, "node-1", START, &carried).await;
    assert_eq!(house.owners.list("anna").await.unwrap(), vec![], "at once");
    assert_eq!(browser.get("/owner").await.body, "");
    assert_eq!(
        meta(&house, "node-1").await,
        "",
        "nothing is left in the value"
    );
    settled(async || house.store.claims() == 0).await;
}

/// What was revoked before it was adopted does not come in by way of adoption.
#[tokio::test]
async fn a_session_from_before_the_revocation_is_not_adopted() {
    let house = house();
    house.clock.advance(Duration::from_secs(10));
    house.owners.revoke_all("anna").await.unwrap();
    let old = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    assert_eq!(old.get("/owner").await.body, "");
    let id = SessionId::parse("node-1").unwrap();
    settled(async || !matches!(house.store.load(&id).await, Ok(Loaded::Live(_)))).await;
    let later = START.saturating_add(Duration::from_secs(11));
    let new = node_writes(&house, "node-2", later, r#","userName":"anna""#).await;
    assert_eq!(new.get("/owner").await.body, "anna");
    // One without a date counts as new.
    let dateless = node_writes_dateless(&house, "node-3", r#","userName":"anna""#).await;
    assert_eq!(dateless.get("/owner").await.body, "anna");
    assert_eq!(house.owners.list("anna").await.unwrap().len(), 2);
    assert_eq!(house.owners.revoke_all("anna").await.unwrap(), 2);
    assert_eq!(new.get("/owner").await.body, "");
    assert_eq!(dateless.get("/owner").await.body, "");
}

/// Between the load and the claim nobody finds the session listed; so the claim looks once more.
#[tokio::test]
async fn a_revocation_between_load_and_adoption_counts() {
    let house = house();
    let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    house.clock.advance(Duration::from_secs(1));
    let answer = browser.get("/revoked-meanwhile").await;
    assert_eq!(answer.body, "anna");
    assert_eq!(browser.get("/owner").await.body, "");
    let id = SessionId::parse("node-1").unwrap();
    settled(async || !matches!(house.store.load(&id).await, Ok(Loaded::Live(_)))).await;
    settled(async || house.store.claims() == 0).await;
}

/// The first page that a visitor opens here may be the list itself.
#[tokio::test]
async fn who_lists_their_sessions_sees_this_one_at_once() {
    let house = house();
    let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    let listed = browser.get("/sessions").await.body;
    assert_eq!(listed.lines().count(), 1);
    assert!(listed.contains(" true ["), "{listed}");
    let carried = meta(&house, "node-1").await;
    let moved = format!(r#"{carried},"userName":"berta""#);
    node_writes(&house, "node-1", START, &moved).await;
    assert_eq!(browser.get("/sessions").await.body.lines().count(), 1);
    settled(async || house.store.claims() == 1).await;
    assert_eq!(house.owners.list("berta").await.unwrap().len(), 1);
    // A list without it, where nothing can be claimed.
    node_writes(&house, "node-2", START, r#","userName":"clara""#).await;
    let clara = house.client.other();
    clara.put_cookie("connect.sid", &ticket::sign("node-2", &secrets()));
    house.troubled.fail(&["claim"]);
    let answer = clara.get("/sessions").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
}
