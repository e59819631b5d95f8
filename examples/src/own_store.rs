//! How to write a store: a map behind a lock that keeps the whole law of [`cloakroom::core::store`].
//!
//! Everything is decided in one look under one lock: whether the session is live, whether its bytes are still the caller's
//! base, and the change itself. A store behind a network does the same with one conditional statement or one script. What
//! it must never do is to look in one call and to change in the next.
//!
//! `tests/own_store.rs` runs the contract kit on it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom::{
    Clock, EndReason, Error, SessionId, Store, Timestamp,
    core::store::{Created, Loaded, Replaced, Retired, Stored, TOMBSTONE_TTL},
};

/// What stands under an id. Both kinds end by themselves.
enum Entry {
    Live { value: Bytes, until: Timestamp },
    Ended { reason: EndReason, until: Timestamp },
}

/// Sessions in a map. It grows without bound: a store for production also throws away what is over.
pub struct MapStore {
    clock: Arc<dyn Clock>,
    entries: Mutex<HashMap<SessionId, Entry>>,
}

impl fmt::Debug for MapStore {
    // Ids and values are secrets: a store's Debug shows neither.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapStore").finish_non_exhaustive()
    }
}

impl MapStore {
    /// An empty store. The clock is an argument so that the contract can move it.
    pub fn new(clock: impl Clock) -> Self {
        Self {
            clock: Arc::new(clock),
            entries: Mutex::default(),
        }
    }

    /// The map without what is over by `now`: swept or not must make no difference.
    fn entries(&self, now: Timestamp, id: &SessionId) -> MutexGuard<'_, HashMap<SessionId, Entry>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let over = match entries.get(id) {
            Some(Entry::Live { until, .. } | Entry::Ended { until, .. }) => *until <= now,
            None => false,
        };
        if over {
            entries.remove(id);
        }
        entries
    }
}

fn stored(value: &Bytes, until: Timestamp, now: Timestamp) -> Stored {
    Stored {
        value: value.clone(),
        remaining: Some(until.saturating_since(now)),
    }
}

#[async_trait]
impl Store for MapStore {
    async fn load(&self, id: &SessionId) -> Result<Loaded, Error> {
        let now = self.clock.now();
        Ok(match self.entries(now, id).get(id) {
            Some(Entry::Live { value, until }) => Loaded::Live(stored(value, *until, now)),
            Some(Entry::Ended { reason, .. }) => Loaded::Ended(*reason),
            None => Loaded::Missing,
        })
    }

    async fn create(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<Created, Error> {
        let now = self.clock.now();
        let mut entries = self.entries(now, id);
        // A tombstone counts as taken, too: no operation makes an ended session live again.
        if entries.contains_key(id) {
            return Ok(Created::Taken);
        }
        let until = now.saturating_add(ttl);
        entries.insert(id.clone(), Entry::Live { value, until });
        Ok(Created::Created)
    }

    async fn replace(
        &self,
        id: &SessionId,
        base: &Bytes,
        new: Bytes,
        ttl: Duration,
    ) -> Result<Replaced, Error> {
        let now = self.clock.now();
        Ok(match self.entries(now, id).get_mut(id) {
            Some(Entry::Live { value, until }) if value == base => {
                (*value, *until) = (new, now.saturating_add(ttl));
                Replaced::Replaced
            }
            Some(Entry::Live { value, until }) => Replaced::Changed(stored(value, *until, now)),
            Some(Entry::Ended { .. }) | None => Replaced::Gone,
        })
    }

    async fn renew(&self, id: &SessionId, ttl: Duration) -> Result<bool, Error> {
        let now = self.clock.now();
        Ok(match self.entries(now, id).get_mut(id) {
            Some(Entry::Live { until, .. }) => {
                *until = now.saturating_add(ttl);
                true
            }
            Some(Entry::Ended { .. }) | None => false,
        })
    }

    async fn end(&self, id: &SessionId, reason: EndReason) -> Result<bool, Error> {
        let now = self.clock.now();
        let mut entries = self.entries(now, id);
        if let Some(Entry::Ended { reason: before, .. }) = entries.get_mut(id) {
            if reason == EndReason::Destroyed {
                *before = reason;
            }
            return Ok(false);
        }
        let until = now.saturating_add(TOMBSTONE_TTL);
        let was_live = entries.insert(id.clone(), Entry::Ended { reason, until });
        Ok(was_live.is_some())
    }

    async fn retire(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Error> {
        let now = self.clock.now();
        let mut entries = self.entries(now, id);
        match entries.get(id) {
            Some(Entry::Live { value, .. }) if value == base => {}
            Some(Entry::Live { value, until }) => {
                return Ok(Retired::Changed(stored(value, *until, now)));
            }
            Some(Entry::Ended { .. }) | None => return Ok(Retired::Gone),
        }
        let (reason, until) = (EndReason::Rotated, now.saturating_add(TOMBSTONE_TTL));
        entries.insert(id.clone(), Entry::Ended { reason, until });
        Ok(Retired::Retired)
    }
}
