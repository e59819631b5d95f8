//! `/delete-session`: logs out.
//!
//! The article's takes the name out of the session and keeps it, id included. Ours ends the session, so that neither a copy
//! of the cookie nor a request under way can go on with it; the next page begins a new one.

use axum::response::Response;
use cloakroom::Session;

use super::error::PageError;
use crate::views;

/// Ends the session and leads to the start page.
pub(crate) async fn handle(session: Session) -> Result<Response, PageError> {
    session.sign_out()?;
    Ok(views::found("/"))
}
