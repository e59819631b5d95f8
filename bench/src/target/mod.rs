//! The measured programs of ours: one page, one router, one runtime, and a file for each kind of session.

mod bare;
mod cloakroom;
mod getex;
mod seed;
mod serve;
mod ticket;

use std::error::Error;

use app::serve::App;
use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use cloakroom_bench_common::args::Args;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// What stands between the request and the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// cloakroom's layer on Redis.
    Cloakroom,
    /// The same with a runtime and a connection for each processor.
    CloakroomPerCore,
    /// cloakroom's layer on Redis with its near cache, renewing after half of the lifetime.
    CloakroomNear,
    /// cloakroom's layer on the embedded store.
    CloakroomSqlite,
    /// cloakroom's layer on the memory store.
    CloakroomMemory,
    /// No session logic: one GETEX for each request.
    Getex,
    /// The same with a runtime and a connection for each processor.
    GetexPerCore,
    /// No store at all.
    Bare,
}

impl Kind {
    /// Whether each processor has a thread with a runtime of its own.
    #[must_use]
    pub fn is_per_core(self) -> bool {
        matches!(self, Self::CloakroomPerCore | Self::GetexPerCore)
    }
}

/// Makes the sessions that are asked for, and serves until the process is ended.
///
/// # Errors
///
/// The store or the port cannot be had.
pub async fn run(kind: Kind, args: Args) -> Outcome {
    let per_core = kind.is_per_core();
    match kind {
        Kind::Cloakroom | Kind::CloakroomPerCore => {
            serve(cloakroom::redis(&args, per_core).await?, kind, &args).await
        }
        Kind::CloakroomNear => serve(cloakroom::near(&args).await?, kind, &args).await,
        Kind::CloakroomSqlite => serve(cloakroom::sqlite(&args).await?, kind, &args).await,
        Kind::CloakroomMemory => serve(cloakroom::memory(&args).await?, kind, &args).await,
        Kind::Getex | Kind::GetexPerCore => {
            serve(getex::router(&args, per_core).await?, kind, &args).await
        }
        Kind::Bare => serve(bare::router(), kind, &args).await,
    }
}

async fn serve(app: impl App, kind: Kind, args: &Args) -> Outcome {
    args.write_cookies((0..args.seed).map(ticket::cookie))?;
    if args.seed_only {
        return Ok(());
    }
    serve::serve(app, args.port, kind.is_per_core()).await
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
