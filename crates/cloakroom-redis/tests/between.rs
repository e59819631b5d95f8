//! What happens between two commands of a call, or between a change and its answer: the law holds there too.

mod support;

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use cloakroom_core::{
    Created, EndReason, ErrorKind, Loaded, OwnerIndex as _, Replaced, SessionId, Store as _,
    owner_index::Whose,
};
use cloakroom_redis::RedisStore;
use support::{PATIENCE, Program, Server};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

const HOUR: Duration = Duration::from_secs(3600);

fn id() -> SessionId {
    SessionId::from_random([7; 24])
}

fn key() -> String {
    format!("sess:{}", id().as_str())
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn connect(url: &str) -> RedisStore {
    let builder = RedisStore::builder(url)
        .command_timeout(PATIENCE)
        .connect_timeout(PATIENCE);
    builder.connect().await.unwrap()
}

/// Where a call is disturbed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The server has answered the first command of the call and does not have the second one yet.
    AfterTheFirstCommand,
    /// The server has done everything, and its answer is lost with the connection.
    BeforeTheAnswer,
}

/// A way to a server on which `meanwhile` happens once, in the first request that has `marker`.
async fn disturbed(
    server: u16,
    marker: &'static str,
    place: Place,
    meanwhile: impl FnOnce() + Send + 'static,
) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut meanwhile = Some(meanwhile);
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let address = (Ipv4Addr::LOCALHOST, server);
            let mut server = TcpStream::connect(address).await.unwrap();
            let (mut request, mut answer) = ([0; 4096], [0; 4096]);
            let lost = loop {
                if meanwhile.is_none() {
                    break false;
                }
                tokio::select! {
                    read = client.read(&mut request) => {
                        let sent = &request[..read.unwrap()];
                        let marked = String::from_utf8_lossy(sent).contains(marker);
                        let split = marked && place == Place::AfterTheFirstCommand;
                        let first = if split { first_command(sent) } else { sent.len() };
                        server.write_all(&sent[..first]).await.unwrap();
                        if marked {
                            let read = server.read(&mut answer).await.unwrap();
                            meanwhile.take().unwrap()();
                            if place == Place::BeforeTheAnswer {
                                break true;
                            }
                            client.write_all(&answer[..read]).await.unwrap();
                            server.write_all(&sent[first..]).await.unwrap();
                        }
                    }
                    read = server.read(&mut answer) => {
                        client.write_all(&answer[..read.unwrap()]).await.unwrap();
                    }
                }
            };
            if !lost {
                tokio::spawn(async move {
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        }
    });
    format!("redis://127.0.0.1:{port}")
}

/// How many bytes the first of several commands has.
fn first_command(sent: &[u8]) -> usize {
    let text = std::str::from_utf8(sent).unwrap();
    let second = text[1..].find("\r\n*").expect("two commands");
    1 + second + 2
}

/// A session ends after the store has looked for its tombstone, and a Node peer writes it back: it is not taken for live.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_a_session_that_ends_and_comes_back_within_a_call_is_refused() {
    for (program, marker) in [
        (Program::Valkey, "IFEQ"),
        (Program::Redis, "PEXPIRE"),
        (Program::Valkey, "PEXPIRE"),
    ] {
        let server = Arc::new(Server::start(program, &[]));
        let peer = connect(&server.url()).await;
        let created = peer.create(&id(), bytes("base"), HOUR).await.unwrap();
        assert_eq!(created, Created::Created);
        let ends = server.clone();
        let meanwhile = move || {
            let tombstone = format!("ck:t:{{{}}}", key());
            ends.call(&["SET", &tombstone, "destroyed", "PX", "900000"]);
            ends.call(&["DEL", &key()]);
            ends.call(&["SET", &key(), "base", "EX", "3600"]);
        };
        let url = disturbed(server.port, marker, Place::AfterTheFirstCommand, meanwhile).await;
        let store = connect(&url).await;
        if marker == "IFEQ" {
            let replaced = store
                .replace(&id(), &bytes("base"), bytes("new"), HOUR)
                .await;
            assert_eq!(replaced.unwrap(), Replaced::Gone);
        } else {
            assert!(!store.renew(&id(), HOUR).await.unwrap(), "{program:?}");
        }
        let ended = Loaded::Ended(EndReason::Destroyed);
        assert_eq!(store.load(&id()).await.unwrap(), ended);
    }
}

/// A session ends, by us or by a Node peer, after a load has asked how long it still lives: the load says what is true at its
/// end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_a_session_that_ends_within_a_load_is_not_taken_for_live() {
    let ended = Loaded::Ended(EndReason::Destroyed);
    let tombstone = format!("ck:t:{{{}}}", key());
    let (set, delete) = (["SET", &tombstone, "destroyed"], ["DEL", &key()]);
    let back = ["SET", &key(), "base", "EX", "3600"];
    for (meanwhile, expected) in [
        (vec![&set[..], &delete[..]], ended.clone()),
        (vec![&set[..], &delete[..], &back[..]], ended),
        (vec![&delete[..]], Loaded::Missing),
    ] {
        let server = Arc::new(Server::redis());
        let peer = connect(&server.url()).await;
        peer.create(&id(), bytes("base"), HOUR).await.unwrap();
        let commands: Vec<Vec<String>> = meanwhile
            .iter()
            .map(|words| words.iter().map(|&word| word.to_owned()).collect())
            .collect();
        let peers = server.clone();
        let meanwhile = move || {
            for command in commands {
                peers.call(&command.iter().map(String::as_str).collect::<Vec<_>>());
            }
        };
        let url = disturbed(server.port, "MGET", Place::AfterTheFirstCommand, meanwhile).await;
        let store = connect(&url).await;
        assert_eq!(store.load(&id()).await.unwrap(), expected);
    }
}

/// The answer to a change is lost, and before it is asked for again another request builds upon the change. "Changed" would
/// say that nothing was changed, and an increment that is merged upon that counts twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_others_built_upon_is_not_reported_as_not_made() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Arc::new(Server::start(program, &[]));
        let peer = connect(&server.url()).await;
        peer.create(&id(), bytes("n=0"), HOUR).await.unwrap();
        // The script is known: its first try is the one that changes something.
        let warm = peer.replace(&id(), &bytes("n=0"), bytes("n=0"), HOUR).await;
        assert_eq!(warm.unwrap(), Replaced::Replaced);
        let other = server.clone();
        let meanwhile = move || {
            assert_eq!(other.call(&["GET", &key()]), "n=1");
            other.call(&["SET", &key(), "n=2", "EX", "3600"]);
        };
        let url = disturbed(server.port, "n=1", Place::BeforeTheAnswer, meanwhile).await;
        let store = connect(&url).await;
        let answer = store
            .replace(&id(), &bytes("n=0"), bytes("n=1"), HOUR)
            .await;
        let error = answer.expect_err("it is not known whether the change was made");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(server.call(&["GET", &key()]), "n=2");
    }
}

/// Our own bytes are a success, even where the answer that said so was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_answer_was_lost_is_found_again() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let peer = connect(&server.url()).await;
        peer.create(&id(), bytes("n=0"), HOUR).await.unwrap();
        let warm = peer.replace(&id(), &bytes("n=0"), bytes("n=0"), HOUR).await;
        assert_eq!(warm.unwrap(), Replaced::Replaced);
        let url = disturbed(server.port, "n=1", Place::BeforeTheAnswer, || {}).await;
        let store = connect(&url).await;
        let answer = store
            .replace(&id(), &bytes("n=0"), bytes("n=1"), HOUR)
            .await;
        assert_eq!(answer.unwrap(), Replaced::Replaced);
    }
}

/// The second claim is the first one, with its time. What is beyond the limit is named again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_and_a_revocation_whose_answers_were_lost_are_made_again() {
    let server = Arc::new(Server::redis());
    let peer = connect(&server.url()).await;
    let old = SessionId::from_random([8; 24]);
    peer.claim("hanako", &old, HOUR, None).await.unwrap();
    let patient = async |marker| {
        let url = disturbed(server.port, marker, Place::BeforeTheAnswer, || {}).await;
        connect(&url).await
    };
    let last = || server.call(&["GET", "ck:c:{5:sess:}"]);

    // By hash where the script is known: the first try is the one that claims.
    peer.claim("taro", &old, HOUR, None).await.unwrap();
    let store = patient("hanako").await;
    let limit = std::num::NonZeroUsize::new(1);
    let claimed = store.claim("hanako", &id(), HOUR, limit).await.unwrap();
    assert_eq!(claimed.over, std::slice::from_ref(&old));
    let owned = peer.owned("hanako").await.unwrap().claims;
    assert_eq!(owned.len(), 2);
    assert_eq!((&owned[1].id, owned[1].at), (&id(), claimed.at));
    assert_eq!(last(), claimed.at.as_millis().to_string());

    let first = Arc::new(Mutex::new(String::new()));
    let (seen, at) = (first.clone(), server.clone());
    let meanwhile = move || *seen.lock().unwrap() = at.call(&["GET", "ck:a:{5:sess:}"]);
    let url = disturbed(server.port, "ck:a:", Place::BeforeTheAnswer, meanwhile).await;
    let store = connect(&url).await;
    peer.revoke(Whose::Everybody).await.unwrap();
    let revoked = store.revoke(Whose::Everybody).await.unwrap();
    let first: i64 = first.lock().unwrap().parse().unwrap();
    assert!(revoked.as_millis() > first, "it was made twice");
    assert_eq!(peer.revoked_at("hanako").await.unwrap(), Some(revoked));

    let store = patient("ZREM").await;
    store.release("hanako", &[old]).await.unwrap();
    assert_eq!(peer.owned("hanako").await.unwrap().claims.len(), 1);
    for marker in ["ZRANGE", "ck:e:", "ck:r:"] {
        let store = patient(marker).await;
        assert_eq!(store.owned("hanako").await.unwrap().claims.len(), 1);
        assert_eq!(store.revoked_at("hanako").await.unwrap(), Some(revoked));
        let (_, revision) = store.load_with_revision(&id()).await.unwrap();
        assert_eq!(revision.0, revoked.as_millis().unsigned_abs());
    }
}

/// Several renewals at once go to the server together, and each gets its own answer.
async fn renewals_that_go_together_have_answers_of_their_own(program: Program) {
    let server = Server::start(program, &[]);
    let store = connect(&server.url()).await;
    let [live, back, never, other] = [1, 2, 3, 4].map(|n| SessionId::from_random([n; 24]));
    for id in [&live, &back, &other] {
        let created = store.create(id, bytes("{}"), HOUR).await.unwrap();
        assert_eq!(created, Created::Created);
    }
    store.end(&back, EndReason::Destroyed).await.unwrap();
    let returned = format!("sess:{}", back.as_str());
    server.call(&["SET", &returned, "{}", "EX", "100"]);
    let commands = || -> u64 { server.stat("total_commands_processed").parse().unwrap() };
    let before = commands();
    let long = HOUR * 2;
    let answers = store
        .renew_all(&[
            (live.clone(), long),
            (never, long),
            (back, long),
            (other.clone(), HOUR * 3),
            (live.clone(), HOUR * 4),
        ])
        .await;
    let answers: Vec<bool> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [true, false, false, true, true]);
    // One EXISTS for all, then one for each, since a tombstone is there; the key that came back is deleted again.
    let most = 5 + 1 + 5 + 1 + 2;
    assert!(commands() - before <= most, "{}", commands() - before);
    let left = |id: &SessionId| -> u64 {
        let left = server.call(&["PTTL", &format!("sess:{}", id.as_str())]);
        left.trim().parse().unwrap()
    };
    assert!(left(&live) > 3 * 3_600_000, "the later one counts");
    assert!((2 * 3_600_000..=3 * 3_600_000).contains(&left(&other)));
    let gone = tokio::time::timeout(PATIENCE, async {
        while server.call(&["EXISTS", &returned]).trim() != "0" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    gone.await.expect("what came back is still there");
}

#[tokio::test]
async fn renewals_that_go_together_have_answers_of_their_own_on_redis() {
    renewals_that_go_together_have_answers_of_their_own(Program::Redis).await;
}

#[tokio::test]
async fn renewals_that_go_together_have_answers_of_their_own_on_valkey() {
    renewals_that_go_together_have_answers_of_their_own(Program::Valkey).await;
}

/// What the key holds is asked on the connection that has answered, and not on the one that was lost before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_type_is_no_session_also_where_the_first_answer_was_lost() {
    let server = Server::redis();
    server.call(&["HSET", &key(), "field", "value"]);
    let url = disturbed(server.port, "MGET", Place::BeforeTheAnswer, || {}).await;
    let store = connect(&url).await;
    let loaded = store.load(&id()).await;
    assert!(matches!(loaded, Ok(Loaded::Missing)), "{loaded:?}");
}
