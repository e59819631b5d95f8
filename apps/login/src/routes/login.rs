//! `/login`: the form that asks for a name.

use axum::{http::StatusCode, response::Response};
use cloakroom::Session;

use crate::{
    user_name,
    views::{self, LoginPage},
};

/// The form; 302 to `/` for whoever is logged in already.
pub(crate) async fn show(session: Session) -> Response {
    if user_name::of(&session).is_some() {
        return views::found("/");
    }
    views::page(StatusCode::OK, &LoginPage)
}
