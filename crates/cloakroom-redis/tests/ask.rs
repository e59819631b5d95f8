//! Single commands of a tool: every form of answer, and none of a server's words where it refuses.

mod support;

use cloakroom_core::ErrorKind;
use cloakroom_redis::{RedisStore, Reply};
use support::{PATIENCE, Server};

async fn connect(server: &Server) -> RedisStore {
    let builder = RedisStore::builder(server.url()).command_timeout(PATIENCE);
    builder.connect_timeout(PATIENCE).connect().await.unwrap()
}

#[tokio::test]
async fn every_form_of_answer() {
    let server = Server::redis();
    let store = connect(&server).await;
    let ask = |command: &'static [&'static str]| store.ask(command);
    assert_eq!(ask(&["GET", "none"]).await.unwrap(), Reply::Nil);
    assert_eq!(ask(&["PING"]).await.unwrap().as_str(), Some("PONG"));
    assert_eq!(ask(&["SET", "k", "v"]).await.unwrap().as_str(), Some("OK"));
    assert_eq!(ask(&["EXISTS", "k"]).await.unwrap(), Reply::Number(1));
    let nothing = store.ask::<&str>(&[]).await.unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::Invalid);
    let config = ask(&["CONFIG", "GET", "appendonly"]).await.unwrap();
    let words: Vec<_> = config.items().iter().map(|item| item.as_str()).collect();
    assert_eq!(words, [Some("appendonly"), Some("no")]);
    assert!(!format!("{:?}", ask(&["GET", "k"]).await.unwrap()).contains('v'));
}

#[tokio::test]
async fn r29_a_refusal_is_a_code_and_no_error() {
    let server = Server::redis();
    let store = connect(&server).await;
    // Redis repeats the beginning of a command that it does not know.
    let refused = store.ask(&["HUNTER2", "hunter2"]).await.unwrap();
    assert_eq!(refused, Reply::Refused("ERR".to_owned()));
    assert!(!format!("{refused:?}").contains("unter2"));
    let wrong = store.ask(&["EVAL", "return {err='NOPERM hunter2'}", "0"]);
    assert_eq!(wrong.await.unwrap(), Reply::Refused("NOPERM".to_owned()));
}
