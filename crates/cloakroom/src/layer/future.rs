//! The response's future: open if eager, call the inner service, commit, answer.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use cloakroom_core::Error;
use futures_util::future::BoxFuture;
use http::{Extensions, Request, Response, header::SET_COOKIE};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    commit::{Failure, Stake},
    handle::Closed,
    layer::{body::SessionBody, headers},
    outage::OutagePolicy,
    slot::SessionSlot,
};

type Opening = BoxFuture<'static, Result<(), Error>>;
type Committing = BoxFuture<'static, Closed>;

pin_project! {
    /// The future of [`SessionService`](super::SessionService).
    ///
    /// Dropped before the inner service has answered, it commits nothing; dropped after that, it lets the commit finish
    /// in the background.
    pub struct ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        slot: Option<SessionSlot>,
        #[pin]
        state: State<S, S::Future, Request<ReqBody>, S::Response>,
    }

    impl<S, ReqBody> PinnedDrop for ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let StateProjection::Committing { commit, .. } = this.state.project() else {
                if let Some(slot) = this.slot {
                    slot.leave();
                }
                return;
            };
            if let (Some(commit), Ok(runtime)) =
                (commit.take(), tokio::runtime::Handle::try_current())
            {
                runtime.spawn(commit);
            }
        }
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, Req, Res> {
        Opening { open: Opening, call: Option<(S, Req)> },
        Inner { #[pin] future: F },
        Committing { commit: Option<Committing>, response: Option<Res> },
    }
}

impl<S, ReqBody> ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) fn opening(slot: SessionSlot, service: S, request: Request<ReqBody>) -> Self {
        let opening = slot.clone();
        Self {
            slot: Some(slot),
            state: State::Opening {
                open: Box::pin(async move { opening.session().await.map(drop) }),
                call: Some((service, request)),
            },
        }
    }

    pub(super) fn inner(slot: Option<SessionSlot>, future: S::Future) -> Self {
        Self {
            slot,
            state: State::Inner { future },
        }
    }
}

impl<S, ReqBody, ResBody> Future for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Output = Result<Response<SessionBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Opening { open, call } => {
                    let opened = ready!(open.as_mut().poll(cx));
                    if let (Err(error), Some(slot)) = (opened, this.slot.as_ref()) {
                        *call = None;
                        return Poll::Ready(Ok(refuse(slot, &error, &mut Extensions::new())));
                    }
                    let Some((mut service, request)) = call.take() else {
                        // Polled after it was ready: the contract of Future is broken already.
                        return Poll::Pending;
                    };
                    let future = service.call(request);
                    this.state.set(State::Inner { future });
                }
                StateProjection::Inner { future } => {
                    let response = ready!(future.poll(cx))?;
                    let Some(slot) = this.slot.as_ref() else {
                        return Poll::Ready(Ok(response.map(SessionBody::inner)));
                    };
                    if !slot.was_read() {
                        slot.leave();
                        return Poll::Ready(Ok(response.map(SessionBody::inner)));
                    }
                    let Some(session) = slot.opened().cloned() else {
                        // The store could not be asked and the handler has answered that.
                        slot.leave();
                        let mut response = response.map(SessionBody::inner);
                        headers::vary(response.headers_mut());
                        return Poll::Ready(Ok(response));
                    };
                    if let Some(closed) = session.close_at_once() {
                        return Poll::Ready(Ok(finish(slot, closed, response)));
                    }
                    this.state.set(State::Committing {
                        commit: Some(Box::pin(async move { session.close().await })),
                        response: Some(response),
                    });
                }
                StateProjection::Committing { commit, response } => {
                    let (Some(pending), Some(slot)) = (commit.as_mut(), this.slot.as_ref()) else {
                        return Poll::Pending;
                    };
                    let committed = ready!(pending.as_mut().poll(cx));
                    *commit = None;
                    let Some(response) = response.take() else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(finish(slot, committed, response)));
                }
            }
        }
    }
}

/// The handler's response with what the commit adds, or ours if it failed.
fn finish<B>(
    slot: &SessionSlot,
    Closed { cookie, failure }: Closed,
    response: Response<B>,
) -> Response<SessionBody<B>> {
    let mut response = match failure {
        Some(failure) if must_fail(&failure, slot.config().outage) => {
            tracing::error!(error = %failure.error, "a session could not be saved");
            let (mut parts, _) = response.into_parts();
            refuse(slot, &failure.error, &mut parts.extensions)
        }
        Some(failure) => {
            tracing::warn!(error = %failure.error, "a session's upkeep failed");
            response.map(SessionBody::inner)
        }
        None => response.map(SessionBody::inner),
    };
    // With a failed commit too: what was committed by hand before has happened, and a new id is known to nobody else.
    let added = headers::apply(&mut response, &cookie, slot);
    if let Err(error) = added {
        tracing::error!(%error, "a session's cookie could not be written");
        return refuse(slot, &error, response.extensions_mut());
    }
    headers::vary(response.headers_mut());
    response
}

/// Whether the response must not look like a success.
fn must_fail(failure: &Failure, policy: OutagePolicy) -> bool {
    match failure.stake {
        Stake::Change => true,
        Stake::NewSession => policy == OutagePolicy::FailClosed,
        Stake::Upkeep => false,
    }
}

/// Our own response in place of one with these extensions. Of its cookies, those of nested session layers stay: they have
/// committed already.
fn refuse<B>(
    slot: &SessionSlot,
    error: &Error,
    replaced: &mut Extensions,
) -> Response<SessionBody<B>> {
    let mut response = slot.config().renderer.render(error).map(SessionBody::own);
    response.headers_mut().remove(SET_COOKIE);
    headers::keep_nested(&mut response, replaced);
    headers::vary(response.headers_mut());
    response
}

impl<S, ReqBody> fmt::Debug for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
