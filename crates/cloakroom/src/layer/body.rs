//! The response's body: the inner service's, or our own where the session failed.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response of [`SessionService`](super::SessionService): the inner service's, or a short text of our
    /// own in its place.
    #[derive(Debug)]
    pub struct SessionBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Own { text: Option<Bytes> },
    }
}

impl<B> SessionBody<B> {
    pub(super) fn inner(body: B) -> Self {
        Self {
            kind: Kind::Inner { body },
        }
    }

    pub(super) fn own(text: Bytes) -> Self {
        let text = Some(text).filter(|text| !text.is_empty());
        Self {
            kind: Kind::Own { text },
        }
    }
}

#[cfg(feature = "axum")]
impl From<SessionBody<axum::body::Body>> for axum::body::Body {
    fn from(body: SessionBody<Self>) -> Self {
        match body.kind {
            Kind::Inner { body } => body,
            Kind::Own { text } => text.map_or_else(Self::empty, Self::from),
        }
    }
}

impl<B: Default> Default for SessionBody<B> {
    fn default() -> Self {
        Self::inner(B::default())
    }
}

impl<B> Body for SessionBody<B>
where
    B: Body,
    B::Data: From<Bytes> + Buf,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.project().kind.project() {
            KindProjection::Inner { body } => body.poll_frame(cx),
            KindProjection::Own { text } => {
                Poll::Ready(text.take().map(|text| Ok(Frame::data(text.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Own { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Own { text } => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
        }
    }
}
