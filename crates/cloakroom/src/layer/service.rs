//! The service that stands around the inner one.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use cloakroom_core::{Secure, ticket, usage::Client};
use http::{
    Request, Response,
    header::{COOKIE, USER_AGENT},
};
use tower_service::Service;

use crate::{
    config::Config,
    layer::{body::SessionBody, future::ResponseFuture},
    proxy,
    slot::{SessionSlot, Sessions},
};

/// The service of a [`SessionLayer`](crate::SessionLayer).
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> SessionService<S> {
    pub(super) fn new(inner: S, config: Arc<Config>) -> Self {
        Self { inner, config }
    }

    /// Puts the place for the session into the request, unless the cookie does not belong to its path or an outer layer
    /// with the same cookie has done so.
    fn prepare<B>(&self, request: &mut Request<B>) -> Option<SessionSlot> {
        let config = &self.config;
        if !config.cookie.path_matches(original_path(request)) {
            return None;
        }
        let outer = Sessions::of(request.extensions());
        if let Some(outer) = &outer
            && outer.named(&config.cookie.name).is_some()
        {
            return None;
        }
        let cookies = request.headers().get_all(COOKIE).iter();
        let presented = ticket::presented(
            cookies.map(http::HeaderValue::as_bytes),
            &config.cookie.name,
            &config.secrets,
        );
        let scheme = proxy::scheme(
            request.extensions(),
            request.headers(),
            request.uri(),
            &config.trusted_proxies,
        );
        let secure = config.is_secure(scheme);
        let deliverable = secure || config.cookie.secure != Secure::Yes;
        let remembers = config
            .owned
            .as_ref()
            .is_some_and(|owned| owned.device_facts);
        let client = remembers.then(|| {
            let agent = request.headers().get(USER_AGENT);
            let address = proxy::client(
                request.extensions(),
                request.headers(),
                &config.trusted_proxies,
            );
            Client::new(agent.map(http::HeaderValue::as_bytes), address)
        });
        let client = client.unwrap_or_default();
        let slot = SessionSlot::new(
            Arc::clone(config),
            presented,
            secure,
            deliverable,
            outer.map(Sessions::into_innermost),
            client,
        );
        request.extensions_mut().insert(slot.clone());
        Some(slot)
    }
}

/// The path as the client wrote it: inside of a nested router, axum keeps it beside the shortened one.
fn original_path<B>(request: &Request<B>) -> &str {
    #[cfg(feature = "axum")]
    if let Some(original) = request.extensions().get::<axum::extract::OriginalUri>() {
        return original.0.path();
    }
    request.uri().path()
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for SessionService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<SessionBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let slot = self.prepare(&mut request);
        match slot {
            Some(slot) if self.config.eager && !slot.opens_at_once() => {
                // The clone that was polled ready goes with the request; a fresh one takes its place.
                let fresh = self.inner.clone();
                let ready = mem::replace(&mut self.inner, fresh);
                ResponseFuture::opening(slot, ready, request)
            }
            slot => ResponseFuture::inner(slot, self.inner.call(request)),
        }
    }
}
