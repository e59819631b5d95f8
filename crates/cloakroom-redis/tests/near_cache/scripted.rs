//! A server that says things in an order of its own.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

/// The session whose loads get no answer.
const SILENT: &str = "session-000009";

/// Answers loads with `answer`; how many there were.
async fn server(answer: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let loads = Arc::new(AtomicUsize::new(0));
    let count = loads.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, answer, count.clone()));
        }
    });
    (url, loads)
}

async fn serve(mut stream: TcpStream, answer: &'static str, loads: Arc<AtomicUsize>) {
    let mut buffer = vec![0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let said = String::from_utf8_lossy(&buffer[..read]).into_owned();
        let reply = if said.contains("TRACKING") {
            "%0\r\n$0\r\n\r\n+OK\r\n+OK\r\n"
        } else if said.contains("HELLO") {
            "%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n"
        } else if said.contains(SILENT) {
            continue;
        } else {
            loads.fetch_add(1, Ordering::SeqCst);
            answer
        };
        stream.write_all(reply.as_bytes()).await.unwrap();
    }
}

/// On one thread, so that the connection's task reads all that has come before the reader wakes up.
async fn loads_of_three(answer: &'static str) -> usize {
    let (url, loads) = server(answer).await;
    let store = cached(&url, NearCache::new().max_age(LONG)).await;
    for _ in 0..3 {
        let stored = live(&store, 1).await;
        assert_eq!(stored.value, "old");
    }
    loads.load(Ordering::SeqCst)
}

#[tokio::test]
async fn an_answer_is_kept_if_nothing_is_said_against_it() {
    let answer = "+OK\r\n$3\r\nold\r\n:60000\r\n_\r\n";
    assert_eq!(loads_of_three(answer).await, 1);
    // What concerns others, or is no news of keys, does not matter.
    let others = "+OK\r\n$3\r\nold\r\n:60000\r\n_\r\n\
        >2\r\n$10\r\ninvalidate\r\n*1\r\n$19\r\nsess:session-000002\r\n>2\r\n$4\r\nnews\r\n$1\r\nx\r\n";
    assert_eq!(loads_of_three(others).await, 1);
}

/// The race, made certain: the server answers and says in the same breath that the key has changed.
#[tokio::test]
async fn an_answer_that_is_overtaken_by_news_is_not_kept() {
    for answer in [
        "+OK\r\n$3\r\nold\r\n:60000\r\n_\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$19\r\nsess:session-000001\r\n",
        "+OK\r\n$3\r\nold\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$19\r\nsess:session-000001\r\n:60000\r\n_\r\n",
        "+OK\r\n$3\r\nold\r\n:60000\r\n_\r\n>2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\nx\r\n$19\r\nsess:session-000001\r\n",
        // All keys, in both forms that servers have, and what nobody can read.
        "+OK\r\n$3\r\nold\r\n:60000\r\n_\r\n>2\r\n$10\r\ninvalidate\r\n_\r\n",
        "+OK\r\n$3\r\nold\r\n:60000\r\n_\r\n>2\r\n$10\r\ninvalidate\r\n*-1\r\n",
        "+OK\r\n$3\r\nold\r\n:60000\r\n_\r\n>2\r\n$10\r\ninvalidate\r\n:7\r\n",
        // The server does not remember what it was asked for.
        "-NOPERM no\r\n$3\r\nold\r\n:60000\r\n_\r\n",
    ] {
        assert_eq!(loads_of_three(answer).await, 3, "{answer:?}");
    }
}

/// On one thread: whoever keeps the connection has not yet run when the next load begins.
#[tokio::test]
async fn nothing_is_answered_from_a_connection_that_was_given_up_just_now() {
    let (url, loads) = server("+OK\r\n$3\r\nold\r\n:60000\r\n_\r\n").await;
    let store = cached(&url, NearCache::new().max_age(LONG)).await;
    for _ in 0..2 {
        live(&store, 1).await;
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    for _ in 0..2 {
        let id = id(9);
        let load = tokio::time::timeout(Duration::from_millis(200), store.load(&id));
        assert!(load.await.is_err());
    }
    live(&store, 1).await;
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}
