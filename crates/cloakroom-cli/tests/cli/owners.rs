//! An owner's sessions, by the index.

use crate::{
    stage::{EXPRESS, HOUR, handle, on, put, sign_in, store},
    support::Server,
};

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
