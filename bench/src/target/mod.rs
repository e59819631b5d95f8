//! The measured programs of ours: one page, one router, one runtime, and a file for each kind of session.

mod bare;
mod cloakroom;
mod getex;
mod seed;
mod serve;
mod ticket;

use std::error::Error;

use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use cloakroom_bench_common::args::Args;

/// What stands between the request and the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// cloakroom's layer on Redis.
    Cloakroom,
    /// cloakroom's layer on Redis with its near cache, renewing after half of the lifetime.
    CloakroomNear,
    /// cloakroom's layer on the embedded store.
    CloakroomSqlite,
    /// cloakroom's layer on the memory store.
    CloakroomMemory,
    /// No session logic: one GETEX for each request.
    Getex,
    /// No store at all.
    Bare,
}

/// Makes the sessions that are asked for, and serves until the process is ended.
///
/// # Errors
///
/// The store or the port cannot be had.
pub async fn run(kind: Kind, args: Args) -> Result<(), Box<dyn Error + Send + Sync>> {
    let router = match kind {
        Kind::Cloakroom => cloakroom::redis(&args).await?,
        Kind::CloakroomNear => cloakroom::near(&args).await?,
        Kind::CloakroomSqlite => cloakroom::sqlite(&args).await?,
        Kind::CloakroomMemory => cloakroom::memory(&args).await?,
        Kind::Getex => getex::router(&args).await?,
        Kind::Bare => bare::router(),
    };
    args.write_cookies((0..args.seed).map(ticket::cookie))?;
    if args.seed_only {
        return Ok(());
    }
    serve::serve(router, args.port).await
}

/// The routes that every program has.
fn routes<S: Clone + Send + Sync + 'static>(
    index: axum::routing::MethodRouter<S>,
    login: axum::routing::MethodRouter<S>,
    count: axum::routing::MethodRouter<S>,
) -> Router<S> {
    Router::new()
        .route("/", index)
        .route("/login", login)
        .route("/count", count)
}

/// 302 to the login, as the article's application.
fn to_login() -> Response {
    (StatusCode::FOUND, [(header::LOCATION, "login")]).into_response()
}
