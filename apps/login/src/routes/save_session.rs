//! `/save-session`: logs a name in.
//!
//! The form posts it; the article's form, which sends it in the query, works too. A login is a new session id: whoever
//! knew the old one knows nothing of the new session.

use axum::{body::Body, extract::RawQuery, http::HeaderMap, response::Response};
use cloakroom::Session;

use super::error::PageError;
use crate::{form, user_name, views};

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
    let form = form::read(&headers, body).await?;
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
