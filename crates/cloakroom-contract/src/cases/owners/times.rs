//! The times of claims and revocations, alone and in parallel.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use cloakroom_core::{Timestamp, owner_index::CLAIM_GRACE};
use futures_util::FutureExt as _;

use crate::{
    Capability, StoreFactory,
    case::{Step, ensure, ensure_eq},
    cases::races::{both, rounds, together},
    probe::{HOUR, Index, Stage, fresh_id, open_with},
};

/// Rule 2: each time is later than all before it, whoever it is given to and by whatever handle.
pub(crate) async fn times_are_strictly_increasing(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let mut last = None;
    for round in 0..50 {
        let owner = ["anna", "berta", "clara"][round % 3];
        let at = match round % 5 {
            3 => index.revoke(owner).await?,
            4 => index.revoke_everybody().await?,
            _ => index.claim(owner, &fresh_id()).await?,
        };
        ensure!(
            last < Some(at),
            "after {last:?} the time {at:?} is given, round {round}"
        );
        last = Some(at);
    }
    Ok(())
}

/// Two handles on one namespace where there can be two, else one twice; and the stage, which keeps what they stand on.
async fn two_handles(factory: &dyn StoreFactory) -> Step<(Stage, [Index; 2])> {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let handles = if stage.opened.lacks(Capability::Siblings).is_some() {
        [stage.index()?, stage.index()?]
    } else {
        let (_, one) = stage.sibling_index("shared:").await?;
        let (_, other) = stage.sibling_index("shared:").await?;
        [one, other]
    };
    Ok((stage, handles))
}

/// Rule 2: no two are the same, whatever the clock shows.
pub(crate) async fn times_are_strictly_increasing_in_parallel(factory: &dyn StoreFactory) -> Step {
    let (_stage, handles) = two_handles(factory).await?;
    let mut last = Timestamp::from_millis(i64::MIN);
    for round in rounds() {
        let calls = (0..8_usize).map(|caller| {
            let index = handles[caller % 2].clone();
            async move {
                let owner = ["anna", "berta"][caller % 4 / 2];
                match caller {
                    6 => index.revoke(owner).await,
                    7 => index.revoke_everybody().await,
                    _ => index
                        .claim_with(owner, &fresh_id(), HOUR, None)
                        .await
                        .map(|c| c.at),
                }
            }
            .boxed()
        });
        let times = together(calls.collect()).await?;
        let different: BTreeSet<_> = times.iter().copied().collect();
        ensure_eq!(
            different.len(),
            times.len(),
            "different times, round {round}"
        );
        let first = different.first().copied().unwrap_or(last);
        ensure!(
            first > last,
            "a later round has an earlier time, round {round}"
        );
        last = different.last().copied().unwrap_or(last);
        for owner in ["anna", "berta"] {
            let ids = handles[0].ids(owner).await?;
            handles[0].release(owner, &ids).await?;
        }
    }
    Ok(())
}

/// Rule 2: what is asked for after an answer has a later time than that answer.
pub(crate) async fn times_agree_with_the_order_of_calls(factory: &dyn StoreFactory) -> Step {
    const CALLERS: usize = 4;
    let (_stage, handles) = two_handles(factory).await?;
    // The latest time that anybody has been told.
    let told = Arc::new(AtomicI64::new(i64::MIN));
    let calls = (0..CALLERS).map(|caller| {
        let (index, told) = (handles[caller % 2].clone(), told.clone());
        async move {
            for round in rounds() {
                let before = told.load(Ordering::SeqCst);
                let at = if caller == 0 {
                    index.revoke("anna").await?
                } else {
                    let id = fresh_id();
                    let at = index.claim("anna", &id).await?;
                    told.fetch_max(at.as_millis(), Ordering::SeqCst);
                    index.release("anna", &[id]).await?;
                    at
                };
                told.fetch_max(at.as_millis(), Ordering::SeqCst);
                ensure!(
                    at.as_millis() > before,
                    "a call that began after {before} was told has the time {}, round {round}",
                    at.as_millis()
                );
            }
            Ok(())
        }
        .boxed()
    });
    together(calls.collect()).await.map(drop)
}

/// better-auth#11073: a sign-in beside a revocation is before it, and then the revocation counts for it and whoever
/// revoked finds it listed, or it is after it.
pub(crate) async fn a_sign_in_beside_a_revocation_is_before_or_after(
    factory: &dyn StoreFactory,
) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    for round in rounds() {
        let owner = format!("owner {round}");
        let id = fresh_id();
        let sign_in = {
            let (probe, index, owner, id) = (
                stage.probe.clone(),
                index.clone(),
                owner.clone(),
                id.clone(),
            );
            async move {
                let at = index.claim(&owner, &id).await?;
                probe.make(&id, at.as_millis().to_string(), HOUR).await?;
                Ok(at)
            }
        };
        let revocation = {
            let (index, owner) = (index.clone(), owner.clone());
            async move {
                let at = index.revoke(&owner).await?;
                Ok((at, index.ids(&owner).await?))
            }
        };
        let (signed_in, (revoked, listed)) = both(round, sign_in, revocation).await?;
        ensure!(
            signed_in != revoked,
            "a sign-in and a revocation have one time, round {round}"
        );
        ensure!(
            signed_in > revoked || listed.contains(&id),
            "a sign-in before a revocation is not listed after it, round {round}"
        );
        let known = index.revoked_at(&owner).await?;
        ensure_eq!(known, Some(revoked), "the revocation, round {round}");
    }
    Ok(())
}

/// The time that comes with a listing is the store's: by it, whoever reads tells a session that is about to be written from
/// one that is over.
pub(crate) async fn a_listing_tells_the_time(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    index.claim("anna", &fresh_id()).await?;
    index.claim("anna", &fresh_id()).await?;
    let listed = index.listed("anna").await?;
    for claim in &listed.claims {
        ensure!(claim.at <= listed.now, "a claim of the future is listed");
        ensure!(!listed.is_settled(claim), "a new claim counts as settled");
    }
    if stage.is_virtual() {
        stage.pass(CLAIM_GRACE + Duration::from_secs(1)).await;
        let listed = index.listed("anna").await?;
        let settled = listed.claims.iter().all(|claim| listed.is_settled(claim));
        ensure!(settled, "claims do not settle with the store's time");
    }
    Ok(())
}
