//! A request that is held in its handler while others come to the session, on Node or here.

use cloakroom::core::owner_index::Whose;
use tokio::sync::Semaphore;

use super::*;

/// Where a request waits until the test lets it on.
#[derive(Debug)]
pub(super) struct Gate {
    reached: Semaphore,
    opened: Semaphore,
}

impl Gate {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            reached: Semaphore::new(0),
            opened: Semaphore::new(0),
        })
    }

    /// For the handler.
    async fn pass(&self) {
        self.reached.add_permits(1);
        self.opened.acquire().await.unwrap().forget();
    }

    /// For the test: until the handler waits.
    async fn reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    fn open(&self) {
        self.opened.add_permits(1);
    }
}

pub(super) fn routes(gate: &Arc<Gate>) -> Router {
    let (reads, commits, rotates) = (Arc::clone(gate), Arc::clone(gate), Arc::clone(gate));
    Router::new()
        .route(
            "/held",
            get(async move |session: Session| {
                let owner = session.owner().unwrap_or_default();
                reads.pass().await;
                owner
            }),
        )
        .route(
            "/held-rotates",
            get(async move |session: Session| {
                rotates.pass().await;
                session.rotate().map_err(SessionError)
            }),
        )
        .route(
            "/held-commits",
            get(async move |session: Session| {
                session.insert("first", &true)?;
                commits.pass().await;
                session.commit().await?;
                let owner = session.owner().unwrap_or_default();
                commits.pass().await;
                session.insert("second", &true)?;
                session.commit().await?;
                Ok::<_, SessionError>(owner)
            }),
        )
}

/// A request on its way to a handler that waits.
async fn held(house: &House, browser: &Client, path: &'static str) -> impl Future<Output = String> {
    let browser = browser.copy();
    let request = tokio::spawn(async move { browser.get(path).await });
    house.gate.reached().await;
    async move {
        let answer = request.await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.body
    }
}

/// The store holds that the session is anna's, and its data that it is berta's. To take berta for anna would be worse than
/// to write nothing down.
#[tokio::test]
async fn a_handler_that_has_committed_knows_whose_the_session_is_by_then() {
    let house = house();
    let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    assert_eq!(browser.get("/owner").await.body, "anna");
    let carried = meta(&house, "node-1").await;
    let request = held(&house, &browser, "/held-commits").await;
    let moved = format!(r#"{carried},"userName":"berta""#);
    node_writes(&house, "node-1", START, &moved).await;
    house.troubled.lose_answer("claim");
    house.gate.open();
    house.gate.reached().await;
    let stored = record(&house.store, "node-1").await;
    assert_eq!(stored.identity().owner.as_deref(), Some("anna"));
    house.gate.open();
    assert_eq!(request.await, "berta");
    // What the handler committed after that has written it down.
    let stored = record(&house.store, "node-1").await;
    assert_eq!(stored.identity().owner.as_deref(), Some("berta"));
    assert!(stored.get("first").is_some() && stored.get("second").is_some());
    assert_eq!(house.owners.list("berta").await.unwrap().len(), 1);
    settled(async || house.store.claims() == 1).await;
}

/// Another request writes down whose the session is by its data, as this one had found itself: nobody else has signed in.
#[tokio::test]
async fn a_handler_that_has_committed_takes_nobodys_adoption_for_a_sign_in() {
    let house = house();
    let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    let request = held(&house, &browser, "/held-commits").await;
    house.troubled.lose_answer("claim");
    house.gate.open();
    house.gate.reached().await;
    let stored = record(&house.store, "node-1").await;
    assert_eq!(stored.identity().owner, None, "left to a later request");
    assert_eq!(browser.get("/owner").await.body, "anna");
    house.gate.open();
    assert_eq!(request.await, "anna");
    let stored = record(&house.store, "node-1").await;
    assert_eq!(stored.identity().owner.as_deref(), Some("anna"));
    assert!(stored.get("first").is_some() && stored.get("second").is_some());
    assert_eq!(house.owners.list("anna").await.unwrap().len(), 1);
}

/// The session was revoked before the commit; by then it is another, which Node has let in since and which was adopted.
/// What it lives by in the index stays.
#[tokio::test]
async fn a_session_that_was_found_revoked_keeps_its_claim_where_it_is_another_by_now() {
    let house = house();
    let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    let request = held(&house, &browser, "/held").await;
    house.clock.advance(Duration::from_secs(1));
    house.store.revoke(Whose::Owner("anna")).await.unwrap();
    house.clock.advance(Duration::from_secs(1));
    let later = START.saturating_add(Duration::from_secs(2));
    node_writes(&house, "node-1", later, r#","userName":"anna","again":1"#).await;
    let other = browser.copy();
    assert_eq!(other.get("/owner").await.body, "anna");
    house.gate.open();
    assert_eq!(request.await, "anna");
    crate::settle().await;
    assert_eq!(other.get("/owner").await.body, "anna");
    assert_eq!(house.store.claims(), 1);
    assert_eq!(house.owners.list("anna").await.unwrap().len(), 1);
}

/// The same where the load finds it revoked: ending it comes later than Node's writing.
#[tokio::test(start_paused = true)]
async fn a_session_that_was_loaded_as_revoked_keeps_its_claim_where_it_is_another_by_now() {
    let house = house();
    let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    house.clock.advance(Duration::from_secs(1));
    house.store.revoke(Whose::Owner("anna")).await.unwrap();
    let delay = Duration::from_millis(50);
    house.troubled.slow(&["load"], delay);
    assert_eq!(browser.get("/owner").await.body, "");
    house.clock.advance(Duration::from_secs(1));
    let later = START.saturating_add(Duration::from_secs(2));
    node_writes(&house, "node-1", later, r#","userName":"anna","again":1"#).await;
    assert_eq!(browser.get("/owner").await.body, "anna");
    tokio::time::sleep(delay * 2).await;
    house.troubled.heal();
    assert_eq!(browser.get("/owner").await.body, "anna");
    assert_eq!(house.store.claims(), 1);
    assert_eq!(house.owners.list("anna").await.unwrap().len(), 1);
}

/// What the commit claimed for the new id, which nobody knows, is taken away; the session itself ends.
#[tokio::test]
async fn a_session_that_was_found_revoked_leaves_no_claim_of_its_new_id() {
    let house = house();
    let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    let request = held(&house, &browser, "/held-rotates").await;
    house.clock.advance(Duration::from_secs(1));
    house.store.revoke(Whose::Owner("anna")).await.unwrap();
    house.troubled.take_calls();
    house.gate.open();
    request.await;
    crate::settle().await;
    assert!(house.troubled.take_calls().contains(&"claim"));
    assert_eq!(house.store.claims(), 0);
    assert_eq!(browser.get("/owner").await.body, "");
    assert_eq!(house.store.scan(None, 10).await.unwrap().sessions, vec![]);
}
