//! What a visitor is told when something goes wrong.
//!
//! A [`PageError`] becomes an answer with a status and without a page; [`show_pages`] puts the page in, at one
//! place for handlers, the guard, the session layer and panics alike. Only there it is known whether details may be shown.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;

use crate::{
    startup::AppState,
    views::{self, ErrorPage},
};

/// Seconds after which a visitor may try again while the store is down.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// What went wrong with a request.
#[derive(Clone, Debug)]
pub(crate) enum PageError {
    /// No page has this address, or not for this method.
    NotFound,
    /// Another site sent the request.
    OtherSite,
    /// The user name is too long.
    NameTooLong,
    /// The form is larger than any of ours.
    BodyTooLarge,
    /// The body could not be read, or did not arrive in time.
    BodyUnreadable,
    /// The body is not a form.
    NotAForm,
    /// The form does not name a session.
    NoSuchSession,
    /// The store cannot be reached; with details for developers.
    Unavailable(String),
    /// Our own fault; with details for developers.
    Internal(String),
}

impl PageError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::OtherSite => StatusCode::FORBIDDEN,
            Self::NameTooLong | Self::BodyUnreadable | Self::NoSuchSession => {
                StatusCode::BAD_REQUEST
            }
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::NotFound => "There is no page at this address.",
            Self::OtherSite => {
                "Another site sent you here to change your session, so nothing was changed. If you meant to do it, \
                 do it from our own page."
            }
            Self::NameTooLong => "The name is too long; give one of at most 1024 bytes.",
            Self::BodyTooLarge => "The form is larger than any of ours.",
            Self::BodyUnreadable => "The form did not arrive in full; send it again.",
            Self::NotAForm => {
                "This address takes forms, sent as application/x-www-form-urlencoded."
            }
            Self::NoSuchSession => {
                "The form does not say which session to end; use the buttons of the page."
            }
            Self::Unavailable(_) => {
                "The session store cannot be reached at present. You are still logged in if you were; try again in \
                 a moment."
            }
            Self::Internal(_) => {
                "Something went wrong on our side; nothing of this visit was saved."
            }
        }
    }

    fn detail(&self) -> Option<&str> {
        match self {
            Self::Unavailable(detail) | Self::Internal(detail) => Some(detail),
            _ => None,
        }
    }
}

impl From<cloakroom::Error> for PageError {
    fn from(error: cloakroom::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&cloakroom::Error> for PageError {
    fn from(error: &cloakroom::Error) -> Self {
        let mut detail = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            detail.push_str(": ");
            detail.push_str(&error.to_string());
            cause = error.source();
        }
        if error.is_retryable() || error.is_store_trouble() {
            Self::Unavailable(detail)
        } else {
            Self::Internal(detail)
        }
    }
}

impl PageError {
    /// The answer that [`show_pages`] puts the page into.
    pub(crate) fn into_bare_response(self) -> http::Response<Bytes> {
        let mut response = http::Response::new(Bytes::new());
        *response.status_mut() = self.status();
        if matches!(self, Self::Unavailable(_)) {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        self.into_bare_response().map(Body::from)
    }
}

/// Puts the page into each answer that stands for a [`PageError`], and logs those that are our fault.
pub(crate) async fn show_pages(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let Some(error) = response.extensions_mut().remove::<PageError>() else {
        return response;
    };
    let status = error.status();
    if let Some(detail) = error.detail() {
        tracing::error!(status = status.as_u16(), "{detail}");
    }
    let page = views::page(
        status,
        &ErrorPage {
            status: status.as_u16(),
            message: status.canonical_reason().unwrap_or("Error"),
            advice: error.advice(),
            detail: error.detail().filter(|_| !state.production),
        },
    );
    // What the layers below have set stays; the page brings its own type and length.
    let (mut head, _) = response.into_parts();
    let (page_head, body) = page.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove(header::ALLOW);
    head.headers.extend(page_head.headers);
    Response::from_parts(head, body)
}

/// The answer to an address that no page has, and to a method that the page does not take: express answers both with 404.
pub(crate) async fn not_found() -> PageError {
    PageError::NotFound
}

/// The answer to a request whose handler panicked. What the panic said stays in the log.
pub(crate) fn panicked(_panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    PageError::Internal("a handler panicked; the log says where".to_owned()).into_response()
}
