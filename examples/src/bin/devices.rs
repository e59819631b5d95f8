//! "Where you are signed in": a list of the visitor's sessions, with a button to end each, and one to end the others.
//!
//! A session is named by its handle; its id stays in the cookie. Ending sessions needs a sign-in of the last five minutes.
//! Nobody may have more than five sessions; the oldest gives way.
//!
//! `cargo run -p cloakroom-examples --bin devices`, then open <http://localhost:3000>, in two browsers.

use std::time::Duration;

use axum::{
    Form, Router,
    extract::Path,
    http::StatusCode,
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use cloakroom::{
    Error, ErrorKind, MemoryStore, OwnedSession, OwnerIndex, OwnerLimit, Secrets, Session,
    SessionError, SessionHandle, SessionLayer,
};
use serde::Deserialize;

const FRESH: Duration = Duration::from_secs(5 * 60);

#[derive(Deserialize)]
struct Login {
    name: String,
}

async fn login(session: Session, Form(form): Form<Login>) -> Result<Redirect, SessionError> {
    session.sign_in(form.name)?;
    Ok(Redirect::to("/"))
}

async fn index(session: Session) -> Result<Html<String>, SessionError> {
    let sessions = match session.sessions().await {
        Err(error) if error.kind() == ErrorKind::NotSignedIn => {
            let form = "<form method=post action=/login><input name=name required><button>Sign in</button></form>";
            return Ok(Html(form.to_owned()));
        }
        sessions => sessions?,
    };
    let items: String = sessions.iter().map(item).collect();
    Ok(Html(format!(
        "<ul>{items}</ul><form method=post action=/others><button>Sign out everywhere else</button></form>"
    )))
}

fn item(session: &OwnedSession) -> String {
    // The browser says of itself what it likes; and nothing that comes from the store goes into a page as it is.
    let agent = escape(session.user_agent.as_deref().unwrap_or("a browser"));
    let address = escape(session.address.as_deref().unwrap_or("somewhere"));
    let this = if session.current { ", this one" } else { "" };
    format!(
        "<li>{agent} at {address}{this} <form method=post action=/end/{}><button>End</button></form></li>",
        session.handle
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

async fn end(session: Session, Path(handle): Path<String>) -> Result<Response, SessionError> {
    session.require_fresh(FRESH)?;
    let Some(handle) = SessionHandle::parse(&handle) else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    session.revoke(&handle).await?;
    Ok(Redirect::to("/").into_response())
}

async fn others(session: Session) -> Result<Redirect, SessionError> {
    session.require_fresh(FRESH)?;
    session.revoke_others().await?;
    Ok(Redirect::to("/"))
}

pub(crate) fn router(store: impl OwnerIndex + Clone, secrets: Secrets) -> Result<Router, Error> {
    let sessions = SessionLayer::builder(store.clone(), secrets)
        .owners(store)
        .owner_limit(OwnerLimit::EvictOldest(5))
        .build()?;
    Ok(Router::new()
        .route("/", get(index))
        .route("/login", post(login))
        .route("/end/{handle}", post(end))
        .route("/others", post(others))
        .layer(sessions))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secrets = Secrets::new(["a long random text that only the server knows"])?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let app = router(MemoryStore::new(), secrets)?;
    // The address of the peer is remembered beside the session.
    let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    Ok(axum::serve(listener, app).await?)
}
