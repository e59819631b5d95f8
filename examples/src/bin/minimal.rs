//! The least that works: a counter of visits, kept in memory.
//!
//! `cargo run -p cloakroom-examples --bin minimal`, then open <http://localhost:3000> a few times. Browsers take the
//! `Secure` cookie from localhost; anywhere else it needs https.

use axum::{Router, routing::get};
use cloakroom::{Error, MemoryStore, Secrets, Session, SessionError, SessionLayer};

async fn index(session: Session) -> Result<String, SessionError> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(format!("visit {visits}\n"))
}

pub(crate) fn router(secrets: Secrets) -> Result<Router, Error> {
    let sessions = SessionLayer::builder(MemoryStore::new(), secrets).build()?;
    Ok(Router::new().route("/", get(index)).layer(sessions))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secrets = Secrets::new(["a long random text that only the server knows"])?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, router(secrets)?).await?)
}
