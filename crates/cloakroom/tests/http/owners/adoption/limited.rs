//! Sessions of Node's and limits: of how many an owner may have, where nobody can refuse what Node has let in, and of how
//! large a session may be.

use cloakroom::OwnerLimit;

use super::*;

/// A sign-in as an application that shares its sessions with Node makes it: the name that Node reads is set too.
pub(super) fn routes() -> Router {
    Router::new()
        .route(
            "/both/{owner}",
            get(async |session: Session, Path(owner): Path<String>| {
                session.insert("tried", &true)?;
                session.insert("userName", &owner)?;
                Ok::<_, SessionError>(session.sign_in(owner)?)
            }),
        )
        .route(
            "/politely/{owner}",
            get(async |session: Session, Path(owner): Path<String>| {
                session.insert("tried", &true)?;
                session.insert("userName", &owner)?;
                session.sign_in(owner)?;
                match session.commit().await {
                    Err(error) if error.kind() == ErrorKind::TooManySessions => {
                        Ok("too many".to_owned())
                    }
                    done => done.map(|()| "done".to_owned()).map_err(SessionError),
                }
            }),
        )
}

/// What tells of the owner is put back with the sign-in. Left there, it would sign the visitor in by the next request, past
/// the limit.
#[tokio::test]
async fn a_refused_sign_in_is_not_adopted_at_the_next_request() {
    let house = house_with(|layer| layer.owner_limit(OwnerLimit::Refuse(1)));
    assert_eq!(house.client.get("/both/anna").await.status, StatusCode::OK);
    // Of a visitor without a session, of one with a session of Node's, and of somebody else.
    let berta = node_writes(&house, "node-b", START, r#","userName":"berta""#).await;
    let nobody = node_writes(&house, "node-n", START, r#","cart":1"#).await;
    for (browser, owner) in [(house.client.other(), ""), (nobody, ""), (berta, "berta")] {
        let refused = browser.get("/both/anna").await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert_eq!(browser.get("/owner").await.body, owner);
        assert_eq!(browser.get("/politely/anna").await.body, "too many");
        assert_eq!(browser.get("/owner").await.body, owner);
        let stored = record(&house.store, &browser.id("connect.sid").unwrap()).await;
        assert!(stored.get("tried").is_some(), "the rest is kept");
        let name = stored
            .get("userName")
            .map(|raw| raw.read::<String>().unwrap());
        assert_eq!(name.unwrap_or_default(), owner);
    }
    assert_eq!(house.owners.list("anna").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_session_of_nodes_is_one_more_where_sign_ins_are_refused() {
    let house = house_with(|layer| layer.owner_limit(OwnerLimit::Refuse(1)));
    house.client.get("/both/anna").await;
    let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    assert_eq!(browser.get("/owner").await.body, "anna");
    assert_eq!(house.client.get("/owner").await.body, "anna");
    assert_eq!(house.owners.list("anna").await.unwrap().len(), 2);
    // And counts from then on.
    let refused = house.client.other().get("/both/anna").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn the_oldest_give_way_to_a_session_of_nodes() {
    let house = house_with(|layer| layer.owner_limit(OwnerLimit::EvictOldest(2)));
    let mut browsers = vec![house.client.clone()];
    house.client.get("/both/anna").await;
    for id in ["node-1", "node-2", "node-3"] {
        let browser = node_writes(&house, id, START, r#","userName":"anna""#).await;
        assert_eq!(browser.get("/owner").await.body, "anna", "{id}");
        browsers.push(browser);
        let listed = house.owners.list("anna").await.unwrap().len();
        assert_eq!(listed, browsers.len().min(2), "{id}");
    }
    let mut owners = Vec::new();
    for browser in &browsers {
        owners.push(browser.get("/owner").await.body);
    }
    assert_eq!(owners, ["", "", "anna", "anna"]);
    settled(async || house.store.claims() == 2).await;
}

/// R42: what Node has filled to the limit cannot be written down as anybody's: it could not be read again. The session goes
/// on all the same, and nobody is taken for the one who had it before.
#[tokio::test]
async fn a_session_that_node_has_filled_is_nobodys_until_there_is_room() {
    let limit = 600;
    let house = house_with(|layer| layer.limits(Limits::default().with_bytes(limit)));
    let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    assert_eq!(browser.get("/owner").await.body, "anna");
    let carried = meta(&house, "node-1").await;
    let moved = format!(r#"{carried},"userName":"berta-{}""#, "x".repeat(100));
    node_writes(&house, "node-1", START, &moved).await;
    let length = record(&house.store, "node-1").await.to_bytes().len();
    let pad = "x".repeat(limit - length - r#","pad":"""#.len());
    let filled = format!(r#"{moved},"pad":"{pad}""#);
    node_writes(&house, "node-1", START, &filled).await;
    for _ in 0..3 {
        let answer = browser.get("/owner").await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
        crate::settle().await;
        let stored = record(&house.store, "node-1").await;
        assert_eq!(stored.get("pad").unwrap().as_str(), format!("\"{pad}\""));
        assert!(stored.to_bytes().len() <= limit);
        assert_eq!(stored.identity().owner, None);
    }
    settled(async || house.store.claims() == 0).await;
    let roomy = r#","userName":"berta""#;
    node_writes(&house, "node-1", START, roomy).await;
    assert_eq!(browser.get("/owner").await.body, "berta");
    assert_eq!(house.owners.list("berta").await.unwrap().len(), 1);
}
