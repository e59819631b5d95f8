//! Limits: who is beyond them.

use std::collections::BTreeSet;

use cloakroom_core::SessionId;
use futures_util::FutureExt as _;

use crate::{
    Capability, StoreFactory,
    case::{Step, ensure, ensure_eq},
    cases::races::{rounds, together},
    probe::{fresh_id, open_with},
};

/// Rule 3, one after the other.
pub(crate) async fn the_limit_names_the_oldest_beyond_it(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let ids: Vec<SessionId> = (0..8).map(|_| fresh_id()).collect();
    for id in &ids[..3] {
        let over = index.claim_within("anna", id, 3).await?;
        ensure_eq!(over, vec![], "within the limit");
    }
    // They stay until they are released: naming them is not ending them.
    for next in 3..6 {
        let over = index.claim_within("anna", &ids[next], 3).await?;
        ensure_eq!(over, ids[..next - 2], "beyond the limit, oldest first");
    }
    ensure_eq!(index.ids("anna").await?, ids[..6], "named and not released");
    let over = index.claim_within("berta", &ids[7], 3).await?;
    ensure_eq!(over, vec![], "another owner's claims do not count");
    index.release("anna", &ids[..3]).await?;
    let over = index.claim_within("anna", &ids[6], 3).await?;
    ensure_eq!(over, ids[3..4], "beyond the limit after a release");
    let over = index.claim_within("anna", &ids[7], 1).await?;
    ensure_eq!(over, ids[3..7], "beyond a smaller limit");
    let over = index.claim_within("anna", &fresh_id(), 1000).await?;
    ensure_eq!(over, vec![], "within a larger limit");
    Ok(())
}

/// Whoever claims again, oldest or not, is not told to go.
pub(crate) async fn the_limit_never_names_the_claimed_one(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let ids: Vec<SessionId> = (0..4).map(|_| fresh_id()).collect();
    for id in &ids {
        index.claim("anna", id).await?;
    }
    let over = index.claim_within("anna", &ids[0], 2).await?;
    ensure_eq!(over, ids[1..2], "the oldest claims again");
    let over = index.claim_within("anna", &ids[3], 2).await?;
    ensure_eq!(over, ids[..2], "the newest claims again");
    Ok(())
}

/// R34; rule 3: however many claim at once, those that nobody names are exactly the newest.
pub(crate) async fn parallel_claims_with_a_limit_leave_the_newest(
    factory: &dyn StoreFactory,
) -> Step {
    const CALLERS: usize = 12;
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    for round in rounds() {
        let owner = format!("owner {round}");
        let limit = 1 + round % 5;
        for _ in 0..round % 3 {
            index.claim(&owner, &fresh_id()).await?;
        }
        let calls = (0..CALLERS).map(|_| {
            let (index, owner, id) = (index.clone(), owner.clone(), fresh_id());
            async move { index.claim_within(&owner, &id, limit).await }.boxed()
        });
        let named: BTreeSet<SessionId> = together(calls.collect())
            .await?
            .into_iter()
            .flatten()
            .collect();
        let owned = index.ids(&owner).await?;
        ensure_eq!(owned.len(), CALLERS + round % 3, "claims after a race");
        let (old, newest) = owned.split_at(owned.len() - limit);
        ensure!(
            old.iter().all(|id| named.contains(id)),
            "with a limit of {limit}, of {} older claims only {} are named, round {round}",
            old.len(),
            named.len()
        );
        ensure!(
            newest.iter().all(|id| !named.contains(id)),
            "with a limit of {limit}, one of the newest is named, round {round}"
        );
    }
    Ok(())
}
