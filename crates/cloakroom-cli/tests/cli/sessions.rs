//! Listing, showing and counting.

use serde_json::Value;

use crate::{
    stage::{EXPRESS, HOUR, handle, on, program, put, sign_in, store, with_input},
    support::{Program, Server},
};

/// One made by express, one of somebody, one that nobody can read.
async fn furnished(program: Program) -> Server {
    let server = Server::start(program, &[]);
    put(&server, "hunter2-express", EXPRESS, HOUR / 2);
    sign_in(&store(&server).await, "花子", "hunter2-hanako").await;
    put(&server, "hunter2-odd", "hunter2", HOUR / 10);
    server
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn r30_a_list_shows_handles_and_neither_ids_nor_values() {
    for program in [Program::Redis, Program::Valkey] {
        let server = furnished(program).await;
        let text = on(&server, &["sessions", "ls"]).well();
        assert_eq!(text.lines().count(), 3);
        assert!(
            text.contains(&format!("{}\t花子\t", handle("hunter2-hanako"))),
            "{text}"
        );
        assert!(
            text.contains("userName n") && text.contains("(unreadable)"),
            "{text}"
        );
        let json = on(&server, &["sessions", "ls", "--json"]).well();
        for shown in [&text, &json] {
            assert!(
                !shown.contains("hunter2") && !shown.contains("swordfish"),
                "{shown}"
            );
            assert!(!shown.contains('\x1b'));
        }
        let all = lines(&json);
        let hanako = all.iter().find(|line| line["owner"] == "花子").unwrap();
        assert_eq!(hanako["handle"], handle("hunter2-hanako"));
        assert_eq!(
            (&hanako["marked"], &hanako["state"]),
            (&true.into(), &"session".into())
        );
        assert_eq!(hanako["data"][0]["name"], "theme");
        let express = all.iter().find(|line| line["marked"] == false).unwrap();
        assert_eq!(express["owner"], Value::Null);
        assert!((1_000_000..=1_800_000).contains(&express["endsInMs"].as_i64().unwrap()));
        assert!(all.iter().any(|line| line["state"] == "unreadable"));
        let open = on(
            &server,
            &["sessions", "ls", "--json", "--show-ids", "--show-values"],
        )
        .well();
        assert!(
            open.contains("hunter2-hanako") && open.contains("swordfish"),
            "{open}"
        );
        // Of a value that cannot be read nothing is known, so nothing of it is shown.
        assert!(!open.contains(r#""value":"hunter2""#), "{open}");
    }
}

#[tokio::test]
async fn filters_limits_and_orders() {
    let server = furnished(Program::Redis).await;
    let handles = |arguments: &[&str]| -> Vec<String> {
        let arguments = [&["sessions", "ls", "--json"], arguments].concat();
        let lines = lines(&on(&server, &arguments).well());
        lines
            .iter()
            .map(|line| line["handle"].as_str().unwrap().to_owned())
            .collect()
    };
    let (express, hanako, odd) = (
        handle("hunter2-express"),
        handle("hunter2-hanako"),
        handle("hunter2-odd"),
    );
    assert_eq!(
        handles(&["--idle-for", "20m"]),
        std::slice::from_ref(&express)
    );
    assert_eq!(
        handles(&["--expires-within", "7m"]),
        std::slice::from_ref(&odd)
    );
    assert_eq!(handles(&["--older-than", "1h"]), [""; 0]);
    assert_eq!(
        handles(&["--older-than", "0s"]),
        std::slice::from_ref(&hanako)
    );
    assert_eq!(handles(&["--limit", "2"]).len(), 2);
    assert_eq!(
        handles(&["--sort", "end", "--limit", "2"]),
        [odd, express.clone()]
    );
    assert_eq!(handles(&["--sort", "size", "--limit", "1"]), [hanako]);
    assert_eq!(handles(&["--sort", "idle", "--limit", "1"]), [express]);
}

#[tokio::test]
async fn one_session_by_handle_fingerprint_or_id() {
    let server = furnished(Program::Redis).await;
    let whole = handle("hunter2-hanako");
    let fingerprint = crate::stage::id("hunter2-hanako").fingerprint().to_string();
    for arguments in [
        vec!["sessions", "show", &whole],
        vec!["sessions", "show", &fingerprint],
        vec!["sessions", "show", &whole, "--owner", "花子"],
        vec!["sessions", "show", "--id", "hunter2-hanako"],
    ] {
        let text = on(&server, &arguments).well();
        assert!(
            text.contains("花子") && text.contains("theme: string, 11 B"),
            "{text}"
        );
        assert!(
            !text.contains("hunter2") && !text.contains("swordfish"),
            "{text}"
        );
    }
    let open = on(
        &server,
        &["sessions", "show", &whole, "--show-ids", "--show-values"],
    )
    .well();
    assert!(
        open.contains("hunter2-hanako") && open.contains("theme: \"swordfish\""),
        "{open}"
    );
    let json = on(&server, &["sessions", "show", &whole, "--json"]).well();
    assert_eq!(lines(&json)[0]["handle"], *whole);
    let mut command = program();
    command.env("SESSION_STORE", server.url());
    command.args(["sessions", "show", "--id", "-"]);
    let text = with_input(&mut command, "hunter2-hanako\n").well();
    assert!(text.contains("花子"), "{text}");
}

#[tokio::test]
async fn counts_of_every_kind() {
    let server = furnished(Program::Redis).await;
    put(&server, "gone", "TOMBSTONE", HOUR);
    server.call(&["SET", "sess:forever", EXPRESS]);
    let text = on(&server, &["sessions", "stats", "--json"]).well();
    let stats: Value = serde_json::from_str(&text).unwrap();
    for (name, number) in [
        ("sessions", 5),
        ("signedIn", 1),
        ("marked", 1),
        ("nothing", 1),
        ("unreadable", 1),
        ("owners", 1),
    ] {
        assert_eq!(stats[name], number, "{name}: {text}");
    }
    assert_eq!(stats["topOwners"][0]["owner"], "花子");
    let endless = stats["left"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&endless["hasEnd"], &endless["sessions"]),
        (&false.into(), &1.into())
    );
    let text = on(&server, &["sessions", "stats"]).well();
    assert!(
        text.contains("without an end") && text.contains("花子  1 session"),
        "{text}"
    );
    let filtered = on(
        &server,
        &["sessions", "stats", "--json", "--idle-for", "20m"],
    )
    .well();
    assert!(filtered.starts_with(r#"{"sessions":1,"#), "{filtered}");
}

#[tokio::test]
async fn an_empty_list_says_where_something_is() {
    let server = furnished(Program::Redis).await;
    let empty = on(&server, &["sessions", "ls", "--prefix", "sid:"]);
    assert_eq!((empty.status, empty.out.as_str()), (Some(0), ""));
    assert!(
        empty.err.contains("`sid:`") && empty.err.contains("`sess:`"),
        "{empty:?}"
    );
    let filtered = on(&server, &["sessions", "ls", "--idle-for", "30d"]);
    assert!(filtered.err.contains("None of 3 sessions"), "{filtered:?}");
}

/// Keys of others may hold their visitors' ids, and whatever moves a cursor.
#[tokio::test]
async fn foreign_keys_cannot_speak_to_the_terminal_and_tell_no_ids() {
    let server = furnished(Program::Redis).await;
    for key in [
        "cache:hunter2-Wn1xPVWzOX8dIzL2cTqV4DiJ:hits",
        "a\x1b[31mb:x",
        "q:\x1b]0;hunter2\x07:x",
        "sess:hunter2-Wn1xPVWzOX8dIzL2cTqV4DiJ:x",
    ] {
        server.call(&["SET", key, "1"]);
    }
    for arguments in [
        &["sessions", "ls", "--prefix", "sid:"][..],
        &["doctor", "--pings", "1", "--prefix", "sid:"],
    ] {
        let run = on(&server, arguments);
        let shown = format!("{}{}", run.out, run.err);
        assert!(shown.contains("`cache:`, `q:`, `sess:`"), "{shown}");
        assert!(
            !shown.contains("hunter2") && !shown.contains('\x1b'),
            "{shown}"
        );
    }
}

/// `KEYS` stops a server for as long as it has keys.
#[tokio::test]
async fn no_command_stops_the_server() {
    let server = furnished(Program::Redis).await;
    for arguments in [
        &["sessions", "ls"][..],
        &["sessions", "stats"],
        &["sessions", "show", "00000000"],
        &["doctor"],
    ] {
        let _ = on(&server, arguments);
    }
    let commands = server.call(&["INFO", "commandstats"]);
    assert!(commands.contains("cmdstat_scan"), "{commands}");
    for stops in [
        "cmdstat_keys:",
        "cmdstat_flushall",
        "cmdstat_flushdb",
        "cmdstat_debug",
    ] {
        assert!(!commands.contains(stops), "{stops}");
    }
}
