//! How a request's session is committed, read again, and left.

use std::{mem, panic, sync::PoisonError};

use cloakroom_core::{
    EndReason, Error, ErrorKind, Loaded,
    plan::CookieOp,
    session::{Existing, NewReason, Origin, View},
};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Session, Shared, State};
use crate::{
    commit::{Circumstances, Failure, Fate, RECHECK_AFTER, Stake, commit, commit_at_once},
    load, observe,
};

/// The end of a request's session: what the browser is to be told, and whether the last commit failed. What earlier
/// commits by hand have done is to be told then all the same.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) cookie: CookieOp,
    pub(crate) failure: Option<Failure>,
}

impl Session {
    /// Commits now and says for certain whether it is done. The layer commits by itself; this is for changes after the
    /// response's head has left, and for handlers that must know. Whoever stops waiting for it does not stop the commit.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] if the session had ended, [`ErrorKind::Conflict`] if other requests kept changing it or
    /// somebody else has signed in, [`ErrorKind::TooManySessions`] if the owner's limit refuses the sign-in,
    /// [`ErrorKind::TooLate`] if the session is new or gets a new id and the response that
    /// could have brought the cookie has left, [`ErrorKind::Config`] if its cookie is `Secure` and the request came over
    /// plain HTTP, and the store's errors.
    pub async fn commit(&self) -> Result<(), Error> {
        // In a task of its own: given up half way, it would leave this handle ignorant of what it has done to the store,
        // and the response without the cookie for it.
        let session = self.clone();
        let commit = async move { session.commit_now(false).await };
        let done = match tokio::spawn(commit.in_current_span()).await {
            Ok(done) => done,
            // A function given to `update` has panicked.
            Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
            Err(_) => {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "the runtime shuts down; whether the session was saved is not known",
                ));
            }
        };
        match done {
            Ok(Fate::Withheld) => Err(Error::new(
                ErrorKind::Config,
                "the session was not saved: its cookie is `Secure` and the request came over plain HTTP; behind a proxy that ends TLS, add the proxy to `trusted_proxies`",
            )),
            Ok(Fate::Gone) => Err(Error::new(
                ErrorKind::Gone,
                "the session has ended meanwhile; the change was not saved",
            )),
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.error),
        }
    }

    /// Commits and remembers what the browser is to be told. After the last time, with the response's head, changes
    /// need [`Session::keep_open`].
    async fn commit_now(&self, last: bool) -> Result<Fate, Failure> {
        let _turn = self.0.committing.lock().await;
        let started = Instant::now();
        let (snapshot, circumstances) = {
            let mut state = self.state();
            // Together with the snapshot: a change that this commit does not see is refused, or committed by hand.
            let head_left = state.head_left;
            state.head_left |= last;
            if state.out_of_reach {
                return Ok(Fate::Unchanged);
            }
            let view = &state.view;
            let needs_cookie = if view.is_new() {
                view.is_modified()
            } else {
                view.is_rotated()
            };
            let too_late = head_left && view.ending().is_none();
            if too_late && !needs_cookie && view.is_new() {
                return Ok(Fate::Unchanged);
            }
            if too_late && needs_cookie {
                return Err(Failure {
                    error: Error::new(
                        ErrorKind::TooLate,
                        "the session needs a cookie and the response that could have brought it has left",
                    ),
                    stake: Stake::Change,
                });
            }
            let circumstances = Circumstances {
                deliverable: self.0.deliverable,
                age: state.loaded.elapsed(),
            };
            (state.aged_view(), circumstances)
        };
        let mut view = snapshot.clone();
        let span = tracing::debug_span!("session_commit", session = %view.id().fingerprint());
        let outcome = commit(&self.0.config, &mut view, circumstances)
            .instrument(span)
            .await
            .inspect_err(|failure| {
                // Told by hand, the handler answers; the rest of the request is to be saved all the same.
                if !last && failure.error.kind() == ErrorKind::TooManySessions {
                    load::withdraw_sign_in(self.config(), &mut self.state().view);
                }
            })?;
        self.take_in(&snapshot, &outcome.fate, started)
            .map_err(|error| Failure {
                error,
                stake: Stake::Change,
            })?;
        let mut state = self.state();
        // Of a session that has ended, an earlier commit's cookie is no longer true either.
        if outcome.cookie != CookieOp::Keep || matches!(outcome.fate, Fate::Gone) {
            state.cookie = outcome.cookie;
            state.cookie_since = Instant::now();
        }
        Ok(outcome.fate)
    }

    /// Lets the view stand on what was committed.
    fn take_in(&self, snapshot: &View, fate: &Fate, started: Instant) -> Result<(), Error> {
        let config = self.config();
        match fate {
            Fate::Written(write) => {
                let existing = Existing {
                    id: write.id.clone(),
                    base: write.value.clone(),
                    remaining: Some(write.ttl),
                    resign: false,
                };
                let (record, fresh_id) = (write.record.clone(), config.fresh_id()?);
                let mut state = self.state();
                let policy = &config.policy;
                state
                    .view
                    .committed(snapshot, existing, record, fresh_id, policy);
                // Another request may have changed whose the session is by its data, and where the index failed the
                // commit has left it to a later one to write that down.
                load::adopt(config, &mut state.view);
                state.loaded = started;
            }
            Fate::Ended => {
                let reason = NewReason::Ended(EndReason::Destroyed);
                let mut view = load::fresh(config, reason, self.0.secure)?;
                view.destroy();
                self.state().view = view;
            }
            Fate::Unchanged | Fate::Gone | Fate::Withheld => {}
        }
        Ok(())
    }

    /// The last commit before the response's head, where nothing has to be waited for: the session was read, and is
    /// renewed beside the response if at all. `None` where [`close`](Self::close) has more to do; nothing is done then.
    pub(crate) fn close_at_once(&self) -> Option<Closed> {
        let _turn = self.0.committing.try_lock().ok()?;
        let mut state = self.state();
        if state.head_left || state.out_of_reach || state.cookie != CookieOp::Keep {
            return None;
        }
        let circumstances = Circumstances {
            deliverable: self.0.deliverable,
            age: state.loaded.elapsed(),
        };
        let cookie = commit_at_once(&self.0.config, &state.view, circumstances)?;
        state.head_left = true;
        Some(Closed {
            cookie,
            failure: None,
        })
    }

    /// The last commit before the response's head.
    pub(crate) async fn close(&self) -> Closed {
        let failure = self.commit_now(true).await.err();
        let (mut cookie, age) = {
            let mut state = self.state();
            let cookie = mem::replace(&mut state.cookie, CookieOp::Keep);
            (cookie, state.cookie_since.elapsed())
        };
        // An id that others know may have ended since the commit by hand that asked for the cookie; the browser has it.
        if let CookieOp::Set { id, .. } = &cookie
            && self.0.presented.as_ref() == Some(id)
            && (failure.is_some() || age >= RECHECK_AFTER)
        {
            let config = self.config();
            let live = failure.is_none()
                && matches!(
                    load::timed(config, "load", config.store().load(id)).await,
                    Ok(Loaded::Live(_))
                );
            if !live {
                cookie = CookieOp::Keep;
            }
        }
        Closed { cookie, failure }
    }

    /// There is or will be no response that could bring a cookie, and no commit by the layer.
    pub(crate) fn leave(&self) {
        self.state().head_left = true;
    }

    /// Reads the session from the store again and drops this request's changes: express's `reload`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] if there is no such session any more or this request has ended it, and the store's errors.
    /// Nothing is changed then.
    pub async fn reload(&self) -> Result<(), Error> {
        let _turn = self.0.committing.lock().await;
        let gone = || {
            Error::new(
                ErrorKind::Gone,
                "the session cannot be read again: it is not stored any more",
            )
        };
        let before = match &self.state().view {
            view if view.ending().is_some() => return Err(gone()),
            view => match view.origin() {
                Origin::Existing(existing) => existing.clone(),
                Origin::New(_) => return Err(gone()),
            },
        };
        let asked = Instant::now();
        match load::load(self.config(), &before.id).await? {
            load::Found::Live(stored, record) => {
                let existing = Existing {
                    base: stored.value,
                    remaining: stored.remaining,
                    ..before
                };
                let fresh_id = self.config().fresh_id()?;
                let mut state = self.state();
                if state.view.ending().is_some() {
                    return Err(gone());
                }
                let client = state.view.client().clone();
                state.view = View::existing(existing, record, fresh_id);
                state.view.set_client(client);
                load::adopt(self.config(), &mut state.view);
                state.loaded = asked;
                Ok(())
            }
            load::Found::None(_) => Err(gone()),
        }
    }
}

impl State {
    /// The view as it is now: some of the session's time has passed since the store was asked.
    pub(super) fn aged_view(&self) -> View {
        let mut view = self.view.clone();
        view.pass(self.loaded.elapsed());
        view
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.head_left && state.kept_open && state.view.is_modified() {
            observe::lost("uncommitted");
            tracing::error!(
                session = %state.view.id().fingerprint(),
                "changes made after the response's head were never committed and are lost; call `commit` after the last change"
            );
        }
    }
}
