//! Which sessions a command looks at: all of them, or an owner's.

use cloakroom::{
    ErrorKind,
    core::{
        Loaded,
        owner_index::{Claim, check_owner},
    },
};

use super::{revoked::Revocations, scope::Scope, seen::Seen, walk::Walk};
use crate::{failure::Failure, output::note, progress::Progress};

/// Sessions, one after the other.
#[derive(Debug)]
pub(super) enum Source<'a> {
    /// All that a walk finds, or an owner's among them.
    Walk(Box<Walk<'a>>, Option<&'a str>),
    /// An owner's, as the index has them; the first was looked at already.
    Index(Box<Indexed<'a>>, Option<Box<Seen>>),
}

impl<'a> Source<'a> {
    /// The live sessions, of everybody or of an owner. An owner's are those that the index knows; where it knows none, and
    /// where owners stand in the data, all sessions are looked at.
    pub(super) async fn of(
        scope: Scope<'a>,
        owner: Option<&'a str>,
        progress: impl FnOnce() -> Progress,
    ) -> Result<Self, Failure> {
        if let Some(owner) = owner {
            let mut indexed = Indexed::of(scope, owner).await?;
            if !scope.looks_into_data() {
                if let Some(first) = indexed.next().await? {
                    return Ok(Self::Index(Box::new(indexed), Some(Box::new(first))));
                }
                if indexed.is_refused() {
                    note_refused();
                }
            }
        }
        let walk = Walk::live(scope, progress());
        Ok(Self::Walk(Box::new(walk), owner))
    }

    /// The next one; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Seen>, Failure> {
        match self {
            Self::Walk(walk, None) => walk.next().await,
            Self::Walk(walk, Some(owner)) => {
                while let Some(seen) = walk.next().await? {
                    if seen.owner() == Some(*owner) {
                        return Ok(Some(seen));
                    }
                }
                Ok(None)
            }
            Self::Index(indexed, first) => match first.take() {
                Some(first) => Ok(Some(*first)),
                None => indexed.next().await,
            },
        }
    }

    /// Writes something to the terminal beside the progress.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match self {
            Self::Walk(walk, _) => walk.aside(write),
            Self::Index(..) => write(),
        }
    }
}

/// An owner's live sessions that the index knows, the earliest sign-in first: one look into the index, and one at each
/// session in it.
#[derive(Debug)]
pub(super) struct Indexed<'a> {
    scope: Scope<'a>,
    owner: &'a str,
    claims: std::vec::IntoIter<Claim>,
    revocations: Revocations,
    refused: bool,
}

impl<'a> Indexed<'a> {
    /// Looks into the index. A user of the store who may not is answered with none: an application that does not sign out
    /// everywhere needs no right to it.
    pub(super) async fn of(scope: Scope<'a>, owner: &'a str) -> Result<Self, Failure> {
        check_owner(owner).map_err(|error| Failure::usage(format!("--owner: {error}")))?;
        let store = scope.opened.sessions();
        let (claims, refused) = match store.owned(owner).await {
            Ok(found) => (found.claims, false),
            Err(error) if error.kind() == ErrorKind::Rejected => (Vec::new(), true),
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            scope,
            owner,
            claims: claims.into_iter(),
            revocations: Revocations::new(store),
            refused,
        })
    }

    /// Whether the store refused to tell.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    pub(super) async fn next(&mut self) -> Result<Option<Seen>, Failure> {
        let store = self.scope.opened.sessions();
        for claim in self.claims.by_ref() {
            let Loaded::Live(stored) = store.load(&claim.id).await? else {
                continue;
            };
            let seen = self.scope.see(claim.id, &stored);
            if seen.owner() == Some(self.owner) && !self.revocations.ended(&seen).await? {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }
}

/// Says that the index is left out.
pub(super) fn note_refused() {
    note(
        "The store's user may not read the index of owners, so all sessions are looked at; SECURITY.md has the rights.",
    );
}
