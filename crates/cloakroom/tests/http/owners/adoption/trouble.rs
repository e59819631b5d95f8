//! Adoptions where the store or the index fails: the visitor's session is Node's too, and must not suffer.

use super::*;

/// Whether the store has a live session under this id, once what runs beside the responses has come to its end.
async fn lives(house: &House, id: &str) -> bool {
    crate::settle().await;
    let id = SessionId::parse(id).unwrap();
    matches!(house.store.load(&id).await, Ok(Loaded::Live(_)))
}

/// Adoption is housekeeping: where it fails, the page is served and the next request tries again.
#[tokio::test]
async fn an_adoption_that_fails_is_tried_again() {
    let house = house();
    let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    house.troubled.fail(&["claim"]);
    let answer = browser.get("/owner").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, "anna")
    );
    assert!(lives(&house, "node-1").await);
    assert_eq!(record(&house.store, "node-1").await.identity().owner, None);
    house.troubled.heal();
    assert_eq!(browser.get("/owner").await.body, "anna");
    assert_eq!(browser.id("connect.sid").as_deref(), Some("node-1"));
    assert_eq!(house.owners.list("anna").await.unwrap().len(), 1);
}

/// The claim is made and then the commit fails: what is cleared away is never the session that the browser has.
#[tokio::test]
async fn a_commit_that_fails_after_the_claim_does_not_end_the_session() {
    for (path, failing) in [
        ("/owner", "replace"),
        ("/write", "replace"),
        ("/rotate", "create"),
        ("/rotate", "retire"),
        ("/sign-in/anna", "create"),
        ("/sign-in/berta", "retire"),
        ("/regenerate", "retire"),
    ] {
        let house = house();
        let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
        house.troubled.fail(&[failing]);
        browser.get(path).await;
        let when = format!("{path} where {failing} fails");
        assert!(lives(&house, "node-1").await, "{when}");
        house.troubled.heal();
        assert_eq!(browser.get("/owner").await.body, "anna", "{when}");
        assert_eq!(
            browser.id("connect.sid").as_deref(),
            Some("node-1"),
            "{when}"
        );
        assert_eq!(house.owners.list("anna").await.unwrap().len(), 1, "{when}");
        let all = house.store.scan(None, 10).await.unwrap().sessions;
        assert_eq!(all.len(), 1, "{when}: nothing else is left");
    }
}

/// Where the claim fails, the change is saved and the adoption is not. Written down without the time of a claim, a session
/// of Node's without a date would count as from before any revocation there ever was.
#[tokio::test]
async fn a_change_is_saved_without_the_adoption_where_the_claim_fails() {
    for failing in ["claim", "revoked_at", "the claim's answer"] {
        let house = house();
        house.owners.revoke_all("anna").await.unwrap();
        let browser = node_writes_dateless(&house, "node-1", r#","userName":"anna""#).await;
        // So that this process knows of the revocation: a load would ask for it.
        house.troubled.fail(&["claim"]);
        assert_eq!(browser.get("/owner").await.body, "anna");
        match failing {
            "the claim's answer" => house.troubled.lose_answer("claim"),
            failing => house.troubled.fail(&[failing]),
        }
        let answer = browser.get("/write").await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "1"));
        let stored = record(&house.store, "node-1").await;
        assert_eq!(stored.identity(), Default::default(), "{failing}");
        assert_eq!(meta(&house, "node-1").await, "", "{failing}");
        house.troubled.heal();
        assert_eq!(browser.get("/owner").await.body, "anna", "{failing}");
        assert!(lives(&house, "node-1").await, "{failing}");
        let listed = house.owners.list("anna").await.unwrap();
        assert_eq!(listed.len(), 1, "{failing}");
        assert!(listed[0].signed_in.is_some(), "{failing}");
        assert_eq!(house.owners.revoke_all("anna").await.unwrap(), 1);
        assert_eq!(browser.get("/owner").await.body, "", "{failing}");
    }
}
