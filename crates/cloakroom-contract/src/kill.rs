//! The other side of `durability::acknowledged_survives_a_killed_process`, and of the same case of `owners`: a process that writes until it is killed.
//!
//! A test binary can be its own writer. The factory's command starts the same binary with the name of one test and
//! says in an environment variable which store to open:
//!
//! ```text
//! #[test]
//! fn writer() {
//!     // Started by the suite only; without the variable this is an ordinary test that passes.
//!     let Some(path) = std::env::var_os("MY_STORE") else { return };
//!     runtime().block_on(cloakroom_contract::kill::write_until_killed(&*open(&path)));
//! }
//!
//! opened.on_writer(move || {
//!     let mut command = Command::new(std::env::current_exe().unwrap());
//!     command.args(["--exact", "writer", "--nocapture"]).env("MY_STORE", &path);
//!     command
//! })
//! ```

use std::{env, io::Write as _, time::Duration};

use cloakroom_core::{EndReason, OwnerIndex, SessionId, Store, owner_index::Whose};

const TTL: Duration = Duration::from_secs(24 * 60 * 60);
const MARK: &str = "acknowledged step ";
const AT: &str = " at ";

/// What the suite wants to be written stands in this variable of the writer's environment; without it, sessions.
pub(crate) const WRITES: &str = "CLOAKROOM_CONTRACT_WRITES";
pub(crate) const CLAIMS: &str = "claims";

/// How many steps behind the last acknowledged one are looked at too.
pub(crate) const AFTERMATH: usize = 100;

pub(crate) fn id(step: usize) -> SessionId {
    let mut bytes = *b"written-until-killed....";
    let number = u32::try_from(step).unwrap_or(u32::MAX);
    bytes[20..].copy_from_slice(&number.to_be_bytes());
    SessionId::from_random(bytes)
}

/// The bytes of a step: some kilobytes, none like those of another step.
pub(crate) fn value(step: usize) -> Vec<u8> {
    let length = 1 + step * 397 % 9000;
    (0..length)
        .map(|at| (at * 31 + step * 7 + at / 251) as u8)
        .collect()
}

/// Every third session is ended at once, and half of those are retired.
pub(crate) fn ends(step: usize) -> Option<EndReason> {
    match step % 6 {
        2 => Some(EndReason::Destroyed),
        5 => Some(EndReason::Rotated),
        _ => None,
    }
}

pub(crate) fn acknowledged(line: &str) -> Option<usize> {
    let (_, number) = line.split_once(MARK)?;
    number.trim().parse().ok()
}

/// Writes sessions to the store, and one line to the standard output for each that the store acknowledged, until the
/// process is killed, or for a minute if nobody does. Ends early when the store fails or nobody reads the lines.
pub async fn write_until_killed(store: &dyn Store) {
    let start = std::time::Instant::now();
    for step in 0.. {
        let (id, value) = (id(step), bytes::Bytes::from(value(step)));
        // Half of the sessions come to their bytes by way of replace.
        let done = if step % 2 == 0 {
            store.create(&id, value.clone(), TTL).await.map(|_| ())
        } else {
            let base = value.slice(..1);
            let created = store.create(&id, base.clone(), TTL).await;
            match created {
                Ok(_) => store
                    .replace(&id, &base, value.clone(), TTL)
                    .await
                    .map(|_| ()),
                Err(error) => Err(error),
            }
        };
        let done = match (done, ends(step)) {
            (Ok(()), Some(EndReason::Rotated)) => store.retire(&id, &value).await.map(|_| ()),
            (Ok(()), Some(reason)) => store.end(&id, reason).await.map(|_| ()),
            (done, _) => done,
        };
        let told = done.is_ok() && writeln!(std::io::stdout(), "{MARK}{step}").is_ok();
        if !told || start.elapsed() > Duration::from_secs(60) {
            return;
        }
    }
}

/// The same for a store with an owner index: sessions for the one case, claims and revocations for the other.
pub async fn write_owned_until_killed(store: &dyn OwnerIndex) {
    let claims = env::var(WRITES).is_ok_and(|writes| writes == CLAIMS);
    if !claims {
        return write_until_killed(store).await;
    }
    let start = std::time::Instant::now();
    for step in 0.. {
        let owner = owner(step);
        let done = if revokes(step) {
            store.revoke(Whose::Owner(&owner)).await
        } else {
            let claimed = store.claim(&owner, &id(step), TTL, None).await;
            claimed.map(|claimed| claimed.at)
        };
        let Ok(at) = done else { return };
        let at = at.as_millis();
        let told = writeln!(std::io::stdout(), "{MARK}{step}{AT}{at}");
        if told.is_err() || start.elapsed() > Duration::from_secs(60) {
            return;
        }
    }
}

pub(crate) fn owner(step: usize) -> String {
    format!("owner {}", step % 7)
}

pub(crate) fn revokes(step: usize) -> bool {
    step % 3 == 2
}

/// The step and the time that a line of the writer tells.
pub(crate) fn told(line: &str) -> Option<(usize, i64)> {
    let (_, told) = line.split_once(MARK)?;
    let (step, at) = told.split_once(AT)?;
    Some((step.trim().parse().ok()?, at.trim().parse().ok()?))
}
