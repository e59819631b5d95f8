//! The tower layer.

#[cfg(feature = "axum")]
mod around;
mod body;
mod builder;
mod future;
mod headers;
mod service;

use std::sync::Arc;

use cloakroom_core::{Secrets, Store};
use tower_layer::Layer;

#[cfg(feature = "axum")]
pub use around::{SessionRouter, SessionRouterFuture};
pub use body::SessionBody;
pub use builder::SessionLayerBuilder;
pub use future::ResponseFuture;
pub use service::SessionService;

use crate::{config::Config, owners::Owners, renewals};

/// Gives every request below it a session. Works for any tower HTTP service; see the [crate's documentation](crate) for
/// what it does with a request.
///
/// A layer inside another one with the same cookie name does nothing; with another cookie, both sessions are there (see
/// [`Sessions`](crate::Sessions)). Stores are shared freely between layers.
///
/// It needs a tokio runtime with time enabled.
#[derive(Clone, Debug)]
pub struct SessionLayer {
    config: Arc<Config>,
}

impl SessionLayer {
    /// A layer with the safe defaults, to be adapted and [built](SessionLayerBuilder::build): cookie `__Host-sid`,
    /// `Secure`, `HttpOnly`, `SameSite=Lax`; 30 minutes without use, 8 hours in all; nothing stored before something
    /// is put in.
    pub fn builder(store: impl Store, secrets: Secrets) -> SessionLayerBuilder {
        SessionLayerBuilder::new(Arc::new(store), secrets)
    }

    /// A layer with express-session's defaults, to be adapted and [built](SessionLayerBuilder::build): cookie
    /// `connect.sid`, `HttpOnly`, kept while the browser runs; every visitor gets a session at the first request.
    pub fn express(store: impl Store, secrets: Secrets) -> SessionLayerBuilder {
        SessionLayerBuilder::express(Arc::new(store), secrets)
    }

    /// The sessions of this layer's owners, to be listed and ended. `None` without an [owner
    /// index](SessionLayerBuilder::owners).
    #[must_use]
    pub fn owners(&self) -> Option<Owners> {
        self.config.owned.as_ref().map(|owned| owned.owners.clone())
    }

    /// Waits until the renewals are made that responses so far have left to be made beside them: a millisecond and a call to the
    /// store, as a rule, and never longer than twice the [deadline](SessionLayerBuilder::deadline). For the end of a program,
    /// after its last response, so that no visit counts for nothing.
    pub async fn settled(&self) {
        let settled = self.config.renewals.settled();
        let _ = tokio::time::timeout(renewals::longest(self.config.deadline), settled).await;
    }

    /// The name of this layer's cookie.
    #[must_use]
    pub fn cookie_name(&self) -> &str {
        &self.config.cookie.name
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService::new(inner, Arc::clone(&self.config))
    }
}
