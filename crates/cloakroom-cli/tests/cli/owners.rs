//! An owner's sessions, by the index.

use cloakroom::{OwnerIndex as _, core::owner_index::Whose};

use crate::{
    stage::{EXPRESS, HOUR, as_user, handle, on, program, put, sign_in, store},
    support::{Server, proxy::Proxy},
};

/// What SECURITY.md gives an application that does not sign out everywhere.
const WITHOUT_INDEX: [&str; 13] = [
    "~sess:*", "~ck:t:*", "+get", "+mget", "+set", "+del", "+exists", "+pttl", "+pexpire", "+eval",
    "+evalsha", "+scan", "+time",
];

#[tokio::test]
async fn an_owners_sessions_are_found_without_a_scan() {
    let server = Server::redis();
    let library = store(&server).await;
    for name in ["a", "b", "c"] {
        sign_in(&library, "花子", name).await;
    }
    sign_in(&library, "ken", "d").await;
    for number in 0..100 {
        put(&server, &format!("other-{number}"), EXPRESS, HOUR);
    }
    server.call(&["CONFIG", "RESETSTAT"]);
    let text = on(&server, &["sessions", "ls", "--owner", "花子"]).well();
    let handles: Vec<_> = text
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    assert_eq!(handles, ["a", "b", "c"].map(handle));
    let commands = server.call(&["INFO", "commandstats"]);
    assert!(!commands.contains("cmdstat_scan"), "{commands}");
    // One look into the index, and three commands for each session.
    let calls = |name: &str| -> u64 {
        let (_, rest) = commands
            .split_once(&format!("cmdstat_{name}:calls="))
            .unwrap();
        rest.split(',').next().unwrap().parse().unwrap()
    };
    assert_eq!(calls("zrange"), 1);
    assert!(calls("pttl") <= 4, "{commands}");
}

/// An application without an index writes owners into its sessions too.
#[tokio::test]
async fn owners_that_no_index_knows_are_found_as_well() {
    let server = Server::redis();
    let value = r#"{"cookie":{"originalMaxAge":60000},"__ck":{"owner":"花子","signedIn":1}}"#;
    put(&server, "a", value, HOUR);
    put(&server, "b", EXPRESS, HOUR);
    let text = on(&server, &["sessions", "ls", "--owner", "花子"]).well();
    assert!(text.starts_with(&handle("a")), "{text}");
    assert_eq!(
        on(&server, &["sessions", "revoke", "--owner", "花子", "--yes"]).well(),
        "Ended 1 session.\n"
    );
    let nobody = on(&server, &["sessions", "ls", "--owner", "花子"]);
    assert!(nobody.err.contains("no sessions"), "{nobody:?}");
}

/// The index of owners is for whoever signs out everywhere. Who may not read it looks at all sessions.
#[tokio::test]
async fn without_rights_on_the_index_sessions_are_listed_and_ended_all_the_same() {
    let server = Server::redis();
    let library = store(&server).await;
    for name in ["a", "b", "c", "d"] {
        sign_in(&library, "花子", name).await;
    }
    sign_in(&library, "ken", "e").await;
    let run = |arguments: &[&str]| as_user(&server, &WITHOUT_INDEX, arguments);
    let list = run(&["sessions", "ls", "--owner", "花子"]);
    assert!(
        list.err.contains("may not read the index of owners"),
        "{list:?}"
    );
    assert_eq!(list.well().lines().count(), 4);
    let one = run(&["sessions", "revoke", &handle("a"), "--yes"]);
    assert_eq!(one.well(), "Ended 1 session.\n");
    let but = [
        "sessions",
        "revoke",
        "--owner",
        "花子",
        "--all-but",
        &handle("c"),
        "--yes",
    ];
    assert_eq!(run(&but).well(), "Ended 2 sessions.\n");
    let all = run(&["sessions", "revoke", "--owner", "花子", "--yes"]);
    assert!(all.err.contains("may not revoke"), "{all:?}");
    assert_eq!(all.well(), "Ended 1 session.\n");
    let everybody = run(&["sessions", "revoke", "--everybody", "--yes"]);
    assert!(everybody.err.contains("may not revoke"), "{everybody:?}");
    assert_eq!(everybody.well(), "Ended 1 session.\n");
    assert!(!server.call(&["KEYS", "sess:*"]).contains("sess:"));
}

/// A session of a Node service says in its data whose it is, and nowhere else.
#[tokio::test]
async fn an_owner_whose_name_stands_in_the_data() {
    let server = Server::redis();
    put(&server, "a", EXPRESS, HOUR);
    sign_in(&store(&server).await, "花子", "b").await;
    let by_name = |arguments: &[&str]| {
        let arguments = [arguments, &["--owner-name", "userName"]].concat();
        on(&server, &arguments)
    };
    let hint = on(&server, &["sessions", "ls", "--owner", "swordfish"]);
    assert!(
        hint.err.contains("no sessions") && hint.err.contains("--owner-name"),
        "{hint:?}"
    );
    let list = by_name(&["sessions", "ls", "--owner", "swordfish"]).well();
    assert!(
        list.starts_with(&format!("{}\tswordfish\t", handle("a"))),
        "{list}"
    );
    assert_eq!(list.lines().count(), 1);
    let all = by_name(&["sessions", "stats", "--json"]).well();
    assert!(all.contains(r#""owners":2"#), "{all}");
    let nobody = by_name(&["sessions", "ls", "--owner", "ken"]);
    assert!(
        nobody.err.contains("no sessions") && !nobody.err.contains("--owner-name"),
        "{nobody:?}"
    );
    let revoke = ["sessions", "revoke", "--owner", "swordfish", "--yes"];
    assert_eq!(by_name(&revoke).well(), "Ended 1 session.\n");
    assert_eq!(server.call(&["EXISTS", "sess:a", "sess:b"]), "1");
    for wrong in ["", "cookie", "__ck"] {
        let run = on(&server, &["sessions", "ls", "--owner-name", wrong]);
        assert_eq!(run.status, Some(2), "{wrong}: {run:?}");
    }
}

/// A question for each owner, one after the other, makes a list of a large store wait for each of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_revocations_of_many_owners_are_asked_for_at_once() {
    const OWNERS: usize = 120;
    let server = Server::redis();
    let library = store(&server).await;
    for number in 0..OWNERS {
        let value = format!(
            r#"{{"cookie":{{"originalMaxAge":60000}},"__ck":{{"owner":"owner-{number}","signedIn":1}}}}"#
        );
        put(&server, &format!("id-{number}"), &value, HOUR);
    }
    library.revoke(Whose::Owner("owner-7")).await.unwrap();
    let proxy = Proxy::to(server.port).await;
    let mut command = program();
    command
        .env("SESSION_STORE", proxy.url())
        .args(["sessions", "ls", "--json"]);
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let run = crate::stage::Ran::from(run.await.unwrap());
    let turns = proxy.turns();
    assert_eq!(run.well().lines().count(), OWNERS - 1);
    assert!(turns < OWNERS / 2, "{turns} round trips");
}
