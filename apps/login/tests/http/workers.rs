//! Several threads that serve: nobody notices which one it was.

use std::{fs, time::Duration};

use tokio::net::TcpStream;

use crate::{App, outage::Breakable, support::PATIENCE};

/// How many further threads serve. Linux knows their names.
fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("visitors-")).count()
}

async fn until(threads_are: usize) {
    let waiting = async {
        while threads() != threads_are {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "{} threads", threads());
}

async fn start(workers: usize) -> App {
    App::start_with(|s| s.workers = Some(workers.to_string())).await
}

#[tokio::test]
async fn each_serves_and_all_know_the_sessions_and_who_asks() {
    let app = start(3).await;
    until(2).await;
    let mut visitor = app.visitor();
    visitor.log_in("a").await;
    // Each request comes by a connection of its own, so they go round.
    for _ in 0..6 {
        assert!(visitor.is_logged_in().await);
        let devices = visitor.get("/devices").await;
        assert!(devices.body.contains("127.0.0.1"), "{}", devices.body);
    }
    for _ in 0..3 {
        let mut other = app.visitor();
        other.log_in("a").await;
    }
    let devices = visitor.get("/devices").await.body;
    assert_eq!(devices.matches("127.0.0.1").count(), 4, "{devices}");
    app.stop().await;
    until(0).await;
}

#[tokio::test]
async fn one_needs_no_further_thread() {
    let app = start(1).await;
    let mut visitor = app.visitor();
    visitor.log_in("a").await;
    assert_eq!(threads(), 0);
    app.stop().await;
}

/// What is under way on any of them when the application is told to stop.
#[tokio::test]
async fn requests_in_flight_are_answered_by_all_before_the_end() {
    let store = Breakable::default();
    let app = App::start_with_store(store.clone(), |s| s.workers = Some("3".into())).await;
    let mut visitor = app.visitor().that_takes_no();
    visitor.log_in("a").await;
    let address = app.address;
    // A browser that keeps its connection and asks nothing holds nobody up.
    let mut idle = Vec::new();
    for _ in 0..3 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    store.set(Breakable::HANG);
    let before = store.calls();
    let asked: Vec<_> = (0..6)
        .map(|_| {
            let mut visitor = visitor.clone();
            tokio::spawn(async move { visitor.get("/").await.status })
        })
        .collect();
    while store.calls() < before + 6 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    app.stop().await;
    for answer in asked {
        assert_eq!(
            answer.await.unwrap(),
            503,
            "answered, though without the store"
        );
    }
    assert!(TcpStream::connect(address).await.is_err());
    until(0).await;
    drop(idle);
}

/// As a test does that is over, or whoever embeds the application.
#[tokio::test]
async fn they_end_with_whoever_lets_go_of_them() {
    let app = start(3).await;
    until(2).await;
    let _idle = TcpStream::connect(app.address).await.unwrap();
    app.running.abort();
    until(0).await;
}
