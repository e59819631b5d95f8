//! A request that is held in its handler while others come to the session, on Node or here.

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
    let (reads, commits) = (Arc::clone(gate), Arc::clone(gate));
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
