//! What the doctor finds on real servers and files.

use std::{fs, os::unix::fs::PermissionsExt as _};

use cloakroom::{OwnerIndex as _, core::owner_index::Whose, sqlite::SqliteStore};
use serde_json::Value;

use crate::{
    stage::{EXPRESS, HOUR, Ran, handle, on, program, put, store, with_input},
    support::{Program, Server},
};

fn findings(run: &Ran) -> Vec<Value> {
    run.out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn level(run: &Ran, check: &str) -> String {
    let found = findings(run);
    let found = found.iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("nothing about {check}: {run:?}"))["level"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The errors, without what a slow machine does to the time of an answer. The exit status follows from all of them.
fn errors(run: &Ran) -> Vec<String> {
    let errors = findings(run)
        .into_iter()
        .filter(|finding| finding["level"] == "error");
    let errors: Vec<_> = errors
        .map(|finding| finding["check"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(run.status, Some(i32::from(!errors.is_empty())), "{run:?}");
    errors
        .into_iter()
        .filter(|check| !matches!(check.as_str(), "latency" | "clock"))
        .collect()
}

/// A server as SECURITY.md wants it.
fn good(program: Program) -> Server {
    Server::start(
        program,
        &["--maxmemory", "1gb", "--maxmemory-policy", "noeviction"],
    )
}

#[tokio::test]
async fn a_server_that_is_set_up_well() {
    for program in [Program::Redis, Program::Valkey] {
        let server = good(program);
        put(&server, "a", EXPRESS, HOUR);
        server.call(&["CONFIG", "SET", "appendonly", "yes"]);
        let run = on(&server, &["doctor", "--json", "--pings", "5"]);
        assert!(errors(&run).is_empty(), "{run:?}");
        for check in [
            "server",
            "tls",
            "eviction",
            "memory",
            "persistence",
            "rights",
            "prefix",
            "values",
        ] {
            assert_eq!(level(&run, check), "ok", "{check}: {run:?}");
        }
        level(&run, "clock");
        level(&run, "latency");
        // What was written for a try is gone.
        assert_eq!(server.call(&["DBSIZE"]), "1");
    }
}

#[tokio::test]
async fn a_server_that_throws_sessions_away_is_an_error() {
    let server = Server::start(
        Program::Redis,
        &["--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"],
    );
    let run = on(&server, &["doctor", "--json", "--pings", "1"]);
    assert_eq!(
        (run.status, level(&run, "eviction").as_str()),
        (Some(1), "error")
    );
    assert_eq!(level(&run, "persistence"), "warning");
    server.call(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let run = on(&server, &["doctor", "--json", "--pings", "1"]);
    assert!(errors(&run).is_empty(), "{run:?}");
    assert_eq!(
        on(&server, &["doctor", "--pings", "1", "--strict"]).status,
        Some(1)
    );
}

#[tokio::test]
async fn r41_rights_that_are_missing_are_named() {
    let server = good(Program::Redis);
    let wire = |words: &[&str]| server.call(words);
    wire(&[
        "ACL", "SETUSER", "app", "on", ">hunter2", "~sess:*", "~ck:*", "+get", "+mget", "+set",
        "+del", "+exists", "+pttl", "+pexpire", "+eval", "+evalsha", "+scan",
    ]);
    wire(&[
        "ACL", "SETUSER", "app", "+time", "+zadd", "+zrem", "+zscore", "+zcard", "+zrange",
    ]);
    let as_app = |more: &[&str]| -> Ran {
        let url = format!("redis://app:hunter2@127.0.0.1:{}", server.port);
        let mut command = program();
        command
            .env("SESSION_STORE", url)
            .args(["doctor", "--json", "--pings", "1"])
            .args(more);
        command.output().unwrap().into()
    };
    // The line in SECURITY.md is enough, and the doctor needs no more.
    let run = as_app(&[]);
    assert_eq!(level(&run, "rights"), "ok", "{run:?}");
    assert!(errors(&run).is_empty(), "{run:?}");
    let run = as_app(&["--read-only"]);
    assert_eq!(level(&run, "rights"), "note", "{run:?}");

    wire(&["ACL", "SETUSER", "app", "-pexpire", "-zrange"]);
    let run = as_app(&[]);
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(run.out.contains("PEXPIRE (renewing sessions)"), "{run:?}");
    assert!(
        run.out.contains("ZRANGE on `ck:*` (the owner index)"),
        "{run:?}"
    );
    wire(&[
        "ACL",
        "SETUSER",
        "app",
        "+pexpire",
        "+zrange",
        "resetkeys",
        "~sess:*",
    ]);
    let run = as_app(&[]);
    assert!(
        run.out.contains("SET on `ck:*` (ending sessions)"),
        "{run:?}"
    );
    // With `ACL DRYRUN` nothing is tried.
    wire(&["ACL", "SETUSER", "app", "+acl|dryrun", "+acl|whoami"]);
    let run = as_app(&["--read-only"]);
    assert!(
        run.out.contains("SET on `ck:*` (ending sessions)"),
        "{run:?}"
    );
    assert!(!run.out.contains("hunter2") && !run.err.contains("hunter2"));
}

#[tokio::test]
async fn what_hurts_a_node_peer_and_mixed_prefixes() {
    let server = good(Program::Redis);
    put(&server, "a", r#"{"cookie":{},"n":9007199254740993}"#, HOUR);
    put(&server, "b", "hunter2", HOUR);
    server.call(&["SET", "sess:admin:c", "x"]);
    server.call(&["RPUSH", "sess:list", "x"]);
    let run = on(&server, &["doctor", "--json", "--pings", "1"]);
    for says in ["Node rounds", "cannot be read", "begin alike", "type list"] {
        assert!(run.out.contains(says), "{says}: {run:?}");
    }
    assert!(!run.out.contains("hunter2"));
}

/// Neither are there prefixes that nobody has, nor does one that matters go under among others.
#[tokio::test]
async fn prefixes_that_clash_and_those_that_do_not() {
    let server = good(Program::Redis);
    let clash = |prefix: &str| {
        let run = on(
            &server,
            &["doctor", "--json", "--pings", "1", "--prefix", prefix],
        );
        let found = findings(&run);
        let prefix = found.iter().find(|finding| finding["check"] == "prefix");
        let what = prefix.unwrap()["what"].as_str().unwrap().to_owned();
        what.contains("begin alike").then_some(what)
    };
    for key in [
        "app:s-abc",
        "app:counter",
        "sess:abc",
        "tenant:one:sess:abc",
    ] {
        server.call(&["SET", key, EXPRESS]);
    }
    server.call(&["SET", "app:counter", "7"]);
    // The own sessions are no others', whatever the prefix ends with; a counter beside them is no session.
    assert_eq!(clash("app:s-"), None);
    assert_eq!(clash("sess:"), None);
    assert_eq!(clash("tenant:one:sess:"), None);
    for other in ["a", "b", "c", "d", "e", "f"] {
        server.call(&["SET", &format!("{other}:x"), EXPRESS]);
    }
    server.call(&["SET", "sess:admin:x", EXPRESS]);
    assert!(clash("sess:").unwrap().contains("`sess:admin:`"));
    // There are sessions below `sess:`, which lists these.
    assert!(clash("sess:admin:").unwrap().contains("`sess:`"));
}

#[tokio::test]
async fn a_replica_and_a_node_of_a_cluster_are_found() {
    let primary = good(Program::Redis);
    let replica = good(Program::Redis);
    replica.call(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    let start = std::time::Instant::now();
    while replica.stat("master_link_status") != "up" {
        assert!(start.elapsed() < HOUR / 60, "the replica does not follow");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let run = on(&replica, &["doctor", "--json", "--pings", "1"]);
    assert_eq!(
        (run.status, level(&run, "mode").as_str()),
        (Some(1), "error"),
        "{run:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_away_and_one_that_refuses() {
    let server = good(Program::Redis);
    server.kill();
    let run = on(&server, &["doctor", "--json"]);
    assert_eq!(
        (run.status, level(&run, "connect").as_str()),
        (Some(3), "error"),
        "{run:?}"
    );
}

#[tokio::test]
async fn a_cookie_that_somebody_has_trouble_with() {
    let server = good(Program::Redis);
    put(&server, "abc", EXPRESS, HOUR);
    let ask = |secrets: &str, cookie: &str, from_file: bool| {
        let mut command = program();
        command
            .env("SESSION_STORE", server.url())
            .env("SESSION_SECRET", secrets)
            .args(["doctor", "--json", "--pings", "1"]);
        if from_file {
            command.args(["--cookie-file", "-"]);
            with_input(&mut command, cookie)
        } else {
            command
                .env("SESSION_COOKIE", cookie)
                .output()
                .unwrap()
                .into()
        }
    };
    let old = "0123456789abcdef0123456789abcdef";
    let both = format!("fedcba9876543210fedcba9876543210,{old}");
    let sign = |id: &str| -> String {
        let mut command = program();
        let command = command
            .env("SESSION_SECRET", old)
            .args(["cookie", "sign", id]);
        Ran::from(command.output().unwrap())
            .well()
            .trim_end()
            .to_owned()
    };
    for from_file in [false, true] {
        let run = ask(
            &both,
            &format!("Cookie: connect.sid={}", sign("abc")),
            from_file,
        );
        assert_eq!(level(&run, "secrets"), "ok");
        assert_eq!(level(&run, "session"), "ok", "{run:?}");
        assert!(
            run.out.contains("secret 2 of 2") && run.out.contains(&handle("abc")),
            "{run:?}"
        );
    }
    let library = store(&server).await;
    library.revoke(Whose::Owner("花子")).await.unwrap();
    let value = r#"{"cookie":{"originalMaxAge":60000},"__ck":{"owner":"花子","signedIn":1}}"#;
    put(&server, "revoked", value, HOUR);
    let run = ask(old, &sign("revoked"), false);
    assert_eq!(level(&run, "session"), "note", "{run:?}");
    assert!(run.out.contains("was revoked"), "{run:?}");
    let run = ask(old, &sign("unknown"), false);
    assert_eq!(
        (
            level(&run, "cookie").as_str(),
            level(&run, "session").as_str()
        ),
        ("ok", "warning")
    );
    let run = ask("hunter2", &sign("abc"), true);
    assert_eq!(
        (
            run.status,
            level(&run, "secrets").as_str(),
            level(&run, "cookie").as_str()
        ),
        (Some(1), "warning", "error")
    );
    assert!(!run.out.contains("hunter2"));
}

#[tokio::test]
async fn a_file_that_is_well_and_one_that_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.db");
    let application = SqliteStore::open(&path).unwrap();
    let ask = |more: &[&str]| -> Ran {
        let mut command = program();
        command
            .args(["doctor", "--json", "--pings", "3"])
            .args(more);
        command.env("SESSION_STORE", format!("sqlite:{}", path.display()));
        command.output().unwrap().into()
    };
    let run = ask(&[]);
    assert!(errors(&run).is_empty(), "{run:?}");
    for check in [
        "file", "owner", "log", "content", "sweeping", "rights", "prefix", "values",
    ] {
        assert_eq!(level(&run, check), "ok", "{run:?}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute(
        "INSERT INTO sessions (prefix, id, expires, value) VALUES ('old:', 'a', 1, x'7b7d')",
        [],
    )
    .unwrap();
    let run = ask(&["--read-only"]);
    assert_eq!(
        (
            level(&run, "owner").as_str(),
            level(&run, "sweeping").as_str()
        ),
        ("warning", "warning"),
        "{run:?}"
    );
    assert!(run.out.contains("`old:`"));
    assert_eq!(level(&run, "rights"), "note");
    drop(application);
}
