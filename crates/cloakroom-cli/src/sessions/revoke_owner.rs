//! `cloakroom sessions revoke --owner`: all of an owner's sessions, or all but some.

use std::collections::HashSet;

use cloakroom::{EndReason, ErrorKind, SessionHandle, core::Loaded};

use super::{
    ended::Ended,
    find,
    revoke::{note_unrevoked, owners, tell, these},
    scope::Scope,
    seen::Seen,
    source::{Indexed, Source, note_refused},
    walk::Walk,
};
use crate::{confirm, failure::Failure, format, handle::Typed, output::note, progress::Progress};

/// All of an owner's: by the owner's revocation first, so that no sign-in that is under way is left, and then one by one what
/// stands in the store, whether the index knows it or not: an application without an index, and a Node peer, know of no
/// revocation and go by what they find.
pub(super) async fn of_owner(
    scope: Scope<'_>,
    owner: &str,
    yes: bool,
    ended: &mut Ended,
) -> Result<(), Failure> {
    let mut source = Source::of(scope, Some(owner), Progress::shown).await?;
    let mut listed = Vec::new();
    while let Some(seen) = source.next().await? {
        listed.push(seen);
    }
    drop(source);
    tell(&listed);
    if listed.is_empty() {
        note(find::no_session_of_owner(scope));
    }
    let number = format::sessions(listed.len() as u64);
    confirm::go_on(
        &format!("End {number} of this owner, and every sign-in of theirs until now?"),
        yes,
    )?;
    match owners(scope.opened).revoke_all(owner).await {
        Ok(live) => {
            ended.revoked = true;
            ended.live += live as u64;
        }
        Err(error) if error.kind() == ErrorKind::Rejected => note_unrevoked(),
        Err(error) => return Err(error.into()),
    }
    let store = scope.opened.sessions();
    for seen in &listed {
        ended.live += u64::from(store.end(&seen.id, EndReason::Destroyed).await?);
    }
    what_stands(scope, owner, ended).await
}

/// Ends what the list had not: what the index does not know, and what was revoked before and still stands. Who has signed in
/// since the revocation is left.
async fn what_stands(scope: Scope<'_>, owner: &str, ended: &mut Ended) -> Result<(), Failure> {
    let store = scope.opened.sessions();
    let at = match store.revoked_at(owner).await {
        Ok(at) => at,
        Err(error) if error.kind() == ErrorKind::Rejected => None,
        Err(error) => return Err(error.into()),
    };
    let mut walk = Walk::standing(scope, Progress::shown());
    while let Some(seen) = walk.next().await? {
        let signed_in = seen.facts().and_then(|facts| facts.signed_in);
        let since = at
            .zip(signed_in)
            .is_some_and(|(at, signed_in)| signed_in > at);
        if seen.owner() == Some(owner) && !since {
            ended.live += u64::from(store.end(&seen.id, EndReason::Destroyed).await?);
        }
    }
    Ok(())
}

/// All of an owner's but some: those that the index knows, and those that it does not.
pub(super) async fn all_but(
    scope: Scope<'_>,
    owner: &str,
    kept: &[Typed],
    yes: bool,
    ended: &mut Ended,
) -> Result<(), Failure> {
    let mut sessions = union(scope, owner).await?;
    // A handle that was mistyped must not end the session that was to stay.
    let staying = find::named(kept, &sessions, |typed| {
        format!("the owner has no session {typed} that could stay; nothing was done")
    })?;
    for seen in staying.into_iter().filter_map(|place| sessions.get(place)) {
        // It may have got a new id while the others were looked at, and be among them under that.
        if !matches!(
            scope.opened.sessions().load(&seen.id).await?,
            Loaded::Live(_)
        ) {
            return Err(Failure::no(format!(
                "the session {} that was to stay has just ended or got a new handle; nothing was done, list the sessions again",
                seen.handle
            )));
        }
    }
    sessions.retain(|seen| !kept.iter().any(|typed| typed.names(&seen.id)));
    these(scope.opened, &sessions, yes, ended).await
}

/// An owner's live sessions that the index knows, and those that a walk finds.
async fn union(scope: Scope<'_>, owner: &str) -> Result<Vec<Seen>, Failure> {
    let mut indexed = Indexed::of(scope, owner).await?;
    if indexed.is_refused() {
        note_refused();
    }
    let mut sessions = Vec::new();
    let mut known: HashSet<SessionHandle> = HashSet::new();
    while let Some(seen) = indexed.next().await? {
        known.insert(seen.handle);
        sessions.push(seen);
    }
    let mut walk = Walk::live(scope, Progress::shown());
    while let Some(seen) = walk.next().await? {
        if seen.owner() == Some(owner) && known.insert(seen.handle) {
            sessions.push(seen);
        }
    }
    Ok(sessions)
}
