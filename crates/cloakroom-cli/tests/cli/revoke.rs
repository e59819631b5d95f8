//! Ending sessions.

use cloakroom::{EndReason, Store as _, core::Loaded};

use crate::{
    stage::{EXPRESS, HOUR, handle, id, on, owned, put, sign_in, store},
    support::{Program, Server},
};

const DESTROYED: Loaded = Loaded::Ended(EndReason::Destroyed);

#[tokio::test]
async fn r10_a_session_that_was_revoked_has_a_tombstone() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let library = store(&server).await;
        sign_in(&library, "花子", "a").await;
        put(&server, "b", EXPRESS, HOUR);
        put(&server, "c", EXPRESS, HOUR);
        let run = on(
            &server,
            &["sessions", "revoke", &handle("a"), &handle("b"), "--yes"],
        );
        assert!(run.err.contains("owner 花子"), "{run:?}");
        assert_eq!(run.well(), "Ended 2 sessions.\n");
        for name in ["a", "b"] {
            assert_eq!(library.load(&id(name)).await.unwrap(), DESTROYED);
        }
        assert!(matches!(library.load(&id("c")).await, Ok(Loaded::Live(_))));
        assert!(owned(library, "花子").await.is_empty());
    }
}

#[tokio::test]
async fn r31_all_sessions_of_an_owner_and_all_but_some() {
    let server = Server::redis();
    let library = store(&server).await;
    for name in ["a", "b", "c"] {
        sign_in(&library, "花子", name).await;
    }
    sign_in(&library, "ken", "d").await;
    let all_but = [
        "sessions",
        "revoke",
        "--owner",
        "花子",
        "--all-but",
        &handle("b"),
        "--yes",
    ];
    assert_eq!(on(&server, &all_but).well(), "Ended 2 sessions.\n");
    assert_eq!(owned(library.clone(), "花子").await, [handle("b")]);
    let run = on(
        &server,
        &["sessions", "revoke", "--owner", "花子", "--yes", "--json"],
    );
    assert_eq!(run.well(), "{\"ended\":1,\"alreadyOver\":0}\n");
    assert!(owned(library.clone(), "花子").await.is_empty());
    assert_eq!(library.load(&id("b")).await.unwrap(), DESTROYED);
    assert_eq!(owned(library, "ken").await, [handle("d")]);
}

#[tokio::test]
async fn a_session_that_was_to_stay_must_be_there() {
    let server = Server::redis();
    let library = store(&server).await;
    sign_in(&library, "花子", "a").await;
    let all_but = [
        "sessions",
        "revoke",
        "--owner",
        "花子",
        "--all-but",
        &handle("mistyped"),
        "--yes",
    ];
    let run = on(&server, &all_but);
    assert_eq!(run.status, Some(1), "{run:?}");
    assert_eq!(owned(library, "花子").await.len(), 1);
}

#[tokio::test]
async fn everybody_and_nobody() {
    let server = Server::redis();
    let library = store(&server).await;
    sign_in(&library, "花子", "a").await;
    sign_in(&library, "ken", "b").await;
    put(&server, "express", EXPRESS, HOUR);
    let run = on(&server, &["sessions", "revoke", "--everybody", "--yes"]);
    assert_eq!(run.well(), "Ended 2 sessions.\n");
    // A Node peer goes by what it finds.
    assert_eq!(
        server.call(&["EXISTS", "sess:a", "sess:b", "sess:express"]),
        "1"
    );
    // And so does a list: what comes back from a backup has been revoked.
    let value = r#"{"cookie":{"originalMaxAge":60000},"__ck":{"owner":"花子","signedIn":1}}"#;
    put(&server, "restored", value, HOUR);
    let text = on(&server, &["sessions", "ls"]).well();
    assert!(
        text.starts_with(&handle("express")) && text.lines().count() == 1,
        "{text}"
    );
    let run = on(
        &server,
        &[
            "sessions",
            "revoke",
            "--everybody",
            "--anonymous-too",
            "--yes",
        ],
    );
    assert_eq!(run.well(), "Ended 2 sessions.\n");
    assert_eq!(
        server.call(&["EXISTS", "sess:express", "sess:restored"]),
        "0"
    );
}

#[tokio::test]
async fn without_a_terminal_nobody_can_be_asked() {
    let server = Server::redis();
    let library = store(&server).await;
    sign_in(&library, "花子", "a").await;
    for arguments in [
        &["sessions", "revoke", &handle("a")][..],
        &["sessions", "revoke", "--owner", "花子"],
        &["sessions", "revoke", "--everybody"],
    ] {
        let run = on(&server, arguments);
        assert_eq!((run.status, run.out.as_str()), (Some(4), ""), "{run:?}");
        assert!(run.err.contains("--yes"), "{run:?}");
    }
    assert_eq!(owned(library, "花子").await.len(), 1);
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let server = Server::redis();
    let unknown = handle("unknown");
    for arguments in [
        &["sessions", "revoke", &unknown, "--yes"][..],
        &["sessions", "revoke", "deadbeef", "--yes"],
        &["sessions", "revoke", "--id", "hunter2", "--yes"],
        &["sessions", "show", &unknown],
        &["sessions", "show", &unknown, "--owner", "花子"],
    ] {
        let run = on(&server, arguments);
        assert_eq!(run.status, Some(1), "{run:?}");
        assert!(
            run.err.contains("no session") && !run.err.contains("hunter2"),
            "{run:?}"
        );
    }
}
