//! The owner index while the store cannot be reached, or can only be read.

use std::collections::BTreeSet;

use cloakroom_core::{Loaded, owner_index::Whose};

use crate::{
    Capability, StoreFactory,
    case::{Step, ensure, ensure_eq},
    cases::faults::{is_trouble, refused},
    probe::{HOUR, answer, fresh_id, open_with},
};

/// An outage never looks like "nobody is signed in" or "nothing was revoked".
pub(crate) async fn an_outage_is_an_error_and_never_an_answer(factory: &dyn StoreFactory) -> Step {
    let needs = [Capability::OwnerIndex, Capability::Outage];
    let stage = open_with(factory, &needs).await?;
    let index = stage.index()?;
    let id = fresh_id();
    stage.probe.make(&id, &b"value"[..], HOUR).await?;
    index.claim("anna", &id).await?;
    let at = index.revoke("anna").await?;
    stage.outage(true).await;
    let loaded = index.0.load_with_revision(&id);
    is_trouble("load_with_revision", answer("load", loaded).await?)?;
    let claimed = index.0.claim("anna", &id, HOUR, None);
    is_trouble("claim", answer("claim", claimed).await?)?;
    is_trouble("owned", answer("owned", index.0.owned("anna")).await?)?;
    let released = index.0.release("anna", std::slice::from_ref(&id));
    is_trouble("release", answer("release", released).await?)?;
    let known = answer("revoked_at", index.0.revoked_at("anna")).await?;
    is_trouble("revoked_at", known)?;
    for whose in [Whose::Owner("berta"), Whose::Everybody] {
        let revoked = answer("revoke", index.0.revoke(whose)).await?;
        is_trouble("revoke", revoked)?;
    }
    stage.outage(false).await;
    // What failed has happened or not; what was there before is there.
    let left = index.ids("anna").await?;
    ensure!(
        left.is_empty() || left == [id],
        "after an outage others' claims are listed"
    );
    let known = index.revoked_at("anna").await?;
    ensure!(known >= Some(at), "after an outage a revocation is lost");
    Ok(())
}

/// Listing and the checks of a request work on a read-only replica; what cannot be written is an error.
pub(crate) async fn reading_works_where_writing_does_not(factory: &dyn StoreFactory) -> Step {
    let needs = [Capability::OwnerIndex, Capability::ReadOnly];
    let stage = open_with(factory, &needs).await?;
    let index = stage.index()?;
    let (id, fresh) = (fresh_id(), fresh_id());
    stage.probe.make(&id, &b"value"[..], HOUR).await?;
    index.claim("anna", &id).await?;
    let at = index.revoke("anna").await?;
    let revision = index.revision().await?;
    stage.read_only(true).await;
    let when = "while nothing can be written";
    let only = vec![id.clone()];
    ensure_eq!(index.ids("anna").await?, only, "{when}");
    ensure_eq!(index.ids("nobody").await?, vec![], "{when}");
    ensure_eq!(index.revoked_at("anna").await?, Some(at), "{when}");
    ensure_eq!(index.revoked_at("nobody").await?, None, "{when}");
    let (loaded, seen) = index.load(&id).await?;
    ensure!(
        matches!(loaded, Loaded::Live(_)),
        "{when} load is {loaded:?}"
    );
    ensure_eq!(seen, revision, "{when} the revision");
    let claimed = answer("claim", index.0.claim("anna", &fresh, HOUR, None)).await?;
    refused("claim", &claimed, |_| true)?;
    let released = answer("release", index.0.release("anna", &only)).await?;
    refused("release", &released, |()| true)?;
    let revoked = answer("revoke", index.0.revoke(Whose::Owner("berta"))).await?;
    refused("revoke", &revoked, |_| true)?;
    let revoked = answer("revoke", index.0.revoke(Whose::Everybody)).await?;
    refused("revoke", &revoked, |_| true)?;
    stage.read_only(false).await;
    let when = "after nothing could be written";
    let listed: BTreeSet<_> = index.ids("anna").await?.into_iter().collect();
    ensure_eq!(listed, only.into_iter().collect(), "{when}");
    ensure_eq!(index.revoked_at("berta").await?, None, "{when}");
    index.claim("anna", &fresh).await?;
    Ok(())
}
