//! tower-sessions with tower-sessions-redis-store on axum.
//!
//! Renewal at each request: `Expiry::OnInactivity` alone renews only with changes, `with_always_save(true)` makes it write the
//! whole session and send the cookie each time. The cookie is not signed, as is the crate's default. The store has no
//! prefix.

use std::net::Ipv4Addr;

use axum::{
    Router,
    http::{StatusCode, header},
    response::{Html, IntoResponse as _, Response},
    routing::get,
    serve::ListenerExt as _,
};
use cloakroom_bench_common::{
    args::{Args, announce},
    page::{IndexPage, LOGIN_PAGE},
    sessions::{LIFETIME, data, id_bytes, id_text},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;
use tower_sessions::{
    Expiry, Session, SessionManagerLayer, SessionStore as _,
    session::{Id, Record},
};
use tower_sessions_redis_store::{
    RedisStore,
    fred::prelude::{ClientLike as _, Config, Pool, ServerConfig},
};

use crate::Failure;

/// The connections of the store's documentation.
const CONNECTIONS: usize = 6;

/// The crate's default name.
const COOKIE: &str = "id";

#[tokio::main]
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let config = Config {
        server: ServerConfig::new_centralized("127.0.0.1", args.redis_port),
        ..Config::default()
    };
    let pool = Pool::new(config, None, None, None, CONNECTIONS)?;
    pool.connect();
    pool.wait_for_connect().await?;
    let store = RedisStore::new(pool);
    seed(&store, &args).await?;
    if args.seed_only {
        return Ok(());
    }
    let sessions = SessionManagerLayer::new(store)
        .with_secure(false)
        .with_always_save(true)
        .with_expiry(Expiry::OnInactivity(lifetime()));
    let router = Router::new()
        .route("/", get(index))
        .route("/login", get(login))
        .route("/count", get(count))
        .layer(sessions);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await?;
    let port = listener.local_addr()?.port();
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    announce(port)?;
    axum::serve(listener, router).await?;
    Ok(())
}

fn lifetime() -> Duration {
    Duration::seconds(LIFETIME.as_secs().cast_signed())
}

/// The n-th id of this crate: 16 bytes of ours.
fn id(n: u64) -> Id {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&id_bytes(n)[..16]);
    Id(i128::from_le_bytes(bytes))
}

async fn seed(store: &RedisStore<Pool>, args: &Args) -> Result<(), Failure> {
    let mut names = std::collections::HashMap::new();
    for (name, json) in data(args.bytes) {
        names.insert(name, serde_json::from_str(&json)?);
    }
    let expiry_date = OffsetDateTime::now_utc() + lifetime();
    stream::iter(0..args.seed)
        .map(|n| {
            let mut data = names.clone();
            // The page shows an id of 32 characters everywhere; this crate's have 22.
            data.insert("shownId".to_owned(), id_text(n).into());
            async move {
                let mut record = Record {
                    id: id(n),
                    data,
                    expiry_date,
                };
                store.create(&mut record).await
            }
        })
        .buffer_unordered(256)
        .try_collect::<()>()
        .await?;
    args.write_cookies((0..args.seed).map(|n| format!("{COOKIE}={}", id(n))))?;
    Ok(())
}

fn to_login() -> Response {
    (StatusCode::FOUND, [(header::LOCATION, "login")]).into_response()
}

fn failed(error: &tower_sessions::session::Error) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
}

async fn index(session: Session) -> Response {
    let values = async {
        let name: Option<String> = session.get("userName").await?;
        let id: Option<String> = session.get("shownId").await?;
        Ok(name.zip(id))
    };
    let (user_name, session_id) = match values.await {
        Ok(Some(values)) => values,
        Ok(None) => return to_login(),
        Err(error) => return failed(&error),
    };
    let page = IndexPage {
        user_name: &user_name,
        session_id: &session_id,
        seconds: LIFETIME.as_secs(),
    };
    Html(page.html()).into_response()
}

async fn login(session: Session) -> Response {
    match session.get::<String>("userName").await {
        Ok(None) => Html(LOGIN_PAGE).into_response(),
        Ok(Some(_)) => to_login(),
        Err(error) => failed(&error),
    }
}

async fn count(session: Session) -> Response {
    let counted = async {
        if session.get::<String>("userName").await?.is_none() {
            return Ok(None);
        }
        let visits = session.get::<u64>("visits").await?.unwrap_or(0) + 1;
        session.insert("visits", visits).await?;
        Ok(Some(visits))
    };
    match counted.await {
        Ok(Some(visits)) => visits.to_string().into_response(),
        Ok(None) => to_login(),
        Err(error) => failed(&error),
    }
}
