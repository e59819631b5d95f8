//! Sessions in this process's memory: for tests, for development, and for an application of one process whose users may
//! be signed out by a restart.
//!
//! The store keeps the law of [`cloakroom_core::store`] and forgets everything when its last handle is dropped. Two
//! processes share nothing, so behind a load balancer a visitor is signed in on one of them only; use a store with a
//! server or a file there.
//!
//! # Memory
//!
//! What is over is thrown away without being asked for: each change removes a few entries whose time is over, and while
//! there is anything to expire, a background thread looks about once a second. The thread starts with the first
//! session, needs no runtime, and ends when there is nothing left to expire or the store is dropped.
//!
//! Without [`max_sessions`](MemoryStore::max_sessions) the store grows with its sessions. With it, a `create` beyond the
//! limit fails as [`Rejected`](ErrorKind::Rejected): a full store refuses newcomers and never signs anybody out to make
//! room. Tombstones do not count; there is one for each session that was ended in the last quarter of an hour.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom_core::{
    Clock, Created, EndReason, Error, ErrorKind, Loaded, Replaced, Retired, SessionId, Store,
    Stored, Timestamp,
    cached::{Cached, CachedValue},
    store::{Scan, ScanPage, Sweep, TOMBSTONE_TTL},
};

use crate::clock::SystemClock;

mod owners;

use owners::Owners;

/// How many expired entries a change removes on its way: more than the one entry it can add, so that the rest shrinks.
const SWEPT_BY_A_CHANGE: usize = 4;

/// How many sessions are renewed before others are let in.
const RENEWED_AT_ONCE: usize = 64;

/// How many entries the background thread removes before it lets others in.
const SWEPT_AT_ONCE: usize = 512;

/// The background thread looks after this time at the latest, so that it soon sees that the store was dropped.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// A store in memory. Clones are handles on the same sessions. See the [module's documentation](self).
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    max_sessions: Option<usize>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<SessionId, Entry>,
    /// The ids of all entries by the end of their time.
    due: BTreeSet<(Timestamp, SessionId)>,
    /// How many entries are sessions, expired ones that were not swept yet included.
    sessions: usize,
    /// Whose the sessions are.
    owners: Owners,
    /// Whether the background thread runs.
    sweeping: bool,
}

struct Entry {
    until: Timestamp,
    kind: Kind,
}

enum Kind {
    Session(Bytes),
    Tombstone(EndReason),
}

impl MemoryStore {
    /// An empty store on the system's clock, with no limit to its sessions.
    #[must_use]
    pub fn new() -> Self {
        Self::build(Arc::new(SystemClock), None)
    }

    /// Limits the number of live sessions; `create` fails as [`Rejected`](ErrorKind::Rejected) beyond it. Call it before
    /// the store is used: it gives a new, empty store.
    #[must_use]
    pub fn max_sessions(self, limit: usize) -> Self {
        Self::build(self.shared.clock.clone(), Some(limit))
    }

    /// Takes the time from `clock`: for tests. Call it before the store is used: it gives a new, empty store.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self::build(clock, self.shared.max_sessions)
    }

    fn build(clock: Arc<dyn Clock>, max_sessions: Option<usize>) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                max_sessions,
                state: Mutex::default(),
            }),
        }
    }

    /// How many entries are in memory now: live sessions, tombstones, and what is over but not thrown away yet.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.shared.lock().entries.len()
    }

    /// How many [claims](cloakroom_core::owner_index) of owners are in memory now.
    #[must_use]
    pub fn claims(&self) -> usize {
        self.shared.lock().owners.len()
    }

    /// One change under the lock, with a little sweeping before it. Sees to it that what was added will be swept.
    fn change<T>(&self, change: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let now = self.shared.clock.now();
        let mut state = self.shared.lock();
        state.sweep(now, SWEPT_BY_A_CHANGE);
        let answer = change(&mut state, now);
        if !state.sweeping && state.next_due().is_some() {
            state.sweeping = self.shared.spawn_sweeper();
        }
        answer
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("entries", &self.entries())
            .field("max_sessions", &self.shared.max_sessions)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Nothing panics under the lock; should it happen all the same, every change leaves the state whole enough to go on.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the thread that sweeps while there is something to expire. `false` if the system gives no thread: the
    /// next change tries again, and changes sweep anyway.
    fn spawn_sweeper(self: &Arc<Self>) -> bool {
        let store = Arc::downgrade(self);
        let name = "cloakroom-memory".to_owned();
        let thread = thread::Builder::new().name(name);
        thread.spawn(move || sweep_while_needed(&store)).is_ok()
    }
}

/// Holds the store only while it sweeps, so that the last handle's drop ends the store and then this thread.
fn sweep_while_needed(store: &Weak<Shared>) {
    loop {
        let nap = {
            let Some(shared) = store.upgrade() else {
                return;
            };
            let now = shared.clock.now();
            let mut state = shared.lock();
            let swept = state.sweep(now, SWEPT_AT_ONCE);
            match state.next_due() {
                None => {
                    state.sweeping = false;
                    return;
                }
                // There may be more: let others in and go on.
                Some(_) if swept >= SWEPT_AT_ONCE => Duration::ZERO,
                Some(next) => next
                    .saturating_since(now)
                    .clamp(LONGEST_NAP / 10, LONGEST_NAP),
            }
        };
        thread::sleep(nap);
    }
}

impl State {
    /// What is under the id at `now`; entries whose time is over are nothing.
    fn get(&self, id: &SessionId, now: Timestamp) -> Loaded {
        self.entries
            .get(id)
            .map_or(Loaded::Missing, |entry| entry.at(now))
    }

    /// Each request reads the bytes anew: what was read out of them would take more memory than they do.
    fn cached(&self, id: &SessionId, now: Timestamp) -> Option<Cached> {
        match self.get(id, now) {
            Loaded::Live(stored) => Some(Cached {
                value: CachedValue::new(stored.value),
                remaining: stored.remaining,
            }),
            _ => None,
        }
    }

    fn put(&mut self, id: &SessionId, kind: Kind, ttl: Duration, now: Timestamp) {
        let until = now.saturating_add(ttl);
        self.remove(id);
        self.sessions += usize::from(matches!(kind, Kind::Session(_)));
        self.due.insert((until, id.clone()));
        self.entries.insert(id.clone(), Entry { until, kind });
    }

    fn renew(&mut self, id: &SessionId, ttl: Duration, now: Timestamp) -> bool {
        let Some(entry) = self.entries.get_mut(id) else {
            return false;
        };
        if entry.until <= now || matches!(entry.kind, Kind::Tombstone(_)) {
            return false;
        }
        let mut due = (entry.until, id.clone());
        entry.until = now.saturating_add(ttl);
        self.due.remove(&due);
        due.0 = entry.until;
        self.due.insert(due);
        true
    }

    fn remove(&mut self, id: &SessionId) {
        if let Some((id, entry)) = self.entries.remove_entry(id) {
            self.sessions -= usize::from(matches!(entry.kind, Kind::Session(_)));
            self.due.remove(&(entry.until, id));
        }
    }

    /// Removes at most `limit` entries whose time is over.
    fn sweep(&mut self, now: Timestamp, limit: usize) -> usize {
        let mut swept = 0;
        while swept < limit {
            // Each turn takes one out of `due`, so this comes to an end whatever the two collections hold.
            match self.due.pop_first() {
                Some((until, id)) if until <= now => {
                    self.remove(&id);
                    swept += 1;
                }
                Some(later) => {
                    self.due.insert(later);
                    break;
                }
                None => break,
            }
        }
        self.owners.sweep(now, limit);
        swept
    }

    /// When something is next to be thrown away.
    fn next_due(&self) -> Option<Timestamp> {
        let entry = self.due.first().map(|(until, _)| *until);
        let owners = self.owners.next_due();
        entry.into_iter().chain(owners).min()
    }
}

impl Entry {
    fn at(&self, now: Timestamp) -> Loaded {
        if self.until <= now {
            return Loaded::Missing;
        }
        match &self.kind {
            Kind::Session(value) => Loaded::Live(Stored {
                value: value.clone(),
                remaining: Some(self.until.saturating_since(now)),
            }),
            Kind::Tombstone(reason) => Loaded::Ended(*reason),
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self, id: &SessionId) -> Result<Loaded, Error> {
        let now = self.shared.clock.now();
        Ok(self.shared.lock().get(id, now))
    }

    fn cached(&self, id: &SessionId) -> Option<Cached> {
        let now = self.shared.clock.now();
        self.shared.lock().cached(id, now)
    }

    async fn create(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<Created, Error> {
        self.change(|state, now| {
            if state.get(id, now) != Loaded::Missing {
                return Ok(Created::Taken);
            }
            if let Some(limit) = self.shared.max_sessions
                && state.sessions >= limit
            {
                state.sweep(now, usize::MAX);
                if state.sessions >= limit {
                    return Err(Error::new(
                        ErrorKind::Rejected,
                        format!(
                            "the memory store is full: max_sessions is {limit}; raise it, shorten the lifetime of \
                             sessions, or use a store outside of memory"
                        ),
                    ));
                }
            }
            state.put(id, Kind::Session(value), ttl, now);
            Ok(Created::Created)
        })
    }

    async fn replace(
        &self,
        id: &SessionId,
        base: &Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Replaced, Error> {
        Ok(self.change(|state, now| match state.get(id, now) {
            Loaded::Live(stored) if stored.value == *base => {
                state.put(id, Kind::Session(value), ttl, now);
                Replaced::Replaced
            }
            Loaded::Live(stored) => Replaced::Changed(stored),
            _ => Replaced::Gone,
        }))
    }

    async fn renew(&self, id: &SessionId, ttl: Duration) -> Result<bool, Error> {
        Ok(self.change(|state, now| state.renew(id, ttl, now)))
    }

    async fn renew_all(&self, renewals: &[(SessionId, Duration)]) -> Vec<Result<bool, Error>> {
        let renewed = renewals.chunks(RENEWED_AT_ONCE).flat_map(|some| {
            self.change(|state, now| {
                let renewed = some.iter().map(|(id, ttl)| Ok(state.renew(id, *ttl, now)));
                renewed.collect::<Vec<_>>()
            })
        });
        renewed.collect()
    }

    /// It never waits for anything.
    fn deadline(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    async fn end(&self, id: &SessionId, reason: EndReason) -> Result<bool, Error> {
        Ok(self.change(|state, now| {
            let before = state.get(id, now);
            let stands = match before {
                Loaded::Ended(EndReason::Destroyed) => true,
                Loaded::Ended(EndReason::Rotated) => reason == EndReason::Rotated,
                _ => false,
            };
            if !stands {
                state.put(id, Kind::Tombstone(reason), TOMBSTONE_TTL, now);
            }
            matches!(before, Loaded::Live(_))
        }))
    }

    async fn retire(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Error> {
        Ok(self.change(|state, now| match state.get(id, now) {
            Loaded::Live(stored) if stored.value == *base => {
                state.put(id, Kind::Tombstone(EndReason::Rotated), TOMBSTONE_TTL, now);
                Retired::Retired
            }
            Loaded::Live(stored) => Retired::Changed(stored),
            _ => Retired::Gone,
        }))
    }
}

#[async_trait]
impl Sweep for MemoryStore {
    async fn sweep(&self, limit: usize) -> Result<usize, Error> {
        let now = self.shared.clock.now();
        Ok(self.shared.lock().sweep(now, limit))
    }
}

/// A page costs the steps through what it passes over: at most `limit` live sessions and the entries between them.
#[async_trait]
impl Scan for MemoryStore {
    async fn scan(&self, cursor: Option<String>, limit: usize) -> Result<ScanPage, Error> {
        let from = match cursor {
            None => Bound::Unbounded,
            Some(cursor) => match SessionId::parse(&cursor) {
                Some(last) => Bound::Excluded(last),
                None => {
                    return Err(Error::new(
                        ErrorKind::Invalid,
                        "the cursor of a scan is none that a page gave; start again without one",
                    ));
                }
            },
        };
        let now = self.shared.clock.now();
        let state = self.shared.lock();
        let mut page = ScanPage::default();
        for (id, entry) in state.entries.range((from, Bound::Unbounded)) {
            if page.sessions.len() >= limit.max(1) {
                let last = page.sessions.last();
                page.next = last.map(|(id, _)| id.as_str().to_owned());
                break;
            }
            if let Loaded::Live(stored) = entry.at(now) {
                page.sessions.push((id.clone(), stored));
            }
        }
        Ok(page)
    }
}
