//! The memory store's owner index: claims and revocations beside the sessions, under the same lock.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    num::NonZeroUsize,
    time::Duration,
};

use async_trait::async_trait;
use cloakroom_core::{
    Error, Loaded, OwnerIndex, SessionId, Timestamp,
    cached::Cached,
    owner_index::{Claim, Claimed, Claims, REVOCATION_TTL, Revision, Whose},
};

use super::MemoryStore;

/// What the store knows of owners.
#[derive(Default)]
pub(super) struct Owners {
    owned: HashMap<String, Owned>,
    revoked: HashMap<String, Revoked>,
    everybody: Option<Timestamp>,
    /// When claims and revocations may be forgotten, soonest first.
    due: BTreeSet<(Timestamp, Due)>,
    /// The latest time that was given.
    last: Option<Timestamp>,
    /// The time of the latest revocation, which no other revocation has.
    revision: Revision,
}

/// One owner's claims.
#[derive(Default)]
struct Owned {
    by_time: BTreeMap<Timestamp, SessionId>,
    by_id: HashMap<SessionId, Kept>,
}

#[derive(Clone, Copy)]
struct Kept {
    at: Timestamp,
    until: Timestamp,
}

#[derive(Clone, Copy)]
struct Revoked {
    at: Timestamp,
    until: Timestamp,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Claim(String, SessionId),
    Revocation(String),
}

impl Owners {
    /// A time that is later than all that were given.
    fn tick(&mut self, now: Timestamp) -> Timestamp {
        let next = self
            .last
            .map(|last| last.saturating_add(Duration::from_millis(1)));
        let at = next.map_or(now, |next| next.max(now));
        self.last = Some(at);
        at
    }

    fn claim(
        &mut self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
        now: Timestamp,
    ) -> Claimed {
        let mut until = now.saturating_add(keep);
        let standing = self.owned.get(owner).and_then(|owned| owned.by_id.get(id));
        let at = match standing.copied() {
            Some(kept) => {
                until = until.max(kept.until);
                let due = Due::Claim(owner.to_owned(), id.clone());
                self.due.remove(&(kept.until, due));
                kept.at
            }
            None => self.tick(now),
        };
        let owned = self.owned.entry(owner.to_owned()).or_default();
        owned.by_time.insert(at, id.clone());
        owned.by_id.insert(id.clone(), Kept { at, until });
        let over = limit.map_or(0, |limit| owned.by_time.len().saturating_sub(limit.get()));
        let oldest = owned.by_time.values().take(over);
        let over = oldest.filter(|over| *over != id).cloned().collect();
        let due = Due::Claim(owner.to_owned(), id.clone());
        self.due.insert((until, due));
        Claimed { at, over }
    }

    fn claims(&self, owner: &str) -> Vec<Claim> {
        let owned = self.owned.get(owner);
        let claims = owned.into_iter().flat_map(|owned| &owned.by_time);
        claims
            .map(|(at, id)| Claim {
                id: id.clone(),
                at: *at,
            })
            .collect()
    }

    fn release(&mut self, owner: &str, id: &SessionId) {
        let Some(owned) = self.owned.get_mut(owner) else {
            return;
        };
        if let Some(kept) = owned.by_id.remove(id) {
            owned.by_time.remove(&kept.at);
            let due = Due::Claim(owner.to_owned(), id.clone());
            self.due.remove(&(kept.until, due));
        }
        if owned.by_id.is_empty() {
            self.owned.remove(owner);
        }
    }

    fn revoke(&mut self, whose: Whose<'_>, now: Timestamp) -> Timestamp {
        let at = self.tick(now);
        let until = at.saturating_add(REVOCATION_TTL);
        let revoked = Revoked { at, until };
        match whose {
            Whose::Owner(owner) => {
                let due = || Due::Revocation(owner.to_owned());
                if let Some(before) = self.revoked.insert(owner.to_owned(), revoked) {
                    self.due.remove(&(before.until, due()));
                }
                self.due.insert((until, due()));
            }
            Whose::Everybody => self.everybody = Some(at),
        }
        self.revision = Revision(u64::try_from(at.as_millis()).unwrap_or_default());
        at
    }

    fn revoked_at(&self, owner: &str) -> Option<Timestamp> {
        let own = self.revoked.get(owner).map(|revoked| revoked.at);
        own.max(self.everybody)
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(until, _)| *until)
    }

    /// Forgets at most `limit` claims and revocations whose time is over.
    pub(super) fn sweep(&mut self, now: Timestamp, limit: usize) -> usize {
        let mut swept = 0;
        while swept < limit && self.next_due().is_some_and(|until| until <= now) {
            match self.due.pop_first() {
                Some((_, Due::Claim(owner, id))) => self.release(&owner, &id),
                Some((_, Due::Revocation(owner))) => drop(self.revoked.remove(&owner)),
                None => break,
            }
            swept += 1;
        }
        swept
    }

    /// How many claims there are, of all owners.
    pub(super) fn len(&self) -> usize {
        self.owned.values().map(|owned| owned.by_id.len()).sum()
    }
}

#[async_trait]
impl OwnerIndex for MemoryStore {
    async fn load_with_revision(&self, id: &SessionId) -> Result<(Loaded, Revision), Error> {
        let now = self.shared.clock.now();
        let state = self.shared.lock();
        Ok((state.get(id, now), state.owners.revision))
    }

    fn cached_with_revision(&self, id: &SessionId) -> Option<(Cached, Revision)> {
        let now = self.shared.clock.now();
        let state = self.shared.lock();
        Some((state.cached(id, now)?, state.owners.revision))
    }

    async fn claim(
        &self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
    ) -> Result<Claimed, Error> {
        Ok(self.change(|state, now| state.owners.claim(owner, id, keep, limit, now)))
    }

    async fn owned(&self, owner: &str) -> Result<Claims, Error> {
        let now = self.shared.clock.now();
        let claims = self.shared.lock().owners.claims(owner);
        // The times of claims at one moment run ahead of the clock.
        let now = claims.last().map_or(now, |newest| now.max(newest.at));
        Ok(Claims { now, claims })
    }

    async fn release(&self, owner: &str, ids: &[SessionId]) -> Result<(), Error> {
        self.change(|state, _| {
            for id in ids {
                state.owners.release(owner, id);
            }
        });
        Ok(())
    }

    async fn revoke(&self, whose: Whose<'_>) -> Result<Timestamp, Error> {
        Ok(self.change(|state, now| state.owners.revoke(whose, now)))
    }

    async fn revoked_at(&self, owner: &str) -> Result<Option<Timestamp>, Error> {
        Ok(self.shared.lock().owners.revoked_at(owner))
    }
}
