//! A body that streams and notes in the session how far it came.
//!
//! The layer commits before the response's head leaves. Whoever changes the session afterwards says so with `keep_open`
//! and commits by hand. The session must exist by then, since a head that has left can bring no cookie any more.
//!
//! `cargo run -p cloakroom-examples --bin streaming`, then `curl -N http://localhost:3000`.

use std::convert::Infallible;

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use cloakroom::{Error, MemoryStore, Secrets, Session, SessionError, SessionLayer, Store};
use futures_util::stream;

const PARTS: u32 = 3;

async fn index(session: Session) -> Result<Body, SessionError> {
    // Committed with the head: from here on the session is stored and the browser has its cookie.
    session.insert("parts", &0)?;
    session.keep_open();
    let parts = stream::unfold(1, move |part| {
        let session = session.clone();
        async move {
            if part > PARTS {
                return None;
            }
            let line = match note(&session, part).await {
                Ok(()) => format!("part {part} of {PARTS}\n"),
                // Signed out meanwhile, for instance. The head has left: all that can be done is to say it and stop.
                Err(error) => return Some((line(format!("stopped: {error}\n")), PARTS + 1)),
            };
            Some((self::line(line), part + 1))
        }
    });
    Ok(Body::from_stream(parts))
}

async fn note(session: &Session, part: u32) -> Result<(), Error> {
    session.insert("parts", &part)?;
    session.commit().await
}

fn line(text: String) -> Result<Bytes, Infallible> {
    Ok(Bytes::from(text))
}

async fn seen(session: Session) -> Result<String, SessionError> {
    let parts = session.get::<u32>("parts")?.unwrap_or(0);
    Ok(format!("{parts} parts have been sent\n"))
}

async fn logout(session: Session) -> Result<&'static str, SessionError> {
    session.sign_out()?;
    Ok("signed out\n")
}

pub(crate) fn router(store: impl Store, secrets: Secrets) -> Result<Router, Error> {
    let sessions = SessionLayer::builder(store, secrets).build()?;
    Ok(Router::new()
        .route("/", get(index))
        .route("/seen", get(seen))
        .route("/logout", get(logout))
        .layer(sessions))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secrets = Secrets::new(["a long random text that only the server knows"])?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, router(MemoryStore::new(), secrets)?).await?)
}
