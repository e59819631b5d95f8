//! One commit at a time for a session on which several have met.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use cloakroom_core::SessionId;
use tokio::sync::{Mutex, MutexGuard};

/// Turns for the commits that have met a conflict: of all those of one session in this process, one at a time goes on, and
/// a commit that comes to a session while somebody has the turn gets in line. Without it, of N commits that fail together
/// N - 1 would fail again, and again.
pub(crate) struct Turns {
    stripes: Box<[Mutex<()>]>,
    hasher: RandomState,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self {
            stripes: (0..256).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        }
    }

    pub(super) async fn of(&self, id: &SessionId, longest: Duration) -> Turn<'_> {
        let turn = tokio::time::timeout(longest, self.stripe(id).lock()).await;
        Turn { _held: turn.ok() }
    }

    /// The turn, if somebody else has it; `None` if nobody needs one.
    pub(super) async fn if_taken(&self, id: &SessionId, longest: Duration) -> Option<Turn<'_>> {
        match self.stripe(id).try_lock() {
            Ok(_) => None,
            Err(_) => Some(self.of(id, longest).await),
        }
    }

    fn stripe(&self, id: &SessionId) -> &Mutex<()> {
        let hash = self.hasher.hash_one(id);
        let index = usize::try_from(hash % self.stripes.len() as u64).unwrap_or(0);
        &self.stripes[index]
    }
}

/// A turn. Whoever has waited too long for it goes on without: the line may be long and the store slow, and the visitor is
/// to have an answer.
pub(super) struct Turn<'a> {
    _held: Option<MutexGuard<'a, ()>>,
}
