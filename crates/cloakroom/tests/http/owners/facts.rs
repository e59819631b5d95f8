//! What signed-in sessions remember, how long their claims are kept, and what a request costs.

use super::{lists::site, *};
use crate::troubled::Troubled;

/// Networks of proxies, from their texts.
fn nets(texts: &[&str]) -> Vec<ipnet::IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn only(owners: &Owners, owner: &str) -> OwnedSession {
    let mut list = owners.list(owner).await.unwrap();
    assert_eq!(list.len(), 1, "{list:?}");
    list.remove(0)
}

#[tokio::test]
async fn the_address_is_the_last_that_no_trusted_proxy_has() {
    let (store, clock) = memory();
    let layer = layer(store.clone(), clock)
        .trusted_proxies(nets(&["127.0.0.0/8", "10.0.0.0/8"]))
        .build()
        .unwrap();
    let owners = layer.owners().unwrap();
    let site = Site::start(layer).await;
    for (number, (forwarded, address)) in [
        ("198.51.100.7", "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("198.51.100.7:4711,10.1.2.3:80", "198.51.100.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("6.6.6.6, unknown, 10.1.2.3", "10.1.2.3"),
        ("<script>", "127.0.0.1"),
        ("", "127.0.0.1"),
    ]
    .into_iter()
    .enumerate()
    {
        let browser = Browser::with(&[("x-forwarded-for", forwarded)]);
        site.get(&browser, &format!("/sign-in/anna{number}")).await;
        let session = only(&owners, &format!("anna{number}")).await;
        assert_eq!(session.address.as_deref(), Some(address), "{forwarded:?}");
    }
}

#[tokio::test]
async fn nobody_else_is_believed_about_addresses() {
    let (site, _, owners, _) = site().await;
    let browser = Browser::with(&[("x-forwarded-for", "6.6.6.6")]);
    site.get(&browser, "/sign-in/anna").await;
    let session = only(&owners, "anna").await;
    assert_eq!(session.address.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn the_list_tells_when_and_the_value_is_not_written_for_it() {
    let (store, clock) = memory();
    let layer = layer(store.clone(), clock.clone()).build().unwrap();
    let owners = layer.owners().unwrap();
    let client = Client::new(routes().layer(layer));
    client.get("/sign-in/anna").await;
    let first = only(&owners, "anna").await;
    assert_eq!(first.signed_in, Some(START));
    assert_eq!(first.created, Some(START));
    assert_eq!(first.last_seen, Some(START));
    assert_eq!(first.expires_in, Some(MINUTE));
    assert!(!first.current);

    let id = client.id("connect.sid").unwrap();
    let before = record(&store, &id).await;
    clock.advance(Duration::from_secs(20));
    let idle = only(&owners, "anna").await;
    assert_eq!(idle.last_seen, Some(START), "nobody was here");
    assert_eq!(idle.expires_in, Some(Duration::from_secs(40)));
    client.get("/owner").await;
    settled(async || only(&owners, "anna").await.expires_in == Some(MINUTE)).await;
    let seen = START.saturating_add(Duration::from_secs(20));
    assert_eq!(only(&owners, "anna").await.last_seen, Some(seen));
    assert_eq!(
        record(&store, &id).await,
        before,
        "a use alone writes nothing"
    );

    // Signing in again is a new sign-in to a session that is as old as it is.
    client.get("/sign-in/anna").await;
    let again = only(&owners, "anna").await;
    assert_eq!(again.signed_in, Some(seen));
    assert_eq!(again.created, Some(START));
    // As somebody else it is a new one.
    client.get("/sign-in/berta").await;
    let at = only(&owners, "berta").await.signed_in;
    assert_eq!(only(&owners, "berta").await.created, Some(seen));
    assert!(at > Some(seen), "the store gives no time twice: {at:?}");
}

#[tokio::test]
async fn device_facts_can_be_left_out_and_plain_sessions_have_nothing_of_it() {
    let (store, clock) = memory();
    let layer = layer(store.clone(), clock).device_facts(false).build();
    let site = Site::start(layer.unwrap()).await;
    let anna = Browser::with(&[("user-agent", "Phone/1")]);
    site.get(&anna, "/sign-in/anna").await;
    let (id, ..) = owned_in(&store).await.remove(0);
    let value = record(&store, id.as_str()).await.to_bytes();
    let text = String::from_utf8(value.to_vec()).unwrap();
    let millis = START.as_millis();
    let kept = millis + 120_000;
    assert!(
        text.ends_with(&format!(
            r#","__ck":{{"owner":"anna","signedIn":{millis},"created":{millis},"seen":{millis},"kept":{kept}}}}}"#
        )),
        "{text}"
    );
    site.get(&anna, "/sign-out").await;
    site.get(&anna, "/write").await;
    let page = store.scan(None, 10).await.unwrap();
    let text = String::from_utf8(page.sessions[0].1.value.to_vec()).unwrap();
    assert!(
        text.ends_with(r#","n":1}"#) && !text.contains("__ck"),
        "{text}"
    );
}

/// The list keeps a session for as long as the session is used, however it is used: by reading, by writing, with a Node
/// peer in mind or without.
#[tokio::test]
async fn a_claim_outlives_its_session() {
    for exclusive in [false, true] {
        for path in ["/owner", "/write", "/rotate"] {
            let (store, clock) = memory();
            let layer = layer(store.clone(), clock.clone());
            let layer = layer.exclusive(exclusive).build().unwrap();
            let owners = layer.owners().unwrap();
            let client = Client::new(routes().layer(layer));
            client.get("/sign-in/anna").await;
            for round in 0..40 {
                clock.advance(Duration::from_secs(7));
                assert_eq!(client.get("/owner").await.body, "anna");
                let answer = client.get(path).await;
                assert_eq!(answer.status, StatusCode::OK);
                crate::settle().await;
                settled(async || only(&owners, "anna").await.expires_in == Some(MINUTE)).await;
                settled(async || store.claims() == 1).await;
                // However long the next request takes to come.
                let claims = store.owned("anna").await.unwrap().claims;
                assert_eq!(claims.len(), 1, "{path} {exclusive} {round}");
            }
            // And no longer than that.
            clock.advance(MINUTE - Duration::from_millis(1));
            assert_eq!(
                owners.list("anna").await.unwrap().len(),
                1,
                "{path} {exclusive}"
            );
            clock.advance(MINUTE * 3);
            assert_eq!(owners.list("anna").await.unwrap(), vec![]);
            settled(async || store.claims() == 0).await;
        }
    }
}

/// better-auth#10992: times of less than a second, which an index in whole seconds takes for none, or for ever.
#[tokio::test]
async fn an_index_with_a_short_time_is_neither_lost_nor_kept_for_ever() {
    for idle in [1, 2, 500, 999] {
        let (store, clock) = memory();
        let idle = Duration::from_millis(idle);
        let layer = layer(store.clone(), clock.clone()).lifetime(Lifetime::idle(idle));
        let layer = layer.build().unwrap();
        let owners = layer.owners().unwrap();
        let client = Client::new(routes().layer(layer));
        client.get("/sign-in/anna").await;
        clock.advance(idle - Duration::from_millis(1));
        assert_eq!(owners.list("anna").await.unwrap().len(), 1, "{idle:?}");
        clock.advance(idle * 2);
        assert_eq!(owners.list("anna").await.unwrap(), vec![], "{idle:?}");
        // The claim's own time is over too: nobody needs to ask for it.
        settled(async || store.claims() == 0).await;
    }
}

#[tokio::test]
async fn with_an_absolute_lifetime_one_claim_is_enough() {
    let (store, clock) = memory();
    let troubled = Troubled::indexed(&store);
    let lifetime = Lifetime::idle(MINUTE).absolute(MINUTE * 10);
    let layer = layer(troubled.clone(), clock.clone())
        .exclusive(true)
        .lifetime(lifetime);
    let layer = layer.build().unwrap();
    let owners = layer.owners().unwrap();
    let client = Client::new(routes().layer(layer));
    client.get("/sign-in/anna").await;
    troubled.take_calls();
    for _ in 0..19 {
        clock.advance(MINUTE / 2);
        assert_eq!(client.get("/owner").await.body, "anna");
        crate::settle().await;
        assert_eq!(owners.list("anna").await.unwrap().len(), 1);
    }
    let calls = troubled.take_calls();
    assert!(
        !calls.contains(&"claim") && !calls.contains(&"replace"),
        "{calls:?}"
    );
    clock.advance(MINUTE / 2);
    assert_eq!(client.get("/owner").await.body, "");
    assert_eq!(owners.list("anna").await.unwrap(), vec![]);
}

/// The check of revocations costs nothing while nobody revokes, and one call for each owner after somebody has.
#[tokio::test]
async fn a_load_is_one_round_trip() {
    let (store, clock) = memory();
    let troubled = Troubled::indexed(&store);
    let client = Client::new(routes().layer(layer(troubled.clone(), clock).build().unwrap()));
    let (anna, berta, visitor) = (client.other(), client.other(), client.other());
    anna.get("/sign-in/anna").await;
    berta.get("/sign-in/berta").await;
    visitor.get("/write").await;
    let calls = async |browser: &Client| {
        crate::settle().await;
        troubled.take_calls();
        browser.get("/owner").await;
        crate::settle().await;
        troubled.take_calls()
    };
    let steady = ["load_with_revision", "renew"];
    let asks = ["load_with_revision", "revoked_at", "renew"];
    assert_eq!(
        calls(&visitor).await,
        steady,
        "nobody's session is nobody's"
    );
    assert_eq!(calls(&anna).await, asks);
    assert_eq!(calls(&anna).await, steady);
    assert_eq!(calls(&berta).await, asks);
    for _ in 0..3 {
        assert_eq!(calls(&anna).await, steady);
        assert_eq!(calls(&berta).await, steady);
    }
    Owners::new(store).revoke_all("clara").await.unwrap();
    assert_eq!(calls(&anna).await, asks);
    assert_eq!(calls(&anna).await, steady);
    assert_eq!(calls(&visitor).await, steady);
    // A sign-in is one call more than before, and a sign-out none that anybody waits for.
    troubled.take_calls();
    client.other().get("/sign-in/clara").await;
    assert_eq!(troubled.take_calls(), ["claim", "create"]);
}

/// What stands in `__ck` may be anybody's.
#[tokio::test]
async fn foreign_metadata_lose_no_session() {
    let (store, clock) = memory();
    let layer = layer(store.clone(), clock).build().unwrap();
    let owners = layer.owners().unwrap();
    let client = Client::new(routes().layer(layer));
    let long = "x".repeat(5000);
    for (number, meta) in [
        r#"{"owner":"anna","signedIn":"soon","created":[],"seen":-1e99,"kept":null,"agent":{"a":1},"address":7}"#.to_owned(),
        format!(r#"{{"owner":"anna","signedIn":1.5,"agent":"{long}","address":"{long}"}}"#),
        r#"{"owner":"anna","agent":"\ud800","address":"\u0000\n","seen":9223372036854775807,"kept":-9223372036854775808,"created":-9223372036854775808}"#.to_owned(),
        r#"{"owner":"anna","seen":1e400,"kept":9223372036854775807}"#.to_owned(),
        r#"{"owner":"anna","created":12345678901234567890123}"#.to_owned(),
        r#"{"owner":["anna"],"signedIn":{}}"#.to_owned(),
        r#""anna""#.to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let id = SessionId::parse(&format!("foreign-{number}")).unwrap();
        let value = format!(r#"{{"cookie":{{"originalMaxAge":60000}},"n":1,"__ck":{meta}}}"#);
        store.create(&id, value.into(), MINUTE).await.unwrap();
        let browser = client.other();
        browser.put_cookie("connect.sid", &ticket::sign(id.as_str(), &secrets()));
        assert_eq!(browser.get("/write").await.body, "2", "{meta}");
        assert_eq!(browser.get("/write").await.body, "3", "{meta}");
        for session in owners.list("anna").await.unwrap() {
            assert!(session.user_agent.is_none_or(|agent| agent.len() <= 256));
            assert!(session.address.is_none(), "none of these is an address");
        }
    }
}
