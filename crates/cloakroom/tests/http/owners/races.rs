//! Ten thousand rounds of revocations beside sign-ins and rotations, with processes that are killed in the middle. What
//! must hold after each: no session counts whose sign-in is at or before the revocation.
//!
//! Each round is one interleaving of one thread, drawn from its number.

use super::*;
use crate::troubled::Troubled;

const ROUNDS: u64 = 2_500;

struct House {
    store: MemoryStore,
    /// What the application has.
    applications: Troubled,
    /// What the administrator has, in a process of their own.
    admins: Troubled,
    owners: Owners,
    client: Client,
    clock: Arc<ManualClock>,
}

fn house() -> House {
    let (store, clock) = memory();
    let (applications, admins) = (Troubled::indexed(&store), Troubled::indexed(&store));
    let layer = layer(applications.clone(), clock.clone());
    let layer = layer.deadline(Duration::from_secs(30)).build().unwrap();
    House {
        owners: Owners::new(admins.clone()).deadline(Duration::from_secs(30)),
        client: Client::new(routes().layer(layer)),
        store,
        applications,
        admins,
        clock,
    }
}

impl House {
    /// Disturbs both sides; in one round of three the application is killed at some call, and in one of five the
    /// administrator's tool.
    fn disturb(&self, round: u64) {
        let seed = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let killed = |every: u64| (round % every == 1).then_some((round / every % 9) as usize);
        self.applications.disturb(seed, killed(3));
        self.admins.disturb(seed.rotate_left(23) | 1, killed(5));
    }

    /// Runs both until they are done or killed.
    async fn beside<A, B>(
        &self,
        round: u64,
        a: impl Future<Output = A> + Send + 'static,
        b: impl Future<Output = B> + Send + 'static,
    ) -> (Option<A>, Option<B>)
    where
        A: Send + 'static,
        B: Send + 'static,
    {
        self.disturb(round);
        let (a, b) = (tokio::spawn(a), tokio::spawn(b));
        for _ in 0..400 {
            if a.is_finished() && b.is_finished() {
                break;
            }
            tokio::task::yield_now().await;
        }
        // What is killed does not go on when the store answers again; its connections are gone.
        for unfinished in [a.abort_handle(), b.abort_handle()] {
            unfinished.abort();
        }
        self.applications.heal();
        self.admins.heal();
        (a.await.ok(), b.await.ok())
    }

    /// No session of anna's that is at or before the revocation counts, whoever presents it; every other one does.
    async fn check(&self, round: u64) {
        let revoked = self.store.revoked_at("anna").await.unwrap();
        for (id, owner, signed_in) in owned_in(&self.store).await {
            assert_eq!(owner, "anna");
            let counts = owner_of(&self.client, &id).await == "anna";
            assert_eq!(
                counts,
                Some(signed_in) > revoked,
                "round {round}: signed in at {signed_in}, revoked at {revoked:?}"
            );
        }
    }

    /// Ends whatever is left and takes the claims of what was killed away, so that the next round begins with nothing.
    async fn clean(&self) {
        self.owners.revoke_all("anna").await.unwrap();
        for (id, ..) in owned_in(&self.store).await {
            owner_of(&self.client, &id).await;
        }
        self.clock.advance(MINUTE * 2);
        assert_eq!(self.owners.list("anna").await.unwrap(), vec![]);
    }
}

/// A sign-in beside what ends the sessions of before: they have ended, and nothing older than the revocation lives.
async fn beside_a_sign_in<R>(revoke: impl Fn(Owners) -> R)
where
    R: Future<Output = ()> + Send + 'static,
{
    let house = house();
    for round in 0..ROUNDS {
        let (old, new) = (house.client.other(), house.client.other());
        old.get("/sign-in/anna").await;
        let sign_in = {
            let new = new.clone();
            async move { new.get("/sign-in/anna").await.status }
        };
        let revoke = revoke(house.owners.clone());
        let (_, revoked) = house.beside(round, sign_in, revoke).await;
        house.check(round).await;
        if revoked.is_some() {
            assert_eq!(old.get("/owner").await.body, "", "round {round}");
        }
        house.clean().await;
    }
}

/// better-auth#11073: a sign-in beside a revocation of all.
#[tokio::test]
async fn revoke_all_beside_a_sign_in_leaves_nothing_older_alive() {
    beside_a_sign_in(|owners| async move {
        owners.revoke_all("anna").await.unwrap();
    })
    .await;
}

/// better-auth#11073, its other half: a refresh beside a revocation of all.
#[tokio::test]
async fn revoke_all_beside_a_rotation_leaves_nothing_alive() {
    let house = house();
    for round in 0..ROUNDS {
        let browser = house.client.other();
        browser.get("/sign-in/anna").await;
        let copy = browser.copy();
        let owners = house.owners.clone();
        let rotate = async move {
            copy.get("/rotate").await;
            copy
        };
        let revoke = async move { owners.revoke_all("anna").await.unwrap() };
        let (rotated, revoked) = house.beside(round, rotate, revoke).await;
        house.check(round).await;
        if revoked.is_some() {
            for browser in [Some(browser), rotated].into_iter().flatten() {
                assert_eq!(browser.get("/owner").await.body, "", "round {round}");
            }
        }
        house.clean().await;
    }
}

/// One session is ended while it gets a new id: the new one ends, and the others live.
#[tokio::test]
async fn revoke_beside_a_rotation_ends_what_it_goes_on_as() {
    let house = house();
    for round in 0..ROUNDS {
        let (browser, other) = (house.client.other(), house.client.other());
        browser.get("/sign-in/anna").await;
        other.get("/sign-in/anna").await;
        let id = SessionId::parse(&browser.id("connect.sid").unwrap()).unwrap();
        let (copy, owners) = (browser.copy(), house.owners.clone());
        let rotate = async move {
            copy.get("/rotate").await;
            copy
        };
        let revoke = async move { owners.revoke("anna", &id.handle()).await };
        let (rotated, revoked) = house.beside(round, rotate, revoke).await;
        if let Some(Ok(found)) = revoked {
            // Not found is only what had its new id, and no claim under the old one, when it was asked for.
            let live = match &rotated {
                Some(rotated) => rotated.get("/owner").await.body,
                None => String::new(),
            };
            assert!(live.is_empty() || !found, "round {round}: {live} lives on");
            assert_eq!(browser.get("/owner").await.body, "", "round {round}");
        }
        assert_eq!(other.get("/owner").await.body, "anna", "round {round}");
        house.check(round).await;
        house.clean().await;
    }
}

/// R33: everybody, beside a sign-in.
#[tokio::test]
async fn revoke_everybody_beside_a_sign_in_leaves_nothing_older_alive() {
    beside_a_sign_in(|owners| async move { owners.revoke_everybody().await.unwrap() }).await;
}
