//! Ends what is beyond an owner's limit.

use cloakroom_core::Error;
use futures_util::{StreamExt as _, stream};

use super::survey::{AT_ONCE, Surveyed};
use crate::{config::Owned, load::within, observe};

/// Ends the sessions of an owner that are not among the newest so many. Of sign-ins at the same moment each comes here after
/// it has written its session, so the last of them finds all; one that finds itself among the oldest ends itself.
pub(super) async fn evict(owned: &Owned, owner: &str, number: usize) -> Result<(), Error> {
    let owners = &owned.owners;
    let claims = within(owners.deadline, "owned", owners.index.owned(owner)).await?;
    if claims.claims.len() <= number {
        return Ok(());
    }
    let revoked = within(
        owners.deadline,
        "revoked_at",
        owners.index.revoked_at(owner),
    )
    .await?;
    let survey = owners.survey_of(owner, claims, revoked).await?;
    let mut over = survey.over;
    let counted = survey
        .claims
        .into_iter()
        .filter(|(_, found)| !matches!(found, Surveyed::Revoked));
    let counted: Vec<_> = counted.collect();
    let beyond = counted.len().saturating_sub(number);
    let ends = counted
        .into_iter()
        .take(beyond)
        .filter_map(|(claim, found)| {
            let Surveyed::Live(live) = found else {
                return None;
            };
            let (owners, owner) = (owners.clone(), owner.to_owned());
            Some(async move {
                let ended = owners.end_claimed(&owner, &claim, live.signed_in).await;
                (claim.id, ended)
            })
        });
    // They are waited for: a sign-in that is answered is one of so many.
    let ended: Vec<_> = stream::iter(ends).buffer_unordered(AT_ONCE).collect().await;
    let mut outcome = Ok(());
    for (id, ended) in ended {
        match ended {
            Ok(None) => {}
            Ok(Some(live)) => {
                if live > 0 {
                    observe::eviction("evicted");
                    tracing::info!(session = %id.fingerprint(), "a session was ended: its owner has newer ones, as many as `owner_limit` allows");
                }
                over.push(id);
            }
            Err(error) => outcome = Err(error),
        }
    }
    owners.release(owner, over).await;
    outcome
}
