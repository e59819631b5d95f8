//! A session as one Rust type, in a file that survives restarts.
//!
//! The fields are the session's top-level names, in the spelling that a Node service would use. Two parallel requests that
//! change different fields both count.
//!
//! `cargo run -p cloakroom-examples --bin typed`, then open <http://localhost:3000/theme/dark>.

use axum::{Router, extract::Path, response::Redirect, routing::get};
use cloakroom::{Error, Secrets, SessionError, SessionLayer, Store, Typed, sqlite::SqliteStore};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Visitor {
    user_name: Option<String>,
    theme: String,
    pages_seen: u32,
}

async fn index(mut visitor: Typed<Visitor>) -> Result<String, SessionError> {
    visitor.change(|visitor| visitor.pages_seen += 1)?;
    let name = visitor.user_name.as_deref().unwrap_or("nobody");
    Ok(format!(
        "{name} has seen {} pages in theme {:?}\n",
        visitor.pages_seen, visitor.theme
    ))
}

async fn name(
    mut visitor: Typed<Visitor>,
    Path(name): Path<String>,
) -> Result<Redirect, SessionError> {
    visitor.change(|visitor| visitor.user_name = Some(name))?;
    Ok(Redirect::to("/"))
}

async fn theme(
    mut visitor: Typed<Visitor>,
    Path(theme): Path<String>,
) -> Result<Redirect, SessionError> {
    visitor.change(|visitor| visitor.theme = theme)?;
    Ok(Redirect::to("/"))
}

pub(crate) fn router(store: impl Store, secrets: Secrets) -> Result<Router, Error> {
    let sessions = SessionLayer::builder(store, secrets).build()?;
    Ok(Router::new()
        .route("/", get(index))
        .route("/name/{name}", get(name))
        .route("/theme/{theme}", get(theme))
        .layer(sessions))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = SqliteStore::builder("data/typed.db")
        .create_dirs(true)
        .open()?;
    let secrets = Secrets::new(["a long random text that only the server knows"])?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, router(store, secrets)?).await?)
}
