//! cloakroom's layer with the article's options, on each of its stores.

use std::{error::Error, sync::Arc};

use axum::{
    Router,
    response::{Html, IntoResponse as _, Response},
    routing::get,
};
use cloakroom::{
    Lifetime, MemoryStore, Session, SessionError, SessionLayer, Store, redis::RedisStore,
    sqlite::SqliteStore,
};
use cloakroom_bench_common::{
    args::Args,
    page::{IndexPage, LOGIN_PAGE},
    sessions::LIFETIME,
};

use super::{routes, seed, ticket::secrets, to_login};

type Outcome = Result<Router, Box<dyn Error + Send + Sync>>;

pub(super) async fn redis(args: &Args) -> Outcome {
    let store = RedisStore::builder(("127.0.0.1", args.redis_port));
    on(store.prefix(&args.prefix).connect().await?, args).await
}

pub(super) async fn sqlite(args: &Args) -> Outcome {
    on(SqliteStore::builder(&args.file).open()?, args).await
}

pub(super) async fn memory(args: &Args) -> Outcome {
    on(MemoryStore::new().max_sessions(usize::MAX), args).await
}

/// The article's `session({...})`, but for two options that make what is measured the same everywhere: the lifetime, and
/// `saveUninitialized: false`, since most peers cannot store sessions without data.
async fn on(store: impl Store, args: &Args) -> Outcome {
    let store: Arc<dyn Store> = Arc::new(store);
    seed::make(&*store, args).await?;
    let secrets = secrets().ok_or("the secret is refused")?.clone();
    let sessions = SessionLayer::express(store, secrets)
        .resave(false)
        .save_uninitialized(false)
        .rolling(true)
        .lifetime(Lifetime::idle(LIFETIME))
        .eager(false)
        .build()?;
    Ok(routes(get(index), get(login), get(count)).layer(sessions))
}

async fn index(session: Session) -> Result<Response, SessionError> {
    let Some(user_name) = session.get::<String>("userName")? else {
        return Ok(to_login());
    };
    let id = session.id();
    let page = IndexPage {
        user_name: &user_name,
        session_id: id.as_str(),
        seconds: session.expires_in().map_or(0, |left| left.as_secs()),
    };
    Ok(Html(page.html()).into_response())
}

async fn login(session: Session) -> Result<Response, SessionError> {
    if session.contains("userName") {
        return Ok(to_login());
    }
    Ok(Html(LOGIN_PAGE).into_response())
}

async fn count(session: Session) -> Result<Response, SessionError> {
    if !session.contains("userName") {
        return Ok(to_login());
    }
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(visits.to_string().into_response())
}
