//! What this process remembers of revocations, so that a load asks for them only after one was made.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cloakroom_core::{Timestamp, owner_index::Revision};

/// How many owners are remembered.
const MOST: usize = 10_000;

/// The revocations of the owners that were here, as of one revision.
#[derive(Debug, Default)]
pub(crate) struct Revocations(Mutex<State>);

#[derive(Default)]
struct State {
    revision: Revision,
    known: HashMap<String, Option<Timestamp>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("revision", &self.revision)
            .field("known", &self.known.len())
            .finish()
    }
}

impl Revocations {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of an owner as of this revision. Any other revision than the last, also an older one, makes it
    /// forget: the store may have lost its data and count anew.
    pub(crate) fn get(&self, revision: Revision, owner: &str) -> Option<Option<Timestamp>> {
        let mut state = self.state();
        if state.revision != revision {
            state.revision = revision;
            state.known.clear();
        }
        state.known.get(owner).copied()
    }

    /// Remembers what was asked for after a load that came with `revision`.
    pub(crate) fn put(&self, revision: Revision, owner: &str, at: Option<Timestamp>) {
        let mut state = self.state();
        if state.revision != revision {
            return;
        }
        if state.known.len() >= MOST
            && let Some(any) = state.known.keys().next().cloned()
        {
            state.known.remove(&any);
        }
        state.known.insert(owner.to_owned(), at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_revision_makes_it_forget_whether_later_or_earlier() {
        let cache = Revocations::default();
        let at = Some(Timestamp::from_millis(5));
        for revision in [0, 7, 8, 3, 7] {
            let revision = Revision(revision);
            assert_eq!(cache.get(revision, "anna"), None, "{revision:?}");
            cache.put(revision, "anna", at);
            assert_eq!(cache.get(revision, "anna"), Some(at));
            // An answer that comes late, of a load before.
            cache.put(Revision(1), "anna", None);
            assert_eq!(cache.get(revision, "anna"), Some(at));
        }
    }

    #[test]
    fn it_is_bounded() {
        let cache = Revocations::default();
        let _ = cache.get(Revision(1), "nobody");
        for number in 0..MOST * 2 {
            cache.put(Revision(1), &number.to_string(), None);
        }
        assert_eq!(cache.state().known.len(), MOST);
    }
}
