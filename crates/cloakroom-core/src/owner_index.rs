//! The law of the owner index: which sessions are whose, and from when on they count.
//!
//! A session is under its owner by a **claim**: its id, in the owner's index, with the time of the sign-in. Claims are
//! made before the session is written, so the index is a superset of the live sessions; whoever reads it asks the store for
//! each session, and releases the claims of those that are over. Nothing depends on being told that a session has expired.
//! Not in it are sessions that a peer without an index made or kept alive beyond their claim, and one whose claim failed
//! when it was changed, until they are claimed again.
//!
//! A **revocation** is a time per owner, and one for everybody: a session whose sign-in is not later than it has ended,
//! whether the index knows the session or not.
//!
//! The law in full, beside that of [`store`](crate::store):
//!
//! 1. A claim that was acknowledged is listed by every later [`OwnerIndex::owned`] of its owner until it is released, or
//!    until its time to be kept is over. Claims of one owner never show under another, nor in another namespace, whatever
//!    the names are made of.
//! 2. The times of claims and revocations are the store's, never the application's, and each is later than all that were
//!    given in the namespace before it. A claim that is made again keeps its time and its place.
//! 3. Of several claims at once with a limit, the order of their times decides: together they name every claim that is
//!    older than the newest `limit`, and none of the newest. Claims count, whether their sessions live or not. A store may
//!    cut an answer short: it then names the oldest, a hundred at least, and once these are released a later claim names
//!    those that are left.
//! 4. A revocation that was acknowledged is in every later answer of [`OwnerIndex::revoked_at`] for at least
//!    [`REVOCATION_TTL`], and the [`Revision`] that comes with every later load is another than before it.
//! 5. Claims, releases and revocations neither make nor change nor end a session, nor its time.
//! 6. Errors, dropped futures and durability are as for the store: an acknowledged claim survives what an acknowledged
//!    session survives. One exception: a release of more than a hundred ids that fails or is dropped may have taken some of
//!    them away. Release them again.

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::{Error, ErrorKind, Loaded, SessionId, Store, Timestamp, cached::Cached};

/// How long a claim whose session is not there may be younger and still be kept: its session may be about to be written.
pub const CLAIM_GRACE: Duration = Duration::from_secs(60);

/// The longest owner that an index takes, in bytes.
pub const MAX_OWNER_LEN: usize = 1024;

/// For how long at least a revocation is known. A browser keeps a cookie for 400 days at most, so a session that is older
/// than its owner's revocation has been presented, and ended, or cannot be presented any more.
pub const REVOCATION_TTL: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// A number that changes with every revocation in a namespace, and with nothing else while the store keeps its data: as
/// long as it is the same, what [`OwnerIndex::revoked_at`] answered still holds. None comes twice. A store that can lose its
/// data does well to take the time of the latest revocation, which does not begin anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// Whose sessions a revocation ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// Those of one owner.
    Owner(&'a str),
    /// Those of everybody who is signed in.
    Everybody,
}

impl fmt::Debug for Whose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner(_) => "Owner",
            Self::Everybody => "Everybody",
        })
    }
}

/// What [`OwnerIndex::claim`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The time of the claim, by the store's clock: to be written into the session as its sign-in.
    pub at: Timestamp,
    /// Claims beyond the limit, oldest first; never the claimed one, and not always all: see rule 3. Some of their sessions
    /// may be over already, so ask the store before a session is ended for the limit's sake. They are still in the index:
    /// release them.
    pub over: Vec<SessionId>,
}

/// A session in an owner's index. Whether it lives is the store's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The session.
    pub id: SessionId,
    /// When it was claimed, by the store's clock.
    pub at: Timestamp,
}

/// What [`OwnerIndex::owned`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The store's time when the listing began, and no earlier than the newest claim.
    pub now: Timestamp,
    /// The owner's claims, oldest first.
    pub claims: Vec<Claim>,
}

impl Claims {
    /// Whether a claim whose session is not there may be released: it is old enough that nobody is about to write it.
    #[must_use]
    pub fn is_settled(&self, claim: &Claim) -> bool {
        self.now.saturating_since(claim.at) > CLAIM_GRACE
    }
}

/// Checks an owner before it is given to an index.
///
/// # Errors
///
/// [`ErrorKind::Invalid`] for an empty owner and for one of more than [`MAX_OWNER_LEN`] bytes.
pub fn check_owner(owner: &str) -> Result<(), Error> {
    let length = owner.len();
    if (1..=MAX_OWNER_LEN).contains(&length) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Invalid,
        format!(
            "an owner has 1 to {MAX_OWNER_LEN} bytes, this one has {length}; sign in with the key that your users have in your database"
        ),
    ))
}

/// Optional: a store that knows which sessions are whose. See the [module's documentation](self) for the law.
///
/// An owner is any text of 1 to [`MAX_OWNER_LEN`] bytes; callers check that.
#[async_trait]
pub trait OwnerIndex: Store {
    /// As [`Store::load`], with the revision of the namespace's revocations, at the cost of one load.
    async fn load_with_revision(&self, id: &SessionId) -> Result<(Loaded, Revision), Error>;

    /// As [`Store::cached`], with the revision as [`load_with_revision`](Self::load_with_revision) would tell it now.
    fn cached_with_revision(&self, id: &SessionId) -> Option<(Cached, Revision)> {
        let _ = id;
        None
    }

    /// Puts a session under its owner, before it is written. The claim is kept for at least `keep` from now; a claim made
    /// again never shortens that. With a `limit`, the answer names the oldest claims beyond it, or as many of them as the
    /// store names at once.
    async fn claim(
        &self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
    ) -> Result<Claimed, Error>;

    /// The claims of an owner. Works where writing does not. A long listing is not of one moment: what is claimed or
    /// released meanwhile may show or not.
    async fn owned(&self, owner: &str) -> Result<Claims, Error>;

    /// Takes claims away: of sessions that are over. Ids that are not claimed are no error, so a release can be made again;
    /// of many ids see rule 6.
    async fn release(&self, owner: &str, ids: &[SessionId]) -> Result<(), Error>;

    /// Revokes: from now on, sessions whose sign-in is not later than the answer have ended. The sessions themselves stay
    /// where they are; ending those that the index lists is the caller's.
    async fn revoke(&self, whose: Whose<'_>) -> Result<Timestamp, Error>;

    /// The latest revocation that concerns an owner: its own, or everybody's. `None` if there is none. Works where writing
    /// does not.
    async fn revoked_at(&self, owner: &str) -> Result<Option<Timestamp>, Error>;
}

#[async_trait]
impl<S: OwnerIndex + ?Sized> OwnerIndex for Arc<S> {
    // The index's own future, as `Store::load` does it.
    fn load_with_revision<'s, 'id, 'f>(
        &'s self,
        id: &'id SessionId,
    ) -> BoxFuture<'f, Result<(Loaded, Revision), Error>>
    where
        's: 'f,
        'id: 'f,
        Self: 'f,
    {
        (**self).load_with_revision(id)
    }

    fn cached_with_revision(&self, id: &SessionId) -> Option<(Cached, Revision)> {
        (**self).cached_with_revision(id)
    }

    async fn claim(
        &self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
    ) -> Result<Claimed, Error> {
        (**self).claim(owner, id, keep, limit).await
    }

    async fn owned(&self, owner: &str) -> Result<Claims, Error> {
        (**self).owned(owner).await
    }

    async fn release(&self, owner: &str, ids: &[SessionId]) -> Result<(), Error> {
        (**self).release(owner, ids).await
    }

    async fn revoke(&self, whose: Whose<'_>) -> Result<Timestamp, Error> {
        (**self).revoke(whose).await
    }

    async fn revoked_at(&self, owner: &str) -> Result<Option<Timestamp>, Error> {
        (**self).revoked_at(owner).await
    }
}
