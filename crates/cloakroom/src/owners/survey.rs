//! An owner's claims, each verified with the store.

use std::{sync::Arc, time::Duration};

use cloakroom_core::{
    Error, Loaded, SessionId, Timestamp,
    owner_index::{Claim, Claims},
    record::Record,
};
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};

use super::Owners;
use crate::load::within;

/// How many sessions are asked for at once.
pub(super) const AT_ONCE: usize = 16;

/// What stands behind a claim.
#[derive(Debug)]
pub(crate) enum Surveyed {
    /// A live session of the owner.
    Live(Live),
    /// A session of the owner that has been revoked, live or yet to be written.
    Revoked,
    /// Nothing yet: the session may be about to be written.
    Pending,
    /// Something that cannot be read.
    Unreadable,
    /// Nothing of the owner's any more.
    Over,
}

#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) record: Record,
    pub(crate) signed_in: Option<Timestamp>,
    pub(crate) remaining: Option<Duration>,
}

/// An owner's claims, oldest first, without those that are over.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) now: Timestamp,
    pub(crate) claims: Vec<(Claim, Surveyed)>,
    /// Whose claims may be released.
    pub(crate) over: Vec<SessionId>,
}

impl Owners {
    /// Verifies each claim of the owner.
    pub(crate) async fn survey(&self, owner: &str) -> Result<Survey, Error> {
        let (claims, revoked) = future::try_join(
            within(self.deadline, "owned", self.index.owned(owner)),
            within(self.deadline, "revoked_at", self.index.revoked_at(owner)),
        )
        .await?;
        self.survey_of(owner, claims, revoked).await
    }

    /// The same, where the claims and the owner's revocation are known.
    pub(crate) async fn survey_of(
        &self,
        owner: &str,
        claims: Claims,
        revoked: Option<Timestamp>,
    ) -> Result<Survey, Error> {
        let ids: Vec<SessionId> = claims.claims.iter().map(|claim| claim.id.clone()).collect();
        let found = ids.into_iter().map(|id| {
            let (index, deadline) = (Arc::clone(&self.index), self.deadline);
            async move { within(deadline, "load", index.load(&id)).await }
        });
        let found: Vec<Loaded> = stream::iter(found).buffered(AT_ONCE).try_collect().await?;
        let mut survey = Survey {
            now: claims.now,
            claims: Vec::new(),
            over: Vec::new(),
        };
        for (claim, loaded) in claims.claims.iter().zip(found) {
            match self.verify(owner, claim, loaded, &claims, revoked) {
                Surveyed::Over => survey.over.push(claim.id.clone()),
                found => survey.claims.push((claim.clone(), found)),
            }
        }
        Ok(survey)
    }

    /// A claim without a session of the owner's. What is written for it counts from no later time than the claim's.
    fn missing(claim: &Claim, claims: &Claims, revoked: Option<Timestamp>) -> Surveyed {
        if claims.is_settled(claim) {
            Surveyed::Over
        } else if revoked.is_some_and(|at| claim.at <= at) {
            Surveyed::Revoked
        } else {
            Surveyed::Pending
        }
    }

    fn verify(
        &self,
        owner: &str,
        claim: &Claim,
        loaded: Loaded,
        claims: &Claims,
        revoked: Option<Timestamp>,
    ) -> Surveyed {
        let stored = match loaded {
            Loaded::Live(stored) => stored,
            Loaded::Ended(_) => return Surveyed::Over,
            _ => return Self::missing(claim, claims, revoked),
        };
        let Some((record, belonging)) = self.read(&stored.value) else {
            return Surveyed::Unreadable;
        };
        if belonging.identity.owner.as_deref() != Some(owner) {
            // Adopted sessions are claimed while they live and before it is written down whose they are.
            return Self::missing(claim, claims, revoked);
        }
        if belonging.is_revoked(revoked) || record.ends().is_some_and(|ends| ends <= claims.now) {
            return Surveyed::Revoked;
        }
        Surveyed::Live(Live {
            signed_in: belonging.identity.signed_in,
            record,
            remaining: stored.remaining,
        })
    }
}
