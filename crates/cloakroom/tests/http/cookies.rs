//! What the browser is told, and what is believed of what it says.

use std::{net::IpAddr, time::Duration};

use axum::{Router, extract::Request, middleware, routing::get};
use cloakroom::{
    CookieOptions, ErrorKind, Lifetime, MemoryStore, PeerAddr, RequestScheme, SameSite, Secrets,
    Secure, Session, SessionError, SessionLayer, SessionLayerBuilder, core::ticket,
};
use http::{HeaderValue, StatusCode, header};

use crate::{SECRET, article, client::Client, safe, secrets, settle, troubled::Troubled};

fn routes() -> Router {
    Router::new()
        .route(
            "/read",
            get(async |session: Session| session.get_raw("n").unwrap_or_default()),
        )
        .route(
            "/write",
            get(async |session: Session| {
                session
                    .update("n", |n: Option<u32>| n.unwrap_or(0) + 1)
                    .map(|n| n.to_string())
                    .map_err(SessionError)
            }),
        )
        .route(
            "/rotate",
            get(async |session: Session| session.rotate().map_err(SessionError)),
        )
        .route(
            "/remember",
            get(async |session: Session| remember(&session, Lifetime::idle(MONTH))),
        )
        .route(
            "/remember-for-a-year",
            get(async |session: Session| {
                remember(&session, Lifetime::idle(MONTH).absolute(MONTH * 12))
            }),
        )
        .route(
            "/left",
            get(async |session: Session| {
                session
                    .expires_in()
                    .unwrap()
                    .as_secs_f64()
                    .round()
                    .to_string()
            }),
        )
        .route("/caching/{how}", get(caching))
}

const MONTH: Duration = Duration::from_secs(30 * 86_400);

fn remember(session: &Session, lifetime: Lifetime) -> Result<(), SessionError> {
    Ok(session.set_lifetime(lifetime)?)
}

async fn caching(
    session: Session,
    axum::extract::Path(how): axum::extract::Path<String>,
) -> ([(header::HeaderName, HeaderValue); 2], &'static str) {
    session.insert("n", &1).unwrap();
    let value = HeaderValue::from_str(&how).unwrap();
    (
        [
            (header::CACHE_CONTROL, value),
            (header::VARY, HeaderValue::from_static("Accept")),
        ],
        "",
    )
}

fn client(layer: SessionLayerBuilder) -> Client {
    Client::new(routes().layer(layer.build().unwrap()))
}

#[tokio::test(start_paused = true)]
async fn r18_r19_the_default_cookie_is_host_secure_http_only_lax() {
    let client = client(safe(MemoryStore::new()));
    let cookie = client.get("/write").await.set_cookie().unwrap();
    assert!(cookie.starts_with("__Host-sid=s%3A"), "{cookie}");
    assert!(cookie.contains("; Path=/; Expires="), "{cookie}");
    assert!(
        cookie.ends_with("; HttpOnly; Secure; SameSite=Lax"),
        "{cookie}"
    );
    assert!(
        !cookie.contains("Domain") && !cookie.contains("Max-Age"),
        "{cookie}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_express_cookie_is_connect_sid_without_an_end() {
    let client = client(SessionLayer::express(MemoryStore::new(), secrets()));
    let cookie = client.get("/read").await.set_cookie().unwrap();
    assert!(cookie.starts_with("connect.sid=s%3A"), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly"), "{cookie}");
    assert_eq!(
        client.get("/write").await.set_cookie(),
        None,
        "a cookie without an end is sent once"
    );
}

/// R03; CVE-2024-38513: an id that the store does not know is never adopted.
#[tokio::test(start_paused = true)]
async fn r03_a_signed_id_that_is_unknown_gets_another_id() {
    let client = client(article(MemoryStore::new()));
    let planted = "Wn1xPVWzOX8dIzL2cTqV4DiJqHXrqYpS";
    client.put_cookie(
        "connect.sid",
        &ticket::sign(planted, &secrets()).replace(':', "%3A"),
    );
    client.get("/write").await;
    assert_ne!(client.id("connect.sid").unwrap(), planted);
    assert_eq!(client.get("/read").await.body, "1");
}

/// R04, R05, R07.
#[tokio::test(start_paused = true)]
async fn r04_r05_r07_what_is_no_ticket_of_ours_asks_no_store() {
    let store = Troubled::new(MemoryStore::new());
    let client = client(safe(store.clone()));
    let strange = Secrets::new(["another secret"]).unwrap();
    let long = "a".repeat(5000);
    for value in [
        "",
        "abc",
        "s%3Aabc",
        "s%3Aabc.def",
        &long,
        &ticket::sign("abc", &strange),
        &ticket::sign("a*b", &secrets()),
        &ticket::sign("a{b}", &secrets()),
        &ticket::sign("../../x y", &secrets()),
        &ticket::sign("a\nb", &secrets()).replace('\n', "%0A"),
    ] {
        client.put_cookie("__Host-sid", value);
        let answer = client.get("/read?__Host-sid=s%3Aabc&sid=abc").await;
        assert_eq!(answer.status, StatusCode::OK, "{value}");
        assert_eq!(answer.set_cookie(), None, "{value}");
    }
    assert_eq!(store.take_calls(), [""; 0]);
}

/// es#881: a stale cookie before the good one; es#888: HTTP/2 sends several `Cookie` headers.
#[tokio::test(start_paused = true)]
async fn of_several_cookies_the_first_that_verifies_counts_over_all_headers() {
    let client = client(article(MemoryStore::new()));
    client.get("/write").await;
    let good = client.cookie("connect.sid").unwrap();
    let other = client.other();
    let request = http::Request::get("/read")
        .header("cookie", "connect.sid=s%3Astale.AAAA; theme=dark")
        .header("cookie", format!("a=1; connect.sid={good}"));
    assert_eq!(other.send(request).await.body, "1");
}

/// R36; express never sends a browser-session cookie again (own finding Q6 of the reference).
#[tokio::test(start_paused = true)]
async fn r36_a_ticket_of_an_old_secret_is_signed_anew_with_the_next_response() {
    let store = MemoryStore::new();
    let with = |list: &[&str]| {
        let layer =
            SessionLayer::express(store.clone(), Secrets::new(list.iter().copied()).unwrap());
        client(layer.resave(false))
    };
    let old = with(&["old secret"]);
    old.get("/write").await;
    let both = with(&["new secret", "old secret"]);
    both.put_cookie("connect.sid", &old.cookie("connect.sid").unwrap());
    let answer = both.get("/read").await;
    assert_eq!(answer.body, "1");
    assert!(answer.set_cookie().is_some(), "signed anew");
    assert_eq!(both.id("connect.sid"), old.id("connect.sid"));
    let new = with(&["new secret"]);
    new.put_cookie("connect.sid", &both.cookie("connect.sid").unwrap());
    assert_eq!(new.get("/read").await.body, "1");
    new.put_cookie("connect.sid", &old.cookie("connect.sid").unwrap());
    assert_eq!(new.get("/read").await.body, "", "the retired secret fails");
}

/// R24, R25; es#362, nextjs-auth0#2100.
#[tokio::test(start_paused = true)]
async fn r24_r25_what_sets_a_cookie_is_not_cached_and_what_read_one_varies() {
    for (given, expected) in [
        ("public, max-age=3600", "no-store"),
        ("private", "no-store"),
        ("no-store, must-revalidate", "no-store, must-revalidate"),
        ("No-Store", "No-Store"),
    ] {
        let client = client(safe(MemoryStore::new()));
        let answer = client
            .get(&format!("/caching/{}", given.replace(' ', "%20")))
            .await;
        assert!(answer.set_cookie().is_some());
        let all: Vec<_> = answer
            .headers
            .get_all(header::CACHE_CONTROL)
            .iter()
            .collect();
        assert_eq!(all, [expected], "{given}");
        let vary: Vec<_> = answer.headers.get_all(header::VARY).iter().collect();
        assert_eq!(vary, ["Accept", "Cookie"]);
    }
    let client = client(safe(MemoryStore::new()));
    let answer = client.get("/read").await;
    assert_eq!(
        answer.header("cache-control"),
        None,
        "no cookie, no word about caching"
    );
    assert_eq!(
        answer.header("vary"),
        Some("Cookie"),
        "the answer depends on it all the same"
    );
}

/// es#275, es#564: "remember me" lasts, in the browser and in the store.
#[tokio::test(start_paused = true)]
async fn a_lifetime_of_its_own_is_sent_kept_and_renewed() {
    let client = client(article(MemoryStore::new()).rolling(false));
    client.get("/write").await;
    assert_eq!(client.get("/left").await.body, "60");
    let answer = client.get("/remember").await;
    assert!(answer.set_cookie().is_some(), "the browser is told");
    for _ in 0..3 {
        settle().await;
        assert_eq!(client.get("/left").await.body, MONTH.as_secs().to_string());
    }
    // The layer's absolute lifetime is not to be overlooked.
    let client = self::client(safe(MemoryStore::new()));
    client.get("/write").await;
    assert_eq!(
        client.get("/remember").await.status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert!(
        client
            .get("/remember-for-a-year")
            .await
            .set_cookie()
            .is_some()
    );
    assert_eq!(client.get("/left").await.body, MONTH.as_secs().to_string());
}

fn behind(layer: SessionLayerBuilder, peer: &str, forwarded: Option<&'static str>) -> Client {
    let peer: IpAddr = peer.parse().unwrap();
    let app = routes()
        .layer(layer.build().unwrap())
        .layer(middleware::from_fn(
            move |mut request: Request, next: middleware::Next| async move {
                request.extensions_mut().insert(PeerAddr(peer));
                if let Some(proto) = forwarded {
                    request
                        .headers_mut()
                        .insert("x-forwarded-proto", HeaderValue::from_static(proto));
                }
                next.run(request).await
            },
        ));
    Client::new(app)
}

/// R43, R44; es#281 and its like: the cookie that silently never comes, and the orphan that it leaves.
#[tokio::test(start_paused = true)]
async fn r43_r44_forwarded_headers_count_from_trusted_proxies_alone() {
    let proxy: ipnet::IpNet = "10.0.0.0/8".parse().unwrap();
    for (peer, forwarded, secure) in [
        ("10.1.2.3", Some("https"), true),
        ("10.1.2.3", Some("HTTPS , http"), true),
        ("10.1.2.3", Some("http"), false),
        ("10.1.2.3", None, false),
        ("::ffff:10.1.2.3", Some("https"), true),
        ("192.0.2.1", Some("https"), false),
        ("192.0.2.1", None, false),
    ] {
        let case = format!("{peer} {forwarded:?}");
        let store = Troubled::new(MemoryStore::new());
        let layer = article(store.clone())
            .trusted_proxies([proxy])
            .secure(Secure::Yes);
        let client = behind(layer, peer, forwarded);
        let answer = client.get("/write").await;
        assert_eq!(answer.status, StatusCode::OK, "{case}");
        assert_eq!(answer.set_cookie().is_some(), secure, "{case}");
        let expected: &[&str] = if secure { &["create"] } else { &[] };
        assert_eq!(
            store.take_calls(),
            expected,
            "no orphan in the store: {case}"
        );

        let layer = article(MemoryStore::new())
            .trusted_proxies([proxy])
            .secure(Secure::ByRequest);
        let cookie = behind(layer, peer, forwarded)
            .get("/write")
            .await
            .set_cookie()
            .unwrap();
        assert_eq!(cookie.contains("; Secure"), secure, "{case}");
    }
}

/// The safe defaults take a request of unknown scheme for one over TLS, and believe a server that says otherwise.
#[tokio::test(start_paused = true)]
async fn r43_no_session_is_made_over_a_connection_that_is_known_to_be_plain() {
    let store = Troubled::new(MemoryStore::new());
    let app = routes()
        .layer(safe(store.clone()).build().unwrap())
        .layer(axum::Extension(RequestScheme::Http));
    let client = Client::new(app);
    for path in ["/write", "/rotate"] {
        assert_eq!(client.get(path).await.set_cookie(), None);
    }
    assert_eq!(store.take_calls(), [""; 0]);
    // A session that came over TLS is not given a new id that its browser would never learn.
    let tls = Client::new(routes().layer(safe(store.clone()).build().unwrap()));
    tls.get("/write").await;
    client.put_cookie("__Host-sid", &tls.cookie("__Host-sid").unwrap());
    client.get("/rotate").await;
    assert_eq!(tls.get("/read").await.body, "1");
}

/// es PR#1114, fastify/session#169.
#[tokio::test(start_paused = true)]
async fn the_path_is_matched_by_segment() {
    let layer = article(MemoryStore::new()).cookie(CookieOptions::express().path("/admin"));
    let app = Router::new()
        .route(
            "/admin",
            get(async |session: Option<Session>| session.is_some().to_string()),
        )
        .route(
            "/admin/users",
            get(async |session: Option<Session>| session.is_some().to_string()),
        )
        .route(
            "/administrator",
            get(async |session: Option<Session>| session.is_some().to_string()),
        )
        .route("/must", get(async |_: Session| ""))
        .layer(layer.build().unwrap());
    let client = Client::new(app);
    assert_eq!(client.get("/admin").await.body, "true");
    assert_eq!(client.get("/admin/users").await.body, "true");
    let answer = client.get("/administrator").await;
    assert_eq!((answer.body.as_str(), answer.set_cookie()), ("false", None));
    assert_eq!(
        client.get("/must").await.status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

#[test]
fn options_that_cannot_work_are_refused_by_name() {
    let minute = Duration::from_secs(60);
    let refused = |layer: SessionLayerBuilder, option: &str| {
        let error = layer.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(option), "{option}: {error}");
    };
    let new = || safe(MemoryStore::new());
    refused(new().cookie_name("a b"), "name");
    refused(
        new().cookie(CookieOptions::new().domain("example.com")),
        "domain",
    );
    refused(new().cookie(CookieOptions::new().path("/x")), "path");
    refused(
        article(MemoryStore::new()).same_site(Some(SameSite::None)),
        "same_site",
    );
    refused(
        new().lifetime(Lifetime::idle(Duration::ZERO)),
        "lifetime.idle",
    );
    refused(
        new().lifetime(Lifetime::idle(minute).absolute(Duration::from_secs(1))),
        "lifetime.absolute",
    );
    refused(new().renew_after(2.0), "renew_after");
    refused(new().deadline(Duration::ZERO), "deadline");
}

#[test]
fn r29_debug_of_a_layer_shows_no_secret() {
    let layer = safe(MemoryStore::new()).build().unwrap();
    let shown = format!("{layer:?} {:?} {:?}", secrets(), safe(MemoryStore::new()));
    assert!(!shown.contains(SECRET), "{shown}");
}
