//! What a commit asks of the owner index: claims before the write, evictions and releases after it.
//!
//! The order is what keeps the index a superset of the sessions. A claim that was made for a session that did not come to
//! be is taken back, or pruned by the next who lists; one that is not released in time is pruned too.

use std::{future::Future, sync::Arc};

use cloakroom_core::{
    EndReason, Error, SessionId,
    owner_index::Claimed,
    plan::{ClaimOp, Plan, StoreOp, Write, plan},
    record::Identity,
    session::{Origin, View},
};

use super::{limit::OwnerLimit, survey::Surveyed};
use crate::{
    config::{Config, Owned},
    load::within,
    observe,
};

/// A session under an owner.
type Under = (String, SessionId);

/// The claims of one commit.
#[derive(Debug)]
pub(crate) struct Claims {
    /// Whose the session was in the store before the commit.
    before: Option<Under>,
    made: Vec<Under>,
}

/// Whether a commit may go on.
pub(crate) enum Before {
    /// With this plan.
    Go(Plan),
    /// The session has been revoked.
    Gone,
}

impl Claims {
    pub(crate) fn of(view: &View) -> Self {
        let before = match view.origin() {
            Origin::Existing(existing) => {
                let owner = view.base().identity().owner;
                owner.map(|owner| (owner, existing.id.clone()))
            }
            Origin::New(_) => None,
        };
        Self {
            before,
            made: Vec::new(),
        }
    }

    /// Makes the claim that the plan's write needs first, and plans again where the claim's time is the sign-in's.
    pub(crate) async fn before(
        &mut self,
        config: &Config,
        view: &mut View,
        mut planned: Plan,
    ) -> Result<Before, Error> {
        let Some(owned) = &config.owned else {
            return Ok(Before::Go(planned));
        };
        let essential = planned.essential;
        let Some(write) = planned.store.write_mut() else {
            return Ok(Before::Go(planned));
        };
        let Some(claim) = write.claim.clone().filter(|claim| claim.first) else {
            return Ok(Before::Go(planned));
        };
        let id = write.id.clone();
        let limit = owned.limit.filter(|_| view.signs_in());
        let claimed = match self.claim(owned, &claim, &id, limit).await {
            Ok(claimed) => claimed,
            // The session exists and counts; that it may be missing in a list is no reason to refuse a change of it.
            Err(error) if essential && matches!(planned.store, StoreOp::Replace(_)) => {
                tracing::warn!(%error, "a session could not be claimed for its owner");
                if let Some(write) = planned.store.write_mut() {
                    write.forget_claim();
                }
                return Ok(Before::Go(planned));
            }
            Err(error) => return Err(error),
        };
        if view.signs_in() {
            if let Some(limit @ OwnerLimit::Refuse(_)) = limit
                && !claimed.over.is_empty()
            {
                self.check_limit(owned, limit, &claim.owner, &id).await?;
            }
            view.stamp_sign_in(claimed.at);
        } else if view.is_adopted() {
            let found = view.identity();
            let signed_in = found.signed_in.map_or(claimed.at, |at| at.min(claimed.at));
            let revoked = owned.owners.index.revoked_at(&claim.owner);
            let revoked = within(owned.owners.deadline, "revoked_at", revoked).await?;
            // Revoked between the load and the claim: whoever revoked has not found it listed.
            if revoked.is_some_and(|at| signed_in <= at) {
                return Ok(Before::Gone);
            }
            view.adopt(&Identity {
                owner: found.owner,
                signed_in: Some(signed_in),
            });
        } else {
            return Ok(Before::Go(planned));
        }
        Ok(Before::Go(plan(view, &config.policy, config.clock.now())))
    }

    async fn claim(
        &mut self,
        owned: &Owned,
        claim: &ClaimOp,
        id: &SessionId,
        limit: Option<OwnerLimit>,
    ) -> Result<Claimed, Error> {
        // Before the call: one that fails may have happened.
        self.made.push((claim.owner.clone(), id.clone()));
        let limit = limit.and_then(OwnerLimit::as_limit);
        let call = owned
            .owners
            .index
            .claim(&claim.owner, id, claim.keep, limit);
        within(owned.owners.deadline, "claim", call).await
    }

    /// Refuses a sign-in that is not among the owner's first so many. Those at the same moment count in the order of
    /// their claims; the session that this sign-in takes the place of does not count.
    async fn check_limit(
        &mut self,
        owned: &Owned,
        limit: OwnerLimit,
        owner: &str,
        id: &SessionId,
    ) -> Result<(), Error> {
        let OwnerLimit::Refuse(number) = limit else {
            return Ok(());
        };
        let survey = owned.owners.survey(owner).await?;
        let old = self.before.as_ref().map(|(_, old)| old);
        let earlier = survey
            .claims
            .iter()
            .take_while(|(claim, _)| claim.id != *id);
        let counted = earlier
            .filter(|(claim, found)| Some(&claim.id) != old && !matches!(found, Surveyed::Revoked));
        let refused = counted.count() >= number;
        let mut over = survey.over;
        if refused {
            // Waited for: until it is gone, it counts for others who sign in.
            over.push(id.clone());
            self.made.retain(|(_, made)| made != id);
        }
        owned.owners.release_beside(owner, over).await;
        if refused {
            observe::eviction("refused");
            return Err(limit.refusal());
        }
        Ok(())
    }

    /// After the session was written: ends what is beyond the limit, claims beside the response what is due, releases
    /// what is no more.
    pub(crate) async fn written(self, config: &Config, write: &Write, signs_in: bool) {
        let Some(owned) = &config.owned else {
            return;
        };
        let owner = write.record.identity().owner;
        let now = owner.map(|owner| (owner, write.id.clone()));
        if let (true, Some((owner, _)), Some(OwnerLimit::EvictOldest(number))) =
            (signs_in, &now, owned.limit)
            && let Err(error) = evict(owned, owner, number).await
        {
            // The next sign-in finds them again.
            tracing::warn!(%error, "sessions beyond an owner's limit could not be ended");
        }
        let over = self.before.into_iter().chain(self.made);
        release(
            config,
            over.filter(|under| Some(under) != now.as_ref()).collect(),
        );
        if let (Some(claim), Some((owner, id))) = (&write.claim, now)
            && !claim.first
        {
            let keep = claim.keep;
            let owned = Arc::clone(owned);
            beside(config, async move {
                let call = owned.owners.index.claim(&owner, &id, keep, None);
                let _ = within(owned.owners.deadline, "claim", call).await;
            });
        }
    }

    /// After the session has ended, or was found ended.
    pub(crate) fn ended(self, config: &Config) {
        release(config, self.before.into_iter().chain(self.made).collect());
    }

    /// After a commit that failed: what may have been written under ids that nobody knows is ended, then released.
    pub(crate) fn failed(self, config: &Config) {
        let standing = self.before.map(|(_, id)| id);
        let made: Vec<Under> = self
            .made
            .into_iter()
            .filter(|(_, id)| Some(id) != standing.as_ref())
            .collect();
        let Some(owned) = config.owned.clone().filter(|_| !made.is_empty()) else {
            return;
        };
        beside(config, async move {
            for (owner, id) in made {
                let end = owned.owners.index.end(&id, EndReason::Destroyed);
                if within(owned.owners.deadline, "end", end).await.is_ok() {
                    owned.owners.release_beside(&owner, vec![id]).await;
                }
            }
        });
    }
}

/// Ends the sessions of an owner that are not among the newest so many. Of sign-ins at the same moment each comes here after
/// it has written its session, so the last of them finds all; one that finds itself among the oldest ends itself.
async fn evict(owned: &Owned, owner: &str, number: usize) -> Result<(), Error> {
    let owners = &owned.owners;
    let claims = within(owners.deadline, "owned", owners.index.owned(owner)).await?;
    if claims.claims.len() <= number {
        return Ok(());
    }
    let survey = owners.survey(owner).await?;
    owners.release_beside(owner, survey.over).await;
    let counted = survey
        .claims
        .iter()
        .filter(|(_, found)| !matches!(found, Surveyed::Revoked));
    let counted: Vec<_> = counted.collect();
    let beyond = counted.len().saturating_sub(number);
    for (claim, found) in counted.into_iter().take(beyond) {
        let Surveyed::Live(live) = found else {
            continue;
        };
        if owners.end_claimed(owner, claim, live.signed_in).await? > 0 {
            observe::eviction("evicted");
            tracing::info!(session = %claim.id.fingerprint(), "a session was ended: its owner has newer ones, as many as `owner_limit` allows");
        }
    }
    Ok(())
}

fn release(config: &Config, over: Vec<Under>) {
    let Some(owned) = config.owned.clone().filter(|_| !over.is_empty()) else {
        return;
    };
    beside(config, async move {
        for (owner, id) in over {
            owned.owners.release_beside(&owner, vec![id]).await;
        }
    });
}

/// Something that nobody waits for. Where too much is under way it is left out: whoever reads the index verifies it.
pub(crate) fn beside(config: &Config, work: impl Future<Output = ()> + Send + 'static) {
    let Ok(permit) = Arc::clone(&config.renewals).try_acquire_owned() else {
        return;
    };
    tokio::spawn(async move {
        work.await;
        drop(permit);
    });
}
