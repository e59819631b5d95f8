//! `/save-session`: logs a name in.
//!
//! The form posts it; the article's form, which sends it in the query, works too. A login is a new session id: whoever
//! knew the old one knows nothing of the new session.

use std::time::Duration;

use axum::{
    body::{self, Body},
    extract::RawQuery,
    http::{HeaderMap, header},
    response::Response,
};
use cloakroom::Session;

use super::error::PageError;
use crate::{user_name, views};

/// The largest form that is read: the longest name, each byte as `%XX`, with room for the field's name.
const MAX_FORM_BYTES: usize = 8 * 1024;

/// How long a form may take to arrive.
const FORM_DEADLINE: Duration = Duration::from_secs(10);

/// The article's form.
pub(crate) async fn get(
    RawQuery(query): RawQuery,
    session: Session,
) -> Result<Response, PageError> {
    save(&session, query.as_deref().unwrap_or(""))
}

/// Our form.
pub(crate) async fn post(
    headers: HeaderMap,
    session: Session,
    body: Body,
) -> Result<Response, PageError> {
    let form = read_form(&headers, body).await?;
    save(&session, &form)
}

fn save(session: &Session, form: &str) -> Result<Response, PageError> {
    let name = user_name::from_form(form).map_err(|user_name::TooLong| PageError::NameTooLong)?;
    if let Some(name) = name {
        session.sign_in(user_name::to_text(&name))?;
        session.insert(user_name::KEY, &name)?;
    }
    Ok(views::found("/"))
}

async fn read_form(headers: &HeaderMap, body: Body) -> Result<String, PageError> {
    let read = body::to_bytes(body, MAX_FORM_BYTES + 1);
    let bytes = match tokio::time::timeout(FORM_DEADLINE, read).await {
        Ok(Ok(bytes)) if bytes.len() <= MAX_FORM_BYTES => bytes,
        Ok(Ok(_)) => return Err(PageError::BodyTooLarge),
        Ok(Err(error)) if is_length_limit(&error) => return Err(PageError::BodyTooLarge),
        Ok(Err(_)) | Err(_) => return Err(PageError::BodyUnreadable),
    };
    if bytes.is_empty() {
        return Ok(String::new());
    }
    if !is_form(headers) {
        return Err(PageError::NotAForm);
    }
    // Percent-encoding is ASCII; what is not is no form, and stands as replacement characters in a name.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or("");
    media_type
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// `to_bytes` wraps the reason.
fn is_length_limit(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
