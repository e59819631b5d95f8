//! `cloakroom sessions revoke --everybody`.

use cloakroom::{EndReason, ErrorKind, SessionId};
use futures_util::{StreamExt as _, stream};

use super::{
    ended::Ended,
    revoke::{note_unrevoked, owners},
    scope::Scope,
    walk::Walk,
};
use crate::{confirm, failure::Failure, output::plain, progress::Progress, store::Opened};

/// So many sessions are ended at once.
const AT_ONCE: usize = 64;

/// Revokes first, so that no session that is made meanwhile is left, and then ends what stands in the store: a Node peer
/// knows nothing of revocations and goes by what it finds.
pub(super) async fn everybody(
    scope: Scope<'_>,
    anonymous_too: bool,
    yes: bool,
    ended: &mut Ended,
) -> Result<(), Failure> {
    let whom = if anonymous_too {
        "all sessions, those in which nobody is signed in among them"
    } else {
        "the sessions of everybody who is signed in"
    };
    let prefix = plain(scope.opened.prefix());
    confirm::go_on(&format!("End {whom}, under the prefix `{prefix}`?"), yes)?;
    match owners(scope.opened).revoke_everybody().await {
        Ok(()) => ended.revoked = true,
        Err(error) if error.kind() == ErrorKind::Rejected => note_unrevoked(),
        Err(error) => return Err(error.into()),
    }
    let mut walk = Walk::standing(scope, Progress::shown());
    let mut some = Vec::with_capacity(AT_ONCE);
    while let Some(seen) = walk.next().await? {
        if anonymous_too || seen.owner().is_some() {
            some.push(seen.id);
        }
        if some.len() == AT_ONCE {
            end(scope.opened, std::mem::take(&mut some), ended).await?;
        }
    }
    end(scope.opened, some, ended).await
}

/// Ends some at once. Of those that fail the first failure is told, after the others were counted.
async fn end(opened: &Opened, ids: Vec<SessionId>, ended: &mut Ended) -> Result<(), Failure> {
    let store = opened.sessions();
    let calls = ids.into_iter().map(|id| {
        let store = store.clone();
        async move { store.end(&id, EndReason::Destroyed).await }
    });
    let mut outcome = Ok(());
    let mut answers = stream::iter(calls).buffer_unordered(AT_ONCE);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(lived) => ended.add(lived),
            Err(error) => outcome = outcome.and(Err(error.into())),
        }
    }
    outcome
}
