//! Loads by way of the near cache, and changes that clear it.
//!
//! Only live sessions are kept. That a session has ended or is missing, the server is asked each time: such answers are few,
//! and a sign-in must not wait for an answer to grow old.

use std::{sync::Arc, time::Instant};

use cloakroom_core::{Loaded, SessionId, Stored, cached::Cached, owner_index::Revision};
use redis::{Pipeline, Value};

use crate::{
    fault::Fault,
    link::{Call, Links},
    near_cache::{
        cache::{Asked, Cache},
        tracking::{Refused, remember_next},
    },
    owner_index::revision,
    store::{Inner, RedisStore},
};

impl RedisStore {
    /// Whether loads are answered from the near cache at present: it was switched on, and the server of the present
    /// connection takes its commands.
    #[must_use]
    pub fn has_near_cache(&self) -> bool {
        self.inner.links.near(Cache::is_open).unwrap_or(false)
    }
}

impl Inner {
    /// Without a place among the calls and without a deadline: nothing is waited for.
    pub(crate) fn near(&self, id: &SessionId) -> Option<Cached> {
        if !self.may_be_near {
            return None;
        }
        self.links
            .near(|cache| cache.session(id, Instant::now()))
            .flatten()
    }

    /// The same with the revision, where both are known.
    pub(crate) fn near_with_revision(&self, id: &SessionId) -> Option<(Cached, Revision)> {
        if !self.may_be_near {
            return None;
        }
        let both = |cache: &Cache| {
            let now = Instant::now();
            let revision = cache.revision(now)?;
            Some((cache.session(id, now)?, revision))
        };
        self.links.near(both).flatten()
    }

    /// Asks the server, and keeps what it answers where the connection has a near cache. The revision is that of now, or one
    /// that was known when the question was sent, or the default where nobody wants it.
    pub(crate) async fn fetch(
        self: &Arc<Self>,
        id: &SessionId,
        with_revision: bool,
    ) -> Result<(Loaded, Revision), Fault> {
        let call = self.links.call()?;
        match self.fetch_once(&call, id, with_revision).await {
            Err(Fault::Lost) => self.fetch_once(&call, id, with_revision).await,
            answer => answer,
        }
    }

    async fn fetch_once(
        self: &Arc<Self>,
        call: &Call<'_>,
        id: &SessionId,
        with_revision: bool,
    ) -> Result<(Loaded, Revision), Fault> {
        let live = call.live().await?;
        let near = live.near.as_deref();
        let now = Instant::now();
        let known = match near {
            Some(near) if with_revision => near.revision(now),
            _ => None,
        };
        let ask_revision = with_revision && known.is_none();
        // The marks before the question.
        let question = near.map(|near| Question::new(near, id, now));
        let revision_mark = near.filter(|_| ask_revision);
        let revision_mark = revision_mark.map(|near| (near, near.ask_revision(now)));

        let mut look = Pipeline::with_capacity(6);
        let key = self.keys.session(id);
        if near.is_some() {
            remember_next(&mut look);
        }
        look.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
        look.cmd("GET").arg(self.keys.tombstone(id));
        if ask_revision {
            if near.is_some() {
                remember_next(&mut look);
            }
            look.cmd("GET").arg(self.keys.revision());
        }
        let mut answers = call.pipeline(&live, &look).await?.into_iter();
        let mut next = || answers.next().ok_or(Fault::Protocol);

        let mut remembered = near.is_some() && is_remembered(&next()?);
        let session = [next()?, next()?, next()?];
        let mut current = known.unwrap_or_default();
        if ask_revision {
            remembered &= near.is_some() && is_remembered(&next()?);
            // Of a revision that cannot be read nothing follows, also not that the session counts.
            current = revision(next()?)?;
        }
        let loaded = self.found(id, session)?;
        if let (Some(near), false) = (near, remembered) {
            // The user's rights were changed: nobody will tell what changes from here on.
            near.close();
            if let Some(tracking) = &self.links.target().tracking {
                tracking.tell_refused(Refused::Caching);
            }
        }
        if let Some((near, asked)) = revision_mark {
            near.keep_revision(asked, current);
        }
        if let (Some(question), Loaded::Live(stored)) = (question, &loaded) {
            question.keep(stored);
        }
        Ok((loaded, current))
    }

    /// To be held while a session is changed. Nothing to hold where there is no near cache.
    pub(crate) fn forgets(&self, id: &SessionId) -> Option<Forgetting<'_>> {
        self.may_be_near
            .then(|| Forgetting::new(&self.links, Some(id)))
    }

    /// To be held while something is revoked.
    pub(crate) fn forgets_revision(&self) -> Option<Forgetting<'_>> {
        self.may_be_near.then(|| Forgetting::new(&self.links, None))
    }
}

fn is_remembered(caching: &Value) -> bool {
    matches!(caching, Value::Okay)
}

/// A question for a session that is under way. Its mark goes with it, however it ends.
struct Question<'a> {
    near: &'a Cache,
    id: &'a SessionId,
    asked: Asked,
}

impl<'a> Question<'a> {
    fn new(near: &'a Cache, id: &'a SessionId, now: Instant) -> Self {
        let asked = near.ask(id, now);
        Self { near, id, asked }
    }

    fn keep(self, stored: &Stored) {
        self.near.keep(self.id, self.asked, stored);
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.near.drop_mark(self.id, self.asked);
    }
}

/// A change of our own that is under way. What was known before it does not count once it has begun, and what was asked
/// before it was acknowledged does not count afterwards: the server's own word comes after its answer, and whoever has that
/// answer must see the change. The same where the caller gives it up.
pub(crate) struct Forgetting<'a> {
    links: &'a Links,
    /// `None` for the revision.
    id: Option<SessionId>,
}

impl<'a> Forgetting<'a> {
    fn new(links: &'a Links, id: Option<&SessionId>) -> Self {
        let this = Self {
            links,
            id: id.cloned(),
        };
        this.forget();
        this
    }

    fn forget(&self) {
        self.links.near(|near| match &self.id {
            Some(id) => near.forget(id),
            None => near.forget_revision(),
        });
    }
}

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        self.forget();
    }
}
