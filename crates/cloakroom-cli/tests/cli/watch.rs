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

/// Somebody who is not there costs no walk through all sessions at each look.
#[tokio::test]
async fn an_owner_is_watched_by_the_index() {
    let server = Server::redis();
    let library = store(&server).await;
    put(&server, "other", EXPRESS, HOUR);
    let mut command = program();
    command
        .env("SESSION_STORE", server.url())
        .args([
            "sessions",
            "watch",
            "--owner",
            "花子",
            "--interval",
            "20ms",
            "--json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    let begins = notes.next().unwrap().unwrap();
    assert!(
        begins.starts_with("0 sessions at the beginning"),
        "{begins}"
    );
    server.call(&["CONFIG", "RESETSTAT"]);
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&events.next().unwrap().unwrap()).unwrap() };
    for name in ["a", "b", "c"] {
        sign_in(&library, "ken", &format!("ken-{name}")).await;
        sign_in(&library, "花子", name).await;
        let event = next();
        assert_eq!(
            (&event["event"], &event["handle"]),
            (&"signedIn".into(), &handle(name).into())
        );
    }
    let commands = server.call(&["INFO", "commandstats"]);
    assert!(!commands.contains("cmdstat_scan"), "{commands}");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The sessions of an application without an index are seen by walks alone.
#[tokio::test]
async fn an_owner_whom_no_index_knows_is_watched_by_walks() {
    let server = Server::redis();
    let value = r#"{"cookie":{"originalMaxAge":60000},"__ck":{"owner":"花子","signedIn":1}}"#;
    put(&server, "a", value, HOUR);
    let mut command = program();
    command
        .env("SESSION_STORE", server.url())
        .args([
            "sessions",
            "watch",
            "--owner",
            "花子",
            "--interval",
            "20ms",
            "--json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    let way = notes.next().unwrap().unwrap();
    assert!(way.contains("No index"), "{way}");
    let begins = notes.next().unwrap().unwrap();
    assert!(begins.starts_with("1 session at the beginning"), "{begins}");
    put(&server, "b", value, HOUR);
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    let event: Value = serde_json::from_str(&events.next().unwrap().unwrap()).unwrap();
    assert_eq!(event["handle"], handle("b"));
    child.kill().unwrap();
    child.wait().unwrap();
}
