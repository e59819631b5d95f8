//! Rule 7 of the store's law, for the owner index: a dropped call is before or after.

use std::{slice, time::Duration};

use cloakroom_core::{SessionId, Timestamp, owner_index::Whose};

use crate::{
    Capability, StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    cases::cancel::{MOST_POLLS, cut_after},
    probe::{HOUR, fresh_id, open_with},
};

const WAITS: [u64; 4] = [0, 0, 2, 20];

/// A claim is there or not, and one that is made again never goes.
pub(crate) async fn a_dropped_claim_is_before_or_after(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    for again in [false, true] {
        for polls in 0..MOST_POLLS {
            let owner = format!("owner {again} {polls}");
            let (id, later) = (fresh_id(), fresh_id());
            if again {
                index.claim(&owner, &id).await?;
            }
            index.claim(&owner, &later).await?;
            let made = index.0.claim(&owner, &id, HOUR * 2, None);
            let ready = cut_after(polls, made).await;
            if let Some(Err(error)) = &ready {
                return Err(Stop::failed(format_args!("a claim failed: {error}")));
            }
            for wait in WAITS {
                let found = index.ids(&owner).await?;
                let whole = match (again, ready.is_some()) {
                    (true, _) => found == [id.clone(), later.clone()],
                    (false, true) => found == [later.clone(), id.clone()],
                    (false, false) => {
                        found == [later.clone()] || found == [later.clone(), id.clone()]
                    }
                };
                ensure!(
                    whole,
                    "dropped after {polls} polls, a claim leaves {} of two",
                    found.len()
                );
                if ready.is_none() {
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
            }
            // No lock is left behind.
            index.release(&owner, slice::from_ref(&id)).await?;
            if ready.is_some() {
                break;
            }
        }
    }
    Ok(())
}

/// All of what a release names is gone, or none of it.
pub(crate) async fn a_dropped_release_is_before_or_after(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    for polls in 0..MOST_POLLS {
        let owner = format!("owner {polls}");
        let ids: Vec<SessionId> = (0..3).map(|_| fresh_id()).collect();
        for id in &ids {
            index.claim(&owner, id).await?;
        }
        let ready = cut_after(polls, index.0.release(&owner, &ids)).await;
        if let Some(Err(error)) = &ready {
            return Err(Stop::failed(format_args!("a release failed: {error}")));
        }
        for wait in WAITS {
            let found = index.ids(&owner).await?;
            ensure!(
                found.is_empty() || found == ids,
                "dropped after {polls} polls, a release leaves {} of 3 claims",
                found.len()
            );
            if ready.is_some() {
                ensure_eq!(found, vec![], "after a release that was answered");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        index.release(&owner, &ids).await?;
        ensure_eq!(index.ids(&owner).await?, vec![], "after a second release");
    }
    Ok(())
}

/// A revocation is known and the revision tells of it, or neither: known without a new revision, it would be noticed by
/// nobody who remembers.
pub(crate) async fn a_dropped_revocation_is_before_or_after(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    for polls in 0..MOST_POLLS {
        let owner = format!("owner {polls}");
        let before = index.revision().await?;
        let whose = Whose::Owner(&owner);
        let ready: Option<Result<Timestamp, _>> = cut_after(polls, index.0.revoke(whose)).await;
        if let Some(Err(error)) = &ready {
            return Err(Stop::failed(format_args!("a revocation failed: {error}")));
        }
        for wait in WAITS {
            // In this order: what happens between the two may only add to the second.
            let known = index.revoked_at(&owner).await?;
            let changed = index.revision().await? != before;
            ensure!(
                known.is_none() || changed,
                "dropped after {polls} polls, a revocation is known and no revision tells of it"
            );
            if ready.is_some() {
                ensure!(
                    known.is_some(),
                    "a revocation that was answered is not known"
                );
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        let changed = index.revision().await? != before;
        let known = index.revoked_at(&owner).await?;
        ensure!(
            known.is_some() || !changed,
            "dropped after {polls} polls, a revision tells of a revocation that is not known"
        );
        index.revoke(&owner).await?;
    }
    Ok(())
}
