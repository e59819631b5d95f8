//! The bare limit: the store's unavoidable round trip through the same client, and no session logic.
//!
//! No signature is verified, no cookie sent, no tombstone looked at, no conflict noticed; the value is read for the name
//! alone. A change is what any store must do at least: one read and one write.

use std::{cell::RefCell, error::Error};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse as _, Response},
    routing::get,
};
use cloakroom::redis::RedisStore;
use cloakroom_bench_common::{
    args::Args,
    page::{IndexPage, LOGIN_PAGE},
    sessions::LIFETIME,
};
use redis::{
    AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo as _, aio::MultiplexedConnection,
    io::tcp::TcpSettings,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{routes, seed, ticket::id_unverified, to_login};

#[derive(Clone)]
struct Sessions {
    client: Client,
    shared: Option<MultiplexedConnection>,
    prefix: std::sync::Arc<str>,
}

/// What the page needs of a value.
#[derive(Deserialize)]
struct Visitor<'a> {
    #[serde(rename = "userName", borrow)]
    user_name: Option<std::borrow::Cow<'a, str>>,
}

async fn connect(client: &Client) -> redis::RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

thread_local! {
    /// This thread's connection, where each has its own.
    static OWN: RefCell<Option<MultiplexedConnection>> = const { RefCell::new(None) };
}

pub(super) async fn router(
    args: &Args,
    per_core: bool,
) -> Result<Router, Box<dyn Error + Send + Sync>> {
    let store = RedisStore::builder(("127.0.0.1", args.redis_port));
    seed::make(&store.prefix(&args.prefix).connect().await?, args).await?;
    // As cloakroom's own connection: one, multiplexed, without Nagle's delay.
    let info = ("127.0.0.1", args.redis_port).into_connection_info()?;
    let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let client = Client::open(info)?;
    let shared = if per_core {
        None
    } else {
        Some(connect(&client).await?)
    };
    let prefix = args.prefix.as_str().into();
    Ok(
        routes(get(index), get(async || Html(LOGIN_PAGE)), get(count)).with_state(Sessions {
            client,
            shared,
            prefix,
        }),
    )
}

impl Sessions {
    async fn connection(&self) -> redis::RedisResult<MultiplexedConnection> {
        if let Some(shared) = &self.shared {
            return Ok(shared.clone());
        }
        if let Some(own) = OWN.with_borrow(Clone::clone) {
            return Ok(own);
        }
        let own = connect(&self.client).await?;
        OWN.set(Some(own.clone()));
        Ok(own)
    }

    async fn read(&self, id: &str) -> redis::RedisResult<Option<Vec<u8>>> {
        let mut command = Cmd::new();
        command
            .arg("GETEX")
            .arg([self.prefix.as_bytes(), id.as_bytes()].concat())
            .arg("PX")
            .arg(LIFETIME.as_millis() as u64);
        command.query_async(&mut self.connection().await?).await
    }

    async fn write(&self, id: &str, value: &[u8]) -> redis::RedisResult<Option<()>> {
        let mut command = Cmd::new();
        command
            .arg("SET")
            .arg([self.prefix.as_bytes(), id.as_bytes()].concat())
            .arg(value)
            .arg("PX")
            .arg(LIFETIME.as_millis() as u64)
            .arg("XX");
        command.query_async(&mut self.connection().await?).await
    }
}

fn failed(error: impl std::fmt::Display) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
}

async fn index(State(sessions): State<Sessions>, headers: HeaderMap) -> Response {
    let Some(session_id) = id_unverified(&headers) else {
        return to_login();
    };
    let value = match sessions.read(session_id).await {
        Ok(Some(value)) => value,
        Ok(None) => return to_login(),
        Err(error) => return failed(error),
    };
    let visitor: Visitor<'_> = match serde_json::from_slice(&value) {
        Ok(visitor) => visitor,
        Err(error) => return failed(error),
    };
    let Some(user_name) = visitor.user_name else {
        return to_login();
    };
    let page = IndexPage {
        user_name: &user_name,
        session_id,
        seconds: LIFETIME.as_secs(),
    };
    Html(page.html()).into_response()
}

async fn count(State(sessions): State<Sessions>, headers: HeaderMap) -> Response {
    let Some(id) = id_unverified(&headers) else {
        return to_login();
    };
    let value = match sessions.read(id).await {
        Ok(Some(value)) => value,
        Ok(None) => return to_login(),
        Err(error) => return failed(error),
    };
    let mut names: Map<String, Value> = match serde_json::from_slice(&value) {
        Ok(names) => names,
        Err(error) => return failed(error),
    };
    let visits = names.get("visits").and_then(Value::as_u64).unwrap_or(0) + 1;
    names.insert("visits".to_owned(), visits.into());
    match serde_json::to_vec(&names) {
        Ok(value) => match sessions.write(id, &value).await {
            Ok(_) => visits.to_string().into_response(),
            Err(error) => failed(error),
        },
        Err(error) => failed(error),
    }
}
