//! R31: the others end, and this session goes on. Nobody has said who they are by that.

use cloakroom::OwnerLimit;

use super::{
    lists::{signed_in, site},
    *,
};

#[tokio::test]
async fn r31_the_others_end_and_this_one_lives_on_under_a_new_id() {
    let (site, store, owners, _) = site().await;
    let phone = signed_in(&site, "anna", "Phone/1").await;
    let tablet = signed_in(&site, "anna", "Tablet/1").await;
    let laptop = signed_in(&site, "anna", "Laptop/2").await;
    let berta = signed_in(&site, "berta", "Desk/3").await;
    site.get(&laptop, "/write").await;
    let old = laptop.jar.lock().unwrap().clone();
    let page = site.get(&laptop, "/revoke-others").await;
    assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "2"));
    assert_ne!(*laptop.jar.lock().unwrap(), old);
    assert_eq!(site.owner(&phone).await, "");
    assert_eq!(site.owner(&tablet).await, "");
    assert_eq!(site.owner(&berta).await, "berta");
    assert_eq!(site.owner(&laptop).await, "anna");
    assert_eq!(site.get(&laptop, "/write").await.body, "2", "its data stay");
    let left = owners.list("anna").await.unwrap();
    assert_eq!(left.len(), 1);
    settled(async || store.claims() == 2).await;
}

/// Ending the others again and again would else keep a session fresh, and alive, for ever.
#[tokio::test]
async fn r31_ending_the_others_makes_a_session_neither_fresher_nor_longer_lived() {
    let (store, clock) = memory();
    let lifetime = Lifetime::idle(MINUTE).absolute(MINUTE * 2);
    let layer = layer(store.clone(), clock.clone()).lifetime(lifetime);
    let client = Client::new(routes().layer(layer.build().unwrap()));
    client.get("/sign-in/anna").await;
    let ends = START.saturating_add(MINUTE * 2);
    for round in 1..=5 {
        clock.advance(Duration::from_secs(20));
        assert_eq!(client.get("/revoke-others").await.body, "0");
        assert_eq!(
            client.get("/fresh/19").await.status,
            StatusCode::FORBIDDEN,
            "round {round}"
        );
        let since = 20 * round;
        assert_eq!(client.get(&format!("/fresh/{since}")).await.body, "fresh");
        let stored = record(&store, &client.id("connect.sid").unwrap()).await;
        assert_eq!(stored.ends(), Some(ends), "round {round}");
    }
    // A rotation carries it along, and a sign-in is one.
    client.get("/rotate").await;
    let stale = client.get("/fresh/19").await;
    assert_eq!(stale.status, StatusCode::FORBIDDEN);
    let other = client.copy();
    other.get("/sign-in/anna").await;
    assert_eq!(other.get("/fresh/19").await.body, "fresh");
    // And the end comes when it was to come.
    let client = client.other();
    client.get("/sign-in/anna").await;
    clock.advance(MINUTE - Duration::from_secs(1));
    client.get("/revoke-others").await;
    clock.advance(MINUTE - Duration::from_secs(1));
    assert_eq!(client.get("/owner").await.body, "anna");
    clock.advance(Duration::from_secs(2));
    assert_eq!(client.get("/owner").await.body, "");
}

/// With a sign-in of this request, that is what counts.
#[tokio::test]
async fn r31_a_sign_in_before_the_others_end_is_fresh() {
    let (store, clock) = memory();
    let app = routes().route(
        "/again",
        get(async |session: Session| {
            session.sign_in("anna")?;
            let ended = session.revoke_others().await?;
            Ok::<_, SessionError>(ended.to_string())
        }),
    );
    let client = Client::new(app.layer(layer(store, clock.clone()).build().unwrap()));
    let other = client.other();
    other.get("/sign-in/anna").await;
    client.get("/sign-in/anna").await;
    clock.advance(Duration::from_secs(30));
    let answer = client.get("/again").await;
    assert_eq!(answer.body, "1");
    assert_eq!(client.get("/fresh/1").await.body, "fresh");
    assert_eq!(other.get("/owner").await.body, "");
}

/// Somebody has ended this session while its request was under way: it must not bring itself back.
#[tokio::test]
async fn r31_a_session_that_has_ended_meanwhile_does_not_go_on() {
    for by_handle in [false, true] {
        let (store, clock) = memory();
        let revoker = Owners::new(store.clone());
        let app = routes().route(
            "/late",
            get(async move |session: Session| {
                let owner = session.owner().unwrap();
                if by_handle {
                    let handle = session.sessions().await?[0].handle;
                    assert!(revoker.revoke(&owner, &handle).await?);
                } else {
                    revoker.revoke_all(&owner).await?;
                }
                let refused = session.revoke_others().await.err();
                let kind = refused.map(|error| error.kind());
                Ok::<_, SessionError>(format!("{kind:?}"))
            }),
        );
        let client = Client::new(app.layer(layer(store.clone(), clock).build().unwrap()));
        client.get("/sign-in/anna").await;
        let before = store.revoked_at("anna").await.unwrap();
        let copy = client.copy();
        let answer = client.get("/late").await;
        assert_eq!(answer.body, "Some(Gone)");
        assert_eq!(client.get("/owner").await.body, "");
        assert_eq!(copy.get("/owner").await.body, "");
        assert_eq!(owned_in(&store).await, vec![]);
        let revoked = store.revoked_at("anna").await.unwrap();
        assert_eq!(revoked == before, by_handle, "no other was revoked by it");
    }
}

/// A sign-in that was under way when the others ended, and whose process may be dead, is one of them: it does not count
/// against the session that goes on.
#[tokio::test]
async fn r31_r34_a_claim_from_before_the_others_ended_takes_nobodys_place() {
    let (store, clock) = memory();
    let layer = layer(store.clone(), clock).owner_limit(OwnerLimit::Refuse(1));
    let client = Client::new(routes().layer(layer.build().unwrap()));
    client.get("/sign-in/anna").await;
    let under_way = SessionId::parse("under-way").unwrap();
    store.claim("anna", &under_way, MINUTE, None).await.unwrap();
    let answer = client.get("/revoke-others").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(client.get("/owner").await.body, "anna");
    // One from after it does.
    let later = SessionId::parse("later").unwrap();
    store.claim("anna", &later, MINUTE, None).await.unwrap();
    let answer = client.other().get("/sign-in/anna").await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
}
