//! The owner index with its bugs.

use std::{collections::BTreeMap, num::NonZeroUsize, slice, time::Duration};

use async_trait::async_trait;
use cloakroom_core::{
    EndReason, Error, Loaded, OwnerIndex, SessionId, Store as _, Timestamp,
    cached::Cached,
    owner_index::{Claimed, Claims, Revision, Whose},
};
use tokio::task::yield_now;

use super::{
    Rogue, RogueStore,
    store::{HOUR, lock, meanwhile},
};
use crate::{
    reference::{ReferenceStore, current},
    reference_index::Index,
};

/// How many times a handle takes at once that gives them from a block of its own.
const BLOCK: i64 = 1000;

impl RogueStore {
    fn index(&self) -> ReferenceStore {
        match self.rogue {
            Rogue::IndexOneNamespace | Rogue::IndexJoinedKeys => self.inner.sibling("index"),
            _ => self.inner.clone(),
        }
    }

    fn owner(&self, owner: &str) -> String {
        match self.rogue {
            Rogue::IndexJoinedKeys => format!("{}{owner}", self.prefix),
            Rogue::OwnersAsText => owner.trim().to_ascii_lowercase(),
            _ => owner.to_owned(),
        }
    }

    /// A time from this handle's own block.
    fn time_of_block(&self, index: &mut Index, now: Timestamp) -> Timestamp {
        let mut block = lock(&self.block);
        if block.is_empty() {
            let first = index.tick(now).as_millis();
            *block = first..first + BLOCK;
            index.last = Some(Timestamp::from_millis(block.end));
        }
        Timestamp::from_millis(block.next().unwrap_or(0))
    }

    /// A claim whose time is found in one step and written in another.
    async fn claim_in_two_steps(
        &self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
    ) -> Result<Claimed, Error> {
        let rogue = self.rogue;
        let inner = self.index();
        let (at, before) = inner
            .step_with_index(true, |_, index, now| {
                let at = match rogue {
                    Rogue::TimesInTwoSteps => index.clone().tick(now),
                    _ => index.tick(now),
                };
                (at, index.clone())
            })
            .await?;
        meanwhile().await;
        inner
            .step_with_index(true, |_, index, now| {
                index.put(owner, at, id, now.saturating_add(keep));
                index.last = index.last.max(Some(at));
                let mut seen = match rogue {
                    Rogue::LimitInTwoSteps => before,
                    _ => index.clone(),
                };
                seen.put(owner, at, id, now.saturating_add(keep));
                let over = seen.over(owner, id, limit);
                Claimed { at, over }
            })
            .await
    }

    /// What a claim does in one step.
    fn put_under(
        &self,
        index: &mut Index,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        now: Timestamp,
    ) -> Timestamp {
        let keep = match self.rogue {
            Rogue::ClaimKeptForAMinute => keep.min(HOUR / 60),
            _ => keep,
        };
        let until = now.saturating_add(keep);
        let owned = index.owners.get(owner);
        let standing = owned.and_then(|owned| owned.iter().find(|(_, (claimed, _))| claimed == id));
        let standing = standing.map(|(at, _)| *at);
        match (self.rogue, standing) {
            (Rogue::ClaimAgainMoves, Some(_)) => index.release(owner, slice::from_ref(id)),
            (Rogue::ClaimAgainShortens, Some(at)) => {
                index.put(owner, at, id, until);
                return at;
            }
            (Rogue::ClaimsByAppClock, None) => {
                index.put(owner, now, id, until);
                return now;
            }
            (Rogue::TimesInBlocks, None) => {
                let at = self.time_of_block(index, now);
                index.put(owner, at, id, until);
                return at;
            }
            _ => {}
        }
        index.claim(owner, id, keep, now)
    }
}

#[async_trait]
impl OwnerIndex for RogueStore {
    async fn load_with_revision(&self, id: &SessionId) -> Result<(Loaded, Revision), Error> {
        let rogue = self.rogue;
        let answer = self.inner.step_with_index(false, |entries, own, now| {
            let found = match (rogue, current(entries.get(id), now)) {
                (Rogue::RevisionHidesTombstones, Loaded::Ended(_)) => Loaded::Missing,
                (_, found) => found,
            };
            let claims: usize = own.owners.values().map(BTreeMap::len).sum();
            let revision = match rogue {
                Rogue::RevisionToggles => own.revision % 2,
                Rogue::RevisionCountsClaims => own.revision + claims as u64,
                Rogue::RevisionOfOwnersAlone => own.revision - u64::from(own.everybody.is_some()),
                _ => own.revision,
            };
            (found, Revision(revision))
        });
        let answer = answer.await;
        if let Ok((_, revision)) = &answer {
            *lock(&self.told) = Some(*revision);
        }
        self.heard(answer, (Loaded::Missing, Revision::default()))
    }

    fn cached_with_revision(&self, id: &SessionId) -> Option<(Cached, Revision)> {
        self.at_hand_with_revision(id)
    }

    async fn claim(
        &self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
    ) -> Result<Claimed, Error> {
        let (rogue, owner) = (self.rogue, self.owner(owner));
        let keep = self.ttl(keep)?;
        let inner = self.index();
        let standing = match rogue {
            Rogue::TimesInTwoSteps | Rogue::LimitInTwoSteps | Rogue::ClaimIsWrittenLate => {
                let owned = inner.owned(&owner).await?.claims;
                owned.into_iter().find(|claim| claim.id == *id)
            }
            Rogue::ClaimInPieces => {
                let owned = inner.owned(&owner).await?.claims;
                let standing = owned.into_iter().find(|claim| claim.id == *id);
                if let Some(claim) = &standing {
                    inner.release(&owner, slice::from_ref(id)).await?;
                    yield_now().await;
                    let (at, until) = (claim.at, inner.clock.now().saturating_add(keep));
                    let back = |_: &mut _, index: &mut Index, _| index.put(&owner, at, id, until);
                    inner.step_with_index(true, back).await?;
                }
                None
            }
            _ => None,
        };
        let answer = match rogue {
            Rogue::TimesInTwoSteps | Rogue::LimitInTwoSteps | Rogue::ClaimIsWrittenLate
                if standing.is_none() =>
            {
                self.claim_in_two_steps(&owner, id, keep, limit).await
            }
            _ => {
                inner
                    .step_with_index(true, |entries, index, now| {
                        let live = matches!(current(entries.get(id), now), Loaded::Live(_));
                        if rogue == Rogue::ClaimNeedsSession && !live {
                            let over = Vec::new();
                            return Claimed {
                                at: index.tick(now),
                                over,
                            };
                        }
                        let at = self.put_under(index, &owner, id, keep, now);
                        let counted = match (rogue, limit) {
                            (Rogue::LimitLetsOneMore, Some(limit)) => limit.checked_add(1),
                            (_, limit) => limit,
                        };
                        let mut over = index.over(&owner, id, counted);
                        if rogue == Rogue::LimitNamesClaimed && counted.is_some() {
                            let nobody = SessionId::from_random([0; 24]);
                            over = index.over(&owner, &nobody, counted);
                        }
                        Claimed { at, over }
                    })
                    .await
            }
        };
        let nothing = Claimed {
            at: Timestamp::UNIX_EPOCH,
            over: Vec::new(),
        };
        self.heard(answer, nothing)
    }

    async fn owned(&self, owner: &str) -> Result<Claims, Error> {
        let (rogue, owner) = (self.rogue, self.owner(owner));
        if rogue == Rogue::OwnedIsCached
            && let Some(seen) = lock(&self.owned).get(&owner)
        {
            return Ok(seen.clone());
        }
        let writes = rogue == Rogue::OwnedWrites;
        let inner = self.index();
        let answer = inner.step_with_index(writes, |_, index, now| {
            let mut claims = index.owned(&owner, now);
            match rogue {
                Rogue::OwnedByIds => claims.sort_by(|a, b| a.id.cmp(&b.id)),
                Rogue::OwnedIsAPage => claims.truncate(1000),
                _ => {}
            }
            let now = match rogue {
                Rogue::OwnedByAnotherClock => now.saturating_add(HOUR * 24),
                Rogue::OwnedWithoutTime => Timestamp::UNIX_EPOCH,
                _ => now.max(index.last.unwrap_or(now)),
            };
            Claims { now, claims }
        });
        let answer = answer.await;
        if let Ok(claims) = &answer {
            lock(&self.owned).insert(owner, claims.clone());
        }
        let claims = Vec::new();
        let now = Timestamp::UNIX_EPOCH;
        self.heard(answer, Claims { now, claims })
    }

    async fn release(&self, owner: &str, ids: &[SessionId]) -> Result<(), Error> {
        let (rogue, owner) = (self.rogue, self.owner(owner));
        let inner = self.index();
        if rogue == Rogue::ReleaseInPieces {
            for id in ids {
                inner.release(&owner, slice::from_ref(id)).await?;
                yield_now().await;
            }
            return Ok(());
        }
        if rogue == Rogue::ReleaseEndsSessions {
            for id in ids {
                self.inner.end(id, EndReason::Destroyed).await?;
            }
        }
        let answer = inner.step_with_index(true, |_, index, _| match rogue {
            Rogue::ReleaseTakesAll => drop(index.owners.remove(&owner)),
            _ => index.release(&owner, ids),
        });
        self.heard(answer.await, ())
    }

    async fn revoke(&self, whose: Whose<'_>) -> Result<Timestamp, Error> {
        let rogue = self.rogue;
        let owner = match whose {
            Whose::Owner(owner) => Some(self.owner(owner)),
            Whose::Everybody => None,
        };
        let whose = match &owner {
            Some(owner) if rogue != Rogue::RevokeIsForAll => Whose::Owner(owner),
            _ => Whose::Everybody,
        };
        let inner = self.index();
        let told = |index: &mut Index| index.revision += 1;
        if rogue == Rogue::RevokeTellsFirst {
            inner
                .step_with_index(true, |_, index, _| told(index))
                .await?;
            meanwhile().await;
        }
        let revoked = inner.step_with_index(true, |_, index, now| {
            let before = index.revision;
            let at = match rogue {
                Rogue::TimesInBlocks => {
                    let at = self.time_of_block(index, now);
                    let last = index.last;
                    index.revoke(whose, now);
                    index.last = last;
                    let known = index.revoked.values_mut().chain(&mut index.everybody);
                    known.for_each(|known| known.0 = known.0.min(at));
                    at
                }
                _ => index.revoke(whose, now),
            };
            if matches!(rogue, Rogue::RevokeTellsFirst | Rogue::RevokeInPieces) {
                index.revision = before;
            }
            if rogue == Rogue::RevocationLapses {
                let lapses = now.saturating_add(HOUR * 24);
                let known = index.revoked.values_mut().chain(&mut index.everybody);
                known.for_each(|known| known.1 = lapses);
            }
            at
        });
        let revoked = revoked.await;
        if rogue == Rogue::RevokeInPieces {
            yield_now().await;
            inner
                .step_with_index(true, |_, index, _| told(index))
                .await?;
        }
        self.heard(revoked, Timestamp::UNIX_EPOCH)
    }

    async fn revoked_at(&self, owner: &str) -> Result<Option<Timestamp>, Error> {
        let (rogue, owner) = (self.rogue, self.owner(owner));
        let inner = self.index();
        let answer = inner.step_with_index(false, |_, index, now| {
            let own = index.revoked.get(&owner).map(|known| known.0);
            let everybody = index.everybody.map(|known| known.0);
            match rogue {
                Rogue::RevokedAtIgnoresEverybody => own,
                Rogue::RevokedAtPrefersOwner => own.or(everybody),
                Rogue::RevokedAtNeedsClaims if index.owned(&owner, now).is_empty() => None,
                _ => index.revoked_at(&owner, now),
            }
        });
        self.heard(answer.await, None)
    }
}
