//! Every example does what it says.

#[allow(dead_code)]
#[path = "../src/bin/devices.rs"]
mod devices;
#[allow(dead_code)]
#[path = "../src/bin/minimal.rs"]
mod minimal;
#[allow(dead_code)]
#[path = "../src/bin/outage_page.rs"]
mod outage_page;
#[allow(dead_code)]
#[path = "../src/bin/remember_me.rs"]
mod remember_me;
#[allow(dead_code)]
#[path = "../src/bin/streaming.rs"]
mod streaming;
mod support;
#[allow(dead_code)]
#[path = "../src/bin/tower_only.rs"]
mod tower_only;
#[allow(dead_code)]
#[path = "../src/bin/two_layers.rs"]
mod two_layers;
#[allow(dead_code)]
#[path = "../src/bin/typed.rs"]
mod typed;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom::{
    EndReason, Error, ErrorKind, Lifetime, MemoryStore, Secrets, Session, SessionError, SessionId,
    SessionLayer, Store, SystemClock, Timestamp,
    core::store::{Created, Loaded, Replaced, Retired},
    core::time::ManualClock,
    sqlite::SqliteStore,
};
use cloakroom_examples::own_store::MapStore;
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use support::Browser;

fn secrets() -> Secrets {
    Secrets::new(["the secret of these tests, long enough"]).unwrap()
}

#[tokio::test]
async fn minimal_counts_for_each_visitor() {
    let app = minimal::router(secrets()).unwrap();
    let (mut one, mut other) = (Browser::default(), Browser::default());
    let first = one.get(&app, "/").await;
    assert_eq!(first.text, "visit 1\n");
    let cookie = first.set_cookie().unwrap();
    assert!(cookie.starts_with("__Host-sid=s%3A"), "{cookie}");
    for attribute in ["; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert_eq!(first.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(one.get(&app, "/").await.text, "visit 2\n");
    assert_eq!(other.get(&app, "/").await.text, "visit 1\n");
}

#[tokio::test]
async fn typed_sessions_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteStore::open(folder.path().join("sessions.db")).unwrap();
    let mut browser = Browser::default();

    let store = open();
    let app = typed::router(store.clone(), secrets()).unwrap();
    let answer = browser.get(&app, "/theme/dark").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    browser.get(&app, "/name/hanako").await;
    assert_eq!(
        browser.get(&app, "/").await.text,
        "hanako has seen 1 pages in theme \"dark\"\n"
    );
    store.close().await.unwrap();
    drop((app, store));

    let app = typed::router(open(), secrets()).unwrap();
    assert_eq!(
        browser.get(&app, "/").await.text,
        "hanako has seen 2 pages in theme \"dark\"\n"
    );
}

#[tokio::test]
async fn a_remembered_session_stays_remembered_and_another_ends_with_the_browser() {
    let app = remember_me::router(MemoryStore::new(), secrets()).unwrap();
    let mut remembered = Browser::default();
    let answer = remembered
        .post(&app, "/login", "name=hanako&remember=on")
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.set_cookie().unwrap().contains("; Expires="));
    // The next, plain request keeps the session's own lifetime.
    let later = remembered.get(&app, "/").await;
    assert!(
        later.text.contains("6 letters for 720 hours"),
        "{}",
        later.text
    );
    assert!(later.set_cookie().unwrap().contains("; Expires="));

    let mut passing = Browser::default();
    let answer = passing.post(&app, "/login", "name=hanako").await;
    assert!(!answer.set_cookie().unwrap().contains("Expires="));
    let later = passing.get(&app, "/").await;
    assert!(later.text.contains("for 24 hours"), "{}", later.text);

    passing.post(&app, "/logout", "").await;
    assert!(!passing.has("__Host-sid"));
    assert!(passing.get(&app, "/").await.text.contains("Sign in"));
}

#[tokio::test]
async fn a_visitor_sees_their_devices_and_ends_them() {
    let app = devices::router(MemoryStore::new(), secrets()).unwrap();
    let (mut phone, mut laptop, mut tablet) =
        (Browser::default(), Browser::default(), Browser::default());
    assert!(phone.get(&app, "/").await.text.contains("Sign in"));
    for browser in [&mut phone, &mut laptop, &mut tablet] {
        browser.post(&app, "/login", "name=hanako").await;
    }
    let page = laptop.get(&app, "/").await.text;
    assert_eq!(page.matches("<li>").count(), 3, "{page}");
    assert_eq!(page.matches(", this one").count(), 1, "{page}");
    let first = page.split("/end/").nth(1).unwrap();
    let handle = first.split('>').next().unwrap();
    let answer = laptop.post(&app, &format!("/end/{handle}"), "").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(phone.get(&app, "/").await.text.contains("Sign in"));
    assert_eq!(
        laptop.post(&app, "/end/nonsense", "").await.status,
        StatusCode::NOT_FOUND
    );

    laptop.post(&app, "/others", "").await;
    assert!(tablet.get(&app, "/").await.text.contains("Sign in"));
    let page = laptop.get(&app, "/").await.text;
    assert_eq!(page.matches("<li>").count(), 1, "{page}");

    // A stranger has nothing to end.
    let answer = Browser::default().post(&app, "/others", "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn two_layers_have_two_sessions() {
    let app = two_layers::router(Arc::new(MemoryStore::new()), secrets()).unwrap();
    let mut browser = Browser::default();
    browser.get(&app, "/").await;
    assert!(browser.has("__Host-sid") && !browser.has("__Secure-admin"));
    browser.get(&app, "/").await;
    let first = browser.get(&app, "/admin").await;
    assert_eq!(first.text, "action 1 after 2 pages\n");
    assert!(browser.has("__Secure-admin"));
    assert_eq!(browser.get(&app, "/").await.text, "page 3\n");
    assert_eq!(
        browser.get(&app, "/admin").await.text,
        "action 2 after 3 pages\n"
    );
}

#[tokio::test]
async fn a_streaming_body_commits_as_it_goes() {
    let app = streaming::router(MemoryStore::new(), secrets()).unwrap();
    let mut browser = Browser::default();
    let request = browser
        .request("/")
        .body(axum::body::Body::empty())
        .unwrap();
    let mut body = browser.send(request, &app).await.into_body();
    // The head has left, nothing of the body has been asked for: the session is stored already.
    let seen = browser.get(&app, "/seen").await.text;
    assert_eq!(seen, "0 parts have been sent\n");
    for part in 1..=3 {
        let frame = body.frame().await.unwrap().unwrap();
        let line = frame.into_data().unwrap();
        assert_eq!(line, format!("part {part} of 3\n"));
        let seen = browser.get(&app, "/seen").await.text;
        assert_eq!(seen, format!("{part} parts have been sent\n"));
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_streaming_body_does_not_bring_a_signed_out_session_back() {
    let app = streaming::router(MemoryStore::new(), secrets()).unwrap();
    let mut browser = Browser::default();
    let request = browser
        .request("/")
        .body(axum::body::Body::empty())
        .unwrap();
    let body = browser.send(request, &app).await.into_body();
    browser.get(&app, "/logout").await;
    let bytes = body.collect().await.unwrap().to_bytes();
    assert!(bytes.starts_with(b"stopped: "), "{bytes:?}");
    let seen = browser.get(&app, "/seen").await.text;
    assert_eq!(seen, "0 parts have been sent\n");
}

/// A store that can be made unreachable.
#[derive(Debug)]
struct Switchable {
    inner: MapStore,
    away: Arc<AtomicBool>,
}

impl Switchable {
    fn reach(&self) -> Result<&MapStore, Error> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "away"));
        }
        Ok(&self.inner)
    }
}

#[async_trait]
impl Store for Switchable {
    async fn load(&self, id: &SessionId) -> Result<Loaded, Error> {
        self.reach()?.load(id).await
    }

    async fn create(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<Created, Error> {
        self.reach()?.create(id, value, ttl).await
    }

    async fn replace(
        &self,
        id: &SessionId,
        base: &Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Replaced, Error> {
        self.reach()?.replace(id, base, value, ttl).await
    }

    async fn renew(&self, id: &SessionId, ttl: Duration) -> Result<bool, Error> {
        self.reach()?.renew(id, ttl).await
    }

    async fn end(&self, id: &SessionId, reason: EndReason) -> Result<bool, Error> {
        self.reach()?.end(id, reason).await
    }

    async fn retire(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Error> {
        self.reach()?.retire(id, base).await
    }
}

#[tokio::test]
async fn an_outage_shows_the_page_and_leaves_the_cookie_alone() {
    let away = Arc::new(AtomicBool::new(false));
    let store = Switchable {
        inner: MapStore::new(SystemClock),
        away: Arc::clone(&away),
    };
    let app = outage_page::router(store, secrets()).unwrap();
    let mut browser = Browser::default();
    assert_eq!(browser.get(&app, "/").await.text, "visit 1\n");

    away.store(true, Ordering::SeqCst);
    let answer = browser.get(&app, "/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text.contains("One moment"), "{}", answer.text);
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    assert!(answer.set_cookie().is_none());
    let about = browser.get(&app, "/about").await;
    assert_eq!(about.text, "a page for everybody\n");

    away.store(false, Ordering::SeqCst);
    assert_eq!(browser.get(&app, "/").await.text, "visit 2\n");
}

#[tokio::test]
async fn tower_alone_is_enough() {
    let service = tower_only::service(MemoryStore::new(), secrets()).unwrap();
    let mut browser = Browser::default();
    assert_eq!(browser.get(&service, "/").await.text, "visit 1\n");
    assert_eq!(browser.get(&service, "/").await.text, "visit 2\n");

    let away = Arc::new(AtomicBool::new(true));
    let store = Switchable {
        inner: MapStore::new(SystemClock),
        away,
    };
    let service = tower_only::service(store, secrets()).unwrap();
    let answer = browser.get(&service, "/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.set_cookie().is_none());
}

/// The stored value that both READMEs show.
#[tokio::test]
async fn the_value_in_the_readme_is_what_stands_in_the_store() {
    let shown = |readme: &str| {
        let (_, rest) = readme.split_once("```json\n").unwrap();
        rest.split_once("\n```").unwrap().0.to_owned()
    };
    let readme = shown(include_str!("../../README.md"));
    assert_eq!(readme, shown(include_str!("../../README.ja.md")));

    let store = MemoryStore::new();
    let clock = ManualClock::new(Timestamp::parse_iso("2026-11-25T21:18:38.229Z").unwrap());
    // As the login application has it, with its default settings.
    let sessions = SessionLayer::express(store.clone(), secrets())
        .lifetime(Lifetime::idle(Duration::from_secs(60)))
        .rolling(true)
        .resave(false)
        .eager(false)
        .clock(clock)
        .build()
        .unwrap();
    let login = async |session: Session| -> Result<String, SessionError> {
        session.sign_in("花子")?;
        session.insert("userName", "花子")?;
        Ok(session.id().as_str().to_owned())
    };
    let app = axum::Router::new()
        .route("/", axum::routing::get(login))
        .layer(sessions);
    let answer = Browser::default().get(&app, "/").await;
    let id = SessionId::parse(&answer.text).unwrap();
    let Loaded::Live(stored) = store.load(&id).await.unwrap() else {
        panic!("the session is not stored")
    };
    assert_eq!(String::from_utf8_lossy(&stored.value), readme);
}
