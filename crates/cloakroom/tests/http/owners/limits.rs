//! R34: how many sessions an owner may have, also when fifty browsers sign in at once.

use cloakroom::OwnerLimit;
use futures_util::future::join_all;

use super::*;
use crate::troubled::Troubled;

const AT_ONCE: usize = 50;

async fn site(limit: OwnerLimit) -> (Site, MemoryStore, Owners, Arc<ManualClock>) {
    let (store, clock) = memory();
    let layer = layer(store.clone(), clock.clone()).owner_limit(limit);
    let layer = layer.deadline(Duration::from_secs(20)).build().unwrap();
    let owners = layer.owners().unwrap();
    (Site::start(layer).await, store, owners, clock)
}

async fn signed_in_of(site: &Site, browsers: &[Browser]) -> Vec<usize> {
    let mut signed_in = Vec::new();
    for (number, browser) in browsers.iter().enumerate() {
        if site.owner(browser).await == "anna" {
            signed_in.push(number);
        }
    }
    signed_in
}

#[tokio::test(flavor = "multi_thread")]
async fn r34_of_fifty_sign_ins_at_once_the_newest_three_are_left() {
    let (site, store, owners, _) = site(OwnerLimit::EvictOldest(3)).await;
    let browsers: Vec<Browser> = (0..AT_ONCE).map(|_| Browser::default()).collect();
    for round in 0..5 {
        let pages = join_all(
            browsers
                .iter()
                .map(|browser| site.get(browser, "/sign-in/anna")),
        );
        for page in pages.await {
            assert_eq!(page.status, StatusCode::OK, "round {round}");
        }
        assert_eq!(owners.list("anna").await.unwrap().len(), 3, "round {round}");
        assert_eq!(
            signed_in_of(&site, &browsers).await.len(),
            3,
            "round {round}"
        );
        assert_eq!(owned_in(&store).await.len(), 3, "round {round}");
    }
    // And what they leave behind is taken away.
    settled(async || owners.list("anna").await.is_ok() && store.claims() == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r34_of_fifty_sign_ins_at_once_three_are_let_in() {
    let (site, store, owners, _) = site(OwnerLimit::Refuse(3)).await;
    let browsers: Vec<Browser> = (0..AT_ONCE).map(|_| Browser::default()).collect();
    let pages = join_all(
        browsers
            .iter()
            .map(|browser| site.get(browser, "/sign-in/anna")),
    )
    .await;
    let statuses: Vec<StatusCode> = pages.iter().map(|page| page.status).collect();
    let let_in = statuses
        .iter()
        .filter(|status| **status == StatusCode::OK)
        .count();
    let refused = statuses
        .iter()
        .filter(|status| **status == StatusCode::CONFLICT)
        .count();
    assert_eq!((let_in, refused), (3, AT_ONCE - 3), "{statuses:?}");
    assert_eq!(signed_in_of(&site, &browsers).await.len(), 3);
    assert_eq!(owned_in(&store).await.len(), 3);
    assert_eq!(owners.list("anna").await.unwrap().len(), 3);
    settled(async || store.claims() == 3).await;
}

#[tokio::test]
async fn the_oldest_goes_when_a_newer_one_comes() {
    let (site, _, owners, _) = site(OwnerLimit::EvictOldest(2)).await;
    let browsers: Vec<Browser> = (0..3).map(|_| Browser::default()).collect();
    for browser in &browsers {
        site.get(browser, "/sign-in/anna").await;
    }
    assert_eq!(signed_in_of(&site, &browsers).await, [1, 2]);
    // Signing in again in the same browser takes its own place and nobody else's.
    site.get(&browsers[1], "/sign-in/anna").await;
    assert_eq!(signed_in_of(&site, &browsers).await, [1, 2]);
    // Others' sessions do not count.
    site.get(&browsers[0], "/sign-in/berta").await;
    assert_eq!(signed_in_of(&site, &browsers).await, [1, 2]);
    assert_eq!(owners.list("berta").await.unwrap().len(), 1);
}

/// Where the limit is new, many go at once: together, not one after the other while a visitor waits.
#[tokio::test]
async fn many_are_evicted_together_and_released_in_one_call() {
    let (store, clock) = memory();
    let unlimited = layer(store.clone(), clock.clone()).build().unwrap();
    let client = Client::new(routes().layer(unlimited));
    for _ in 0..20 {
        client.other().get("/sign-in/anna").await;
    }
    let troubled = Troubled::indexed(&store);
    let limited = layer(troubled.clone(), clock).owner_limit(OwnerLimit::EvictOldest(2));
    let client = Client::new(routes().layer(limited.build().unwrap()));
    // A store that answers later than it is asked.
    troubled.disturb(1, None);
    client.get("/sign-in/anna").await;
    assert_eq!(owned_in(&store).await.len(), 2);
    assert_eq!(store.claims(), 2);
    let calls = troubled.take_calls();
    let times = |operation| calls.iter().filter(|call| **call == operation).count();
    assert_eq!(times("release"), 1, "{calls:?}");
    assert_eq!(
        times("load"),
        21 + 19,
        "each is looked at, and read once to end it"
    );
    // Of one alone, the end comes next.
    let together = calls.windows(2).any(|two| two == ["retire", "retire"]);
    assert!(together, "no second one is begun meanwhile: {calls:?}");
}

#[tokio::test]
async fn a_refused_sign_in_changes_nothing_for_the_visitor() {
    let (site, store, owners, clock) = site(OwnerLimit::Refuse(1)).await;
    let (phone, laptop) = (Browser::default(), Browser::default());
    site.get(&phone, "/sign-in/anna").await;
    site.get(&laptop, "/sign-in/berta").await;
    let before = laptop.jar.lock().unwrap().clone();
    let page = site.get(&laptop, "/sign-in/anna").await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert_eq!(*laptop.jar.lock().unwrap(), before);
    assert_eq!(site.owner(&laptop).await, "berta");
    // The one who is in may sign in again: the new session takes the old one's place.
    let page = site.get(&phone, "/sign-in/anna").await;
    assert_eq!(page.status, StatusCode::OK);
    settled(async || store.claims() == 2).await;
    // What has expired or ended does not count, whether anybody was told or not.
    clock.advance(MINUTE * 2);
    let page = site.get(&laptop, "/sign-in/anna").await;
    assert_eq!(page.status, StatusCode::OK);
    owners.revoke_all("anna").await.unwrap();
    let page = site.get(&phone, "/sign-in/anna").await;
    assert_eq!(page.status, StatusCode::OK);
}

/// The handler learns of it, answers itself, and keeps what else it has changed.
#[tokio::test]
async fn a_handler_can_answer_a_refusal_itself() {
    let (store, clock) = memory();
    let app = routes().route(
        "/polite/{owner}",
        get(async |session: Session, Path(owner): Path<String>| {
            session.insert("tried", &true)?;
            session.sign_in(owner)?;
            match session.commit().await {
                Err(error) if error.kind() == ErrorKind::TooManySessions => {
                    Ok(format!("too many, {:?} stays", session.owner()))
                }
                done => done.map(|()| "done".to_owned()).map_err(SessionError),
            }
        }),
    );
    let layer = layer(store.clone(), clock).owner_limit(OwnerLimit::Refuse(1));
    let client = Client::new(app.layer(layer.build().unwrap()));
    client.get("/sign-in/anna").await;
    let other = client.other();
    let answer = other.get("/polite/anna").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, "too many, None stays");
    assert_eq!(other.get("/owner").await.body, "");
    let kept = record(&store, &other.id("connect.sid").unwrap()).await;
    assert!(kept.get("tried").is_some());
}

/// A sign-in beyond the limit asks for the owner's sessions once, and one within it asks after none of them.
#[tokio::test]
async fn r34_a_sign_in_lists_the_owners_sessions_once() {
    let (store, clock) = memory();
    let troubled = Troubled::indexed(&store);
    let layer = layer(troubled.clone(), clock).owner_limit(OwnerLimit::EvictOldest(1));
    let client = Client::new(routes().layer(layer.build().unwrap()));
    client.other().get("/sign-in/anna").await;
    assert_eq!(troubled.take_calls(), ["claim", "create", "owned"]);
    client.other().get("/sign-in/anna").await;
    let calls = troubled.take_calls();
    let lists = calls.iter().filter(|call| **call == "owned");
    assert_eq!(lists.count(), 1, "{calls:?}");
    assert_eq!(owned_in(&store).await.len(), 1);
}
