//! Watching.

use cloakroom::{EndReason, Store as _};
use serde_json::Value;

use crate::{
    stage::{EXPRESS, HOUR, handle, id, put, sign_in, store},
    support::Server,
    watching::Watching,
};

fn event(watching: &mut Watching) -> Value {
    serde_json::from_str(&watching.event()).unwrap()
}

#[tokio::test]
async fn sessions_that_begin_and_end_are_told_until_ctrl_c() {
    let server = Server::redis();
    let library = store(&server).await;
    put(&server, "before", EXPRESS, HOUR);
    let mut watching = Watching::on(&server, &["--interval", "50ms", "--json"]);
    let begins = watching.note().unwrap();
    assert!(begins.starts_with("1 session at the beginning"), "{begins}");

    put(&server, "new", EXPRESS, HOUR);
    let began = event(&mut watching);
    assert_eq!(
        (&began["event"], &began["handle"]),
        (&"began".into(), &handle("new").into())
    );
    sign_in(&library, "花子", "hanako").await;
    let signed_in = event(&mut watching);
    assert_eq!(
        (&signed_in["event"], &signed_in["owner"]),
        (&"signedIn".into(), &"花子".into())
    );
    library
        .end(&id("hanako"), EndReason::Destroyed)
        .await
        .unwrap();
    let ended = event(&mut watching);
    assert_eq!(
        (&ended["event"], &ended["owner"]),
        (&"ended".into(), &"花子".into())
    );
    assert_eq!(ended["handle"], handle("hanako"));

    watching.interrupt();
    assert_eq!(watching.ended(), Some(0));
}

#[tokio::test]
async fn a_reader_that_goes_ends_a_watch() {
    let server = Server::redis();
    let mut watching = Watching::on(&server, &["--interval", "20ms"]);
    watching.note().unwrap();
    watching.leave();
    put(&server, "new", EXPRESS, HOUR);
    assert_eq!(watching.ended(), Some(0));
    assert_eq!(watching.note(), None, "it ends without a word");
}

/// Somebody who is not there costs no walk through all sessions at each look.
#[tokio::test]
async fn an_owner_is_watched_by_the_index() {
    let server = Server::redis();
    let library = store(&server).await;
    put(&server, "other", EXPRESS, HOUR);
    let options = ["--owner", "花子", "--interval", "20ms", "--json"];
    let mut watching = Watching::on(&server, &options);
    let begins = watching.note().unwrap();
    assert!(
        begins.starts_with("0 sessions at the beginning"),
        "{begins}"
    );
    server.call(&["CONFIG", "RESETSTAT"]);
    for name in ["a", "b", "c"] {
        sign_in(&library, "ken", &format!("ken-{name}")).await;
        sign_in(&library, "花子", name).await;
        let signed_in = event(&mut watching);
        assert_eq!(
            (&signed_in["event"], &signed_in["handle"]),
            (&"signedIn".into(), &handle(name).into())
        );
    }
    let commands = server.call(&["INFO", "commandstats"]);
    assert!(!commands.contains("cmdstat_scan"), "{commands}");
}

/// The sessions of an application without an index are seen by walks alone.
#[tokio::test]
async fn an_owner_whom_no_index_knows_is_watched_by_walks() {
    let server = Server::redis();
    let value = r#"{"cookie":{"originalMaxAge":60000},"__ck":{"owner":"花子","signedIn":1}}"#;
    put(&server, "a", value, HOUR);
    let options = ["--owner", "花子", "--interval", "20ms", "--json"];
    let mut watching = Watching::on(&server, &options);
    let way = watching.note().unwrap();
    assert!(way.contains("No index"), "{way}");
    let begins = watching.note().unwrap();
    assert!(begins.starts_with("1 session at the beginning"), "{begins}");
    put(&server, "b", value, HOUR);
    assert_eq!(event(&mut watching)["handle"], handle("b"));
}
