//! Claims: made, made again, kept, released.

use std::{collections::BTreeSet, time::Duration};

use cloakroom_core::{EndReason, SessionId};
use futures_util::future::try_join_all;

use crate::{
    Capability, StoreFactory,
    case::{Step, ensure, ensure_eq},
    probe::{HOUR, fresh_id, open_with},
};

/// Rule 1: what was claimed is listed, oldest first, whatever the ids are.
pub(crate) async fn claims_are_listed_oldest_first(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    ensure_eq!(index.ids("anna").await?, vec![], "before the first claim");
    // Falling ids, so that the order of ids is none of the claims'.
    let mut ids: Vec<SessionId> = (0..20).map(|_| fresh_id()).collect();
    ids.sort();
    ids.reverse();
    let mut times = Vec::new();
    for id in &ids {
        times.push(index.claim("anna", id).await?);
    }
    let owned = index.owned("anna").await?;
    let listed: Vec<_> = owned.iter().map(|claim| claim.id.clone()).collect();
    ensure_eq!(listed, ids, "claims in a listing");
    let listed: Vec<_> = owned.iter().map(|claim| claim.at).collect();
    ensure_eq!(listed, times, "the times of claims in a listing");
    Ok(())
}

/// The index is a superset of the sessions: the claim comes first, so a crash in between hides no live session.
pub(crate) async fn a_claim_stands_before_its_session_exists(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let id = fresh_id();
    index.claim("anna", &id).await?;
    let only = vec![id.clone()];
    ensure_eq!(index.ids("anna").await?, only, "before the session exists");
    stage.probe.missing(&id, "after its claim").await?;
    stage.probe.make(&id, &b"value"[..], HOUR).await?;
    ensure_eq!(index.ids("anna").await?, only, "while the session lives");
    stage.probe.end(&id, EndReason::Destroyed).await?;
    ensure_eq!(index.ids("anna").await?, only, "after the session's end");
    Ok(())
}

/// Rule 2: the order is that of the sign-ins, whatever is claimed again later.
pub(crate) async fn a_claim_made_again_keeps_its_time_and_place(
    factory: &dyn StoreFactory,
) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let ids: Vec<SessionId> = (0..4).map(|_| fresh_id()).collect();
    let mut times = Vec::new();
    for id in &ids {
        times.push(index.claim("anna", id).await?);
    }
    if stage.is_virtual() {
        stage.pass(Duration::from_secs(5)).await;
    }
    for (id, at) in ids.iter().zip(&times) {
        ensure_eq!(
            index.claim("anna", id).await?,
            *at,
            "claimed again, the time"
        );
    }
    ensure_eq!(index.ids("anna").await?, ids, "claimed again, the order");
    // After a release it is a new claim.
    index.release("anna", &ids[..1]).await?;
    let again = index.claim("anna", &ids[0]).await?;
    ensure!(again > times[3], "claimed after a release, the time is old");
    Ok(())
}

/// A claim made again for less leaves it at what it was.
pub(crate) async fn a_claim_made_again_never_shortens_its_time(factory: &dyn StoreFactory) -> Step {
    let needs = [Capability::OwnerIndex, Capability::VirtualTime];
    let stage = open_with(factory, &needs).await?;
    let index = stage.index()?;
    let (shorter, longer) = (fresh_id(), fresh_id());
    index.claim_with("anna", &shorter, HOUR * 4, None).await?;
    index.claim_with("anna", &longer, HOUR, None).await?;
    index.claim_with("anna", &shorter, HOUR, None).await?;
    index.claim_with("anna", &longer, HOUR * 4, None).await?;
    stage.pass(HOUR * 4 - Duration::from_millis(1)).await;
    let both = vec![shorter, longer];
    ensure_eq!(index.ids("anna").await?, both, "after most of four hours");
    Ok(())
}

/// Rule 1: a claim is listed for at least the time that it was made for, whatever becomes of its session and of others'
/// claims.
pub(crate) async fn a_claim_is_kept_for_its_time(factory: &dyn StoreFactory) -> Step {
    let needs = [Capability::OwnerIndex, Capability::VirtualTime];
    let stage = open_with(factory, &needs).await?;
    let index = stage.index()?;
    let (long, short) = (fresh_id(), fresh_id());
    stage.probe.make(&long, &b"value"[..], HOUR / 2).await?;
    index.claim_with("anna", &long, HOUR * 24, None).await?;
    index.claim_with("anna", &short, HOUR, None).await?;
    index
        .claim_with("anna", &fresh_id(), Duration::ZERO, None)
        .await?;
    stage.pass(HOUR - Duration::from_millis(1)).await;
    let owned = index.ids("anna").await?;
    ensure!(owned.contains(&short), "a claim is gone before its time");
    stage.pass(HOUR * 23).await;
    index.claim_with("anna", &fresh_id(), HOUR, None).await?;
    let owned = index.ids("anna").await?;
    ensure!(
        owned.contains(&long),
        "a long claim is gone before its time"
    );
    Ok(())
}

/// A time that is too long for the store is cut, and no error.
pub(crate) async fn claims_take_the_longest_time(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let mut ids = Vec::new();
    for keep in [
        HOUR * 24 * 400,
        Duration::from_secs(u64::from(u32::MAX) * 1000),
        Duration::from_millis(i64::MAX as u64),
        Duration::MAX,
    ] {
        let id = fresh_id();
        index.claim_with("anna", &id, keep, None).await?;
        ids.push(id);
        ensure_eq!(index.ids("anna").await?, ids, "claimed for {keep:?}");
    }
    index
        .claim_with("anna", &ids[0], Duration::MAX, None)
        .await?;
    ensure_eq!(index.ids("anna").await?, ids, "claimed again for longest");
    Ok(())
}

/// Ids that are not claimed are no error, and nothing else is taken away.
pub(crate) async fn release_takes_away_what_it_names(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let ids: Vec<SessionId> = (0..5).map(|_| fresh_id()).collect();
    for id in &ids {
        index.claim("anna", id).await?;
        index.claim("berta", id).await?;
    }
    index.release("anna", &[]).await?;
    ensure_eq!(index.ids("anna").await?, ids, "after a release of nothing");
    let named = [ids[3].clone(), fresh_id(), ids[1].clone()];
    index.release("anna", &named).await?;
    let left = vec![ids[0].clone(), ids[2].clone(), ids[4].clone()];
    ensure_eq!(index.ids("anna").await?, left, "after a release");
    index.release("anna", &named).await?;
    ensure_eq!(index.ids("anna").await?, left, "after the same release");
    index.release("nobody", &named).await?;
    index.release("anna", &ids).await?;
    ensure_eq!(index.ids("anna").await?, vec![], "after the last release");
    ensure_eq!(index.ids("berta").await?, ids, "of another owner");
    Ok(())
}

/// spring-session#2230, #1715: ten thousand claims, most of sessions that are over and of which nobody was told. Whoever
/// asks the store for each and releases what is over leaves exactly the live ones.
pub(crate) async fn thousands_of_claims_are_listed_and_released(
    factory: &dyn StoreFactory,
) -> Step {
    const CLAIMS: usize = 10_000;
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let ids: Vec<SessionId> = (0..CLAIMS).map(|_| fresh_id()).collect();
    for some in ids.chunks(200) {
        try_join_all(some.iter().map(|id| index.claim("anna", id))).await?;
    }
    // Some never came to be, some expire, some live.
    let mut live = BTreeSet::new();
    let mut expiring = Vec::new();
    for (number, id) in ids
        .iter()
        .enumerate()
        .filter(|(number, _)| number % 20 == 0)
    {
        if number % 40 == 0 {
            stage.probe.make(id, &b"value"[..], HOUR).await?;
            live.insert(id.clone());
        } else {
            expiring.push(id);
        }
    }
    for id in expiring {
        stage.probe.make(id, &b"value"[..], stage.short()).await?;
    }
    stage.pass(stage.short()).await;
    let owned = index.ids("anna").await?;
    ensure_eq!(owned.len(), CLAIMS, "claims in a listing");
    let all: BTreeSet<_> = owned.iter().cloned().collect();
    ensure_eq!(all.len(), CLAIMS, "different claims in a listing");
    let over: Vec<_> = owned.into_iter().filter(|id| !live.contains(id)).collect();
    index.release("anna", &over).await?;
    let left: BTreeSet<_> = index.ids("anna").await?.into_iter().collect();
    ensure!(
        left == live,
        "after a release of {} claims {} are left, not {}",
        over.len(),
        left.len(),
        live.len()
    );
    Ok(())
}
