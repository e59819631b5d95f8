//! Loads that come up together go together, and each gets its own answer.

mod support;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cloakroom_core::{
    Created, EndReason, ErrorKind, Loaded, OwnerIndex as _, SessionId, Store as _,
    owner_index::Whose,
};
use cloakroom_redis::RedisStore;
use support::{PATIENCE, Program, Server, proxy::Proxy};
use tokio::task::JoinSet;

const HOUR: Duration = Duration::from_secs(3600);

fn id(number: usize) -> SessionId {
    SessionId::parse(&format!("session-{number:06}")).unwrap()
}

fn key(number: usize) -> String {
    format!("sess:{}", id(number).as_str())
}

fn value(number: usize) -> Bytes {
    format!("value {number}").into()
}

async fn connect(url: String) -> RedisStore {
    RedisStore::builder(url)
        .command_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .connect()
        .await
        .unwrap()
}

/// Sessions from number 0 on.
async fn create_all(store: &RedisStore, count: usize) {
    for number in 0..count {
        let created = store.create(&id(number), value(number), HOUR).await;
        assert_eq!(created.unwrap(), Created::Created);
    }
}

/// How often the server has been sent a command.
fn calls(server: &Server, command: &str) -> usize {
    let stats = server.call(&["INFO", "commandstats"]);
    let start = format!("cmdstat_{command}:calls=");
    let line = stats.lines().find_map(|line| line.strip_prefix(&start));
    line.map_or(0, |rest| {
        let number = rest.split(',').next().unwrap();
        number.parse().unwrap()
    })
}

/// Loads of all these at once. On one thread, so that all have been asked for before the connection's task has its turn.
async fn load_all(store: &RedisStore, numbers: std::ops::Range<usize>) -> Vec<Loaded> {
    let mut loads = JoinSet::new();
    for number in numbers.clone() {
        let store = store.clone();
        loads.spawn(async move { (number, store.load(&id(number)).await.unwrap()) });
    }
    let mut loaded = loads.join_all().await;
    loaded.sort_by_key(|(number, _)| *number);
    let numbers_too: Vec<_> = loaded.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers_too, numbers.collect::<Vec<_>>());
    loaded.into_iter().map(|(_, loaded)| loaded).collect()
}

/// Live, missing, ended, of another type, without an end: each is told what is true of its own session.
#[tokio::test]
async fn each_of_many_gets_its_own_answer_in_few_questions() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let store = connect(server.url()).await;
        for number in 0..100 {
            match number % 5 {
                0 => drop(store.create(&id(number), value(number), HOUR).await),
                1 => {}
                2 => {
                    let reason = [EndReason::Destroyed, EndReason::Rotated][number % 2];
                    assert!(!store.end(&id(number), reason).await.unwrap());
                }
                3 => drop(server.call(&["HSET", &key(number), "field", "value"])),
                _ => drop(server.call(&["SET", &key(number), "for ever"])),
            }
        }
        let before = calls(&server, "mget");
        for (number, loaded) in load_all(&store, 0..100).await.into_iter().enumerate() {
            match (number % 5, loaded) {
                (0, Loaded::Live(stored)) => {
                    assert_eq!(stored.value, value(number));
                    assert!(stored.remaining.is_some_and(|left| left <= HOUR));
                }
                (2, Loaded::Ended(EndReason::Destroyed)) => assert_eq!(number % 2, 0),
                (2, Loaded::Ended(EndReason::Rotated)) => assert_eq!(number % 2, 1),
                (1 | 3, Loaded::Missing) => {}
                (4, Loaded::Live(stored)) => {
                    assert_eq!(stored.value, "for ever");
                    assert_eq!(stored.remaining, None);
                }
                (_, other) => panic!("{program:?}, {number}: {other:?}"),
            }
        }
        // The first is alone, and the others go 32 at a time.
        assert_eq!(calls(&server, "mget") - before, 5, "{program:?}");
    }
}

/// A load that is alone goes at once, and in one round trip.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_alone_is_one_question() {
    let server = Server::redis();
    let proxy = Proxy::to(server.port).await;
    let store = connect(proxy.url()).await;
    for number in 0..20 {
        store
            .create(&id(number), value(number), HOUR)
            .await
            .unwrap();
        proxy.turns();
        assert!(matches!(
            store.load(&id(number)).await.unwrap(),
            Loaded::Live(_)
        ));
        assert_eq!(proxy.turns(), 1);
    }
    assert_eq!(calls(&server, "mget"), 20);
}

/// Whoever wants the owner index's revision gets it, whoever it is asked for together with.
#[tokio::test]
async fn the_revision_is_asked_once_for_those_that_go_together() {
    let server = Server::redis();
    let store = connect(server.url()).await;
    create_all(&store, 20).await;
    let (_, none) = store.load_with_revision(&id(0)).await.unwrap();
    store.revoke(Whose::Owner("hanako")).await.unwrap();
    let (_, now) = store.load_with_revision(&id(0)).await.unwrap();
    assert_ne!(none, now);
    let before = calls(&server, "get");
    let mut loads = JoinSet::new();
    for number in 0..20 {
        let store = store.clone();
        loads.spawn(async move {
            if number % 2 == 0 {
                let (loaded, revision) = store.load_with_revision(&id(number)).await.unwrap();
                assert_eq!(revision, now);
                (number, loaded)
            } else {
                (number, store.load(&id(number)).await.unwrap())
            }
        });
    }
    for (number, loaded) in loads.join_all().await {
        assert!(matches!(loaded, Loaded::Live(stored) if stored.value == value(number)));
    }
    // For the first, which is alone, and for the others.
    assert_eq!(calls(&server, "get") - before, 2);
}

/// A visitor who goes away while the load waits takes nothing from the others.
#[tokio::test]
async fn whoever_gives_up_takes_nothing_from_the_others() {
    let server = Server::redis();
    let store = connect(server.url()).await;
    create_all(&store, 10).await;
    server.freeze();
    let mut loads = Vec::new();
    for number in 0..10 {
        let store = store.clone();
        loads.push(tokio::spawn(async move {
            store.load(&id(number)).await.unwrap()
        }));
    }
    // They are on their way now; those that come after are not.
    tokio::time::sleep(Duration::from_millis(20)).await;
    for number in 0..10 {
        let store = store.clone();
        loads.push(tokio::spawn(async move {
            store.load(&id(number)).await.unwrap()
        }));
    }
    for load in loads.iter().step_by(3) {
        load.abort();
    }
    server.thaw();
    for (index, load) in loads.into_iter().enumerate() {
        match load.await {
            Ok(Loaded::Live(stored)) => assert_eq!(stored.value, value(index % 10)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => assert!(error.is_cancelled() && index % 3 == 0, "{error}"),
        }
    }
}

/// What the server refuses is refused to each, with the right that is missing; other commands go on.
#[tokio::test]
async fn a_refusal_is_told_to_each_of_them() {
    let server = Server::redis();
    server.call(&[
        "ACL",
        "SETUSER",
        "default",
        "resetkeys",
        "~*",
        "+@all",
        "-mget",
    ]);
    let store = connect(server.url()).await;
    store.create(&id(1), value(1), HOUR).await.unwrap();
    let (first, second) = (id(1), id(2));
    let (one, two) = tokio::join!(store.load(&first), store.load_with_revision(&second));
    for error in [one.unwrap_err(), two.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
        assert!(error.to_string().contains("MGET"), "{error}");
    }
    assert!(store.renew(&id(1), HOUR).await.unwrap());
    server.call(&["ACL", "SETUSER", "default", "+mget"]);
    assert!(matches!(store.load(&id(1)).await.unwrap(), Loaded::Live(_)));
}

/// Many at once from several threads, while sessions change: nobody gets what is another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_several_threads_nobody_gets_what_is_anothers() {
    let server = Arc::new(Server::redis());
    let store = connect(server.url()).await;
    create_all(&store, 50).await;
    let mut loads = JoinSet::new();
    for visitor in 0..16 {
        let store = store.clone();
        loads.spawn(async move {
            for round in 0..200 {
                let number = (visitor * 7 + round * 13) % 60;
                match store.load(&id(number)).await.unwrap() {
                    Loaded::Live(stored) => assert_eq!(stored.value, value(number)),
                    other => {
                        assert_eq!(other, Loaded::Missing);
                        assert!(number >= 50, "{number} is missing");
                    }
                }
            }
        });
    }
    loads.join_all().await;
    assert!(calls(&server, "mget") <= 3200);
    assert_eq!(calls(&server, "pttl"), 3200);
}
