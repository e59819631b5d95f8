//! Random sequences of calls on the index, one after the other, held against a model.

use std::{collections::BTreeMap, fmt::Write as _, num::NonZeroUsize, time::Duration};

use cloakroom_core::{SessionId, Timestamp, owner_index::Revision};
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{
    Capability, StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    cases::model::{number, seed},
    probe::{HOUR, Stage, fresh_id, open_with},
};

const OWNERS: [&str; 3] = ["anna", "berta", "anna:berta"];
const IDS: usize = 5;

/// A step as small numbers: kind, owner, id, limit.
type Draw = (u8, u8, u8, u8);

#[derive(Default)]
struct Owned {
    /// Oldest first.
    claims: Vec<(SessionId, Timestamp)>,
    revoked: Option<Timestamp>,
}

struct Sequence {
    stage: Stage,
    ids: Vec<SessionId>,
    owners: BTreeMap<&'static str, Owned>,
    everybody: Option<Timestamp>,
    last: Option<Timestamp>,
    revision: Revision,
}

/// The whole law for sequential callers, in combinations that nobody thought of.
pub(crate) async fn random_sequences_agree_with_the_model(factory: &dyn StoreFactory) -> Step {
    let seed = seed();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let draws = proptest::collection::vec((0..12_u8, 0..3_u8, 0..IDS as u8, 0..5_u8), 1..60);
    for _ in 0..number("CLOAKROOM_CONTRACT_SEQUENCES", 100) {
        let tree = draws
            .new_tree(&mut runner)
            .map_err(|reason| Stop::failed(format_args!("nothing to try: {reason}")))?;
        run(factory, &tree.current())
            .await
            .map_err(|stop| match stop {
                Stop::Failed(message) => Stop::Failed(format!("with the seed {seed}: {message}")),
                skipped @ Stop::Skipped(_) => skipped,
            })?;
    }
    Ok(())
}

async fn run(factory: &dyn StoreFactory, draws: &[Draw]) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let revision = stage.index()?.revision().await?;
    let mut sequence = Sequence {
        stage,
        ids: (0..IDS).map(|_| fresh_id()).collect(),
        owners: BTreeMap::new(),
        everybody: None,
        last: None,
        revision,
    };
    let mut told = String::new();
    for draw in draws {
        let _ = write!(told, " {draw:?}");
        sequence = sequence.act(*draw).await.map_err(|stop| match stop {
            Stop::Failed(message) => Stop::Failed(format!("{message}; after{told}")),
            skipped @ Stop::Skipped(_) => skipped,
        })?;
    }
    Ok(())
}

impl Sequence {
    async fn act(mut self, (kind, owner, id, limit): Draw) -> Step<Self> {
        let owner = OWNERS[usize::from(owner) % OWNERS.len()];
        let id = self.ids[usize::from(id) % IDS].clone();
        let index = self.stage.index()?;
        match kind {
            0..=4 => {
                let limit = NonZeroUsize::new(usize::from(limit));
                let claimed = index.claim_with(owner, &id, HOUR * 1000, limit).await?;
                let owned = self.owners.entry(owner).or_default();
                match owned.claims.iter().find(|(claimed, _)| *claimed == id) {
                    Some((_, at)) => ensure_eq!(claimed.at, *at, "the time of a claim made again"),
                    None => {
                        ensure!(
                            self.last < Some(claimed.at),
                            "a claim's time is not the latest"
                        );
                        self.last = Some(claimed.at);
                        owned.claims.push((id.clone(), claimed.at));
                    }
                }
                let over = limit.map_or(0, |limit| owned.claims.len().saturating_sub(limit.get()));
                let oldest = owned.claims.iter().take(over).map(|(id, _)| id);
                let over: Vec<SessionId> = oldest.filter(|over| **over != id).cloned().collect();
                ensure_eq!(claimed.over, over, "claims beyond a limit of {limit:?}");
            }
            5..=6 => {
                let other = self.ids[usize::from(limit) % IDS].clone();
                let ids = [id, other];
                index.release(owner, &ids).await?;
                let owned = self.owners.entry(owner).or_default();
                owned.claims.retain(|(claimed, _)| !ids.contains(claimed));
            }
            7..=8 => {
                let at = if limit == 0 {
                    let at = index.revoke_everybody().await?;
                    self.everybody = Some(at);
                    at
                } else {
                    let at = index.revoke(owner).await?;
                    self.owners.entry(owner).or_default().revoked = Some(at);
                    at
                };
                ensure!(
                    self.last < Some(at),
                    "a revocation's time is not the latest"
                );
                self.last = Some(at);
                let revision = index.revision().await?;
                ensure!(
                    revision != self.revision,
                    "a revocation leaves the revision"
                );
                self.revision = revision;
            }
            9 if self.stage.is_virtual() => {
                self.stage
                    .pass(Duration::from_millis(u64::from(limit) * 700))
                    .await;
            }
            10 if self.stage.opened.reopen.is_some() => {
                drop(index);
                self.stage = self.stage.reopen().await?;
            }
            _ => {}
        }
        self.compare(owner).await?;
        Ok(self)
    }

    async fn compare(&self, owner: &'static str) -> Step {
        let index = self.stage.index()?;
        let nothing = Owned::default();
        let owned = self.owners.get(owner).unwrap_or(&nothing);
        let listed = index.owned(owner).await?;
        let listed: Vec<_> = listed
            .into_iter()
            .map(|claim| (claim.id, claim.at))
            .collect();
        ensure_eq!(listed, owned.claims, "the claims");
        let revoked = owned.revoked.max(self.everybody);
        ensure_eq!(index.revoked_at(owner).await?, revoked, "the revocation");
        ensure_eq!(index.revision().await?, self.revision, "the revision");
        Ok(())
    }
}
