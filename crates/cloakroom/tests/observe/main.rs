//! What is counted and what is logged: everything that an operator needs, and never an id, a secret or a value. In a
//! program of its own, because the recorder and the subscriber belong to the whole process.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the other test program, of which this one uses a part"
)]

#[path = "../http/client.rs"]
mod client;
#[path = "../http/troubled.rs"]
mod troubled;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, routing::get};
use bytes::Bytes;
use cloakroom::{
    Lifetime, MemoryStore, OwnerIndex as _, OwnerLimit, Secrets, Session, SessionError, SessionId,
    SessionLayer, Store as _,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tracing_subscriber::fmt::MakeWriter;

use client::Client;
use troubled::Troubled;

const SECRET: &str = "a secret that must not be seen anywhere";
const VALUE: &str = "a value that must not be seen anywhere";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// All counters since the last call, as `name{label=value}`.
fn counters(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<_> = key
            .key()
            .labels()
            .map(|l| format!("{}={}", l.key(), l.value()))
            .collect();
        let name = format!("{}{{{}}}", key.key().name(), labels.join(","));
        match value {
            DebugValue::Counter(count) if count > 0 => drop(counters.insert(name, count)),
            DebugValue::Histogram(samples) => drop(counters.insert(name, samples.len() as u64)),
            _ => {}
        }
    }
    counters
}

fn routes() -> Router {
    let slow_write = async |session: Session| {
        session.update("n", |n: Option<u32>| n.unwrap_or(0) + 1)?;
        tokio::time::sleep(Duration::from_millis(30)).await;
        Ok::<_, SessionError>(())
    };
    Router::new()
        .route(
            "/write",
            get(async |session: Session| session.insert("secret", VALUE).map_err(SessionError)),
        )
        .route("/slow-write", get(slow_write))
        .route("/read", get(async |session: Session| drop(session)))
        .route(
            "/rotate",
            get(async |session: Session| session.rotate().map_err(SessionError)),
        )
        .route(
            "/sign-in",
            get(async |session: Session| session.sign_in(VALUE).map_err(SessionError)),
        )
        .route(
            "/destroy",
            get(async |session: Session| session.destroy().map_err(SessionError)),
        )
        .route(
            "/mistake",
            get(async |session: Session| {
                session.get::<u8>("secret").map(drop).map_err(SessionError)
            }),
        )
        .route(
            "/uncommitted",
            get(async |session: Session| {
                session.keep_open();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    session.insert("late", VALUE).unwrap();
                });
            }),
        )
}

#[tokio::test(start_paused = true)]
async fn r28_r29_r45_everything_is_counted_and_nothing_secret_is_shown() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(log.clone())
        .init();

    let memory = MemoryStore::new();
    let store = Troubled::new(memory.clone());
    let layer = SessionLayer::builder(store.clone(), Secrets::new([SECRET]).unwrap())
        .lifetime(Lifetime::idle(Duration::from_secs(60)))
        .build()
        .unwrap();
    tracing::info!(?layer, "the layer");
    let client = Client::new(routes().layer(layer));
    let mut seen = vec![SECRET.to_owned(), VALUE.to_owned()];
    let mut remember = |client: &Client| {
        seen.extend(client.cookie("__Host-sid"));
        seen.extend(client.id("__Host-sid"));
    };
    let count = |expected: &[(&str, u64)]| {
        let counters = counters(&snapshotter);
        for (name, times) in expected {
            assert_eq!(counters.get(*name), Some(times), "{name} in {counters:#?}");
        }
    };

    client.get("/write").await;
    remember(&client);
    count(&[
        ("cloakroom_commits_total{operation=create,outcome=done}", 1),
        ("cloakroom_store_seconds{operation=create}", 1),
    ]);

    client.get("/read").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    count(&[
        ("cloakroom_loads_total{outcome=live}", 1),
        ("cloakroom_renewals_total{outcome=done}", 1),
        ("cloakroom_store_seconds{operation=load}", 1),
    ]);

    let (one, two) = (client.copy(), client.copy());
    tokio::join!(one.get("/slow-write"), two.get("/slow-write"));
    count(&[
        ("cloakroom_conflicts_total{}", 1),
        ("cloakroom_commits_total{operation=replace,outcome=done}", 2),
    ]);

    let old = client.copy();
    client.get("/sign-in").await;
    remember(&client);
    client.get("/rotate").await;
    remember(&client);
    old.get("/write").await;
    remember(&old);
    count(&[
        ("cloakroom_commits_total{operation=rotate,outcome=done}", 2),
        ("cloakroom_loads_total{outcome=ended}", 1),
        ("cloakroom_lost_changes_total{reason=ended}", 1),
    ]);

    client.get("/mistake").await;
    client.get("/uncommitted").await;
    let lost = "cloakroom_lost_changes_total{reason=uncommitted}";
    // A machine that is busy may take its time over it.
    let mut tries = 0;
    while !counters(&snapshotter).contains_key(lost) {
        tries += 1;
        assert!(tries < 200, "{lost}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }

    let id = SessionId::parse(&client.id("__Host-sid").unwrap()).unwrap();
    let cloakroom::core::Loaded::Live(stored) = memory.load(&id).await.unwrap() else {
        panic!("it lives");
    };
    let poison = Bytes::from(format!("{{\"{VALUE}\""));
    memory
        .replace(&id, &stored.value, poison, Duration::from_secs(60))
        .await
        .unwrap();
    client.copy().get("/read").await;
    count(&[("cloakroom_loads_total{outcome=unreadable}", 1)]);

    client.get("/destroy").await;
    let stranger = client.other();
    stranger.get("/write").await;
    remember(&stranger);
    stranger.get("/destroy").await;
    count(&[("cloakroom_commits_total{operation=end,outcome=done}", 1)]);

    // Guessing shows: bad tickets and unknown ids are counted.
    let guess = cloakroom::core::ticket::sign("guessed", &Secrets::new([SECRET]).unwrap());
    let guesser = client.other();
    guesser.put_cookie("__Host-sid", &guess);
    guesser.get("/read").await;
    guesser.put_cookie(
        "__Host-sid",
        "s%3Aguessed.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    );
    guesser.get("/read").await;
    seen.push("guessed".into());
    let counters = counters(&snapshotter);
    assert_eq!(
        counters.get("cloakroom_unknown_ids_total{}"),
        Some(&1),
        "{counters:#?}"
    );
    let bad: Vec<_> = counters
        .keys()
        .filter(|name| name.starts_with("cloakroom_bad_tickets_total"))
        .collect();
    assert_eq!(bad.len(), 1, "{counters:#?}");

    stranger.get("/write").await;
    store.fail(&["*"]);
    stranger.get("/write").await;
    count(&[
        ("cloakroom_loads_total{outcome=error}", 1),
        ("cloakroom_failures_total{kind=unavailable}", 1),
    ]);

    // Owners: the second sign-in evicts the first, a revocation ends the second, and what a peer signed in is adopted.
    let memory = MemoryStore::new();
    let layer = SessionLayer::builder(memory.clone(), Secrets::new([SECRET]).unwrap())
        .owners(memory.clone())
        .owner_limit(OwnerLimit::EvictOldest(1))
        .owner_from(|session| session.get("user").or(session.signed_in()))
        .build()
        .unwrap();
    tracing::info!(?layer, "the layer with owners");
    let owners = layer.owners().unwrap();
    let client = Client::new(routes().layer(layer));
    let (first, second, third) = (client.other(), client.other(), client.other());
    first.get("/sign-in").await;
    second.get("/sign-in").await;
    for browser in [&first, &second] {
        seen.extend(browser.id("__Host-sid"));
    }
    tracing::info!(?owners, listed = ?owners.list(VALUE).await.unwrap().len(), "the owners");
    let handle = owners.list(VALUE).await.unwrap()[0].handle;
    assert!(owners.revoke(VALUE, &handle).await.unwrap());
    // Of what is listed and not there, none is ended, and none is counted.
    let ghost = SessionId::parse("a-ghost").unwrap();
    memory
        .claim(VALUE, &ghost, Duration::from_secs(60), None)
        .await
        .unwrap();
    assert!(!owners.revoke(VALUE, &ghost.handle()).await.unwrap());
    first.get("/sign-in").await;
    owners.revoke_all(VALUE).await.unwrap();
    owners.revoke_everybody().await.unwrap();
    let value = format!(r#"{{"cookie":{{"originalMaxAge":null}},"user":"{VALUE}"}}"#);
    let id = SessionId::parse("a-peers-session").unwrap();
    let day = Duration::from_secs(86_400);
    memory.create(&id, value.into(), day).await.unwrap();
    let ticket = cloakroom::core::ticket::sign(id.as_str(), &Secrets::new([SECRET]).unwrap());
    third.put_cookie("__Host-sid", &ticket);
    third.get("/read").await;
    let value = format!(r#"{{"cookie":{{}},"__ck":{{"owner":"{VALUE}","signedIn":1}}}}"#);
    let id = SessionId::parse("an-old-session").unwrap();
    memory.create(&id, value.into(), day).await.unwrap();
    let ticket = cloakroom::core::ticket::sign(id.as_str(), &Secrets::new([SECRET]).unwrap());
    third.put_cookie("__Host-sid", &ticket);
    third.get("/read").await;
    seen.extend(["a-peers-session".to_owned(), "an-old-session".to_owned()]);
    count(&[
        ("cloakroom_evictions_total{outcome=evicted}", 1),
        ("cloakroom_revocations_total{scope=session}", 1),
        ("cloakroom_revocations_total{scope=owner}", 1),
        ("cloakroom_revocations_total{scope=everybody}", 1),
        ("cloakroom_adoptions_total{outcome=adopted}", 1),
        ("cloakroom_loads_total{outcome=revoked}", 1),
    ]);

    let log = log.text();
    for needle in [
        "session_load",
        "session_commit",
        "never committed",
        "cannot be read",
        "the session store failed",
        "sessions were revoked",
        "a session was revoked",
        "as many as `owner_limit` allows",
    ] {
        assert!(log.contains(needle), "the log lacks {needle:?}");
    }
    for needle in seen {
        assert!(!log.contains(&needle), "the log shows {needle:?}");
    }
}
