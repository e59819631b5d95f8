//! Finding one session, or one owner's, or what else is there.

use std::collections::BTreeSet;

use cloakroom::{SessionId, core::Loaded};

use super::{seen::Seen, walk::Walk};
use crate::{failure::Failure, handle::Typed, prefixes, progress::Progress, store::Opened};

/// So many sessions may begin with the digits that were typed; more are not told.
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
        let named = handles.iter().position(|typed| typed.names(seen.handle));
        if let Some(list) = named.and_then(|index| found.get_mut(index)) {
            list.push(seen);
        }
    };
    if let Some(owner) = owner {
        of_owner(opened, owner)
            .await?
            .into_iter()
            .for_each(&mut offer);
    } else {
        let mut walk = Walk::new(opened, Progress::new(opened.estimate().await));
        while let Some((id, stored)) = walk.next().await? {
            offer(Seen::new(id, &stored));
        }
    }
    let one_each = handles
        .iter()
        .zip(found)
        .map(|(typed, list)| one(typed, list, owner));
    one_each.collect()
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
            let mut names: Vec<_> = list.iter().map(|seen| seen.handle.to_string()).collect();
            names.truncate(MOST_NAMED);
            Err(Failure::no(format!(
                "{typed} begins the handles of {} sessions ({}); give more digits",
                list.len(),
                names.join(", ")
            )))
        }
    }
}

/// The sessions of an owner, oldest sign-in first.
pub(super) async fn of_owner(opened: &Opened, owner: &str) -> Result<Vec<Seen>, Failure> {
    let mut found = Vec::new();
    let mut walk = Walk::new(opened, Progress::new(opened.estimate().await));
    while let Some((id, stored)) = walk.next().await? {
        let seen = Seen::new(id, &stored);
        if seen.owner() == Some(owner) {
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
        Loaded::Live(stored) => Ok(Seen::new(id, &stored)),
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
