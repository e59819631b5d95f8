//! The case that kills a process, shown on a store in a file: it passes the one that writes before it acknowledges and
//! catches the one that writes when it is closed.

use std::{
    env, fs,
    io::{self, Write},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom_contract::{
    Handle, Opened, Outcome, StoreFactory, find, kill::write_owned_until_killed,
    reference::ReferenceStore,
};
use cloakroom_core::{
    Clock, Created, EndReason, Error, ErrorKind, Loaded, OwnerIndex, Replaced, Retired, SessionId,
    Store, Timestamp,
    owner_index::{Claimed, Claims, Revision, Whose},
};

const PATH: &str = "CLOAKROOM_TEST_LOG";
const BUFFERED: &str = "CLOAKROOM_TEST_BUFFERED";

/// The system's, or that of the line of the log that is read again.
#[derive(Debug, Default)]
struct LogClock(Mutex<Option<Timestamp>>);

impl Clock for LogClock {
    fn now(&self) -> Timestamp {
        if let Some(at) = *self.0.lock().unwrap() {
            return at;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }
}

/// Writes everything when it is dropped, which a killed process does not get to.
struct AtTheEnd(Vec<u8>, fs::File);

impl Write for AtTheEnd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        let _ = self.1.write_all(&self.0);
    }
}

/// The reference store with a log of what was done. Times to live are not logged: this test waits for none.
struct Log {
    inner: ReferenceStore,
    file: Mutex<Box<dyn Write + Send>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}

impl Log {
    async fn open(path: &Path, buffered: bool) -> Self {
        let clock = Arc::new(LogClock::default());
        let inner = ReferenceStore::new(clock.clone());
        let day = Duration::from_secs(24 * 60 * 60);
        for line in fs::read_to_string(path).unwrap_or_default().lines() {
            // A line that was torn by the kill has no mark at its end.
            let Some(line) = line.strip_suffix(" .") else {
                continue;
            };
            let (id, value) = line.split_once(' ').unwrap();
            let id = SessionId::parse(id).unwrap();
            let reason = match value {
                "end" => Some(EndReason::Destroyed),
                "retire" => Some(EndReason::Rotated),
                _ => None,
            };
            if let Some(reason) = reason {
                inner.end(&id, reason).await.unwrap();
                continue;
            }
            if let Some((what, at, owner)) = of_owner(value) {
                *clock.0.lock().unwrap() = Some(at);
                if what == CLAIM {
                    inner.claim(owner, &id, day, None).await.unwrap();
                } else {
                    inner.revoke(Whose::Owner(owner)).await.unwrap();
                }
                *clock.0.lock().unwrap() = None;
                continue;
            }
            let value: Vec<u8> = value
                .split_terminator(',')
                .map(|n| n.parse().unwrap())
                .collect();
            if let Loaded::Live(stored) = inner.load(&id).await.unwrap() {
                let replaced = inner.replace(&id, &stored.value, value.into(), day).await;
                replaced.unwrap();
            } else {
                inner.create(&id, value.into(), day).await.unwrap();
            }
        }
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        let file: Box<dyn Write + Send> = if buffered {
            Box::new(AtTheEnd(Vec::new(), file))
        } else {
            Box::new(file)
        };
        Self {
            inner,
            file: Mutex::new(file),
        }
    }

    fn write(&self, id: &SessionId, what: &str) -> Result<(), Error> {
        let line = format!("\n{} {what} .\n", id.as_str());
        let written = self.file.lock().unwrap().write_all(line.as_bytes());
        written.map_err(|error| Error::new(ErrorKind::Unavailable, error.to_string()))
    }
}

fn numbers(value: &Bytes) -> String {
    value.iter().map(|byte| format!("{byte},")).collect()
}

#[async_trait]
impl Store for Log {
    async fn load(&self, id: &SessionId) -> Result<Loaded, Error> {
        self.inner.load(id).await
    }

    async fn create(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<Created, Error> {
        self.write(id, &numbers(&value))?;
        self.inner.create(id, value, ttl).await
    }

    async fn replace(
        &self,
        id: &SessionId,
        base: &Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Replaced, Error> {
        self.write(id, &numbers(&value))?;
        self.inner.replace(id, base, value, ttl).await
    }

    async fn renew(&self, id: &SessionId, ttl: Duration) -> Result<bool, Error> {
        self.inner.renew(id, ttl).await
    }

    async fn end(&self, id: &SessionId, reason: EndReason) -> Result<bool, Error> {
        self.write(id, "end")?;
        self.inner.end(id, reason).await
    }

    async fn retire(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Error> {
        let retired = self.inner.retire(id, base).await?;
        if retired == Retired::Retired {
            self.write(id, "retire")?;
        }
        Ok(retired)
    }
}

const CLAIM: &str = "claim";
const REVOKE: &str = "revoke";

/// What a line says of an owner: what was done, when, and to whom.
fn of_owner(value: &str) -> Option<(&str, Timestamp, &str)> {
    let (what, rest) = value.split_once(' ')?;
    let (at, owner) = rest.split_once(' ')?;
    Some((what, Timestamp::from_millis(at.parse().ok()?), owner))
}

#[async_trait]
impl OwnerIndex for Log {
    async fn load_with_revision(&self, id: &SessionId) -> Result<(Loaded, Revision), Error> {
        self.inner.load_with_revision(id).await
    }

    async fn claim(
        &self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
    ) -> Result<Claimed, Error> {
        let claimed = self.inner.claim(owner, id, keep, limit).await?;
        let at = claimed.at.as_millis();
        self.write(id, &format!("{CLAIM} {at} {owner}"))?;
        Ok(claimed)
    }

    async fn owned(&self, owner: &str) -> Result<Claims, Error> {
        self.inner.owned(owner).await
    }

    async fn release(&self, owner: &str, ids: &[SessionId]) -> Result<(), Error> {
        self.inner.release(owner, ids).await
    }

    async fn revoke(&self, whose: Whose<'_>) -> Result<Timestamp, Error> {
        let at = self.inner.revoke(whose).await?;
        if let Whose::Owner(owner) = whose {
            let nobody = SessionId::from_random([0; 24]);
            let millis = at.as_millis();
            self.write(&nobody, &format!("{REVOKE} {millis} {owner}"))?;
        }
        Ok(at)
    }

    async fn revoked_at(&self, owner: &str) -> Result<Option<Timestamp>, Error> {
        self.inner.revoked_at(owner).await
    }
}

fn handle(store: Log) -> Handle {
    let store = Arc::new(store);
    Handle::new(store.clone()).with_owner_index(store)
}

/// A file that goes with its guard.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

struct Factory {
    buffered: bool,
}

#[async_trait]
impl StoreFactory for Factory {
    async fn open(&self) -> Result<Opened, Error> {
        static NEXT: Mutex<u32> = Mutex::new(0);
        let number = {
            let mut next = NEXT.lock().unwrap();
            *next += 1;
            *next
        };
        let name = format!("cloakroom-killed-{}-{number}.log", std::process::id());
        let path = env::temp_dir().join(name);
        let buffered = self.buffered;
        let (again, written) = (path.clone(), path.clone());
        let store = Log::open(&path, buffered).await;
        Ok(Opened::new(handle(store))
            .keep(Removed(path))
            .on_reopen(move || {
                let path = again.clone();
                async move { Ok(handle(Log::open(&path, buffered).await)) }
            })
            .on_writer(move || {
                let mut command = Command::new(env::current_exe().unwrap());
                command.args(["--exact", "writer", "--nocapture"]);
                command.env(PATH, &written);
                command.env(BUFFERED, if buffered { "1" } else { "" });
                command
            }))
    }
}

/// Not a test of its own: what the case starts as another process. Without the variable it passes.
#[tokio::test]
async fn writer() {
    let Some(path) = env::var_os(PATH) else {
        return;
    };
    let buffered = env::var_os(BUFFERED).is_some_and(|value| !value.is_empty());
    write_owned_until_killed(&Log::open(Path::new(&path), buffered).await).await;
}

/// Of sessions, and of the owner index.
const CASES: [&str; 2] = [
    "durability::acknowledged_survives_a_killed_process",
    "owners::acknowledged_survives_a_killed_process",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_before_it_is_acknowledged_survives() {
    for name in CASES {
        let outcome = find(name).unwrap().run(&Factory { buffered: false }).await;
        assert_eq!(outcome, Outcome::Passed, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_before_it_is_written_is_caught() {
    for (name, said) in CASES
        .iter()
        .zip(["was acknowledged", "is lost with the process"])
    {
        let outcome = find(name).unwrap().run(&Factory { buffered: true }).await;
        let Outcome::Failed(message) = &outcome else {
            panic!("{outcome:?}");
        };
        assert!(message.contains(said), "{message}");
    }
}
