//! Finding one session, or some, or what else is there.

use std::collections::HashSet;

use cloakroom::{SessionHandle, SessionId, core::Loaded};

use super::{revoked::Revocations, scope::Scope, seen::Seen, source::Source, walk::Walk};
use crate::{
    failure::Failure,
    handle::Typed,
    output::plain,
    prefixes::{self, Prefixes},
    progress::Progress,
    store::Opened,
};

/// So many sessions of one fingerprint are named.
const MOST_NAMED: usize = 5;

/// The sessions that these handles name, each once, in their order.
///
/// # Errors
///
/// One names no session, or several.
pub(super) async fn by_handles(
    scope: Scope<'_>,
    owner: Option<&str>,
    handles: &[Typed],
) -> Result<Vec<Seen>, Failure> {
    let found = match owner {
        Some(_) => {
            let mut found = Vec::new();
            let mut source = Source::of(scope, owner, Progress::shown).await?;
            while let Some(seen) = source.next().await? {
                if handles.iter().any(|typed| typed.names(&seen.id)) {
                    found.push(seen);
                }
            }
            found
        }
        None => among_all(scope, handles).await?,
    };
    let named = named(handles, &found, |typed| {
        if owner.is_some() {
            format!("the owner has no session {typed}; without --owner all sessions are looked at")
        } else {
            format!("there is no session {typed}; it may have ended, or --prefix is another")
        }
    })?;
    let ranked = found.into_iter().enumerate();
    let mut ranked: Vec<_> = ranked
        .map(|(place, seen)| (named.iter().position(|&named| named == place), seen))
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    Ok(ranked.into_iter().map(|(_, seen)| seen).collect())
}

/// Looks at all sessions, until there is one for each handle. Of a fingerprint there may be a second session later on.
async fn among_all(scope: Scope<'_>, handles: &[Typed]) -> Result<Vec<Seen>, Failure> {
    let mut missing: HashSet<SessionHandle> = handles.iter().filter_map(Typed::handle).collect();
    let to_the_end = handles.iter().any(|typed| typed.handle().is_none());
    // Whose session was revoked is asked of those that are meant alone.
    let mut revocations = Revocations::new(scope.opened.sessions());
    let mut walk = Walk::standing(scope, Progress::shown());
    let mut found = Vec::new();
    while let Some(seen) = walk.next().await? {
        if !handles.iter().any(|typed| typed.names(&seen.id)) || revocations.ended(&seen).await? {
            continue;
        }
        missing.remove(&seen.handle);
        found.push(seen);
        if missing.is_empty() && !to_the_end {
            break;
        }
    }
    Ok(found)
}

/// The session that a handle names.
///
/// # Errors
///
/// It names none, or several.
pub(super) async fn by_handle(
    scope: Scope<'_>,
    owner: Option<&str>,
    handle: &Typed,
) -> Result<Seen, Failure> {
    let mut found = by_handles(scope, owner, std::slice::from_ref(handle)).await?;
    found
        .pop()
        .ok_or_else(|| Failure::no(format!("there is no session {handle}")))
}

/// For each handle the place of the one session that it names. Two handles may name the same one.
///
/// # Errors
///
/// One names no session, and `nobody` says so; or it names several.
pub(super) fn named(
    handles: &[Typed],
    found: &[Seen],
    nobody: impl Fn(&Typed) -> String,
) -> Result<Vec<usize>, Failure> {
    let one = |typed: &Typed| {
        let named = found.iter().enumerate();
        let named: Vec<_> = named.filter(|(_, seen)| typed.names(&seen.id)).collect();
        match named.as_slice() {
            [] => Err(Failure::no(nobody(typed))),
            [(place, _)] => Ok(*place),
            several => {
                let shown = several.iter().take(MOST_NAMED);
                let shown: Vec<_> = shown.map(|(_, seen)| seen.handle.to_string()).collect();
                Err(Failure::no(format!(
                    "{typed} is the fingerprint of {} sessions; give one of the handles: {}",
                    several.len(),
                    shown.join(", ")
                )))
            }
        }
    };
    handles.iter().map(one).collect()
}

/// The session of an id, as a visitor could use it.
///
/// # Errors
///
/// There is none, or it has ended.
pub(super) async fn by_id(scope: Scope<'_>, id: SessionId) -> Result<Seen, Failure> {
    let seen = standing(scope, id).await?;
    let mut revocations = Revocations::new(scope.opened.sessions());
    if revocations.ended(&seen).await? {
        return Err(Failure::no(
            "this session was revoked; it stands in the store until it is presented, or `cloakroom sessions revoke` ends it there",
        ));
    }
    Ok(seen)
}

/// The session of an id, as it stands in the store, revoked or not.
///
/// # Errors
///
/// There is none, or it has ended.
pub(super) async fn standing(scope: Scope<'_>, id: SessionId) -> Result<Seen, Failure> {
    match scope.opened.sessions().load(&id).await? {
        Loaded::Live(stored) => Ok(scope.see(id, &stored)),
        Loaded::Ended(_) => Err(Failure::no("this session was ended a short while ago")),
        _ => Err(Failure::no(
            "there is no session of this id; it may have ended, or --prefix is another",
        )),
    }
}

/// What a store without sessions says, with where there are some, as far as that can be found out.
pub(super) async fn no_sessions(opened: &Opened) -> String {
    let others = prefixes::look(opened).await.unwrap_or_default();
    none_under(opened.prefix(), &others)
}

fn none_under(prefix: &str, others: &Prefixes) -> String {
    let prefix = plain(prefix);
    match others.shown() {
        None => format!("There are no sessions under the prefix `{prefix}`."),
        Some(others) => format!(
            "There are no sessions under the prefix `{prefix}`; there is something under {others}. See --prefix."
        ),
    }
}

/// What is said of an owner of whom there is nothing.
pub(super) fn no_session_of_owner(scope: Scope<'_>) -> &'static str {
    if scope.looks_into_data() {
        "The owner has no sessions."
    } else {
        "The owner has no sessions, as far as this library signed them in. Sessions that a Node service signs in say in their \
         data alone whose they are: --owner-name gives the name there, `userName` for instance."
    }
}
