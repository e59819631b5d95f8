//! Ending sessions.

use cloakroom::{
    EndReason, OwnerIndex as _, Store as _,
    core::{Loaded, owner_index::Whose},
};

use crate::{
    stage::{EXPRESS, HOUR, as_user, handle, id, on, owned, put, sign_in, store},
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

/// Of somebody whom the index knows there may be sessions that it does not know: of an application without one, or of the time
/// before it had one.
#[tokio::test]
async fn r31_what_no_index_knows_is_ended_with_what_it_knows() {
    const UNKNOWN: &str =
        r#"{"cookie":{"originalMaxAge":60000},"__ck":{"owner":"花子","signedIn":1}}"#;
    let server = Server::redis();
    let library = store(&server).await;
    let furnish = async || {
        for name in ["a", "b"] {
            sign_in(&library, "花子", name).await;
        }
        put(&server, "c", UNKNOWN, HOUR);
        put(&server, "d", UNKNOWN, HOUR);
        put(&server, "e", EXPRESS, HOUR);
    };
    let live = || server.call(&["EXISTS", "sess:a", "sess:b", "sess:c", "sess:d", "sess:e"]);
    let run = |more: &[&str]| {
        let revoke = ["sessions", "revoke", "--owner", "花子", "--yes"];
        on(&server, &[&revoke, more].concat()).well()
    };
    furnish().await;
    // One that the index does not know may stay, too.
    assert_eq!(run(&["--all-but", &handle("c")]), "Ended 3 sessions.\n");
    assert_eq!(server.call(&["EXISTS", "sess:c"]), "1");
    server.call(&["FLUSHALL"]);
    furnish().await;
    assert_eq!(run(&["--all-but", &handle("b")]), "Ended 3 sessions.\n");
    assert_eq!(owned(library.clone(), "花子").await, [handle("b")]);
    server.call(&["FLUSHALL"]);
    furnish().await;
    assert_eq!(run(&[]), "Ended 4 sessions.\n");
    assert_eq!(live(), "1");
}

#[tokio::test]
async fn a_session_that_is_named_twice_is_ended_once() {
    let server = Server::redis();
    put(&server, "a", EXPRESS, HOUR);
    put(&server, "b", EXPRESS, HOUR);
    let (a, b) = (handle("a"), handle("b"));
    let fingerprint = id("a").fingerprint().to_string();
    let run = on(
        &server,
        &["sessions", "revoke", &a, &b, &a, &fingerprint, "--yes"],
    );
    assert_eq!(run.well(), "Ended 2 sessions.\n");
}

/// It stands in the store until it is presented, and is no session any more.
#[tokio::test]
async fn a_session_that_was_revoked_and_stands_is_none() {
    let server = Server::redis();
    let library = store(&server).await;
    library.revoke(Whose::Owner("花子")).await.unwrap();
    let value = r#"{"cookie":{"originalMaxAge":60000},"__ck":{"owner":"花子","signedIn":1}}"#;
    put(&server, "hunter2", value, HOUR);
    let show = on(&server, &["sessions", "show", "--id", "hunter2"]);
    assert_eq!(show.status, Some(1), "{show:?}");
    assert!(
        show.err.contains("was revoked") && !show.err.contains("hunter2"),
        "{show:?}"
    );
    let show = on(&server, &["sessions", "show", &handle("hunter2")]);
    assert!(show.err.contains("no session"), "{show:?}");
    // A Node peer knows nothing of that, so it can be ended in the store.
    let run = on(&server, &["sessions", "revoke", "--id", "hunter2", "--yes"]);
    assert_eq!(run.well(), "Ended 1 session.\n");
    assert_eq!(server.call(&["EXISTS", "sess:hunter2"]), "0");
    put(&server, "other", value, HOUR);
    let run = on(&server, &["sessions", "revoke", "--owner", "花子", "--yes"]);
    assert_eq!(run.well(), "Ended 1 session.\n");
    assert_eq!(server.call(&["EXISTS", "sess:other"]), "0");
}

/// The server stops it: some keys may be read alone.
#[tokio::test]
async fn a_revoke_that_fails_half_way_says_what_it_did() {
    let server = Server::redis();
    let library = store(&server).await;
    for name in ["a", "b"] {
        sign_in(&library, "花子", name).await;
    }
    let rights = ["~sess:a", "%R~sess:*", "~ck:*", "+@all"];
    let run = as_user(
        &server,
        &rights,
        &["sessions", "revoke", &handle("a"), &handle("b"), "--yes"],
    );
    assert_eq!(run.status, Some(3), "{run:?}");
    assert_eq!(
        run.out, "Ended 1 session. There may be others: run the command again.\n",
        "{run:?}"
    );
    let everybody = ["sessions", "revoke", "--everybody", "--yes"];
    let run = as_user(&server, &rights, &everybody);
    assert_eq!(run.status, Some(3), "{run:?}");
    assert!(
        run.out
            .starts_with("Ended 0 sessions. The revocation stands"),
        "{run:?}"
    );
    let run = as_user(&server, &rights, &[&everybody[..], &["--json"]].concat());
    assert_eq!(
        run.out,
        "{\"ended\":0,\"alreadyOver\":0,\"complete\":false,\"revoked\":true}\n"
    );
    // Where nothing was done, nothing is said beside the error.
    let run = as_user(
        &server,
        &rights,
        &["sessions", "revoke", &handle("b"), "--yes"],
    );
    assert_eq!((run.status, run.out.as_str()), (Some(1), ""), "{run:?}");
}
