//! The application on Redis and Valkey: what the article is about.

#[path = "../support/program.rs"]
mod program_support;
#[path = "../../../../crates/cloakroom-redis/tests/support/mod.rs"]
mod servers;
#[path = "../support/mod.rs"]
mod support;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use cloakroom::{OwnerIndex as _, core::owner_index::Whose, redis::RedisStore};
use program_support::{Running, program, texts};
use servers::{PATIENCE, Program, Server};
use support::Visitor;

const SECRET: &str = "a secret that all processes share and that is long";

fn start(folder: &Path, server: &Server) -> Running {
    let port = server.port.to_string();
    Running::start(
        folder,
        &[
            ("SESSION_SECRET", SECRET),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
        ],
    )
}

/// Done means: two processes behind one server; restart one: nobody notices.
#[tokio::test]
async fn two_processes_share_the_sessions_and_one_of_them_is_restarted() {
    for (kind, server) in [("Redis", Server::redis()), ("Valkey", Server::valkey())] {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (start(folder.path(), &server), start(folder.path(), &server));
        let line = format!("Sessions are kept by {kind} ");
        assert!(one.printed.contains(&line), "{}", one.printed);
        assert!(
            one.printed.contains(&server.port.to_string()),
            "{}",
            one.printed
        );
        let mut visitor = Visitor::new(one.address);
        visitor.log_in("%E8%8A%B1%E5%AD%90").await;
        visitor.address = two.address;
        assert!(visitor.is_logged_in().await);
        one.stop();
        assert!(visitor.is_logged_in().await);
        let one = start(folder.path(), &server);
        visitor.address = one.address;
        assert!(visitor.is_logged_in().await);
        // Signed out on one of them, signed out on both, with a copy of the cookie too.
        let mut copy = visitor.clone();
        copy.address = two.address;
        visitor.post("/delete-session", "").await;
        assert!(!copy.is_logged_in().await);
    }
}

/// Each thread that serves has a connection of its own, unless there is a near cache.
#[tokio::test]
async fn each_worker_has_its_connection() {
    let cases = [("1", "off", 1), ("3", "off", 3), ("3", "5000", 1)];
    for (workers, near_cache, expected) in cases {
        let server = Server::redis();
        let folder = tempfile::tempdir().unwrap();
        let port = server.port.to_string();
        let running = Running::start(
            folder.path(),
            &[
                ("SESSION_SECRET", SECRET),
                ("WORKERS", workers),
                ("REDIS_NEAR_CACHE", near_cache),
                ("REDIS_HOST", "127.0.0.1"),
                ("REDIS_PORT", &port),
            ],
        );
        let mut visitor = Visitor::new(running.address);
        visitor.log_in("trillian").await;
        // Each request comes by a connection of its own, so they go round.
        for _ in 0..6 {
            assert!(visitor.is_logged_in().await);
        }
        assert_eq!(server.connections(), expected, "{workers} {near_cache}");
        let (status, log) = running.stop();
        assert!(status.success(), "{log}");
    }
}

fn start_with_near_cache(folder: &Path, server: &Server) -> Running {
    let port = server.port.to_string();
    let running = Running::start(
        folder,
        &[
            ("SESSION_SECRET", SECRET),
            ("SESSION_MAX_AGE", "3600000"),
            ("SESSION_RENEW_AFTER", "0.5"),
            ("REDIS_NEAR_CACHE", "60000"),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
        ],
    );
    assert!(running.printed.contains("kept here"), "{}", running.printed);
    running
}

/// How many loads the server has answered.
fn loads(server: &Server) -> String {
    let info = server.call(&["INFO", "commandstats"]);
    let line = info.lines().find(|line| line.starts_with("cmdstat_pttl:"));
    let calls = line.and_then(|line| line.split(',').next());
    calls.unwrap_or_default().to_owned()
}

/// Asks until the server is not asked.
async fn warm(server: &Server, visitor: &mut Visitor) {
    let start = Instant::now();
    loop {
        assert!(visitor.is_logged_in().await);
        let before = loads(server);
        assert!(visitor.is_logged_in().await);
        if loads(server) == before {
            return;
        }
        assert!(start.elapsed() < NEAR, "each page asks the server");
    }
}

async fn signed_out(visitor: &mut Visitor) {
    let start = Instant::now();
    while visitor.is_logged_in().await {
        assert!(start.elapsed() < NEAR, "still signed in");
    }
    println!(
        "signed out on the other process after {:?}",
        start.elapsed()
    );
}

/// Less than the maximum age: what is stale would still be.
const NEAR: Duration = Duration::from_secs(30);

/// A page costs the server nothing, and yet what one process signs out, or somebody revokes, no other process serves.
#[tokio::test]
async fn r10_two_processes_with_near_caches_see_each_other_s_sign_outs() {
    for (kind, server) in [("Redis", Server::redis()), ("Valkey", Server::valkey())] {
        let folder = tempfile::tempdir().unwrap();
        let one = start_with_near_cache(folder.path(), &server);
        let two = start_with_near_cache(folder.path(), &server);
        let mut visitor = Visitor::new(one.address);
        visitor.log_in("%E8%8A%B1%E5%AD%90").await;
        let mut copy = visitor.clone();
        copy.address = two.address;
        warm(&server, &mut copy).await;
        visitor.post("/delete-session", "").await;
        signed_out(&mut copy).await;

        // A revocation touches no session: the other process hears of it by itself.
        visitor.log_in("trillian").await;
        visitor.address = two.address;
        warm(&server, &mut visitor).await;
        let store = RedisStore::builder(server.url()).prefix("sid:");
        let store = store.connect_timeout(PATIENCE).command_timeout(PATIENCE);
        let store = store.connect().await.unwrap();
        store.revoke(Whose::Everybody).await.unwrap();
        signed_out(&mut visitor).await;
        println!("{kind}: done");
    }
}

/// A server that does not know the commands is used without a near cache, and the log says so once, with what to do.
#[tokio::test]
async fn a_near_cache_that_the_server_refuses_is_told_once() {
    let server = Server::start(Program::Redis, &["--rename-command", "CLIENT", ""]);
    let folder = tempfile::tempdir().unwrap();
    let port = server.port.to_string();
    let host = [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &*port)];
    let near = [("REDIS_NEAR_CACHE", "1000"), ("SESSION_SECRET", SECRET)];
    let running = Running::start(folder.path(), &[host, near].concat());
    assert!(
        !running.printed.contains("kept here"),
        "{}",
        running.printed
    );
    let mut visitor = Visitor::new(running.address);
    for _ in 0..2 {
        visitor.log_in("trillian").await;
        assert!(visitor.is_logged_in().await);
        server.kill();
        server.restart(&[]);
        visitor.cookie = None;
    }
    visitor.log_in("trillian").await;
    let (_, log) = running.stop();
    assert_eq!(log.matches("+client|tracking").count(), 1, "{log}");
}

/// Renewing at each use makes the server speak against what is kept: whoever set it so is told.
#[tokio::test]
async fn a_near_cache_without_fewer_renewals_is_a_warning() {
    let server = Server::redis();
    let folder = tempfile::tempdir().unwrap();
    let port = server.port.to_string();
    let host = [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &*port)];
    let near = [("REDIS_NEAR_CACHE", "1000"), ("SESSION_SECRET", SECRET)];
    let running = Running::start(folder.path(), &[host, near].concat());
    let (_, log) = running.stop();
    assert!(log.contains("SESSION_RENEW_AFTER"), "{log}");
}

/// The value is where the article's application would look for it, as it would have written it.
#[tokio::test]
async fn the_value_is_express_s_under_the_article_s_prefix() {
    let server = Server::redis();
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), &server);
    let mut visitor = Visitor::new(running.address);
    visitor.get("/login").await;
    let id = visitor.cookie.clone().unwrap();
    let id = support::between(&id, "s%3A", ".").to_owned();
    let value = server.call(&["GET", &format!("sid:{id}")]);
    assert!(
        value.contains(r#"{"cookie":{"originalMaxAge":60000,"expires":""#),
        "{value}"
    );
    assert!(
        value.contains(r#"Z","httpOnly":true,"path":"/"}}"#),
        "{value}"
    );
}

/// A logged-in page costs one pipeline that is waited for, and the renewal that is not.
#[tokio::test]
async fn a_logged_in_page_is_one_pipeline_and_a_renewal() {
    let server = Server::redis();
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), &server);
    let mut visitor = Visitor::new(running.address);
    visitor.log_in("trillian").await;
    // The login's own renewal, which nobody waits for either.
    let renewed = "cmdstat_pexpire";
    let start = Instant::now();
    while !server.call(&["INFO", "commandstats"]).contains(renewed) {
        assert!(start.elapsed() < PATIENCE, "no renewal");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut monitor = server.wire();
    monitor.send(&["MONITOR"]).unwrap();
    monitor.receive().unwrap().unwrap();
    assert!(visitor.is_logged_in().await);
    let mut commands = Vec::new();
    let mut ended = false;
    loop {
        let line = monitor.receive().unwrap().unwrap();
        if line.contains("done") {
            break;
        }
        let command = support::between(&line, "] \"", "\"").to_uppercase();
        commands.push(command);
        // The renewal's last command. What else there may be has a moment to come.
        if commands.len() >= 5 && !ended {
            ended = true;
            tokio::time::sleep(Duration::from_millis(200)).await;
            server.call(&["ECHO", "done"]);
        }
    }
    println!("GET / asks the server: {commands:?}");
    // Time to live, the session with its tombstone, and the revision of the revocations in one pipeline; then the renewal, which
    // looks for a tombstone once more.
    assert_eq!(commands, ["PTTL", "MGET", "GET", "PEXPIRE", "EXISTS"]);
}

#[tokio::test]
async fn an_outage_is_503_and_the_visitor_is_still_logged_in_after_it() {
    let server = Server::start(Program::Redis, &[]);
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), &server);
    let mut visitor = Visitor::new(running.address);
    visitor.log_in("trillian").await;
    let mut visitor = visitor.that_takes_no();
    server.freeze();
    let answer = visitor.get("/").await;
    assert_eq!(answer.status.as_u16(), 503);
    assert!(answer.cookies().is_empty());
    assert_eq!(visitor.get("/livez").await.status.as_u16(), 200);
    assert_eq!(visitor.get("/readyz").await.status.as_u16(), 503);
    server.thaw();
    let start = Instant::now();
    while visitor.get("/").await.status.as_u16() != 200 {
        assert!(start.elapsed() < PATIENCE, "it does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(visitor.is_logged_in().await);
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_named_without_its_password() {
    let server = Server::start(Program::Redis, &["--requirepass", "right"]);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("redis://:hunter2@127.0.0.1:{}", server.port);
    let output = program(folder.path())
        .env("PORT", "0")
        .env("REDIS_URL", &url)
        .output()
        .unwrap();
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains(&server.port.to_string()) && err.contains("password"),
        "{err}"
    );
    assert!(
        !err.contains("hunter2") && !out.contains("hunter2"),
        "{err}"
    );
}

/// In containers both start at once.
#[tokio::test]
async fn a_start_waits_a_while_for_its_server() {
    let server = Server::redis();
    server.kill();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let port = server.port.to_string();
    let starting = tokio::task::spawn_blocking(move || {
        Running::start(&path, &[("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &port)])
    });
    tokio::time::sleep(Duration::from_millis(800)).await;
    server.restart(&[]);
    let running = starting.await.unwrap();
    let mut visitor = Visitor::new(running.address);
    visitor.log_in("trillian").await;
    let (_, log) = running.stop();
    assert!(log.contains("trying again"), "{log}");
    assert!(
        log.contains("every process that shares these sessions"),
        "{log}"
    );
}
