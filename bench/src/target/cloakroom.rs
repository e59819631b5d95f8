//! cloakroom's layer with the article's options, on each of its stores.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    response::{Html, IntoResponse as _, Response},
    routing::get,
};
use cloakroom::{
    Lifetime, MemoryStore, Session, SessionError, SessionLayer, Store,
    layer::SessionRouter,
    redis::{NearCache, RedisStore},
    sqlite::SqliteStore,
};
use cloakroom_bench_common::{
    args::Args,
    page::{IndexPage, LOGIN_PAGE},
    sessions::LIFETIME,
};

use super::{routes, seed, ticket::secrets, to_login};

type Outcome = Result<SessionRouter, Box<dyn Error + Send + Sync>>;

pub(super) async fn redis(args: &Args, per_core: bool) -> Outcome {
    let store = RedisStore::builder(("127.0.0.1", args.redis_port));
    let store = store
        .prefix(&args.prefix)
        .connection_per_thread(per_core)
        .connect()
        .await?;
    on(store, AT_EACH_USE, args).await
}

/// Large enough for all sessions that are asked for, and old enough that each is read again before it is forgotten.
pub(super) async fn near(args: &Args) -> Outcome {
    let store = RedisStore::builder(("127.0.0.1", args.redis_port));
    let cache = NearCache::new()
        .max_age(Duration::from_secs(60))
        .capacity(100_000)
        .max_bytes(256 << 20);
    let store = store.prefix(&args.prefix).near_cache(cache);
    on(store.connect().await?, 0.5, args).await
}

pub(super) async fn sqlite(args: &Args) -> Outcome {
    let store = SqliteStore::builder(&args.file).open()?;
    on(store, AT_EACH_USE, args).await
}

pub(super) async fn memory(args: &Args) -> Outcome {
    let store = MemoryStore::new().max_sessions(usize::MAX);
    on(store, AT_EACH_USE, args).await
}

/// `renew_after` as express has it.
const AT_EACH_USE: f64 = 0.0;

/// The article's `session({...})`, but for two options that make what is measured the same everywhere: the lifetime, and
/// `saveUninitialized: false`, since most peers cannot store sessions without data.
async fn on(store: impl Store, renew_after: f64, args: &Args) -> Outcome {
    let store: Arc<dyn Store> = Arc::new(store);
    seed::make(&*store, args).await?;
    let secrets = secrets().ok_or("the secret is refused")?.clone();
    let sessions = SessionLayer::express(store, secrets)
        .resave(false)
        .save_uninitialized(false)
        .rolling(true)
        .renew_after(renew_after)
        .lifetime(Lifetime::idle(LIFETIME))
        .eager(false)
        .build()?;
    let app = routes(get(index), get(login), get(count));
    Ok(sessions.around(app))
}

async fn index(session: Session) -> Result<Response, SessionError> {
    let Some(user_name) = session.get::<String>("userName")? else {
        return Ok(to_login());
    };
    let id = session.id();
    let page = IndexPage {
        user_name: &user_name,
        session_id: id.as_str(),
        seconds: LIFETIME.as_secs(),
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
