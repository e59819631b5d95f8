//! Owners, namespaces and sessions that have nothing to do with each other.

use std::collections::BTreeMap;

use bytes::Bytes;
use cloakroom_core::{
    EndReason, Loaded,
    owner_index::{MAX_OWNER_LEN, Revision},
};

use crate::{
    Capability, StoreFactory,
    case::{Step, ensure, ensure_eq},
    probe::{HOUR, fresh_id, open_with},
};

/// Owners that a store may take for each other, or for something else.
pub(crate) fn odd_owners() -> Vec<String> {
    let longest = "x".repeat(MAX_OWNER_LEN);
    let nearly = format!("{}y", &longest[1..]);
    let wide = "花".repeat(MAX_OWNER_LEN / 3);
    let odd = [
        "anna",
        "Anna",
        "ANNA",
        " anna",
        "anna ",
        "anna\0",
        "anna\0b",
        "\0",
        "anna\n",
        "\r\n",
        " ",
        "a",
        "an",
        "a:",
        "a:b",
        "b",
        ":",
        "{a}",
        "{",
        "}",
        "{}",
        "*",
        "?",
        "[a]",
        "a*",
        "\\",
        "\\*",
        "'",
        "\"",
        "--",
        "a' OR '1'='1",
        "%",
        "_",
        "ann_",
        "%61nna",
        "é",
        "e\u{301}",
        "ß",
        "SS",
        "\u{feff}",
        "\u{200b}",
        "0",
        "00",
        "1e0",
        "null",
        "*all*",
        "everybody",
        "__ck",
        "\u{10ffff}",
        "ck:u:{anna}",
    ];
    let mut owners: Vec<String> = odd.iter().map(ToString::to_string).collect();
    owners.extend([longest, nearly, wide]);
    owners
}

/// Rule 1: an owner is bytes, and nothing in them means anything to the store.
pub(crate) async fn owners_of_any_bytes_stay_apart(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let owners: Vec<_> = odd_owners()
        .into_iter()
        .map(|owner| (owner, fresh_id()))
        .collect();
    for (owner, id) in &owners {
        index.claim(owner, id).await?;
    }
    for (owner, id) in &owners {
        let listed = index.ids(owner).await?;
        ensure_eq!(listed, vec![id.clone()], "claims of the owner {owner:?}");
    }
    let mut revoked = BTreeMap::new();
    for (owner, _) in owners.iter().step_by(2) {
        revoked.insert(owner, index.revoke(owner).await?);
    }
    for (owner, id) in &owners {
        let at = index.revoked_at(owner).await?;
        ensure_eq!(at, revoked.get(owner).copied(), "revocation of {owner:?}");
        index.release(owner, &[id.clone()]).await?;
        ensure_eq!(
            index.ids(owner).await?,
            vec![],
            "of {owner:?} after a release"
        );
    }
    Ok(())
}

async fn apart(
    factory: &dyn StoreFactory,
    needs: Capability,
    names: [&str; 2],
    owners: [&str; 2],
) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex, needs]).await?;
    let [(store, one), (_, other)] = [
        stage.sibling_index(names[0]).await?,
        stage.sibling_index(names[1]).await?,
    ];
    let (first, second) = (fresh_id(), fresh_id());
    one.claim(owners[0], &first).await?;
    ensure_eq!(other.ids(owners[1]).await?, vec![], "in another namespace");
    ensure_eq!(other.ids(owners[0]).await?, vec![], "in another namespace");
    other.claim(owners[1], &second).await?;
    other.claim(owners[0], &second).await?;
    let only = vec![first.clone()];
    ensure_eq!(one.ids(owners[0]).await?, only, "beside another namespace");
    other.release(owners[1], &only).await?;
    other.release(owners[0], &only).await?;
    ensure_eq!(one.ids(owners[0]).await?, only, "after a release elsewhere");
    store.make(&first, &b"value"[..], HOUR).await?;
    let before = one.revision().await?;
    other.revoke(owners[0]).await?;
    other.revoke(owners[1]).await?;
    other.revoke_everybody().await?;
    for owner in owners {
        let at = one.revoked_at(owner).await?;
        ensure_eq!(at, None, "after a revocation elsewhere");
    }
    let after = one.revision().await?;
    ensure_eq!(after, before, "the revision after a revocation elsewhere");
    store.live(&first, "after a revocation elsewhere").await?;
    Ok(())
}

/// Rule 1: what happens in one namespace does not show in another.
pub(crate) async fn its_own_namespace_alone(factory: &dyn StoreFactory) -> Step {
    apart(
        factory,
        Capability::Siblings,
        ["one:", "other:"],
        ["anna", "anna"],
    )
    .await
}

/// The same where one namespace's name begins with the other's, and the owners' names make up for it. An index needs no
/// peer's keys, so this holds also where sessions' keys are a bare prefix and the id.
pub(crate) async fn nested_namespaces_stay_apart(factory: &dyn StoreFactory) -> Step {
    apart(
        factory,
        Capability::Siblings,
        ["a:", "a:b:"],
        ["b:anna", "anna"],
    )
    .await?;
    apart(
        factory,
        Capability::Siblings,
        ["a", "a}:"],
        ["}:anna", "anna"],
    )
    .await
}

/// Rule 6 of the store's law, for the index: there is no cache that others do not know of.
pub(crate) async fn a_change_is_seen_from_every_handle(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex, Capability::Siblings]).await?;
    let (_, one) = stage.sibling_index("shared:").await?;
    let (_, other) = stage.sibling_index("shared:").await?;
    for round in 0..3 {
        let id = fresh_id();
        let claimed = one.claim("anna", &id).await?;
        let listed = other.ids("anna").await?;
        ensure_eq!(
            listed,
            vec![id.clone()],
            "from another handle, round {round}"
        );
        let before = other.revision().await?;
        let at = one.revoke("anna").await?;
        ensure!(at > claimed, "a revocation is not later than a claim");
        let seen = other.revoked_at("anna").await?;
        ensure_eq!(seen, Some(at), "from another handle, the revocation");
        ensure!(
            other.revision().await? != before,
            "from another handle the revision stands still"
        );
        other.release("anna", &[id]).await?;
        ensure_eq!(one.ids("anna").await?, vec![], "after another's release");
    }
    Ok(())
}

/// Rule 5: claims, releases and revocations neither make nor change nor end a session, nor its time.
pub(crate) async fn it_leaves_sessions_alone(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let (live, ended, missing) = (fresh_id(), fresh_id(), fresh_id());
    stage.probe.make(&live, &b"\0value\xff"[..], HOUR).await?;
    stage.probe.end(&ended, EndReason::Rotated).await?;
    let ids = [live.clone(), ended.clone(), missing.clone()];
    for owner in ["anna", "berta"] {
        for id in &ids {
            index.claim_with(owner, id, HOUR * 48, None).await?;
            index.claim_within(owner, id, 1).await?;
        }
        index.revoke(owner).await?;
        index.release(owner, &ids).await?;
    }
    index.revoke_everybody().await?;
    let when = "after claims, releases and revocations";
    let stored = stage.probe.holds(&live, b"\0value\xff", when).await?;
    ensure!(
        stored.remaining.is_some_and(|left| left <= HOUR),
        "{when} a session lives longer"
    );
    ensure!(
        stored.remaining.is_some_and(|left| left > HOUR / 2),
        "{when} a session lives shorter"
    );
    stage.probe.ended(&ended, EndReason::Rotated, when).await?;
    stage.probe.missing(&missing, when).await
}

/// The load is the store's, for whatever is there.
pub(crate) async fn load_with_revision_answers_as_load(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::OwnerIndex]).await?;
    let index = stage.index()?;
    let (live, destroyed, rotated, expired) = (fresh_id(), fresh_id(), fresh_id(), fresh_id());
    stage.probe.make(&live, &b"\0value\xff"[..], HOUR).await?;
    stage
        .probe
        .make(&expired, &b"value"[..], stage.short())
        .await?;
    stage.probe.end(&destroyed, EndReason::Destroyed).await?;
    stage.probe.make(&rotated, &b"value"[..], HOUR).await?;
    stage.probe.retire(&rotated, &b"value"[..]).await?;
    stage.pass(stage.short()).await;
    let (found, _) = index.load(&live).await?;
    let value = Bytes::from_static(b"\0value\xff");
    ensure!(
        matches!(&found, Loaded::Live(stored) if stored.value == value
            && stored.remaining.is_some_and(|left| left <= HOUR && left > HOUR / 2)),
        "of a live session it answers {found:?}"
    );
    for (id, wanted) in [
        (&destroyed, Loaded::Ended(EndReason::Destroyed)),
        (&rotated, Loaded::Ended(EndReason::Rotated)),
        (&expired, Loaded::Missing),
        (&fresh_id(), Loaded::Missing),
    ] {
        let (found, _): (Loaded, Revision) = index.load(id).await?;
        ensure_eq!(found, wanted, "load_with_revision");
    }
    Ok(())
}
