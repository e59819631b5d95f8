//! What visitors see while the session store cannot be reached: a page of the application's own, not a login form.
//!
//! The status, `Retry-After` and the untouched cookie are the layer's; the page is the application's. Pages that work
//! without a session do not ask the store and go on.
//!
//! `cargo run -p cloakroom-examples --bin outage_page`, then open <http://localhost:3000>. Lock the file with
//! `sqlite3 data/outage.db "BEGIN EXCLUSIVE" ".shell sleep 30"` and load the page again.

use std::time::Duration;

use axum::{Router, routing::get};
use bytes::Bytes;
use cloakroom::{Error, Secrets, Session, SessionError, SessionLayer, Store, sqlite::SqliteStore};
use http::{HeaderValue, Response, StatusCode, header};

async fn index(session: Session) -> Result<String, SessionError> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(format!("visit {visits}\n"))
}

async fn about() -> &'static str {
    "a page for everybody\n"
}

fn page(error: &Error) -> Response<Bytes> {
    let passing = error.is_store_trouble() || error.is_retryable();
    let (status, text) = if passing {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "<h1>One moment</h1><p>You are still signed in if you were. Please try again shortly.</p>",
        )
    } else {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "<h1>Something went wrong</h1><p>Nothing of this visit was saved.</p>",
        )
    };
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    response
}

pub(crate) fn router(store: impl Store, secrets: Secrets) -> Result<Router, Error> {
    let sessions = SessionLayer::builder(store, secrets)
        .deadline(Duration::from_millis(300))
        .error_response(page)
        .build()?;
    Ok(Router::new()
        .route("/", get(index))
        .route("/about", get(about))
        .layer(sessions))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = SqliteStore::builder("data/outage.db")
        .create_dirs(true)
        .open()?;
    let secrets = Secrets::new(["a long random text that only the server knows"])?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, router(store, secrets)?).await?)
}
