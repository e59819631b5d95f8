//! The place in a request where its session will be.

use std::sync::{Arc, OnceLock};

use cloakroom_core::{
    Error, SessionId,
    session::View,
    ticket::{Presented, Seal},
    usage::Client,
};
use http::Extensions;
use tokio::sync::OnceCell;

use crate::{config::Config, handle::Session, load, outage::OutagePolicy};

/// The place in a request's extensions where its session is opened, by the first that asks for it. For services without
/// axum; with axum, take [`Session`] as an extractor.
#[derive(Clone, Debug)]
pub struct SessionSlot(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Arc<Config>,
    presented: Presented,
    secure: bool,
    /// The cookie can be delivered to the browser.
    deliverable: bool,
    /// The slot of the session layer around this one.
    outer: Option<SessionSlot>,
    /// What owned sessions remember of the device.
    client: Client,
    session: OnceCell<Session>,
    /// The store could not be asked; the request was answered so.
    failed: OnceLock<()>,
    /// The response is out, or there will be none.
    left: OnceLock<()>,
}

impl SessionSlot {
    pub(crate) fn new(
        config: Arc<Config>,
        presented: Presented,
        secure: bool,
        deliverable: bool,
        outer: Option<Self>,
        client: Client,
    ) -> Self {
        Self(Arc::new(Inner {
            config,
            presented,
            secure,
            deliverable,
            outer,
            client,
            session: OnceCell::new(),
            failed: OnceLock::new(),
            left: OnceLock::new(),
        }))
    }

    /// The request's session: loaded from the store by the first call, the same one afterwards.
    ///
    /// # Errors
    ///
    /// The store's, if it cannot be asked: this does not mean that there is no session. A later call asks again.
    pub async fn session(&self) -> Result<Session, Error> {
        let slot = &*self.0;
        self.opens_at_once();
        let opened = slot.session.get_or_try_init(|| self.open()).await;
        if opened.is_err() {
            slot.failed.get_or_init(|| ());
        }
        let session = opened.cloned()?;
        if slot.left.get().is_some() {
            session.leave();
        }
        Ok(session)
    }

    /// Opens the session if that takes no waiting, and says whether it is open. Whoever is opening it already goes first.
    pub(crate) fn opens_at_once(&self) -> bool {
        let slot = &*self.0;
        if slot.session.initialized() {
            return true;
        }
        let view = load::view_at_once(&slot.config, &slot.presented);
        view.is_some_and(|view| slot.session.set(self.made_of(view)).is_ok())
    }

    fn made_of(&self, mut view: View) -> Session {
        let Inner {
            config,
            secure,
            deliverable,
            client,
            ..
        } = &*self.0;
        view.set_client(client.clone());
        Session::new(Arc::clone(config), view, *secure, *deliverable)
    }

    async fn open(&self) -> Result<Session, Error> {
        let Inner {
            config,
            presented,
            secure,
            ..
        } = &*self.0;
        match load::view(config, presented, *secure).await {
            Ok(view) => Ok(self.made_of(view)),
            Err(_) if config.outage == OutagePolicy::Anonymous => {
                Ok(Session::out_of_reach(Arc::clone(config), *secure)?)
            }
            Err(error) => Err(error),
        }
    }

    /// The layer has done with the request: whoever changes the session now is told that it is too late.
    pub(crate) fn leave(&self) {
        self.0.left.get_or_init(|| ());
        if let Some(session) = self.opened() {
            session.leave();
        }
    }

    /// The session, if somebody has asked for it.
    pub(crate) fn opened(&self) -> Option<&Session> {
        self.0.session.get()
    }

    /// Whether the request's answer depends on the session: somebody asked for it, with or without success.
    pub(crate) fn was_read(&self) -> bool {
        self.opened().is_some() || self.0.failed.get().is_some()
    }

    /// Whether the request counts as one over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.0.secure
    }

    /// The signature of an id by the first secret. Where the browser has brought it, it was verified then.
    pub(crate) fn seal_of(&self, id: &SessionId) -> Seal {
        match &self.0.presented {
            Presented::Valid {
                id: presented,
                needs_resign: false,
                seal,
            } if presented == id => *seal,
            _ => Seal::of(id, &self.0.config.secrets),
        }
    }

    /// Whether other session layers stand around this one.
    pub(crate) fn is_nested(&self) -> bool {
        self.0.outer.is_some()
    }

    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.0.config
    }
}

/// All the sessions of a request, where layers with different cookies are nested.
///
/// With axum, this is an extractor too; the extractor [`Session`] is the innermost layer's, and the others are found here by
/// the name of their cookie.
#[derive(Clone, Debug)]
pub struct Sessions(SessionSlot);

impl Sessions {
    /// The sessions of a request, from its extensions; `None` where no session layer stands around.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().cloned().map(Self)
    }

    /// The slot of the layer whose cookie has this name.
    #[must_use]
    pub fn named(&self, cookie: &str) -> Option<&SessionSlot> {
        let mut slot = &self.0;
        while slot.0.config.cookie.name != cookie {
            slot = slot.0.outer.as_ref()?;
        }
        Some(slot)
    }

    pub(crate) fn into_innermost(self) -> SessionSlot {
        self.0
    }

    /// The innermost layer's slot.
    #[must_use]
    pub fn innermost(&self) -> &SessionSlot {
        &self.0
    }
}
