//! Revocations: whom they concern, for how long, and the revision that tells of them.

use std::{collections::BTreeSet, time::Duration};

use cloakroom_core::{
    EndReason,
    owner_index::{REVOCATION_TTL, Revision, Whose},
};

use crate::{
    Capability, StoreFactory,
    case::{Step, ensure, ensure_eq},
    cases::races::{both, rounds},
    probe::{HOUR, fresh_id, ok, open_with},
};

/// Rule 4.
pub(crate) async fn a_revocation_concerns_its_owner_alone(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let id = fresh_id();
    index.claim("anna", &id).await?;
    for owner in ["anna", "berta", "nobody"] {
        let at = index.revoked_at(owner).await?;
        ensure_eq!(at, None, "before the first revocation");
    }
    let at = index.revoke("anna").await?;
    ensure_eq!(index.revoked_at("anna").await?, Some(at), "of its owner");
    for owner in ["berta", "nobody", "ann", "anna2"] {
        ensure_eq!(index.revoked_at(owner).await?, None, "of another owner");
    }
    // What is claimed stays claimed: ending and releasing is the caller's.
    ensure_eq!(index.ids("anna").await?, vec![id], "after a revocation");
    let of_nobody = index.revoke("nobody").await?;
    let known = index.revoked_at("nobody").await?;
    ensure_eq!(known, Some(of_nobody), "of an owner without claims");
    Ok(())
}

/// R33; rule 4: also those whom the index has never heard of.
pub(crate) async fn a_revocation_of_everybody_concerns_everybody(
    factory: &dyn StoreFactory,
) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    index.claim("anna", &fresh_id()).await?;
    let at = index.revoke_everybody().await?;
    for owner in ["anna", "nobody", "\0", "*"] {
        let known = index.revoked_at(owner).await?;
        ensure_eq!(known, Some(at), "everybody's revocation for an owner");
    }
    Ok(())
}

/// The owner's or everybody's, whichever is later.
pub(crate) async fn the_later_revocation_counts(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let first = index.revoke("anna").await?;
    let everybody = index.revoke_everybody().await?;
    ensure!(everybody > first, "a later revocation has an earlier time");
    let known = index.revoked_at("anna").await?;
    ensure_eq!(known, Some(everybody), "everybody's after the owner's");
    let again = index.revoke("anna").await?;
    let known = index.revoked_at("anna").await?;
    ensure_eq!(known, Some(again), "the owner's after everybody's");
    let known = index.revoked_at("berta").await?;
    ensure_eq!(known, Some(everybody), "another's after the owner's");
    let last = index.revoke("anna").await?;
    let known = index.revoked_at("anna").await?;
    ensure_eq!(known, Some(last), "the owner's after the owner's");
    Ok(())
}

/// Rule 4: for as long as a browser may still bring a cookie, whatever becomes of claims and sessions.
pub(crate) async fn a_revocation_stands_for_its_time(factory: &dyn StoreFactory) -> Step {
    let needs = [Capability::OwnerIndex, Capability::VirtualTime];
    let stage = open_with(factory, &needs).await?;
    let index = stage.index()?;
    let everybody = index.revoke_everybody().await?;
    let own = index.revoke("anna").await?;
    for part in [
        REVOCATION_TTL / 2,
        REVOCATION_TTL / 2 - Duration::from_secs(1),
    ] {
        stage.pass(part).await;
        index.claim("anna", &fresh_id()).await?;
        let known = index.revoked_at("anna").await?;
        ensure_eq!(known, Some(own), "after a long time, the owner's");
        let known = index.revoked_at("berta").await?;
        ensure_eq!(known, Some(everybody), "after a long time, everybody's");
    }
    Ok(())
}

/// Rule 4: whoever has remembered what `revoked_at` said is told to ask again. No revision comes twice.
pub(crate) async fn the_revision_changes_with_each_revocation(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let mut seen = BTreeSet::from([index.revision().await?]);
    for round in 0..20 {
        match round % 3 {
            0 => index.revoke("anna").await?,
            1 => index.revoke("berta").await?,
            _ => index.revoke_everybody().await?,
        };
        let revision = index.revision().await?;
        ensure!(
            seen.insert(revision),
            "after a revocation the revision is one that has been, round {round}"
        );
        let id = fresh_id();
        stage.probe.make(&id, &b"value"[..], HOUR).await?;
        let (_, again) = index.load(&id).await?;
        ensure_eq!(again, revision, "the revision with a live session");
    }
    Ok(())
}

/// Otherwise every sign-in would make every process ask again for every owner.
pub(crate) async fn the_revision_changes_with_nothing_else(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let unchanged = async |before: Revision, what: &str| -> Step {
        ensure_eq!(index.revision().await?, before, "the revision after {what}");
        Ok(())
    };
    for round in 0..2 {
        let before = index.revision().await?;
        let (id, other) = (fresh_id(), fresh_id());
        index.claim("anna", &id).await?;
        index.claim("anna", &id).await?;
        unchanged(before, "a claim").await?;
        index.claim_within("anna", &other, 1).await?;
        unchanged(before, "a claim with a limit").await?;
        index.release("anna", &[id.clone(), other.clone()]).await?;
        unchanged(before, "a release").await?;
        stage.probe.make(&id, &b"value"[..], HOUR).await?;
        stage.probe.make(&other, &b"value"[..], HOUR).await?;
        stage
            .probe
            .replace(&id, &b"value"[..], &b"new"[..], HOUR)
            .await?;
        stage.probe.renew(&id, HOUR * 2).await?;
        stage.probe.retire(&id, &b"new"[..]).await?;
        stage.probe.end(&other, EndReason::Destroyed).await?;
        unchanged(before, "changes of sessions").await?;
        index.owned("anna").await?;
        index.revoked_at("anna").await?;
        index.load(&other).await?;
        unchanged(before, "reading").await?;
        if stage.is_virtual() {
            stage.pass(HOUR * 24).await;
            unchanged(before, "a day").await?;
        }
        if round == 0 {
            index.revoke("anna").await?;
        }
    }
    Ok(())
}

/// Rule 4, for those who remember: what is asked for after a load with a revision is at least what that revision counts.
/// Otherwise the old answer would be remembered under the new revision, for good.
pub(crate) async fn the_revision_is_never_ahead_of_what_it_counts(
    factory: &dyn StoreFactory,
) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    for round in rounds() {
        let owner = format!("owner {round}");
        let reader = {
            let (index, owner) = (index.clone(), owner.clone());
            async move {
                let mut remembered = Vec::new();
                for _ in 0..4 {
                    let revision = index.revision().await?;
                    remembered.push((revision, index.revoked_at(&owner).await?));
                }
                Ok(remembered)
            }
        };
        let revoker = {
            let (index, owner) = (index.clone(), owner.clone());
            async move {
                let whose = if round % 2 == 0 {
                    Whose::Owner(&owner)
                } else {
                    Whose::Everybody
                };
                ok("revoke", index.0.revoke(whose)).await
            }
        };
        let (remembered, at) = both(round, reader, revoker).await?;
        let now = index.revision().await?;
        for (revision, known) in remembered {
            ensure!(
                revision != now || known == Some(at),
                "the revision tells of a revocation that is not known yet, round {round}"
            );
        }
    }
    Ok(())
}
