//! How a form's body is read: bounded in size and in time.

use std::time::Duration;

use axum::{
    body::{self, Body},
    http::{HeaderMap, header},
};

use crate::routes::error::PageError;

/// The largest form that is read: the longest name, each byte as `%XX`, with room for the field's name.
const MAX_FORM_BYTES: usize = 8 * 1024;

/// How long a form may take to arrive.
const FORM_DEADLINE: Duration = Duration::from_secs(10);

/// The form's text, as the browser sent it.
///
/// # Errors
/// What is no form of ours: too large, not in time, or of another type.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<String, PageError> {
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
