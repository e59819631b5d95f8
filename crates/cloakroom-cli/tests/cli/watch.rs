//! Watching.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use cloakroom::{EndReason, Store as _};
use serde_json::Value;

use crate::{
    stage::{EXPRESS, HOUR, handle, id, program, put, sign_in, store},
    support::Server,
};

#[tokio::test]
async fn sessions_that_begin_and_end_are_told_until_ctrl_c() {
    let server = Server::redis();
    let library = store(&server).await;
    put(&server, "before", EXPRESS, HOUR);
    let mut command = program();
    command
        .env("SESSION_STORE", server.url())
        .args(["sessions", "watch", "--interval", "50ms", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    let begins = notes.next().unwrap().unwrap();
    assert!(begins.starts_with("1 session at the beginning"), "{begins}");
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&events.next().unwrap().unwrap()).unwrap() };

    put(&server, "new", EXPRESS, HOUR);
    let event = next();
    assert_eq!(
        (&event["event"], &event["handle"]),
        (&"began".into(), &handle("new").into())
    );
    sign_in(&library, "花子", "hanako").await;
    let event = next();
    assert_eq!(
        (&event["event"], &event["owner"]),
        (&"signedIn".into(), &"花子".into())
    );
    library
        .end(&id("hanako"), EndReason::Destroyed)
        .await
        .unwrap();
    let event = next();
    assert_eq!(
        (&event["event"], &event["owner"]),
        (&"ended".into(), &"花子".into())
    );
    assert_eq!(event["handle"], handle("hanako"));

    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_reader_that_goes_ends_a_watch() {
    let server = Server::redis();
    let mut command = program();
    command
        .env("SESSION_STORE", server.url())
        .args(["sessions", "watch", "--interval", "20ms"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    notes.next().unwrap().unwrap();
    drop(child.stdout.take());
    put(&server, "new", EXPRESS, HOUR);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(
        notes.next().transpose().unwrap(),
        None,
        "it ends without a word"
    );
}
