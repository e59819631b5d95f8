//! Several threads that serve: nobody notices which one it was.

use std::time::Duration;

use tokio::{io::AsyncReadExt as _, net::TcpStream};

use crate::{App, outage::Breakable, support::PATIENCE};

async fn start(workers: usize) -> App {
    App::start_with(|s| s.workers = Some(workers.to_string())).await
}

#[tokio::test]
async fn all_know_the_sessions_and_who_asks() {
    for workers in [1, 3] {
        let app = start(workers).await;
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
    }
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
}

/// A visit counts that was answered just before the end, on whichever thread: its session is renewed beside the response.
#[tokio::test]
async fn what_is_renewed_beside_the_last_response_is_renewed() {
    for others in 0..3 {
        let store = Breakable::default();
        let app = App::start_with_store(store.clone(), |s| s.workers = Some("3".into())).await;
        let mut visitor = app.visitor();
        visitor.log_in("a").await;
        let mut before = Vec::new();
        for _ in 0..others {
            before.push(TcpStream::connect(app.address).await.unwrap());
        }
        // That of the page which the login led to.
        while store.renewals() < 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        visitor.get("/").await;
        app.stop().await;
        assert_eq!(store.renewals(), 2, "after {others} others");
    }
}

/// As a test does that is over, or whoever embeds the application: the other threads end, and with them what they serve.
#[tokio::test]
async fn they_end_with_whoever_lets_go_of_them() {
    let app = start(3).await;
    let mut visitors = Vec::new();
    for _ in 0..3 {
        visitors.push(TcpStream::connect(app.address).await.unwrap());
    }
    // Each has been dealt when a later one is answered.
    assert_eq!(app.visitor().get("/livez").await.status, 200);
    app.running.abort();
    // The first is served by the runtime of this test, which goes on.
    for stream in &mut visitors[1..] {
        let mut byte = [0];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut byte));
        assert_eq!(read.await.unwrap().unwrap(), 0);
    }
}
