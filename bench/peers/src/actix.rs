//! actix-session with its Redis store on actix-web.
//!
//! Renewal at each request: `TtlExtensionPolicy::OnEveryRequest`, which also sends the cookie each time. The cookie is signed as
//! ours is; the crate's default would encrypt it. As many workers as the machine has processors, as tokio has them.

use std::{collections::HashMap, thread};

use actix_session::{
    Session, SessionMiddleware,
    config::{CookieContentSecurity, PersistentSession, TtlExtensionPolicy},
    storage::{RedisSessionStore, SessionStore as _},
};
use actix_web::{
    App, HttpResponse, HttpServer,
    cookie::{Cookie, CookieJar, Key, time::Duration},
    http::header::{ContentType, LOCATION},
    web,
};
use cloakroom_bench_common::{
    args::{Args, announce},
    page::{IndexPage, LOGIN_PAGE},
    sessions::{LIFETIME, SECRET, data, id_text},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::Failure;

/// The crate's default name.
const COOKIE: &str = "id";

#[actix_web::main]
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let prefix = args.prefix.clone();
    let store = RedisSessionStore::builder(format!("redis://127.0.0.1:{}", args.redis_port))
        .cache_keygen(move |key| format!("{prefix}{key}"))
        .build()
        .await?;
    seed(&store, &args).await?;
    if args.seed_only {
        return Ok(());
    }
    let server = HttpServer::new(move || {
        let lifecycle = PersistentSession::default()
            .session_ttl(lifetime())
            .session_ttl_extension_policy(TtlExtensionPolicy::OnEveryRequest);
        let sessions = SessionMiddleware::builder(store.clone(), key())
            .cookie_name(COOKIE.to_owned())
            .cookie_secure(false)
            .cookie_content_security(CookieContentSecurity::Signed)
            .session_lifecycle(lifecycle)
            .build();
        App::new()
            .wrap(sessions)
            .route("/", web::get().to(index))
            .route("/login", web::get().to(login))
            .route("/count", web::get().to(count))
    });
    let server = server
        .workers(thread::available_parallelism()?.get())
        .tcp_nodelay(true)
        .bind(("127.0.0.1", args.port))?;
    let port = server
        .addrs()
        .first()
        .map_or(args.port, |address| address.port());
    announce(port)?;
    server.run().await?;
    Ok(())
}

fn key() -> Key {
    Key::from(SECRET.as_bytes())
}

fn lifetime() -> Duration {
    Duration::seconds(LIFETIME.as_secs().cast_signed())
}

async fn seed(store: &RedisSessionStore, args: &Args) -> Result<(), Failure> {
    let state: HashMap<String, String> = data(args.bytes).into_iter().collect();
    let ids: Vec<String> = stream::iter(0..args.seed)
        .map(|n| {
            let mut state = state.clone();
            // The page shows an id of 32 characters everywhere; this crate's have 64 and are not told to handlers.
            state.insert("shownId".to_owned(), format!("\"{}\"", id_text(n)));
            async move {
                let key = store.save(state, &lifetime()).await;
                key.map(|key| key.as_ref().to_owned())
            }
        })
        .buffered(256)
        .try_collect()
        .await?;
    let signed = ids.into_iter().map(|id| {
        let mut jar = CookieJar::new();
        jar.signed_mut(&key()).add(Cookie::new(COOKIE, id));
        let cookie = jar.get(COOKIE).map(|cookie| cookie.encoded().to_string());
        cookie.unwrap_or_default()
    });
    args.write_cookies(signed)?;
    Ok(())
}

fn to_login() -> HttpResponse {
    HttpResponse::Found()
        .insert_header((LOCATION, "login"))
        .finish()
}

async fn index(session: Session) -> Result<HttpResponse, actix_web::Error> {
    let values = session
        .get::<String>("userName")?
        .zip(session.get::<String>("shownId")?);
    let Some((user_name, session_id)) = values else {
        return Ok(to_login());
    };
    let page = IndexPage {
        user_name: &user_name,
        session_id: &session_id,
        seconds: LIFETIME.as_secs(),
    };
    Ok(HttpResponse::Ok()
        .content_type(ContentType::html())
        .body(page.html()))
}

async fn login(session: Session) -> Result<HttpResponse, actix_web::Error> {
    if session.get::<String>("userName")?.is_some() {
        return Ok(to_login());
    }
    Ok(HttpResponse::Ok()
        .content_type(ContentType::html())
        .body(LOGIN_PAGE))
}

async fn count(session: Session) -> Result<HttpResponse, actix_web::Error> {
    if session.get::<String>("userName")?.is_none() {
        return Ok(to_login());
    }
    let visits = session.get::<u64>("visits")?.unwrap_or(0) + 1;
    session.insert("visits", visits)?;
    Ok(HttpResponse::Ok().body(visits.to_string()))
}
