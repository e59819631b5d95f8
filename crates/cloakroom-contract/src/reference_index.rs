//! The owner index of the [reference store](crate::reference), as plain data: what the rogues depart from.

use std::{collections::BTreeMap, num::NonZeroUsize, time::Duration};

use async_trait::async_trait;
use cloakroom_core::{
    Error, Loaded, OwnerIndex, SessionId, Timestamp,
    owner_index::{Claim, Claimed, Claims, REVOCATION_TTL, Revision, Whose},
};

use crate::reference::{ReferenceStore, current};

/// One owner's claims by their times: the id, and until when the claim is kept.
pub(crate) type Owned = BTreeMap<Timestamp, (SessionId, Timestamp)>;

/// When something was revoked, and until when that is known.
pub(crate) type Revoked = (Timestamp, Timestamp);

/// What a namespace knows of owners.
#[derive(Clone, Default)]
pub(crate) struct Index {
    pub(crate) owners: BTreeMap<String, Owned>,
    pub(crate) revoked: BTreeMap<String, Revoked>,
    pub(crate) everybody: Option<Revoked>,
    /// The latest time that was given.
    pub(crate) last: Option<Timestamp>,
    pub(crate) revision: u64,
}

impl Index {
    /// A time that is later than all that were given.
    pub(crate) fn tick(&mut self, now: Timestamp) -> Timestamp {
        let next = self
            .last
            .map(|last| last.saturating_add(Duration::from_millis(1)));
        let at = next.map_or(now, |next| next.max(now));
        self.last = Some(at);
        at
    }

    /// The claim's time, kept for at least `keep`.
    pub(crate) fn claim(
        &mut self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        now: Timestamp,
    ) -> Timestamp {
        let until = now.saturating_add(keep);
        let owned = self.owners.entry(owner.to_owned()).or_default();
        owned.retain(|_, (_, kept)| *kept > now);
        let standing = owned.iter_mut().find(|(_, (claimed, _))| claimed == id);
        if let Some((at, (_, kept))) = standing {
            *kept = until.max(*kept);
            return *at;
        }
        let at = self.tick(now);
        self.put(owner, at, id, until);
        at
    }

    pub(crate) fn put(&mut self, owner: &str, at: Timestamp, id: &SessionId, until: Timestamp) {
        let owned = self.owners.entry(owner.to_owned()).or_default();
        owned.insert(at, (id.clone(), until));
    }

    /// The claims beyond the newest `limit`, without that of `id`.
    pub(crate) fn over(
        &self,
        owner: &str,
        id: &SessionId,
        limit: Option<NonZeroUsize>,
    ) -> Vec<SessionId> {
        let (Some(limit), Some(owned)) = (limit, self.owners.get(owner)) else {
            return Vec::new();
        };
        let over = owned.len().saturating_sub(limit.get());
        let oldest = owned.values().take(over).map(|(id, _)| id.clone());
        oldest.filter(|over| over != id).collect()
    }

    pub(crate) fn owned(&self, owner: &str, now: Timestamp) -> Vec<Claim> {
        let owned = self.owners.get(owner).into_iter().flatten();
        owned
            .filter(|(_, (_, kept))| *kept > now)
            .map(|(at, (id, _))| Claim {
                id: id.clone(),
                at: *at,
            })
            .collect()
    }

    pub(crate) fn release(&mut self, owner: &str, ids: &[SessionId]) {
        if let Some(owned) = self.owners.get_mut(owner) {
            owned.retain(|_, (id, _)| !ids.contains(id));
        }
    }

    pub(crate) fn revoke(&mut self, whose: Whose<'_>, now: Timestamp) -> Timestamp {
        let at = self.tick(now);
        let revoked = (at, at.max(now).saturating_add(REVOCATION_TTL));
        match whose {
            Whose::Owner(owner) => drop(self.revoked.insert(owner.to_owned(), revoked)),
            Whose::Everybody => self.everybody = Some(revoked),
        }
        self.revision += 1;
        at
    }

    pub(crate) fn revoked_at(&self, owner: &str, now: Timestamp) -> Option<Timestamp> {
        let known = |revoked: Revoked| (revoked.1 > now).then_some(revoked.0);
        let own = self.revoked.get(owner).copied().and_then(known);
        own.max(self.everybody.and_then(known))
    }
}

#[async_trait]
impl OwnerIndex for ReferenceStore {
    async fn load_with_revision(&self, id: &SessionId) -> Result<(Loaded, Revision), Error> {
        self.step_with_index(false, |entries, index, now| {
            (current(entries.get(id), now), Revision(index.revision))
        })
        .await
    }

    async fn claim(
        &self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
    ) -> Result<Claimed, Error> {
        self.step_with_index(true, |_, index, now| Claimed {
            at: index.claim(owner, id, keep, now),
            over: index.over(owner, id, limit),
        })
        .await
    }

    async fn owned(&self, owner: &str) -> Result<Claims, Error> {
        self.step_with_index(false, |_, index, now| Claims {
            // The times of claims at one moment run ahead of the clock.
            now: now.max(index.last.unwrap_or(now)),
            claims: index.owned(owner, now),
        })
        .await
    }

    async fn release(&self, owner: &str, ids: &[SessionId]) -> Result<(), Error> {
        self.step_with_index(true, |_, index, _| index.release(owner, ids))
            .await
    }

    async fn revoke(&self, whose: Whose<'_>) -> Result<Timestamp, Error> {
        self.step_with_index(true, |_, index, now| index.revoke(whose, now))
            .await
    }

    async fn revoked_at(&self, owner: &str) -> Result<Option<Timestamp>, Error> {
        self.step_with_index(false, |_, index, now| index.revoked_at(owner, now))
            .await
    }
}
