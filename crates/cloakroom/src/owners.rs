//! Who is signed in where: an owner's sessions listed and ended, by whoever may.
//!
//! [`Owners`] works on an [owner index](cloakroom_core::owner_index) alone, so that an administrator's tool needs no layer.
//! A layer with an index has one: [`SessionLayer::owners`](crate::SessionLayer::owners). For the visitor's own sessions there
//! are [`Session::sessions`](crate::Session::sessions) and [`Session::revoke_others`](crate::Session::revoke_others).
//!
//! A session is named by its [handle](SessionHandle), never by its id. Whoever lists verifies each claimed session with
//! the store, and releases the claims of those that are over: nothing depends on being told that a session has expired, and
//! the index does not grow.
//!
//! A revocation is a time. A session that was signed in to before it, or at it, has ended, whether it was listed and ended
//! in the store or not: a layer with an index looks at each load. It holds against sign-ins and rotations that are under
//! way, and against sessions that the index does not know. It is as lasting as the store: it holds against a session that is
//! put back beside it, and a store that is restored as a whole has forgotten the revocations since the backup. Call
//! [`Owners::revoke_everybody`] after that.
//!
//! One session goes on past a revocation: that of the visitor who ends the others. It is looked up just before, so it does not
//! go on if it was revoked until then. What somebody else revokes after that and before the session is signed in anew, the
//! time of a few calls to the store, ends the others and not this one. It stands in the list for whoever looks again.

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use cloakroom_core::{
    Error, OwnerIndex, SessionHandle, SessionId, Timestamp,
    owner_index::{Claimed, Whose, check_owner},
    record::Limits,
};

pub(crate) mod cache;
pub(crate) mod claims;
pub(crate) mod end;
mod evict;
pub(crate) mod limit;
pub(crate) mod source;
mod survey;

pub(crate) use source::OwnerFrom;
use survey::Surveyed;

use crate::{load::within, observe};

/// How long the store may take to answer, unless set otherwise.
pub(crate) const DEADLINE: Duration = Duration::from_millis(500);

/// An owner's sessions, to be listed and ended. Cheap to clone. See the [module's documentation](self).
#[derive(Clone, Debug)]
pub struct Owners {
    pub(crate) index: Arc<dyn OwnerIndex>,
    pub(crate) deadline: Duration,
    pub(crate) limits: Limits,
    pub(crate) from: Option<OwnerFrom>,
}

/// A live session of an owner. It knows no id.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedSession {
    /// What names the session.
    pub handle: SessionHandle,
    /// When the owner signed in, or ended the others from this session, whichever was later; `None` for a session that does
    /// not say.
    pub signed_in: Option<Timestamp>,
    /// Since when the session is known: the owner's first sign-in to it.
    pub created: Option<Timestamp>,
    /// The last use, as far as the store tells.
    pub last_seen: Option<Timestamp>,
    /// The browser's `User-Agent` when the session was last written, without control characters. The browser says what it
    /// likes: to be escaped like anything that a visitor enters.
    pub user_agent: Option<String>,
    /// The address from which the session was last written, as text: an IP address, and nothing else.
    pub address: Option<String>,
    /// How long the session lives without further use; `None` if it is kept without an end.
    pub expires_in: Option<Duration>,
    /// Whether it is the session of the request that asks. Always `false` where no request asks.
    pub current: bool,
}

impl fmt::Debug for OwnedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedSession")
            .field("handle", &self.handle)
            .field("signed_in", &self.signed_in)
            .field("created", &self.created)
            .field("last_seen", &self.last_seen)
            .field("has_user_agent", &self.user_agent.is_some())
            .field("has_address", &self.address.is_some())
            .field("expires_in", &self.expires_in)
            .field("current", &self.current)
            .finish()
    }
}

impl Owners {
    /// The sessions in `index`, with a deadline of 500 ms for each call.
    #[must_use]
    pub fn new(index: impl OwnerIndex) -> Self {
        Self {
            index: Arc::new(index),
            deadline: DEADLINE,
            limits: Limits::default(),
            from: None,
        }
    }

    /// How long each call to the store may take before it counts as failed.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How large a session may be that is read; as the layer's.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The owner's live sessions, the earliest claimed first. Each is verified with the store, and the claims of those that
    /// are over are released; where nothing can be written the list is the same.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for what is no owner, and the store's.
    pub async fn list(&self, owner: &str) -> Result<Vec<OwnedSession>, Error> {
        check_owner(owner)?;
        let survey = self.survey(owner).await?;
        let now = survey.now;
        self.release(owner, survey.over).await;
        let live = survey.claims.into_iter().filter_map(|(claim, found)| {
            let Surveyed::Live(live) = found else {
                return None;
            };
            let usage = live.record.usage();
            Some(OwnedSession {
                handle: claim.id.handle(),
                signed_in: live.signed_in,
                created: usage.created,
                last_seen: usage.last_seen(&live.record, live.remaining, now),
                user_agent: usage.client.user_agent,
                address: usage.client.address,
                expires_in: live.remaining,
                current: false,
            })
        });
        Ok(live.collect())
    }

    /// Ends one session of the owner; `false` if the owner has no such live session. If the session gets a new id at the
    /// same time, the new one is ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for what is no owner,
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the session has a new id and it cannot be told which: list
    /// again. And the store's.
    pub async fn revoke(&self, owner: &str, handle: &SessionHandle) -> Result<bool, Error> {
        check_owner(owner)?;
        let claims = within(self.deadline, "owned", self.index.owned(owner)).await?;
        let claim = claims
            .claims
            .iter()
            .find(|claim| claim.id.handle() == *handle);
        let Some(claim) = claim else {
            return Ok(false);
        };
        let Some(live) = self.end_claimed(owner, claim, None).await? else {
            return Ok(false);
        };
        self.release(owner, vec![claim.id.clone()]).await;
        if live > 0 {
            observe::revocation("session");
            tracing::info!(session = %claim.id.fingerprint(), "a session was revoked");
        }
        Ok(live > 0)
    }

    /// Ends all sessions of the owner, known to the index or not, and also those whose sign-in is under way. Answers how
    /// many live ones were ended in the store; the others end when they are next presented.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for what is no owner, and the store's. After an error the
    /// revocation may stand or not: call it again.
    pub async fn revoke_all(&self, owner: &str) -> Result<usize, Error> {
        check_owner(owner)?;
        let at = self.raise(Whose::Owner(owner)).await?;
        self.end_before(owner, at).await
    }

    /// Ends the sessions of everybody who is signed in, when they are next presented. Sessions of nobody stay. For after a
    /// restored backup or a lost secret.
    ///
    /// # Errors
    ///
    /// The store's. After an error the revocation may stand or not: call it again.
    pub async fn revoke_everybody(&self) -> Result<(), Error> {
        self.raise(Whose::Everybody).await.map(drop)
    }

    /// Raises a revocation: what was signed in to before it has ended.
    pub(crate) async fn raise(&self, whose: Whose<'_>) -> Result<Timestamp, Error> {
        let at = within(self.deadline, "revoke", self.index.revoke(whose)).await?;
        let scope = match whose {
            Whose::Owner(_) => "owner",
            Whose::Everybody => "everybody",
        };
        observe::revocation(scope);
        tracing::info!(scope, "sessions were revoked");
        Ok(at)
    }

    /// Puts a session under its owner.
    pub(crate) async fn claim(
        &self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
    ) -> Result<Claimed, Error> {
        let claim = self.index.claim(owner, id, keep, limit);
        within(self.deadline, "claim", claim).await
    }

    /// Takes claims away. Whoever fails to is none the worse: who reads the index verifies.
    pub(crate) async fn release(&self, owner: &str, ids: Vec<SessionId>) {
        if !ids.is_empty() {
            let release = self.index.release(owner, &ids);
            let _ = within(self.deadline, "release", release).await;
        }
    }
}
