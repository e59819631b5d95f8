//! The owner index that fails, and the process that is killed between a claim and its session.

use super::*;
use crate::troubled::Troubled;

struct House {
    store: MemoryStore,
    troubled: Troubled,
    clock: Arc<ManualClock>,
    /// On the store itself.
    owners: Owners,
    client: Client,
}

fn house() -> House {
    let (store, clock) = memory();
    let troubled = Troubled::indexed(&store);
    let layer = layer(troubled.clone(), clock.clone()).build().unwrap();
    House {
        owners: Owners::new(store.clone()),
        client: Client::new(routes().layer(layer)),
        store,
        troubled,
        clock,
    }
}

#[tokio::test]
async fn a_sign_in_that_cannot_be_claimed_is_none() {
    let house = house();
    house.troubled.fail(&["claim"]);
    let answer = house.client.get("/sign-in/anna").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.set_cookie(), None);
    assert_eq!(owned_in(&house.store).await, vec![]);
    assert!(!house.troubled.take_calls().contains(&"create"));
    // The same where the claim was made and the answer lost: nothing is left of it.
    house.troubled.lose_answer("claim");
    let answer = house.client.get("/sign-in/anna").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    settled(async || house.store.claims() == 0).await;
    assert_eq!(
        house.client.get("/sign-in/anna").await.status,
        StatusCode::OK
    );
}

/// Its session has no claim, one from before there was an index; and it is read only. The session must not run out for
/// the claim's sake.
#[tokio::test]
async fn a_session_that_cannot_be_claimed_is_renewed_all_the_same() {
    for failing in ["claim", "the claim's answer"] {
        let house = house();
        let browser = house.client.other();
        let id = SessionId::parse("unclaimed").unwrap();
        let at = START.as_millis();
        let value = format!(
            r#"{{"cookie":{{"originalMaxAge":60000,"expires":"2025-11-25T21:20:38.229Z"}},"__ck":{{"owner":"anna","signedIn":{at}}}}}"#
        );
        house.store.create(&id, value.into(), MINUTE).await.unwrap();
        browser.put_cookie("connect.sid", &ticket::sign("unclaimed", &secrets()));
        house.clock.advance(Duration::from_secs(40));
        match failing {
            "claim" => house.troubled.fail(&["claim"]),
            _ => house.troubled.lose_answer("claim"),
        }
        assert_eq!(browser.get("/owner").await.body, "anna", "{failing}");
        crate::settle().await;
        let Loaded::Live(stored) = house.store.load(&id).await.unwrap() else {
            panic!("it is live: {failing}");
        };
        assert_eq!(stored.remaining, Some(MINUTE), "{failing}");
        let kept = record(&house.store, "unclaimed").await.usage().kept;
        assert_eq!(kept, None, "it does not say that it was claimed");
        house.troubled.heal();
        assert_eq!(browser.get("/owner").await.body, "anna", "{failing}");
        assert_eq!(house.owners.list("anna").await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn whether_a_session_is_revoked_must_be_known() {
    let house = house();
    house.client.get("/sign-in/anna").await;
    house.troubled.fail(&["revoked_at"]);
    let answer = house.client.get("/owner").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.set_cookie(), None);
    house.troubled.heal();
    assert_eq!(house.client.get("/owner").await.body, "anna");
    // Once it is known, it is.
    house.troubled.fail(&["revoked_at"]);
    assert_eq!(house.client.get("/owner").await.body, "anna");
}

#[tokio::test]
async fn where_nothing_can_be_written_lists_and_pages_work() {
    let house = house();
    house.client.get("/sign-in/anna").await;
    house.client.get("/owner").await;
    house.troubled.fail(&[
        "claim", "release", "create", "replace", "renew", "end", "retire",
    ]);
    house.clock.advance(Duration::from_secs(40));
    assert_eq!(house.client.get("/owner").await.body, "anna");
    let answer = house.client.get("/sessions").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body.lines().count(), 1);
    let owners = Owners::new(house.troubled.clone());
    assert_eq!(owners.list("anna").await.unwrap().len(), 1);
    house.clock.advance(MINUTE * 2);
    assert_eq!(owners.list("anna").await.unwrap(), vec![]);
}

/// A request whose process dies at its n-th call: the answer never comes.
async fn killed_at(house: &House, path: &str, call: usize) -> bool {
    house.troubled.disturb(1, Some(call));
    let answered = {
        let (client, path) = (house.client.clone(), path.to_owned());
        let request = tokio::spawn(async move { client.get(&path).await });
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        let answered = request.is_finished();
        request.abort();
        answered
    };
    house.troubled.heal();
    answered
}

/// The claim comes first: whatever was written is listed, and what was not is taken away by whoever lists later.
#[tokio::test]
async fn a_crash_between_claim_and_session_hides_nothing_and_leaves_nothing() {
    for (path, signed_in) in [
        ("/sign-in/anna", false),
        ("/sign-in/anna", true),
        ("/rotate", true),
        ("/sign-out", true),
        ("/regenerate", true),
    ] {
        for call in 0.. {
            let house = house();
            if signed_in {
                house.client.get("/sign-in/anna").await;
                crate::settle().await;
            }
            let over = killed_at(&house, path, call).await;
            let when = format!("{path} killed at call {call}");
            let mut live: Vec<_> = owned_in(&house.store)
                .await
                .into_iter()
                .map(|(id, ..)| id.handle())
                .collect();
            let listed = house.owners.list("anna").await.unwrap();
            let mut listed: Vec<_> = listed.into_iter().map(|session| session.handle).collect();
            live.sort();
            listed.sort();
            assert_eq!(listed, live, "{when}");
            // A minute later, so that nobody may be about to write; the sessions live on.
            for (id, ..) in owned_in(&house.store).await {
                house.store.renew(&id, MINUTE * 10).await.unwrap();
                house
                    .store
                    .claim("anna", &id, MINUTE * 10, None)
                    .await
                    .unwrap();
            }
            house.clock.advance(Duration::from_millis(60_100));
            assert_eq!(
                house.owners.list("anna").await.unwrap().len(),
                live.len(),
                "{when}"
            );
            assert_eq!(house.store.claims(), live.len(), "{when}");
            if over {
                assert!(call > 0, "nothing was called");
                break;
            }
        }
    }
}

/// Where the response of `revoke_others` is lost, nobody is signed in any more; nothing is half done.
#[tokio::test]
async fn a_lost_answer_to_revoke_others_leaves_nobody_signed_in() {
    for call in 0.. {
        let house = house();
        let other = house.client.other();
        other.get("/sign-in/anna").await;
        house.client.get("/sign-in/anna").await;
        let over = killed_at(&house, "/revoke-others", call).await;
        let revoked = house.store.revoked_at("anna").await.unwrap();
        if revoked.is_some() && !over {
            assert_eq!(other.get("/owner").await.body, "", "at call {call}");
            assert_eq!(house.client.get("/owner").await.body, "", "at call {call}");
        } else if revoked.is_none() {
            assert_eq!(other.get("/owner").await.body, "anna", "at call {call}");
            assert_eq!(
                house.client.get("/owner").await.body,
                "anna",
                "at call {call}"
            );
        }
        if over {
            break;
        }
    }
}
