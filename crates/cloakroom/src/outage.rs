//! What becomes of requests while the store cannot be reached.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use cloakroom_core::{Error, ErrorKind};
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};

/// What becomes of requests while the store cannot be reached. In no case is the browser's cookie touched, is a session
/// that cannot be read taken for none, or does a change that was not saved look saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutagePolicy {
    /// 503 with `Retry-After` for every request whose session cannot be loaded or saved. Upkeep is no saving: a page that
    /// only reads is served where the store can be read and not written.
    #[default]
    FailClosed,
    /// As `FailClosed`, but a new visitor, whose session `save_uninitialized` would have saved without data, is served
    /// without one.
    ReadOnly,
    /// The request goes on as an anonymous one whose session refuses changes with an error; a new visitor is served as
    /// with `ReadOnly`.
    Anonymous,
}

/// Makes the response to a request whose session could not be loaded or saved.
#[derive(Clone)]
pub(crate) struct Renderer(Arc<RenderFn>);

type RenderFn = dyn Fn(&Error) -> Response<Bytes> + Send + Sync;

impl Renderer {
    pub(crate) fn new(render: impl Fn(&Error) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        Self(Arc::new(render))
    }

    /// The response for `error`: what the application renders, with the headers that it must have.
    pub(crate) fn render(&self, error: &Error) -> Response<Bytes> {
        let mut response = (self.0)(error);
        let headers = response.headers_mut();
        if is_passing(error) {
            headers
                .entry(RETRY_AFTER)
                .or_insert(HeaderValue::from_static("1"));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl Default for Renderer {
    fn default() -> Self {
        Self::new(|error| {
            let mut response = Response::new(Bytes::from_static(match error.kind() {
                ErrorKind::NotSignedIn => b"Please sign in.\n",
                ErrorKind::NotFresh => b"Please sign in again.\n",
                ErrorKind::TooManySessions => {
                    b"You are signed in on too many devices. Please sign out on one of them.\n"
                }
                _ if is_passing(error) => {
                    b"The session store cannot be reached at present. Please try again.\n"
                }
                _ => b"The session could not be saved.\n",
            }));
            *response.status_mut() = status(error);
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, plain);
            response
        })
    }
}

impl fmt::Debug for Renderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renderer")
    }
}

/// Whether the same request may succeed a moment later.
fn is_passing(error: &Error) -> bool {
    error.is_retryable() || error.is_store_trouble()
}

/// 503 for what may pass, 401, 403 and 409 for what the visitor can change, 500 for what will not pass.
pub(crate) fn status(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Rejected | ErrorKind::Conflict => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ErrorKind::NotSignedIn => StatusCode::UNAUTHORIZED,
        ErrorKind::NotFresh => StatusCode::FORBIDDEN,
        ErrorKind::TooManySessions => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
