//! Listing sessions and ending one, the others, all; over real HTTP, with a browser for each device.

use cloakroom::core::owner_index::CLAIM_GRACE;

use super::*;

pub(super) async fn site() -> (Site, MemoryStore, Owners, Arc<ManualClock>) {
    let (store, clock) = memory();
    let layer = layer(store.clone(), clock.clone()).build().unwrap();
    let owners = layer.owners().unwrap();
    (Site::start(layer).await, store, owners, clock)
}

pub(super) async fn signed_in(site: &Site, owner: &str, agent: &str) -> Browser {
    let browser = Browser::with(&[("user-agent", agent)]);
    let page = site.get(&browser, &format!("/sign-in/{owner}")).await;
    assert_eq!(page.status, StatusCode::OK);
    browser
}

#[tokio::test]
async fn r30_the_owner_sees_their_sessions_by_handle_and_never_an_id() {
    let (site, store, ..) = site().await;
    let phone = signed_in(&site, "anna", "Phone/1").await;
    let laptop = signed_in(&site, "anna", "Laptop/2").await;
    signed_in(&site, "berta", "Desk/3").await;
    let seen_by_phone = site.list(&phone).await;
    let seen_by_laptop = site.list(&laptop).await;
    assert_eq!(seen_by_phone.len(), 2, "{seen_by_phone:?}");
    assert!(seen_by_phone[0].ends_with(" true [127.0.0.1] Phone/1"));
    assert!(seen_by_phone[1].ends_with(" false [127.0.0.1] Laptop/2"));
    assert!(seen_by_laptop[0].ends_with(" false [127.0.0.1] Phone/1"));
    assert!(seen_by_laptop[1].ends_with(" true [127.0.0.1] Laptop/2"));
    for (id, ..) in owned_in(&store).await {
        let shown = seen_by_phone.join("\n");
        assert!(!shown.contains(id.as_str()));
        assert!(!format!("{:?}", id.handle()).contains(id.as_str()));
    }
    let nobody = site.get(&Browser::default(), "/sessions").await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
}

/// A session that was given to somebody else while nobody could take the former owner's claim away.
#[tokio::test]
async fn a_claim_of_what_is_anothers_by_now_is_released_with_the_owners_sessions() {
    let (_, store, owners, clock) = site().await;
    let id = SessionId::parse("moved").unwrap();
    store.claim("anna", &id, MINUTE * 10, None).await.unwrap();
    let at = store.claim("berta", &id, MINUTE * 10, None).await;
    let meta = format!(
        r#"{{"owner":"berta","signedIn":{}}}"#,
        at.unwrap().at.as_millis()
    );
    let value = format!(r#"{{"cookie":{{"originalMaxAge":60000}},"__ck":{meta}}}"#);
    let created = store.create(&id, value.into(), MINUTE * 10);
    created.await.unwrap();
    // It may be about to be anna's.
    assert_eq!(owners.revoke_all("anna").await.unwrap(), 0);
    assert_eq!(store.owned("anna").await.unwrap().claims.len(), 1);
    clock.advance(CLAIM_GRACE + Duration::from_secs(1));
    assert_eq!(owners.revoke_all("anna").await.unwrap(), 0);
    assert_eq!(store.owned("anna").await.unwrap().claims, vec![]);
    assert_eq!(owners.list("berta").await.unwrap().len(), 1);
}

#[tokio::test]
async fn r31_one_session_is_ended_by_its_handle() {
    let (site, _, owners, _) = site().await;
    let phone = signed_in(&site, "anna", "Phone/1").await;
    let laptop = signed_in(&site, "anna", "Laptop/2").await;
    let berta = signed_in(&site, "berta", "Desk/3").await;
    let handle = |lines: &[String], at: usize| lines[at].split(' ').next().unwrap().to_owned();
    let of_phone = handle(&site.list(&laptop).await, 0);
    let of_berta = handle(&site.list(&berta).await, 0);

    // Another's handle ends nothing.
    let page = site.get(&laptop, &format!("/revoke/{of_berta}")).await;
    assert_eq!(page.body, "false");
    assert_eq!(site.owner(&berta).await, "berta");

    let page = site.get(&laptop, &format!("/revoke/{of_phone}")).await;
    assert_eq!(page.body, "true");
    assert_eq!(site.owner(&phone).await, "");
    assert_eq!(site.owner(&laptop).await, "anna");
    assert_eq!(site.list(&laptop).await.len(), 1);
    let again = site.get(&laptop, &format!("/revoke/{of_phone}")).await;
    assert_eq!(again.body, "false");

    // One's own is a sign-out, cookie and all.
    let own = handle(&site.list(&laptop).await, 0);
    assert_eq!(
        site.get(&laptop, &format!("/revoke/{own}")).await.body,
        "true"
    );
    assert!(laptop.jar.lock().unwrap().is_empty());
    assert_eq!(owners.list("anna").await.unwrap(), vec![]);
}

#[tokio::test]
async fn r31_all_end_with_this_one() {
    let (site, store, owners, _) = site().await;
    let phone = signed_in(&site, "anna", "Phone/1").await;
    let laptop = signed_in(&site, "anna", "Laptop/2").await;
    let page = site.get(&laptop, "/revoke-all").await;
    assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "2"));
    assert!(laptop.jar.lock().unwrap().is_empty());
    assert_eq!(site.owner(&phone).await, "");
    assert_eq!(owners.list("anna").await.unwrap(), vec![]);
    settled(async || store.claims() == 0).await;
    // And anna may come again.
    let again = signed_in(&site, "anna", "Phone/1").await;
    assert_eq!(site.owner(&again).await, "anna");
}

#[tokio::test]
async fn r31_a_sign_in_that_is_too_old_is_403_and_nobody_is_401() {
    let (site, _, _, clock) = site().await;
    let anna = signed_in(&site, "anna", "Phone/1").await;
    assert_eq!(site.get(&anna, "/fresh/20").await.body, "fresh");
    clock.advance(Duration::from_secs(20));
    assert_eq!(site.get(&anna, "/fresh/20").await.body, "fresh");
    clock.advance(Duration::from_millis(1));
    let stale = site.get(&anna, "/fresh/20").await;
    assert_eq!(stale.status, StatusCode::FORBIDDEN);
    assert_eq!(site.owner(&anna).await, "anna", "stale is not signed out");
    let nobody = site.get(&Browser::default(), "/fresh/20").await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    // A rotation is no sign-in; signing in again is.
    site.get(&anna, "/rotate").await;
    let stale = site.get(&anna, "/fresh/20").await;
    assert_eq!(stale.status, StatusCode::FORBIDDEN);
    site.get(&anna, "/sign-in/anna").await;
    assert_eq!(site.get(&anna, "/fresh/20").await.body, "fresh");
}

/// On every process: the revocation is made elsewhere, and neither session was asked to end in the store.
#[tokio::test]
async fn r32_r33_a_revocation_made_elsewhere_holds_at_the_next_request() {
    let (site, store, _, clock) = site().await;
    let anna = signed_in(&site, "anna", "Phone/1").await;
    let berta = signed_in(&site, "berta", "Phone/1").await;
    let visitor = Browser::default();
    site.get(&visitor, "/write").await;
    // Twice, so that the process has remembered that nothing was revoked.
    assert_eq!(site.owner(&anna).await, "anna");
    assert_eq!(site.owner(&berta).await, "berta");
    use cloakroom::core::owner_index::Whose;
    store.revoke(Whose::Owner("anna")).await.unwrap();
    assert_eq!(site.owner(&anna).await, "");
    assert_eq!(site.owner(&berta).await, "berta");
    Owners::new(store.clone()).revoke_everybody().await.unwrap();
    assert_eq!(site.owner(&berta).await, "");
    assert_eq!(
        site.get(&visitor, "/write").await.body,
        "2",
        "nobody's session stays"
    );
    clock.advance(Duration::from_secs(1));
    site.get(&berta, "/sign-in/berta").await;
    assert_eq!(site.owner(&berta).await, "berta");
}

/// The session in the backup was never ended in the store, and its claim is gone: the revocation counts all the same.
#[tokio::test]
async fn r49_a_session_from_a_backup_does_not_come_back() {
    let (site, store, owners, _) = site().await;
    let anna = signed_in(&site, "anna", "Phone/1").await;
    let (id, ..) = owned_in(&store).await.remove(0);
    let Loaded::Live(stored) = store.load(&id).await.unwrap() else {
        panic!("it is live");
    };
    assert_eq!(owners.revoke_all("anna").await.unwrap(), 1);
    assert_eq!(site.owner(&anna).await, "");
    // The backup knows no tombstone either.
    let restored = SessionId::parse("restored").unwrap();
    let ttl = stored.remaining.unwrap();
    store
        .create(&restored, stored.value.clone(), ttl)
        .await
        .unwrap();
    let ticket = ticket::sign("restored", &secrets());
    let thief = Browser::default();
    thief
        .jar
        .lock()
        .unwrap()
        .insert("connect.sid".into(), ticket);
    assert_eq!(site.owner(&thief).await, "");
    // And it is ended where it was found.
    settled(async || !matches!(store.load(&restored).await, Ok(Loaded::Live(_)))).await;
}

/// spring-session#2230, #1715: ten thousand sessions expire and nobody is told.
#[tokio::test]
async fn an_index_is_emptied_without_notifications() {
    let (store, clock) = memory();
    let layer = layer(store.clone(), clock.clone()).build().unwrap();
    let owners = layer.owners().unwrap();
    let client = Client::new(routes().layer(layer));
    for _ in 0..100 {
        for _ in 0..99 {
            client.other().get("/sign-in/anna").await;
        }
        // One in a hundred asks to be remembered; here by a claim and a session by hand.
        let id = SessionId::parse(&format!("kept-{}", store.claims())).unwrap();
        let at = store
            .claim("anna", &id, MINUTE * 100, None)
            .await
            .unwrap()
            .at;
        let value = format!(
            r#"{{"cookie":{{"originalMaxAge":6000000}},"__ck":{{"owner":"anna","signedIn":{}}}}}"#,
            at.as_millis()
        );
        store.create(&id, value.into(), MINUTE * 100).await.unwrap();
    }
    assert_eq!(store.claims(), 10_000);
    assert_eq!(owners.list("anna").await.unwrap().len(), 10_000);
    // Past the sessions' time and short of the claims', which are kept for twice as long. The times of ten thousand claims
    // at one moment reach ten seconds beyond it.
    clock.advance(MINUTE + Duration::from_secs(11));
    assert!(store.claims() > 9000, "nobody has told the index");
    assert_eq!(owners.list("anna").await.unwrap().len(), 100);
    assert_eq!(store.claims(), 100);
}

#[test]
fn what_needs_an_index_is_refused_without_one() {
    let builder = || article(MemoryStore::new());
    let limit = cloakroom::OwnerLimit::Refuse(1);
    for (builder, option) in [
        (builder().owner_limit(limit), "owner_limit"),
        (builder().owner_from(|_| None), "owner_from"),
        (builder().device_facts(true), "device_facts"),
        (
            builder()
                .owners(MemoryStore::new())
                .owner_limit(cloakroom::OwnerLimit::EvictOldest(0)),
            "owner_limit",
        ),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(option), "{error}");
    }
    assert!(builder().build().unwrap().owners().is_none());
}

#[tokio::test]
async fn owners_are_checked_before_anything_is_changed() {
    let (store, clock) = memory();
    let client = Client::new(
        Router::new()
            .route(
                "/{length}",
                get(async |session: Session, Path(length): Path<usize>| {
                    let refused = session.sign_in("x".repeat(length)).err();
                    refused
                        .map(|error| error.kind().to_string())
                        .unwrap_or_default()
                }),
            )
            .layer(layer(store, clock).build().unwrap()),
    );
    assert_eq!(client.get("/0").await.body, "invalid");
    assert_eq!(client.get("/1025").await.body, "invalid");
    assert_eq!(client.get("/1024").await.body, "");
}
