//! The handle that handlers use.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cloakroom_core::{
    EndReason, Error, ErrorKind, Lifetime, SessionId,
    json::Raw,
    plan::CookieOp,
    record::Identity,
    session::{NewReason, Origin, View},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use crate::{config::Config, load};

mod lifecycle;
mod owned;

pub(crate) use lifecycle::Closed;

/// One request's session. Cheap to clone; all clones are the same session.
///
/// Reading and changing happens in memory and needs no `.await`; the layer commits before the response's head leaves. A
/// top-level name is the unit of merging: two requests that change different names both count, and [`update`]s of one name
/// all count.
///
/// [`update`]: Session::update
#[derive(Clone, Debug)]
pub struct Session(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Arc<Config>,
    secure: bool,
    deliverable: bool,
    /// The id that the browser has brought: others may know it, and may have ended it.
    presented: Option<SessionId>,
    state: Mutex<State>,
    /// One commit at a time.
    committing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    view: View,
    /// When the store was asked for what the view stands on.
    loaded: Instant,
    /// The response's head is leaving or has left, or there will be none: no cookie can be set any more.
    head_left: bool,
    /// Somebody has declared to commit changes after that by hand.
    kept_open: bool,
    /// The store could not be asked: the visitor is treated as anonymous and nothing can be saved.
    out_of_reach: bool,
    /// What the browser is to be told for the commits so far.
    cookie: CookieOp,
    /// When that was true.
    cookie_since: Instant,
}

impl Session {
    pub(crate) fn new(config: Arc<Config>, view: View, secure: bool, deliverable: bool) -> Self {
        let presented = match view.origin() {
            Origin::Existing(existing) => Some(existing.id.clone()),
            Origin::New(_) => None,
        };
        let now = Instant::now();
        Self(Arc::new(Shared {
            config,
            secure,
            deliverable,
            presented,
            state: Mutex::new(State {
                view,
                loaded: now,
                head_left: false,
                kept_open: false,
                out_of_reach: false,
                cookie: CookieOp::Keep,
                cookie_since: now,
            }),
            committing: tokio::sync::Mutex::new(()),
        }))
    }

    /// The anonymous session of a request whose session cannot be loaded at present.
    pub(crate) fn out_of_reach(config: Arc<Config>, secure: bool) -> Result<Self, Error> {
        // A view that saves nothing by itself: another response may bring the new cookie.
        let view = load::fresh(&config, NewReason::Ended(EndReason::Rotated), secure)?;
        let session = Self::new(config, view, secure, false);
        session.state().out_of_reach = true;
        Ok(session)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock leaves the state half changed, so a panic elsewhere does not spoil it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn config(&self) -> &Config {
        &self.0.config
    }

    fn change<T>(&self, change: impl FnOnce(&mut View) -> Result<T, Error>) -> Result<T, Error> {
        let mut state = self.state();
        if state.out_of_reach {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the session store cannot be reached; the session cannot be changed at present",
            ));
        }
        if state.head_left && !state.kept_open {
            return Err(Error::new(
                ErrorKind::TooLate,
                "the request is over: the response's head has left and the session was committed with it; to change the session while the body streams, call `keep_open` in the handler and `commit` after the change",
            ));
        }
        change(&mut state.view)
    }

    /// The value of a name; `None` if the session has no such name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Type`] if the stored value is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        self.state().view.get(name)
    }

    /// The JSON text of a name, to the byte as it is stored.
    #[must_use]
    pub fn get_raw(&self, name: &str) -> Option<String> {
        let state = self.state();
        state.view.get_raw(name).map(|raw| raw.as_str().to_owned())
    }

    pub(crate) fn raw(&self, name: &str) -> Option<Raw> {
        self.state().view.get_raw(name)
    }

    pub(crate) fn insert_raw(&self, name: &str, value: Raw) -> Result<(), Error> {
        self.change(|view| view.insert_raw(name, value, &self.config().policy))
    }

    pub(crate) fn fill_raw(&self, name: &str, value: Raw) -> Result<(), Error> {
        self.change(|view| view.fill_raw(name, value, &self.config().policy))
    }

    /// Whether the session has this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.state().view.get_raw(name).is_some()
    }

    /// The application's names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.state().view.names()
    }

    /// Gives a name a value. Where another request changes the same name at the same time, the later commit counts; for
    /// values that depend on the old one, use [`Session::update`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a name that express-session drops (`id`, `save`, ...) and for an integer that Node
    /// would round, [`ErrorKind::TooLarge`] beyond the limits, [`ErrorKind::Type`] for a value that is not JSON,
    /// [`ErrorKind::Gone`] after this request ended the session, [`ErrorKind::TooLate`] after the response's head has
    /// left. Nothing is changed then.
    pub fn insert<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), Error> {
        self.change(|view| view.insert(name, value, &self.config().policy))
    }

    /// Takes a name away.
    ///
    /// # Errors
    ///
    /// As [`Session::insert`].
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        self.change(|view| view.remove(name, &self.config().policy))
    }

    /// Gives a name the value that `f` makes of its current one, and answers with it.
    ///
    /// `f` is called again with another current value if another request commits first, so parallel increments all count.
    /// It must depend on its argument alone, and must not use the session, which waits for it.
    ///
    /// # Errors
    ///
    /// As [`Session::insert`], and [`ErrorKind::Type`] if the stored value is not a `T`.
    pub fn update<T, F>(&self, name: &str, f: F) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> T + Send + Sync + 'static,
    {
        self.update_or_remove(name, move |current| Some(f(current)))?
            .ok_or_else(|| Error::new(ErrorKind::Gone, format!("`{name}` is gone")))
    }

    /// As [`Session::update`], where `None` takes the name away.
    ///
    /// # Errors
    ///
    /// As [`Session::update`].
    pub fn update_or_remove<T, F>(&self, name: &str, f: F) -> Result<Option<T>, Error>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> Option<T> + Send + Sync + 'static,
    {
        self.change(|view| {
            view.update(name, f, &self.config().policy)?;
            view.get(name)
        })
    }

    /// Takes a name away and answers with its value: for what is to be shown once. Of two requests that take the same
    /// name at the same time, both get it.
    ///
    /// # Errors
    ///
    /// As [`Session::insert`], and [`ErrorKind::Type`] if the stored value is not a `T`; it stays then.
    pub fn take<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        self.change(|view| {
            let value = view.get(name)?;
            if value.is_some() {
                view.remove(name, &self.config().policy)?;
            }
            Ok(value)
        })
    }

    /// Takes every name of the application away.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] and [`ErrorKind::TooLate`] as [`Session::insert`].
    pub fn clear(&self) -> Result<(), Error> {
        self.change(View::clear)
    }

    /// Gives the session a new id and keeps its data. The old id is dead when the response's head leaves; a request that
    /// still brings it is anonymous. If the session was ended meanwhile, the new one does not come to be.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] and [`ErrorKind::TooLate`] as [`Session::insert`].
    pub fn rotate(&self) -> Result<(), Error> {
        self.change(View::rotate)
    }

    /// express's `regenerate`: a new id, no data, nobody signed in. What parallel requests put into the old session is
    /// not taken over either.
    ///
    /// # Errors
    ///
    /// As [`Session::rotate`].
    pub fn regenerate(&self) -> Result<(), Error> {
        let config = self.config();
        let attributes = config.attributes(self.0.secure);
        self.change(|view| view.regenerate(&config.policy, &attributes))
    }

    /// Signs `owner` in: the session gets a new id (against fixation), keeps its data, and remembers the owner and the
    /// time; the absolute lifetime begins anew, unless this request has given the session its own. As a fresh grant it goes
    /// on even if the old session has ended meanwhile. With the owner that is signed in already it is a new sign-in.
    ///
    /// With an [owner index](crate::SessionLayerBuilder::owners) the commit puts the session under the owner before it is
    /// written; the time is the store's then. If the index cannot be asked, nobody is signed in: the response is a 503. If
    /// the owner's [limit](crate::SessionLayerBuilder::owner_limit) refuses the sign-in, it is a 409, and a handler that
    /// would rather answer itself calls [`Session::commit`], whose error tells: the sign-in is taken back then.
    ///
    /// # Errors
    ///
    /// As [`Session::rotate`], [`ErrorKind::Invalid`] for an owner that is empty or longer than 1,024 bytes, and
    /// [`ErrorKind::TooLarge`] beyond the limits.
    pub fn sign_in(&self, owner: impl Into<String>) -> Result<(), Error> {
        let config = self.config();
        let now = config.clock.now();
        self.change(|view| view.sign_in(owner, &config.policy, now))
    }

    /// Signs out: ends the session and clears the cookie. No request that is under way can bring the session back. If
    /// another request has given the session a new id meanwhile, the commit is a conflict and the response 503: signing
    /// out again, with the new cookie, ends it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLate`] as [`Session::insert`].
    pub fn sign_out(&self) -> Result<(), Error> {
        self.destroy()
    }

    /// Ends the session and clears the cookie; changes of this request are dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLate`] as [`Session::insert`].
    pub fn destroy(&self) -> Result<(), Error> {
        self.change(|view| {
            view.destroy();
            Ok(())
        })
    }

    /// express's `req.session = null`: the option `unset` says whether the session is destroyed or left as it was.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLate`] as [`Session::insert`].
    pub fn unset(&self) -> Result<(), Error> {
        self.change(|view| {
            view.unset();
            Ok(())
        })
    }

    /// Gives this session a lifetime of its own ("remember me"), which it keeps: after each use, and in all where
    /// `lifetime` has an absolute one. [`Lifetime::browser_session`] lets the browser forget the cookie when it is closed;
    /// the store's time is then the layer's. A new session is not saved for this alone.
    ///
    /// # Errors
    ///
    /// As [`Session::insert`]; [`ErrorKind::Invalid`] for less than a millisecond, and for an idle lifetime that the
    /// layer's absolute one would cut.
    pub fn set_lifetime(&self, lifetime: Lifetime) -> Result<(), Error> {
        let config = self.config();
        let now = config.clock.now();
        self.change(|view| view.remember(lifetime, &config.policy, now))
    }

    /// Lets this request use the session without renewing it: for polling that must not keep a visitor signed in.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLate`] as [`Session::insert`].
    pub fn skip_renewal(&self) -> Result<(), Error> {
        self.change(|view| {
            view.skip_renewal();
            Ok(())
        })
    }

    /// The id that the session has after this request. A new session has one too; it means nothing unless it is saved.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.state().view.id().clone()
    }

    /// The owner that [`Session::sign_in`] was given.
    #[must_use]
    pub fn owner(&self) -> Option<String> {
        self.identity().owner
    }

    /// Who is signed in, and since when.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.state().view.identity()
    }

    /// Whether the request came without a live session.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.state().view.is_new()
    }

    /// Whether this request has changed the session.
    #[must_use]
    pub fn is_modified(&self) -> bool {
        self.state().view.is_modified()
    }

    /// How long the store will keep the session after this request without another one; `None` if it will not keep it, or
    /// keeps it without an end.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        let config = self.config();
        let now = config.clock.now();
        self.state().aged_view().expires_in(&config.policy, now)
    }

    /// Declares that this handle outlives the response's head and that whoever changes the session afterwards calls
    /// [`Session::commit`]: for streaming bodies and WebSockets. Changes that are not committed are logged as lost when
    /// the last handle goes.
    pub fn keep_open(&self) {
        self.state().kept_open = true;
    }
}
