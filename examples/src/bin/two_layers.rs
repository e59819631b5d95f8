//! Two sessions in one application: every visitor's, and a strict short one for the pages under `/admin`.
//!
//! Each layer has its own cookie, lifetime and attributes; both keep their sessions in one store. The extractor is the
//! innermost layer's session; the outer one is found by its cookie's name.
//!
//! `cargo run -p cloakroom-examples --bin two_layers`, then open <http://localhost:3000/admin>.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use cloakroom::{
    CookieOptions, Error, Lifetime, MemoryStore, SameSite, Secrets, Session, SessionError,
    SessionLayer, Sessions, Store,
};

const VISITOR: &str = "__Host-sid";

async fn index(session: Session) -> Result<String, SessionError> {
    let pages = session.update("pages", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(format!("page {pages}\n"))
}

async fn admin(session: Session, sessions: Sessions) -> Result<String, SessionError> {
    let actions = session.update("actions", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    let pages = match sessions.named(VISITOR) {
        Some(slot) => slot.session().await?.get::<u64>("pages")?.unwrap_or(0),
        None => 0,
    };
    Ok(format!("action {actions} after {pages} pages\n"))
}

pub(crate) fn router(store: Arc<dyn Store>, secrets: Secrets) -> Result<Router, Error> {
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let visitors = SessionLayer::builder(Arc::clone(&store), secrets.clone())
        .cookie_name(VISITOR)
        .build()?;
    let admins = SessionLayer::builder(store, secrets)
        // A `__Host-` cookie is for all paths; one for `/admin` alone can be `__Secure-`.
        .cookie(
            CookieOptions::new()
                .name("__Secure-admin")
                .path("/admin")
                .same_site(Some(SameSite::Strict)),
        )
        .lifetime(Lifetime::idle(minutes(5)).absolute(minutes(60)))
        .build()?;
    Ok(Router::new()
        .route("/admin", get(admin))
        .layer(admins)
        .route("/", get(index))
        .layer(visitors))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secrets = Secrets::new(["a long random text that only the server knows"])?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let app = router(Arc::new(MemoryStore::new()), secrets)?;
    Ok(axum::serve(listener, app).await?)
}
