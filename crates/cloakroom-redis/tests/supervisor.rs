//! When a connection is given up and how often a new one is made, at a server that is made of nothing but its bad manners.

mod support;

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cloakroom_core::{Loaded, SessionId, Store as _};
use cloakroom_redis::RedisStore;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
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
const MISSING: &[u8] = b"$-1\r\n:-2\r\n$-1\r\n";

/// Calls that wait behind large values may all be late although the connection works: answers keep coming. To leave it then
/// would lose what is under way and send it all again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_on_which_answers_come_is_not_given_up() {
    let (url, connections) = server(async |mut stream| {
        let mut calls = [0; 4096];
        let _ = stream.read(&mut calls).await;
        sleep(Duration::from_millis(700)).await;
        stream.write_all(MISSING).await.unwrap();
        sleep(Duration::from_millis(700)).await;
        stream
            .write_all(&[MISSING, MISSING].concat())
            .await
            .unwrap();
        while let Ok(1..) = stream.read(&mut calls).await {
            stream.write_all(MISSING).await.unwrap();
        }
    })
    .await;
    let store = RedisStore::builder(url)
        .command_timeout(Duration::from_millis(1000))
        .connect()
        .await
        .unwrap();
    let call = |number| {
        let store = store.clone();
        tokio::spawn(async move { store.load(&id(number)).await })
    };
    let first = call(1);
    sleep(Duration::from_millis(200)).await;
    let (second, third) = (call(2), call(3));
    assert_eq!(first.await.unwrap().unwrap(), Loaded::Missing);
    assert!(second.await.unwrap().is_err() && third.await.unwrap().is_err());
    assert_eq!(store.load(&id(4)).await.unwrap(), Loaded::Missing);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

/// A server, or something in between, that greets and hangs up must not be called without a pause, and must not keep a
/// start waiting: the connection may be gone before anybody has seen it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_up_after_the_greeting_is_not_hammered() {
    let (url, connections) = server(async |stream| drop(stream)).await;
    let connect = RedisStore::builder(url).connect();
    let store = tokio::time::timeout(Duration::from_secs(3), connect).await;
    let store = store.expect("connect answers, whatever it answers");
    sleep(Duration::from_millis(1500)).await;
    let connections = connections.load(Ordering::SeqCst);
    drop(store);
    assert!(connections < 30, "{connections} connections in 1.5 s");
    assert!(connections > 1, "it was not tried again");
}
