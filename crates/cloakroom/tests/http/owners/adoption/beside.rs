//! Adoptions beside other requests to the same session, on Node or here.

use futures_util::future::join;

use super::*;

/// Node writes while our request is under way: the answer is found anew on what Node has written.
#[tokio::test]
async fn what_node_writes_meanwhile_decides() {
    let house = house();
    let browser = node_writes(&house, "node-1", START, r#","userName":"anna""#).await;
    house.troubled.slow(&["claim"], Duration::from_millis(50));
    let write = tokio::spawn({
        let browser = browser.copy();
        async move { browser.get("/write").await }
    });
    settled(async || house.troubled.take_calls().contains(&"claim")).await;
    node_writes(&house, "node-1", START, r#","userName":"berta","x":1"#).await;
    assert_eq!(write.await.unwrap().status, StatusCode::OK);
    house.troubled.heal();
    let stored = record(&house.store, "node-1").await;
    assert_eq!(stored.identity().owner.as_deref(), Some("berta"));
    assert!(stored.get("n").is_some() && stored.get("x").is_some());
    assert_eq!(house.owners.list("berta").await.unwrap().len(), 1);
    settled(async || house.store.claims() == 1).await;
}

/// What the session is before two requests come to it, and what is to become of it.
struct Found {
    what: &'static str,
    /// The owner that is written down, if there is one.
    written: Option<&'static str>,
    /// The owner that Node has put into the data since.
    data: Option<&'static str>,
}

/// A page's first requests come together. Each finds by the data whose the session is, and one is the first to write it
/// down; no other has lost anything by that.
#[tokio::test]
async fn of_two_first_requests_neither_fails_nor_loses_a_change() {
    for Found {
        what,
        written,
        data,
    } in [
        Found {
            what: "adopted",
            written: None,
            data: Some("anna"),
        },
        Found {
            what: "moved",
            written: Some("berta"),
            data: Some("anna"),
        },
        Found {
            what: "released",
            written: Some("berta"),
            data: None,
        },
    ] {
        let house = house();
        for seed in 1..=120_u64 {
            let id = format!("node-{seed}");
            let name = |owner: Option<&str>| {
                let name = owner.map(|owner| format!(r#","userName":"{owner}""#));
                name.unwrap_or_default()
            };
            if written.is_some() {
                let browser = node_writes(&house, &id, START, &name(written)).await;
                browser.get("/owner").await;
            }
            let carried = match written {
                Some(_) => meta(&house, &id).await,
                None => String::new(),
            };
            let rest = format!("{carried}{}", name(data));
            let browser = node_writes(&house, &id, START, &rest).await;
            let other = browser.copy();
            let second = ["/owner", "/write", "/rotate"][seed as usize % 3];
            house.troubled.disturb(seed * 7919, None);
            let (one, two) = join(browser.get("/write"), other.get(second)).await;
            house.troubled.heal();
            let when = format!("{what}, beside {second}, seed {seed}");
            assert_eq!(one.status, StatusCode::OK, "{when}: {}", one.body);
            assert_eq!(two.status, StatusCode::OK, "{when}: {}", two.body);
            let stands = if second == "/rotate" {
                &other
            } else {
                &browser
            };
            let stored = record(&house.store, &stands.id("connect.sid").unwrap()).await;
            assert_eq!(stored.identity().owner.as_deref(), data, "{when}");
            if second == "/write" {
                let n: u32 = stored.get("n").unwrap().read().unwrap();
                assert_eq!(n, 2, "{when}");
            }
            settled(async || house.store.claims() == usize::from(data.is_some())).await;
            let owner = data.unwrap_or("berta");
            let listed = house.owners.list(owner).await.unwrap().len();
            assert_eq!(listed, usize::from(data.is_some()), "{when}");
            // The next seed begins with nothing.
            let id = SessionId::parse(&stands.id("connect.sid").unwrap()).unwrap();
            house.store.end(&id, EndReason::Destroyed).await.unwrap();
            house.store.release(owner, &[id]).await.unwrap();
        }
    }
}
