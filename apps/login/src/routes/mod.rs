//! The article's routes, each in its own file, and beside them the page of the devices.

pub(crate) mod delete_session;
pub(crate) mod devices;
pub(crate) mod error;
pub(crate) mod health;
pub(crate) mod index;
pub(crate) mod login;
pub(crate) mod save_session;

use axum::{
    Router,
    routing::{MethodRouter, get, post},
};

use crate::{assets, startup::AppState};

/// All routes. As with express, an address may end in a slash.
pub(crate) fn router() -> Router<AppState> {
    let changing = |get_or_post: MethodRouter<AppState>| {
        // A HEAD request asks what a GET would answer, and must not do what it does.
        get_or_post.head(async || crate::views::found("/"))
    };
    let save = || changing(get(save_session::get).post(save_session::post));
    let delete = || changing(get(delete_session::handle).post(delete_session::handle));
    Router::new()
        .route("/", get(index::show))
        .route("/login", get(login::show))
        .route("/login/", get(login::show))
        .route("/save-session", save())
        .route("/save-session/", save())
        .route("/delete-session", delete())
        .route("/delete-session/", delete())
        .route("/devices", get(devices::show))
        .route("/devices/", get(devices::show))
        .route("/devices/end", post(devices::end))
        .route("/devices/end-others", post(devices::end_others))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .merge(assets::routes())
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::not_found)
}
