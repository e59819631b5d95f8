//! The layer around a whole axum application.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    Router, ServiceExt,
    body::Body,
    extract::{Request, connect_info::IntoMakeServiceWithConnectInfo},
    response::Response,
    routing::IntoMakeService,
};
use pin_project_lite::pin_project;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{ResponseFuture, SessionLayer, SessionService};

impl SessionLayer {
    /// Puts the layer around a whole application. It does the same as [`Router::layer`] with it and costs less: `Router::layer` wraps each
    /// route, and boxes and copies each request and response once more.
    ///
    /// ```no_run
    /// # async fn start(sessions: cloakroom::SessionLayer) -> std::io::Result<()> {
    /// use axum::{Router, routing::get};
    ///
    /// let app = Router::new().route("/", get(async || "hello"));
    /// let app = sessions.around(app);
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    /// axum::serve(listener, app.into_make_service()).await
    /// # }
    /// ```
    ///
    /// The layer then runs before the routing. A layer that must see requests first goes around the result:
    /// `Router::new().fallback_service(sessions.around(app)).layer(..)`.
    pub fn around(&self, app: Router) -> SessionRouter {
        SessionRouter {
            service: self.layer(app),
        }
    }
}

/// An axum application with a session layer around it; made by [`SessionLayer::around`].
#[derive(Clone)]
#[must_use = "an application does nothing until it is served"]
pub struct SessionRouter {
    service: SessionService<Router>,
}

impl SessionRouter {
    /// What `axum::serve` takes.
    #[must_use]
    pub fn into_make_service(self) -> IntoMakeService<Self> {
        ServiceExt::<Request>::into_make_service(self)
    }

    /// The same with the peer's address in each request, as [`proxy`](crate::proxy) and axum's `ConnectInfo` need it.
    #[must_use]
    pub fn into_make_service_with_connect_info<C>(self) -> IntoMakeServiceWithConnectInfo<Self, C> {
        ServiceExt::<Request>::into_make_service_with_connect_info(self)
    }
}

impl fmt::Debug for SessionRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRouter").finish_non_exhaustive()
    }
}

impl Service<Request> for SessionRouter {
    type Response = Response;
    type Error = Infallible;
    type Future = SessionRouterFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.service, cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        SessionRouterFuture {
            future: self.service.call(request),
        }
    }
}

pin_project! {
    /// The future of a [`SessionRouter`].
    pub struct SessionRouterFuture {
        #[pin]
        future: ResponseFuture<Router, Body>,
    }
}

impl Future for SessionRouterFuture {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().future.poll(cx))?;
        Poll::Ready(Ok(response.map(Body::from)))
    }
}

impl fmt::Debug for SessionRouterFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRouterFuture")
            .finish_non_exhaustive()
    }
}
