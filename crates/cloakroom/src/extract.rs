//! The extractors for axum.

use std::convert::Infallible;

use axum::body::Body;
use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use cloakroom_core::Error;
use http::{StatusCode, request::Parts};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Session, SessionSlot, Sessions, Typed, outage::Renderer};

/// Why a request's session could not be extracted.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionRejection {
    /// No session layer stands around this route, or the route is outside of the cookie's path: a mistake in the
    /// application, answered with 500.
    NoLayer,
    /// The store could not be asked, or what it has does not fit the type: answered as the layer's
    /// [`error_response`](crate::SessionLayerBuilder::error_response) has it.
    Unavailable(Unavailable),
}

/// The error and the layer that it happened in.
#[derive(Debug)]
pub struct Unavailable {
    error: Error,
    slot: SessionSlot,
}

impl Unavailable {
    /// What happened.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }
}

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        match self {
            Self::NoLayer => {
                tracing::error!(
                    "a handler asks for a session where no session layer is: add the layer around its route, and keep the route inside of the cookie's path"
                );
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
            Self::Unavailable(Unavailable { error, slot }) => {
                slot.config().renderer.render(&error).map(Body::from)
            }
        }
    }
}

/// An [`Error`] that a handler can return with `?`: 503 with `Retry-After` where trying again may help, 500 otherwise,
/// with a line of text that tells the visitor nothing of the session. The error itself goes to the log.
#[derive(Debug)]
pub struct SessionError(pub Error);

impl From<Error> for SessionError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        tracing::error!(error = %self.0, "a handler failed on its session");
        Renderer::default().render(&self.0).map(Body::from)
    }
}

async fn open(parts: &Parts) -> Result<(Session, SessionSlot), SessionRejection> {
    let slot = parts.extensions.get::<SessionSlot>();
    let slot = slot.ok_or(SessionRejection::NoLayer)?.clone();
    match slot.session().await {
        Ok(session) => Ok((session, slot)),
        Err(error) => Err(SessionRejection::Unavailable(Unavailable { error, slot })),
    }
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        open(parts).await.map(|(session, _)| session)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        match open(parts).await {
            Ok((session, _)) => Ok(Some(session)),
            Err(SessionRejection::NoLayer) => Ok(None),
            Err(rejection) => Err(rejection),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Sessions {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Self::of(&parts.extensions).ok_or(SessionRejection::NoLayer)
    }
}

/// The session where there is one: `None` without a layer, outside of the cookie's path, and while the store cannot be
/// asked. For pages that work without.
#[derive(Clone, Debug)]
pub struct OptionalSession(pub Option<Session>);

impl<S: Sync> FromRequestParts<S> for OptionalSession {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(open(parts).await.ok().map(|(session, _)| session)))
    }
}

impl<S, T> FromRequestParts<S> for Typed<T>
where
    S: Sync,
    T: Serialize + DeserializeOwned + Default + Send,
{
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let (session, slot) = open(parts).await?;
        Self::new(session)
            .map_err(|error| SessionRejection::Unavailable(Unavailable { error, slot }))
    }
}
