//! What the visitor who is signed in may do with their own sessions.

use std::time::Duration;

use cloakroom_core::{
    Error, ErrorKind, SessionHandle,
    owner_index::Whose,
    plan::{StoreOp, plan},
    session::{Origin, View},
};

use super::Session;
use crate::{OwnedSession, Owners, load};

impl Session {
    /// Demands that the visitor has signed in within `max_age`: for what needs more than a session that is left open, as
    /// a change of the password or the end of other sessions ("step-up"). After signing in again the session is fresh.
    /// What counts is when the visitor last said who they are, [`Identity::authenticated`]: neither a new id nor
    /// [`Session::revoke_others`] makes a session fresh. Of a session that a Node peer signed in
    /// ([`owner_from`](crate::SessionLayerBuilder::owner_from)) it is known no better than when Node last wrote it.
    ///
    /// [`Identity::authenticated`]: cloakroom_core::record::Identity::authenticated
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use cloakroom::{Session, SessionError};
    /// async fn change_password(session: Session) -> Result<(), SessionError> {
    ///     session.require_fresh(Duration::from_secs(5 * 60))?; // 401 for nobody, 403 for a sign-in that is too old
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotSignedIn`] if nobody is signed in, [`ErrorKind::NotFresh`] if the sign-in is older, its time unknown
    /// or more than a minute in the future.
    pub fn require_fresh(&self, max_age: Duration) -> Result<(), Error> {
        self.required_owner()?;
        let (authenticated, now) = (self.identity().authenticated, self.config().clock.now());
        // The times of sign-ins may be another clock's, which is a little ahead.
        let leeway = Duration::from_secs(60);
        let fresh = authenticated.is_some_and(|at| {
            now.saturating_since(at) <= max_age && at <= now.saturating_add(leeway)
        });
        if fresh {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::NotFresh,
            format!(
                "this needs a sign-in within the last {max_age:?}; let the visitor sign in again"
            ),
        ))
    }

    fn required_owner(&self) -> Result<String, Error> {
        self.owner().ok_or_else(|| {
            Error::new(
                ErrorKind::NotSignedIn,
                "this needs a session that somebody is signed in to",
            )
        })
    }

    fn owners(&self) -> Result<&Owners, Error> {
        let owned = self.config().owned.as_ref();
        owned.map(|owned| &owned.owners).ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "the session layer has no owner index; give it one with `owners`",
            )
        })
    }

    /// The handle of this session in the store, if it is there.
    fn handle(&self) -> Option<SessionHandle> {
        match self.state().view.origin() {
            Origin::Existing(existing) => Some(existing.id.handle()),
            Origin::New(_) => None,
        }
    }

    /// The live sessions of the owner who is signed in, this one marked as [current](OwnedSession::current): "where you are
    /// signed in". What this request changes is not in it yet; that it has found a Node peer's session to be the owner's
    /// ([`owner_from`](crate::SessionLayerBuilder::owner_from)) is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotSignedIn`] if nobody is signed in, [`ErrorKind::Config`] without an owner index, and the store's.
    pub async fn sessions(&self) -> Result<Vec<OwnedSession>, Error> {
        let (owners, owner) = (self.owners()?, self.required_owner()?);
        self.claim_found(owners).await;
        let mut sessions = owners.list(&owner).await?;
        let current = self.handle();
        for session in &mut sessions {
            session.current = Some(session.handle) == current;
        }
        Ok(sessions)
    }

    /// Claims a session that this request is to adopt, which the commit would do: the visitor who looks at the list is to
    /// see themselves in it. Where it fails the list is without this session; the commit tries again.
    async fn claim_found(&self, owners: &Owners) {
        let config = self.config();
        let planned = {
            let view = self.state().aged_view();
            view.is_adopted()
                .then(|| plan(&view, &config.policy, config.clock.now()))
        };
        if let Some(StoreOp::Replace(write)) = planned.map(|planned| planned.store)
            && let Some(claim) = write.claim
        {
            let (owner, keep) = (&claim.owner, claim.keep);
            let _ = owners.claim(owner, &write.id, keep, None).await;
        }
    }

    /// Ends one session of the owner who is signed in; `false` if there is no such live session of this owner. This session
    /// itself is signed out, with the response. Let it need a [fresh](Self::require_fresh) sign-in.
    ///
    /// # Errors
    ///
    /// As [`Session::sessions`] and [`Owners::revoke`].
    pub async fn revoke(&self, handle: &SessionHandle) -> Result<bool, Error> {
        let (owners, owner) = (self.owners()?, self.required_owner()?);
        if self.handle() == Some(*handle) {
            self.sign_out()?;
            return Ok(true);
        }
        owners.revoke(&owner, handle).await
    }

    /// Ends all other sessions of the owner who is signed in: after a change of the password. Answers how many live ones
    /// were found. This session goes on past the revocation with a new id, and is committed now, with what this request has
    /// changed so far. It is no sign-in of the visitor's: the session becomes no [fresher](Self::require_fresh) by it, and
    /// its absolute lifetime ends when it would have. Let it need a [fresh](Self::require_fresh) sign-in.
    ///
    /// All of it holds also against sign-ins that are under way and sessions that the index does not know. If the response
    /// does not reach the browser, or the commit fails, this session has ended like the others, and the visitor signs in
    /// again.
    ///
    /// Whether this session still lives is looked up first; then the revocation is raised, and the session signed in anew.
    /// What somebody else revokes in between, this session or all of the owner's, is overtaken: this session goes on. Those
    /// are few calls to the store, one after the other. All others end in any case. Whoever must be sure lists the sessions
    /// afterwards, where this one stands, and revokes again.
    ///
    /// # Errors
    ///
    /// As [`Session::sessions`], and as [`Session::commit`]; [`ErrorKind::Gone`] where this session has ended since it was
    /// loaded, and nothing is revoked then. After another error the others may have ended or not.
    pub async fn revoke_others(&self) -> Result<usize, Error> {
        let (owners, owner) = (self.owners()?, self.required_owner()?);
        let now = self.config().clock.now();
        let policy = &self.config().policy;
        // Tried before anything is revoked.
        self.change(|view| view.clone().carry_sign_in(policy, now))?;
        self.check_cookie()?;
        self.check_live().await?;
        let before = owners.raise(Whose::Owner(&owner)).await?;
        // At once: until then, this browser's other requests find their session revoked.
        self.change(|view| view.carry_sign_in(policy, now))?;
        self.commit().await?;
        owners.end_before(&owner, before).await
    }

    /// Whether a new id could reach the browser.
    fn check_cookie(&self) -> Result<(), Error> {
        if !self.0.deliverable {
            return Err(Error::new(
                ErrorKind::Config,
                "the session needs a new cookie, which is `Secure`, and the request came over plain HTTP",
            ));
        }
        if self.state().head_left {
            return Err(Error::new(
                ErrorKind::TooLate,
                "the session needs a new cookie and the response that could have brought it has left",
            ));
        }
        Ok(())
    }

    /// Whether the session has ended, or was revoked, since it was loaded: it must not go on past the revocation of the
    /// others then. Where this request signs somebody in, it does not stand on what was loaded.
    async fn check_live(&self) -> Result<(), Error> {
        let id = {
            let state = self.state();
            match state.view.origin() {
                Origin::Existing(existing) if !state.view.signs_in() => existing.id.clone(),
                _ => return Ok(()),
            }
        };
        match load::load(self.config(), &id).await? {
            load::Found::Live(..) => Ok(()),
            load::Found::None(_) => Err(Error::new(
                ErrorKind::Gone,
                "the session has ended meanwhile; the others were not revoked",
            )),
        }
    }

    /// Ends all sessions of the owner who is signed in, and this one with the response. Answers how many live ones were
    /// found in the store, this one included.
    ///
    /// # Errors
    ///
    /// As [`Session::sessions`]. After an error they may have ended or not.
    pub async fn revoke_all(&self) -> Result<usize, Error> {
        let (owners, owner) = (self.owners()?, self.required_owner()?);
        self.change(|_| Ok(()))?;
        let ended = owners.revoke_all(&owner).await?;
        self.change(|view: &mut View| {
            view.destroy();
            Ok(())
        })?;
        Ok(ended)
    }
}
