//! What rogues have at hand.

use cloakroom_core::{
    Loaded, SessionId,
    cached::{Cached, CachedValue},
    owner_index::Revision,
};

use super::{
    Rogue,
    rules::unswept,
    store::{RogueStore, lock},
};
use crate::reference::current;

impl RogueStore {
    pub(super) fn at_hand(&self, id: &SessionId) -> Option<Cached> {
        let id = self.key(id);
        let loaded = match self.rogue {
            Rogue::CachedForEver | Rogue::CachedByHandle => lock(&self.seen).get(&id).cloned()?,
            Rogue::CachedExpired => {
                let mut found = Loaded::Missing;
                self.inner
                    .meddle(|entries, _| found = unswept(entries, &id));
                found
            }
            _ => return None,
        };
        cached(loaded)
    }

    pub(super) fn at_hand_with_revision(&self, id: &SessionId) -> Option<(Cached, Revision)> {
        if self.rogue != Rogue::CachedRevision {
            return None;
        }
        let known = (*lock(&self.told))?;
        let mut found = Loaded::Missing;
        self.inner.meddle(|entries, now| {
            found = current(entries.get(&self.key(id)), now);
        });
        Some((cached(found)?, known))
    }

    /// Before a change by this handle.
    pub(super) fn forget(&self, id: &SessionId) {
        if self.rogue == Rogue::CachedByHandle {
            lock(&self.seen).remove(&self.key(id));
        }
    }
}

fn cached(loaded: Loaded) -> Option<Cached> {
    match loaded {
        Loaded::Live(stored) => Some(Cached {
            value: CachedValue::new(stored.value),
            remaining: stored.remaining,
        }),
        _ => None,
    }
}
