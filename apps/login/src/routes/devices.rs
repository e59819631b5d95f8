//! `/devices`: where the visitor is logged in, and how to end it there.
//!
//! Not in the article. A session is named by its handle, which opens nothing; the id stays where it is.

use axum::{body::Body, http::HeaderMap, http::StatusCode, response::Response};
use cloakroom::{Clock as _, ErrorKind, Session, SessionHandle, SystemClock};

use super::error::PageError;
use crate::{
    device::Device,
    form,
    views::{self, DevicesPage},
};

/// The field of a form that names a session.
const FIELD: &str = "session";

/// The visitor's sessions; 302 to `/login` for who is not logged in.
pub(crate) async fn show(session: Session) -> Result<Response, PageError> {
    let sessions = match session.sessions().await {
        Ok(sessions) => sessions,
        Err(error) if error.kind() == ErrorKind::NotSignedIn => return Ok(views::found("/login")),
        Err(error) => return Err(error.into()),
    };
    let now = SystemClock.now();
    let mut devices: Vec<Device> = sessions
        .into_iter()
        .map(|session| Device::new(session, now))
        .collect();
    // The newest first, and before all of them the one in front of the visitor.
    devices.reverse();
    devices.sort_by_key(|device| !device.current);
    Ok(views::page(StatusCode::OK, &DevicesPage { devices }))
}

/// Ends the session that the form names; one that has ended already is no error.
pub(crate) async fn end(
    headers: HeaderMap,
    session: Session,
    body: Body,
) -> Result<Response, PageError> {
    let form = form::read(&headers, body).await?;
    let handle = named(&form).ok_or(PageError::NoSuchSession)?;
    signed_in(session.revoke(&handle).await)
}

/// Ends every other session of the visitor. This one gets a new id.
pub(crate) async fn end_others(session: Session) -> Result<Response, PageError> {
    signed_in(session.revoke_others().await)
}

/// Back to the list, or to the login for who is not logged in any more.
fn signed_in<T>(outcome: Result<T, cloakroom::Error>) -> Result<Response, PageError> {
    match outcome {
        Ok(_) => Ok(views::found("/devices")),
        Err(error) if matches!(error.kind(), ErrorKind::NotSignedIn | ErrorKind::Gone) => {
            Ok(views::found("/login"))
        }
        Err(error) => Err(error.into()),
    }
}

fn named(form: &str) -> Option<SessionHandle> {
    let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == FIELD)?;
    SessionHandle::parse(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_a_session_or_nothing() {
        let id = cloakroom::SessionId::from_random([7; 24]);
        let handle = id.handle();
        assert_eq!(named(&format!("session={handle}")), Some(handle));
        assert_eq!(named(&format!("x=1&session={handle}&y")), Some(handle));
        for form in ["", "session", "session=", "session=../x", "other=AAAA"] {
            assert_eq!(named(form), None, "{form}");
        }
        let with_id = format!("session={}", id.as_str());
        assert_ne!(named(&with_id), Some(handle), "an id is no handle");
    }
}
