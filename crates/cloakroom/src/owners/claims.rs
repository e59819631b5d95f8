//! What a commit asks of the owner index: claims before the write, evictions and releases after it.
//!
//! The order is what keeps the index a superset of the sessions. A claim that was made for a session that did not come to
//! be is taken back, or pruned by the next who lists; one that is not released in time is pruned too.

use std::{num::NonZeroUsize, sync::Arc};

use cloakroom_core::{
    EndReason, Error, SessionId, Timestamp,
    owner_index::Claimed,
    plan::{ClaimOp, Plan, StoreOp, Write, plan},
    session::{Origin, View},
};

use super::{
    evict::evict,
    limit::OwnerLimit,
    survey::{Survey, Surveyed},
};
use crate::{
    beside::beside,
    config::{Config, Owned},
    load::within,
    observe,
};

/// A session under an owner.
type Under = (String, SessionId);

/// The claims of one commit.
pub(crate) struct Claims {
    /// The id that the browser has: the session lives under it whatever becomes of the commit.
    standing: Option<SessionId>,
    made: Vec<Under>,
}

impl Claims {
    pub(crate) fn of(view: &View) -> Self {
        Self {
            standing: match view.origin() {
                Origin::Existing(existing) => Some(existing.id.clone()),
                Origin::New(_) => None,
            },
            made: Vec::new(),
        }
    }

    /// Makes the claim that the plan's write needs first, and plans again where the claim decides what is written.
    /// `None` if the session has been revoked.
    pub(crate) async fn before(
        &mut self,
        config: &Config,
        view: &mut View,
        mut planned: Plan,
    ) -> Result<Option<Plan>, Error> {
        let Some(owned) = &config.owned else {
            return Ok(Some(planned));
        };
        let write = planned.store.write_mut();
        let claimed = write.and_then(|write| Some((write.claim.clone()?, write.id.clone())));
        let Some((claim, id)) = claimed.filter(|(claim, _)| claim.first) else {
            return Ok(Some(planned));
        };
        let planned_again = |view: &View| plan(view, &config.policy, config.clock.now());
        if view.signs_in() {
            let at = self.claim_sign_in(owned, &claim, &id).await?;
            view.stamp_sign_in(at);
            return Ok(Some(planned_again(view)));
        }
        let since = match self.claim(owned, &claim, &id, None).await {
            Ok(claimed) if view.is_adopted() => {
                adopted_since(owned, view, &claim.owner, claimed.at).await
            }
            Ok(_) => return Ok(Some(planned)),
            Err(error) => Err(error),
        };
        match since {
            Ok(Some(at)) => {
                view.stamp_adoption(at);
                Ok(Some(planned_again(view)))
            }
            Ok(None) => Ok(None),
            // The session exists and counts. That it may be missing in a list is no reason to refuse a change of it, or to
            // let it run out.
            Err(error) if matches!(planned.store, StoreOp::Replace(_)) => {
                tracing::warn!(%error, "a session could not be claimed for its owner");
                // A claim that was made all the same stays: another request may be about to rely on it.
                self.made.retain(|(_, made)| *made != id);
                view.forgo_adoption();
                let mut planned = planned_again(view);
                if let Some(write) = planned.store.write_mut() {
                    write.forget_claim();
                }
                Ok(Some(planned))
            }
            Err(error) => Err(error),
        }
    }

    async fn claim(
        &mut self,
        owned: &Owned,
        claim: &ClaimOp,
        id: &SessionId,
        limit: Option<NonZeroUsize>,
    ) -> Result<Claimed, Error> {
        // Before the call: one that fails may have happened.
        self.made.push((claim.owner.clone(), id.clone()));
        let (owner, keep) = (&claim.owner, claim.keep);
        owned.owners.claim(owner, id, keep, limit).await
    }

    /// Claims the session of a sign-in, unless the limit refuses it. Answers with the time of the sign-in.
    async fn claim_sign_in(
        &mut self,
        owned: &Owned,
        claim: &ClaimOp,
        id: &SessionId,
    ) -> Result<Timestamp, Error> {
        let Some(limit @ OwnerLimit::Refuse(number)) = owned.limit else {
            return Ok(self.claim(owned, claim, id, None).await?.at);
        };
        let at_most = NonZeroUsize::new(number);
        let claimed = self.claim(owned, claim, id, at_most).await?;
        if claimed.over.is_empty() {
            return Ok(claimed.at);
        }
        let survey = owned.owners.survey(&claim.owner).await?;
        let refused = self.counted_before(&survey, id) >= number;
        let mut over = survey.over;
        if refused {
            // Waited for: until it is gone, it counts for others who sign in.
            over.push(id.clone());
            self.made.retain(|(_, made)| made != id);
        }
        owned.owners.release(&claim.owner, over).await;
        if refused {
            observe::eviction("refused");
            return Err(limit.refusal());
        }
        Ok(claimed.at)
    }

    /// How many sessions were there before the one that signs in. Those at the same moment count in the order of their
    /// claims; the session that this sign-in takes the place of does not count.
    fn counted_before(&self, survey: &Survey, id: &SessionId) -> usize {
        let earlier = survey
            .claims
            .iter()
            .take_while(|(claim, _)| claim.id != *id);
        let counted = earlier.filter(|(claim, found)| {
            Some(&claim.id) != self.standing.as_ref() && !matches!(found, Surveyed::Revoked)
        });
        counted.count()
    }

    /// After the store has said that the id is somebody else's.
    pub(crate) fn taken(&mut self, id: &SessionId) {
        self.made.retain(|(_, made)| made != id);
    }

    /// After the session was written: ends what is beyond the limit, claims beside the response what is due, releases
    /// what is no more.
    pub(crate) async fn written(self, config: &Config, view: &View, write: &Write) {
        let Some(owned) = &config.owned else {
            return;
        };
        let owner = write.record.identity().owner;
        let now = owner.map(|owner| (owner, write.id.clone()));
        if let (true, Some((owner, _)), Some(OwnerLimit::EvictOldest(number))) =
            (view.signs_in() || view.is_adopted(), &now, owned.limit)
            && let Err(error) = evict(owned, owner, number).await
        {
            // The next sign-in finds them again.
            tracing::warn!(%error, "sessions beyond an owner's limit could not be ended");
        }
        let over = stored_under(view).into_iter().chain(self.made);
        release_beside(
            config,
            over.filter(|under| Some(under) != now.as_ref()).collect(),
        );
        if let (Some(claim), Some((owner, id))) = (&write.claim, now)
            && !claim.first
        {
            let keep = claim.keep;
            let owned = Arc::clone(owned);
            beside(config, async move {
                let _ = owned.owners.claim(&owner, &id, keep, None).await;
            });
        }
    }

    /// After the session has ended, or was found ended.
    pub(crate) fn ended(self, config: &Config, view: &View) {
        let over = stored_under(view).into_iter().chain(self.made);
        release_beside(config, over.collect());
    }

    /// After a commit that failed or found its session revoked: what may have been written under ids that nobody knows is
    /// ended, then released. The session itself, with its claim, is none of it.
    pub(crate) fn failed(self, config: &Config) {
        let Self { standing, made } = self;
        let unknown = made.into_iter();
        let unknown = unknown.filter(|(_, id)| Some(id) != standing.as_ref());
        let unknown: Vec<Under> = unknown.collect();
        let Some(owned) = config.owned.clone().filter(|_| !unknown.is_empty()) else {
            return;
        };
        beside(config, async move {
            for (owner, id) in unknown {
                let end = owned.owners.index.end(&id, EndReason::Destroyed);
                if within(owned.owners.deadline, "end", end).await.is_ok() {
                    owned.owners.release(&owner, vec![id]).await;
                }
            }
        });
    }
}

/// Since when an adopted session counts, which was claimed at `claimed`: since its data say, and no later than the claim.
/// `None` where it was revoked between the load and the claim: whoever revoked has not found it listed.
async fn adopted_since(
    owned: &Owned,
    view: &View,
    owner: &str,
    claimed: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let found = view.identity().signed_in;
    let since = found.map_or(claimed, |at| at.min(claimed));
    let revoked = owned.owners.index.revoked_at(owner);
    let revoked = within(owned.owners.deadline, "revoked_at", revoked).await?;
    Ok(Some(since).filter(|since| revoked.is_none_or(|at| *since > at)))
}

/// Whose the session is in the store, as far as the commit knows.
fn stored_under(view: &View) -> Option<Under> {
    match view.origin() {
        Origin::Existing(existing) => {
            let owner = view.base().identity().owner;
            owner.map(|owner| (owner, existing.id.clone()))
        }
        Origin::New(_) => None,
    }
}

fn release_beside(config: &Config, over: Vec<Under>) {
    let Some(owned) = config.owned.clone().filter(|_| !over.is_empty()) else {
        return;
    };
    beside(config, async move {
        for (owner, id) in over {
            owned.owners.release(&owner, vec![id]).await;
        }
    });
}
