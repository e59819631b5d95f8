//! When a connection is given up and how often a new one is made, at a server that is made of nothing but its bad manners.

mod support;

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cloakroom_core::{ErrorKind, Loaded, SessionId, Store as _};
use cloakroom_redis::RedisStore;
use support::PATIENCE;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    time::sleep,
};

fn id(number: u8) -> SessionId {
    SessionId::from_random([number; 24])
}

/// Takes connections, answers the greeting and leaves the rest to `then`. The address, and how many connections there were.
async fn server<F: Future<Output = ()> + Send + 'static>(
    then: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let mut greeting = [0; 4096];
            let _ = stream.read(&mut greeting).await;
            // It does not know HELLO, and INFO is not allowed.
            let _ = stream.write_all(b"-ERR unknown\r\n-NOPERM no\r\n").await;
            tokio::spawn(then(stream));
        }
    });
    (url, connections)
}

/// The answer to a look for a session that does not exist.
const MISSING: &[u8] = b":-2\r\n*2\r\n$-1\r\n$-1\r\n";

/// Calls that wait behind large values may all be late although the connection works: answers keep coming. To leave it then
/// would lose what is under way and send it all again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_on_which_answers_come_is_not_given_up() {
    let go_on = Arc::new(Notify::new());
    let told = go_on.clone();
    let (asked, mut questions) = watch::channel(0);
    let (url, connections) = server(move |mut stream| {
        let (told, asked) = (told.clone(), asked.clone());
        async move {
            let (mut calls, mut buffer) = (String::new(), [0; 4096]);
            while *asked.borrow() < 3 {
                let read = stream.read(&mut buffer).await.unwrap();
                calls += str::from_utf8(&buffer[..read]).unwrap();
                asked.send_replace(calls.matches("MGET").count());
            }
            stream.write_all(MISSING).await.unwrap();
            told.notified().await;
            let late = [MISSING, MISSING].concat();
            stream.write_all(&late).await.unwrap();
            while let Ok(1..) = stream.read(&mut buffer).await {
                stream.write_all(MISSING).await.unwrap();
            }
        }
    })
    .await;
    let store = RedisStore::builder(url)
        .command_timeout(Duration::from_secs(3))
        .connect_timeout(PATIENCE)
        .connect()
        .await
        .unwrap();
    let mut calls = Vec::new();
    for number in 0..3 {
        let store = store.clone();
        calls.push(tokio::spawn(async move { store.load(&id(number)).await }));
        // One after the other, since loads that come up together are one question.
        let asked = questions.wait_for(|asked| *asked == calls.len()).await;
        asked.expect("the server is there");
    }
    let mut answered = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(loaded) => {
                assert_eq!(loaded, Loaded::Missing);
                answered += 1;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Timeout, "{error}"),
        }
    }
    assert_eq!(answered, 1);
    go_on.notify_one();
    assert_eq!(store.load(&id(4)).await.unwrap(), Loaded::Missing);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

/// A server, or something in between, that greets and hangs up must not be called without a pause, and must not keep a
/// start waiting: the connection may be gone before anybody has seen it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_up_after_the_greeting_is_not_hammered() {
    let (url, connections) = server(async |stream| drop(stream)).await;
    // Where the connection was gone before the greeting was over, there is no store and nobody who tries again.
    let store = loop {
        let connect = RedisStore::builder(url.as_str()).connect();
        let store = tokio::time::timeout(PATIENCE, connect).await;
        if let Ok(store) = store.expect("connect answers, whatever it answers") {
            break store;
        }
    };
    let start = Instant::now();
    let before = connections.load(Ordering::SeqCst);
    while connections.load(Ordering::SeqCst) < before + 8 {
        assert!(start.elapsed() < PATIENCE, "it is not tried again");
        sleep(Duration::from_millis(5)).await;
    }
    let time = start.elapsed();
    drop(store);
    assert!(time > Duration::from_secs(1), "8 connections in {time:?}");
}
