//! Finding one session, or one owner's, or what else is there.

use std::collections::BTreeSet;

use cloakroom::{
    SessionId,
    core::{Loaded, owner_index::check_owner},
};

use super::{revoked::Revocations, seen::Seen, walk::Walk};
use crate::{
    clock::now, failure::Failure, handle::Typed, prefixes, progress::Progress, store::Opened,
};

/// So many sessions of one fingerprint are named.
const MOST_NAMED: usize = 5;

/// The sessions that these handles name, one each, in their order.
///
/// # Errors
///
/// One names no session, or several.
pub(super) async fn by_handles(
    opened: &Opened,
    owner: Option<&str>,
    handles: &[Typed],
) -> Result<Vec<Seen>, Failure> {
    let mut found: Vec<Vec<Seen>> = handles.iter().map(|_| Vec::new()).collect();
    let mut offer = |seen: Seen| {
        let named = handles.iter().position(|typed| typed.names(&seen.id));
        let list = named.and_then(|index| found.get_mut(index));
        if let Some(list) = list {
            list.push(seen);
        }
    };
    if let Some(owner) = owner {
        let sessions = of_owner(opened, owner).await?;
        sessions.into_iter().for_each(&mut offer);
    } else {
        let mut walk = Walk::new(opened, Progress::new(opened.estimate().await));
        let mut missing = handles.len();
        while let Some((id, stored)) = walk.next_stored().await? {
            if !handles.iter().any(|typed| typed.names(&id)) {
                continue;
            }
            let Some(seen) = walk.see(id, &stored).await? else {
                continue;
            };
            // Of a fingerprint there may be a second session later on; of a handle there is none.
            let whole = handles
                .iter()
                .any(|typed| matches!(typed, Typed::Handle(handle) if *handle == seen.handle));
            missing -= usize::from(whole);
            offer(seen);
            if missing == 0 {
                break;
            }
        }
    }
    let pairs = handles.iter().zip(found);
    pairs.map(|(typed, list)| one(typed, list, owner)).collect()
}

/// The session that a handle names.
///
/// # Errors
///
/// It names none, or several.
pub(super) async fn by_handle(
    opened: &Opened,
    owner: Option<&str>,
    handle: &Typed,
) -> Result<Seen, Failure> {
    let mut found = by_handles(opened, owner, std::slice::from_ref(handle)).await?;
    found
        .pop()
        .ok_or_else(|| Failure::no(format!("there is no session {handle}")))
}

fn one(typed: &Typed, mut list: Vec<Seen>, owner: Option<&str>) -> Result<Seen, Failure> {
    match (list.pop(), list.len()) {
        (Some(seen), 0) => Ok(seen),
        (None, _) => Err(Failure::no(if owner.is_some() {
            format!("the owner has no session {typed}; without --owner all sessions are looked at")
        } else {
            format!("there is no session {typed}; it may have ended, or --prefix is another")
        })),
        (Some(last), _) => {
            list.push(last);
            let names = list.iter().map(|seen| seen.handle.to_string());
            let names: Vec<_> = names.take(MOST_NAMED).collect();
            Err(Failure::no(format!(
                "{typed} is the fingerprint of {} sessions; give one of the handles: {}",
                list.len(),
                names.join(", ")
            )))
        }
    }
}

/// The live sessions of an owner. Where the index knows none, all sessions are looked at: an application without an index
/// writes owners into its sessions too.
pub(super) async fn of_owner(opened: &Opened, owner: &str) -> Result<Vec<Seen>, Failure> {
    let mut found = indexed(opened, owner).await?;
    if found.is_empty() {
        let mut walk = Walk::new(opened, Progress::new(opened.estimate().await));
        while let Some(seen) = walk.next().await? {
            if seen.owner() == Some(owner) {
                found.push(seen);
            }
        }
    }
    Ok(found)
}

/// The live sessions of an owner that the index knows, the earliest sign-in first: one look into the index, and one at each
/// session in it.
pub(super) async fn indexed(opened: &Opened, owner: &str) -> Result<Vec<Seen>, Failure> {
    check_owner(owner).map_err(|error| Failure::usage(format!("--owner: {error}")))?;
    let store = opened.sessions();
    let mut revocations = Revocations::new(opened.sessions());
    let mut found = Vec::new();
    for claim in store.owned(owner).await?.claims {
        let Loaded::Live(stored) = store.load(&claim.id).await? else {
            continue;
        };
        let seen = Seen::new(claim.id, &stored, now());
        if seen.owner() == Some(owner) && !revocations.concern(&seen).await? {
            found.push(seen);
        }
    }
    Ok(found)
}

/// The session of an id.
///
/// # Errors
///
/// There is none, or it has ended.
pub(super) async fn by_id(opened: &Opened, id: SessionId) -> Result<Seen, Failure> {
    match opened.sessions().load(&id).await? {
        Loaded::Live(stored) => Ok(Seen::new(id, &stored, now())),
        Loaded::Ended(_) => Err(Failure::no("this session was ended a short while ago")),
        _ => Err(Failure::no(
            "there is no session of this id; it may have ended, or --prefix is another",
        )),
    }
}

/// What else there is; nothing where that cannot be found out.
pub(super) async fn other_prefixes(opened: &Opened) -> BTreeSet<String> {
    prefixes::others(opened).await.unwrap_or_default()
}

/// What a store without sessions says, with where there are some.
pub(super) fn no_sessions(prefix: &str, others: &BTreeSet<String>) -> String {
    if others.is_empty() {
        return format!("There are no sessions under the prefix `{prefix}`.");
    }
    let others: Vec<_> = others.iter().map(|other| format!("`{other}`")).collect();
    format!(
        "There are no sessions under the prefix `{prefix}`; there is something under {}. See --prefix.",
        others.join(", ")
    )
}
