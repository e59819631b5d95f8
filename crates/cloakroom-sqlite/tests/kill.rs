//! `kill -9` at any moment: everything that was acknowledged is there, and nothing is half there.
//!
//! The test starts its own binary as the writer. Several tasks write there at once, so that groups hold calls of
//! several, and each line on the pipe is an answer of the store. All rounds use one file, which therefore recovers again
//! and again.

mod common;

use std::{
    collections::{BTreeMap, HashSet},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use cloakroom_core::{EndReason, Loaded, OwnerIndex as _, SessionId, Store};
use cloakroom_sqlite::SqliteStore;
use common::{HOUR, id};

const ROUNDS: u32 = 200;
const TASKS: u32 = 4;
const OWNER: &str = "hanako";
const FILE: &str = "CLOAKROOM_TEST_FILE";
const ROUND: &str = "CLOAKROOM_TEST_ROUND";

/// A session's life: one create, two replaces, and for every third session an end.
const STEPS: u32 = 4;

fn name(round: u32, task: u32, number: u32) -> SessionId {
    id(&format!("r{round}-t{task}-n{number}"))
}

fn value(number: u32, step: u32) -> Bytes {
    let size = (number * 397 + step * 1009) % 6000;
    Bytes::from(vec![(number * 7 + step) as u8; size as usize])
}

/// What the store holds once `steps` steps are done.
fn state(number: u32, steps: u32) -> Option<Result<Bytes, EndReason>> {
    match steps {
        0 => None,
        STEPS if number % 3 == 2 => Some(Err(EndReason::Destroyed)),
        done => Some(Ok(value(number, done.min(3) - 1))),
    }
}

fn seen(loaded: Loaded) -> Option<Result<Bytes, EndReason>> {
    match loaded {
        Loaded::Live(stored) => Some(Ok(stored.value)),
        Loaded::Ended(reason) => Some(Err(reason)),
        _ => None,
    }
}

async fn step(store: &SqliteStore, id: &SessionId, number: u32, step: u32) {
    match step {
        0 => {
            // Claimed before it is written: what is there is in the index.
            store.claim(OWNER, id, HOUR, None).await.unwrap();
            store.create(id, value(number, 0), HOUR).await.unwrap();
        }
        3 if number % 3 == 2 => drop(store.end(id, EndReason::Destroyed).await.unwrap()),
        3 => drop(store.renew(id, HOUR * 2).await.unwrap()),
        _ => {
            let (base, next) = (value(number, step - 1), value(number, step));
            store.replace(id, &base, next, HOUR).await.unwrap();
        }
    }
}

/// The writer. Started by the test below; without the variable this is an empty test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer() {
    let (Some(file), Ok(round)) = (std::env::var_os(FILE), std::env::var(ROUND)) else {
        return;
    };
    let round: u32 = round.parse().unwrap();
    let store = SqliteStore::open(&file).unwrap();
    let tasks = (0..TASKS).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0..100_000 {
                let id = name(round, task, number);
                for at in 0..STEPS {
                    step(&store, &id, number, at).await;
                    writeln!(std::io::stdout(), "done {task} {number} {at}").unwrap();
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Runs the writer, kills it after `lines` answers, and returns how many steps each task had acknowledged.
fn killed_after(file: &Path, round: u32, lines: u32) -> BTreeMap<u32, u32> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--nocapture"])
        .env(FILE, file)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = BufReader::new(child.stdout.take().unwrap());
    let (mut steps, mut seen, mut line) = (BTreeMap::new(), 0, String::new());
    while pipe.read_line(&mut line).unwrap() > 0 {
        // The last line may be cut off.
        if let Some(("", answer)) = line.trim_end_matches('\n').split_once("done ")
            && line.ends_with('\n')
        {
            let numbers: Vec<u32> = answer.split(' ').map(|n| n.parse().unwrap()).collect();
            *steps.entry(numbers[0]).or_default() = numbers[1] * STEPS + numbers[2] + 1;
            seen += 1;
            if seen == lines {
                child.kill().unwrap();
            }
        }
        line.clear();
    }
    child.wait().unwrap();
    assert!(
        seen >= lines,
        "the writer stopped by itself after {seen} answers"
    );
    steps
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sessions.db");
    let mut kept = Vec::new();
    let mut random: u32 = 2_463_534_242;
    for round in 0..ROUNDS {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let steps = killed_after(&file, round, 1 + random % 60);
        let store = SqliteStore::builder(&file)
            .busy_timeout(Duration::from_secs(10))
            .open()
            .unwrap();
        for task in 0..TASKS {
            let acknowledged = steps.get(&task).copied().unwrap_or(0);
            // The call that was under way may have happened: one step more, and no other.
            for number in 0..=acknowledged / STEPS {
                let at_least = (acknowledged - number * STEPS).min(STEPS);
                let at_most = (at_least + 1).min(STEPS);
                let id = name(round, task, number);
                let found = seen(store.load(&id).await.unwrap());
                let allowed = [state(number, at_least), state(number, at_most)];
                assert!(
                    allowed.contains(&found),
                    "round {round}, task {task}, session {number}: {at_least} steps were acknowledged"
                );
                kept.push((id, found));
            }
            let beyond = name(round, task, acknowledged / STEPS + 1);
            assert_eq!(store.load(&beyond).await.unwrap(), Loaded::Missing);
        }
        drop(store);
    }
    let store = SqliteStore::open(&file).unwrap();
    let claims = store.owned(OWNER).await.unwrap().claims;
    assert!(claims.windows(2).all(|two| two[0].at < two[1].at));
    let claimed: HashSet<_> = claims.into_iter().map(|claim| claim.id).collect();
    for (id, found) in &kept {
        assert_eq!(&seen(store.load(id).await.unwrap()), found);
        assert!(found.is_none() || claimed.contains(id));
    }
    let stranger = rusqlite::Connection::open(&file).unwrap();
    let check: String = stranger
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    assert!(kept.len() > 500, "{} sessions are too few", kept.len());
}
