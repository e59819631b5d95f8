//! Connections that the load balancer keeps.

use std::time::Duration;

use app::{config::Cli, startup};
use clap::Parser as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Sends one request on a connection that stays, and reads the answer to its end.
async fn ask(stream: &mut TcpStream) -> String {
    let request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"live\n") {
        let count = stream.read_buf(&mut answer).await.unwrap();
        assert!(count > 0, "the connection was closed");
    }
    String::from_utf8(answer).unwrap()
}

/// A load balancer that sends a request on a connection which the application is just closing answers 502 by itself. So whoever
/// is in front must be the first to close, and the application closes nothing that is idle: hyper has such a limit of 30
/// seconds, which counts only for servers with a timer.
#[tokio::test]
async fn an_idle_connection_stays_open() {
    let arguments = [
        "cloakroom-login",
        "--port",
        "0",
        "--session-store",
        "memory",
        // All in the test's runtime, whose time it changes.
        "--workers",
        "1",
    ];
    let config = Cli::parse_from(arguments).settings.check().unwrap();
    let application = startup::build(config).await.unwrap();
    let address = application.address();
    let serving = tokio::spawn(application.run_until_stopped(std::future::pending()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200"));
    // All timers of this runtime, the server's among them, are an hour older after this.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3600)).await;
    tokio::time::resume();
    assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200"));
    serving.abort();
}
