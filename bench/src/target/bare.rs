//! The page without any store: what axum costs.

use axum::{
    Router,
    http::HeaderMap,
    response::{Html, IntoResponse as _, Response},
    routing::get,
};
use cloakroom_bench_common::{
    page::{IndexPage, LOGIN_PAGE},
    sessions::{LIFETIME, USER},
};

use super::{routes, ticket::id_unverified, to_login};

pub(super) fn router() -> Router {
    // There is nothing to count without a store.
    routes(
        get(index),
        get(async || Html(LOGIN_PAGE)),
        get(async || "2"),
    )
}

async fn index(headers: HeaderMap) -> Response {
    let Some(session_id) = id_unverified(&headers) else {
        return to_login();
    };
    let page = IndexPage {
        user_name: USER,
        session_id,
        seconds: LIFETIME.as_secs(),
    };
    Html(page.html()).into_response()
}
