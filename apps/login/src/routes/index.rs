//! `/`: who is logged in, or off to the login.

use axum::{extract::State, http::StatusCode, response::Response};
use cloakroom::{Clock as _, Session, SystemClock};

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
    let page = IndexPage {
        user_name,
        session_id: session.id().as_str().to_owned(),
        left: time_left(&session, &state),
    };
    views::page(StatusCode::OK, &page)
}

/// What the store will really do after this answer.
///
/// The store renews a session at each visit, rolling or not. But without `rolling` the browser was told the end once, at
/// the login, and brings the session back no longer than that.
fn time_left(session: &Session, state: &AppState) -> Option<TimeLeft> {
    let mut left = session.expires_in()?;
    if let (false, Some(since)) = (state.rolling, session.identity().signed_in) {
        let age = SystemClock.now().saturating_since(since);
        left = left.min(state.lifetime.saturating_sub(age));
    }
    Some(TimeLeft::new(left, state.lifetime, state.rolling))
}
