//! Ends sessions, and says so only if it is true: one that was rotated meanwhile lives on under another id.

use std::time::Duration;

use bytes::Bytes;
use cloakroom_core::{
    EndReason, Error, ErrorKind, Loaded, OwnerIndex, Retired, SessionId, Store, Timestamp,
    owner_index::Claim, record::Record,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Owners,
    source::Belonging,
    survey::{AT_ONCE, Surveyed},
};
use crate::load::within;

/// How often others may change a session that is to end, before it is ended without looking.
const TRIES: u32 = 6;

/// What became of a session that was to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It has ended for good; here is whether it was live until then.
    ForGood(bool),
    /// It goes on under another id.
    Rotated,
    /// It is none of those that were to end.
    Spared,
}

/// Ends the session if its bytes are such. A plain `end` would write over the tombstone that tells of a rotation, so the
/// session is retired by comparison first; what its tombstone says then is our own word, and becomes the last one.
pub(crate) async fn end_if<S: Store + ?Sized>(
    store: &S,
    deadline: Duration,
    id: &SessionId,
    condition: impl FnMut(&Bytes) -> bool,
) -> Result<Ended, Error> {
    let found = within(deadline, "load", store.load(id)).await?;
    end_found(store, deadline, id, found, condition).await
}

/// The same, where it is known what is in the store.
async fn end_found<S: Store + ?Sized>(
    store: &S,
    deadline: Duration,
    id: &SessionId,
    mut found: Loaded,
    mut condition: impl FnMut(&Bytes) -> bool,
) -> Result<Ended, Error> {
    let mut live = false;
    for _ in 0..TRIES {
        match found {
            Loaded::Ended(EndReason::Rotated) => return Ok(Ended::Rotated),
            Loaded::Live(stored) => {
                live = true;
                if !condition(&stored.value) {
                    return Ok(Ended::Spared);
                }
                let retire = store.retire(id, &stored.value);
                if within(deadline, "retire", retire).await? != Retired::Retired {
                    found = within(deadline, "load", store.load(id)).await?;
                    continue;
                }
            }
            _ => {}
        }
        within(deadline, "end", store.end(id, EndReason::Destroyed)).await?;
        return Ok(Ended::ForGood(live));
    }
    // Others keep changing it; whatever they do, it ends here.
    within(deadline, "end", store.end(id, EndReason::Destroyed)).await?;
    Ok(Ended::ForGood(live))
}

impl Owners {
    fn store(&self) -> &dyn OwnerIndex {
        &*self.index
    }

    /// The record and whose it is; `None` if it cannot be read.
    pub(crate) fn read(&self, value: &Bytes) -> Option<(Record, Belonging)> {
        let record = Record::parse(value, &self.limits).ok()??;
        let belonging = Belonging::of(&record, self.from.as_ref());
        Some((record, belonging))
    }

    /// Ends a claimed session of the owner, and what it goes on as where it was rotated. Answers how many were live, `None`
    /// where it is not the owner's; else its claim may be released. Its sign-in, where it is known already, tells what it
    /// goes on as.
    pub(crate) async fn end_claimed(
        &self,
        owner: &str,
        claim: &Claim,
        mut signed_in: Option<Timestamp>,
    ) -> Result<Option<usize>, Error> {
        let is_theirs = |value: &Bytes| {
            let read = self.read(value).map(|(_, belonging)| belonging.identity);
            let Some(identity) = read.filter(|is| is.owner.as_deref() == Some(owner)) else {
                return false;
            };
            signed_in = identity.signed_in;
            true
        };
        let ended = end_if(self.store(), self.deadline, &claim.id, is_theirs).await?;
        Ok(match ended {
            Ended::ForGood(live) => Some(usize::from(live)),
            Ended::Spared => None,
            Ended::Rotated => Some(self.end_successors(owner, claim, signed_in).await?),
        })
    }

    /// Ends what a rotated session goes on as: every session of the owner with the same sign-in. Where the sign-in is not
    /// known, it is that of the claim, unless the session had been rotated before.
    async fn end_successors(
        &self,
        owner: &str,
        claim: &Claim,
        signed_in: Option<Timestamp>,
    ) -> Result<usize, Error> {
        let mut ended = 0;
        for _ in 0..TRIES {
            let survey = self.survey(owner).await?;
            let live = survey
                .claims
                .iter()
                .filter_map(|(other, found)| match found {
                    Surveyed::Live(live) if other.id != claim.id => Some((other, live.signed_in)),
                    _ => None,
                });
            let later: Vec<_> = live.filter(|(other, _)| other.at > claim.at).collect();
            let wanted = signed_in.unwrap_or(claim.at);
            let same: Vec<_> = later
                .iter()
                .filter(|(_, at)| *at == Some(wanted))
                .map(|(other, _)| (*other).clone())
                .collect();
            // Had it been rotated before, its claim would be younger than its sign-in.
            let rotated = |(_, at): &(&Claim, Option<Timestamp>)| *at < Some(claim.at);
            if same.is_empty() && signed_in.is_none() && ended == 0 && later.iter().any(rotated) {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "the session has a new id meanwhile, and it cannot be told which; list the sessions again",
                ));
            }
            let mut overtaken = false;
            for other in &same {
                match end_if(self.store(), self.deadline, &other.id, |_| true).await? {
                    Ended::ForGood(live) => {
                        ended += usize::from(live);
                        self.release(owner, vec![other.id.clone()]).await;
                    }
                    Ended::Rotated => overtaken = true,
                    Ended::Spared => {}
                }
            }
            // One that is claimed and not written yet may be what it goes on as.
            let pending = survey
                .claims
                .iter()
                .any(|(other, found)| matches!(found, Surveyed::Pending) && other.at > claim.at);
            if !overtaken && (ended > 0 || !pending) {
                return Ok(ended);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(ended)
    }

    /// Ends and releases what the owner had signed in to until `at`. Answers how many were live.
    pub(crate) async fn end_before(&self, owner: &str, at: Timestamp) -> Result<usize, Error> {
        let claims = within(self.deadline, "owned", self.index.owned(owner)).await?;
        let earlier: Vec<_> = claims
            .claims
            .iter()
            .filter(|claim| claim.at <= at)
            .map(|claim| (claim.id.clone(), claims.is_settled(claim)))
            .collect();
        let ended = earlier.into_iter().map(|(id, settled)| {
            let (owners, owner) = (self.clone(), owner.to_owned());
            async move {
                let ended = owners.end_if_before(&owner, &id, at, settled).await?;
                Ok::<_, Error>((id, ended))
            }
        });
        let ended: Vec<(SessionId, Option<Ended>)> = stream::iter(ended)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let live = ended
            .iter()
            .filter(|(_, ended)| *ended == Some(Ended::ForGood(true)));
        let live = live.count();
        let over = ended
            .into_iter()
            .filter(|(_, ended)| matches!(ended, Some(Ended::ForGood(_) | Ended::Rotated)));
        self.release(owner, over.map(|(id, _)| id).collect()).await;
        Ok(live)
    }

    /// Ends a claimed session that was signed in to until `at`. `None` where it may be about to be written.
    async fn end_if_before(
        &self,
        owner: &str,
        id: &SessionId,
        at: Timestamp,
        settled: bool,
    ) -> Result<Option<Ended>, Error> {
        let mut is_anothers = false;
        let revoked = |value: &Bytes| {
            let read = self.read(value);
            is_anothers = read
                .as_ref()
                .is_some_and(|(_, belonging)| belonging.identity.owner.as_deref() != Some(owner));
            !is_anothers && read.is_some_and(|(_, belonging)| belonging.is_revoked(Some(at)))
        };
        let missing = settled.then_some(Ended::ForGood(false));
        let found = within(self.deadline, "load", self.index.load(id)).await?;
        match found {
            Loaded::Live(_) => {
                let ended = end_found(self.store(), self.deadline, id, found, revoked).await?;
                // Unless it is about to be adopted, it has moved on to somebody else.
                Ok(if is_anothers && ended == Ended::Spared {
                    missing
                } else {
                    Some(ended)
                })
            }
            Loaded::Ended(_) => Ok(Some(Ended::ForGood(false))),
            _ => Ok(missing),
        }
    }
}
