//! `cloakroom sessions revoke --everybody`.

use cloakroom::{EndReason, SessionId};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    revoke::{Ended, owners},
    seen::Seen,
    walk::Walk,
};
use crate::{clock::now, confirm, failure::Failure, progress::Progress, store::Opened};

/// So many sessions are ended at once.
const AT_ONCE: usize = 64;

/// Revokes first, so that no session that is made meanwhile is left, and then ends what stands in the store: a Node peer
/// knows nothing of revocations and goes by what it finds.
pub(super) async fn everybody(
    opened: &Opened,
    anonymous_too: bool,
    yes: bool,
) -> Result<Ended, Failure> {
    let whom = if anonymous_too {
        "all sessions, those in which nobody is signed in among them"
    } else {
        "the sessions of everybody who is signed in"
    };
    let prefix = opened.prefix();
    confirm::go_on(&format!("End {whom}, under the prefix `{prefix}`?"), yes)?;
    owners(opened).revoke_everybody().await?;
    let mut walk = Walk::new(opened, Progress::new(opened.estimate().await));
    let mut ended = Ended::default();
    let mut some = Vec::with_capacity(AT_ONCE);
    while let Some((id, stored)) = walk.next_stored().await? {
        if anonymous_too || Seen::new(id.clone(), &stored, now()).owner().is_some() {
            some.push(id);
        }
        if some.len() == AT_ONCE {
            end(opened, std::mem::take(&mut some), &mut ended).await?;
        }
    }
    end(opened, some, &mut ended).await?;
    Ok(ended)
}

async fn end(opened: &Opened, ids: Vec<SessionId>, ended: &mut Ended) -> Result<(), Failure> {
    let store = opened.sessions();
    let calls = ids.into_iter().map(|id| {
        let store = store.clone();
        async move { store.end(&id, EndReason::Destroyed).await }
    });
    let live: Vec<bool> = stream::iter(calls)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let number = live.len() as u64;
    let live = live.into_iter().filter(|live| *live).count() as u64;
    ended.live += live;
    ended.over += number - live;
    Ok(())
}
