//! `/`: who is logged in, or off to the login.

use axum::{extract::State, http::StatusCode, response::Response};
use cloakroom::Session;

use crate::{
    startup::AppState,
    user_name,
    views::{self, IndexPage, TimeLeft},
};

/// The page of who is logged in; 302 to `/login` for everybody else.
pub(crate) async fn show(State(state): State<AppState>, session: Session) -> Response {
    let Some(user_name) = user_name::of(&session) else {
        return views::found("/login");
    };
    let left = session
        .expires_in()
        .map(|left| TimeLeft::new(left, state.lifetime, state.rolling));
    let page = IndexPage {
        user_name,
        session_id: session.id().as_str().to_owned(),
        left,
    };
    views::page(StatusCode::OK, &page)
}
