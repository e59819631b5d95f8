//! "Remember me": one session ends with the browser, another lasts for thirty days, behind the same layer.
//!
//! The lifetime is stored in the session itself, so it holds for every later request. The layer's absolute lifetime is the
//! upper bound of both.
//!
//! `cargo run -p cloakroom-examples --bin remember_me`, then open <http://localhost:3000>.

use std::time::Duration;

use axum::{
    Form, Router,
    response::{Html, Redirect},
    routing::{get, post},
};
use cloakroom::{
    Error, Lifetime, MemoryStore, Secrets, Session, SessionError, SessionLayer, Store,
};
use serde::Deserialize;

const DAY: Duration = Duration::from_secs(86_400);

#[derive(Deserialize)]
struct Login {
    name: String,
    /// A checkbox is sent when it is checked and left out otherwise.
    remember: Option<String>,
}

async fn login(session: Session, Form(form): Form<Login>) -> Result<Redirect, SessionError> {
    // A new id, so that whoever knew the old one knows nothing of what follows.
    session.sign_in(form.name)?;
    if form.remember.is_some() {
        session.set_lifetime(30 * DAY)?;
    } else {
        session.set_browser_session()?;
    }
    Ok(Redirect::to("/"))
}

async fn logout(session: Session) -> Result<Redirect, SessionError> {
    session.sign_out()?;
    Ok(Redirect::to("/"))
}

async fn index(session: Session) -> Html<String> {
    Html(match (session.owner(), session.expires_in()) {
        // A name comes from outside: what is shown of it here is its length.
        (Some(owner), Some(left)) => format!(
            "signed in as somebody of {} letters for {} hours\n\
             <form method=post action=/logout><button>Sign out</button></form>",
            owner.chars().count(),
            left.as_secs().div_ceil(3600)
        ),
        _ => "<form method=post action=/login><input name=name required>\
              <label><input type=checkbox name=remember> Remember me</label>\
              <button>Sign in</button></form>"
            .to_owned(),
    })
}

pub(crate) fn router(store: impl Store, secrets: Secrets) -> Result<Router, Error> {
    let sessions = SessionLayer::builder(store, secrets)
        .lifetime(Lifetime::browser_session(DAY).absolute(30 * DAY))
        .build()?;
    Ok(Router::new()
        .route("/", get(index))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(sessions))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secrets = Secrets::new(["a long random text that only the server knows"])?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, router(MemoryStore::new(), secrets)?).await?)
}
