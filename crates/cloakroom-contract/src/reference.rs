//! A small store that keeps the law: what the suite itself is tested on, and what the [rogues](crate::rogues) depart
//! from.
//!
//! It is for tests alone: it keeps everything until it is swept. Each call gives way to other tasks before and after
//! its one atomic step, so that the schedules that a store behind a network would show are seen here too.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom_core::{
    Clock, Created, EndReason, Error, ErrorKind, Loaded, Replaced, Retired, SessionId, Store,
    Stored, Timestamp,
    store::{Scan, ScanPage, Sweep, TOMBSTONE_TTL},
    time::ManualClock,
};
use tokio::task::yield_now;

use crate::{Handle, Opened, reference_index::Index};

/// What a namespace has under an id.
#[derive(Clone)]
pub(crate) enum Entry {
    Session { value: Bytes, until: Timestamp },
    Tombstone { reason: EndReason, until: Timestamp },
}

impl Entry {
    pub(crate) fn until(&self) -> Timestamp {
        match self {
            Self::Session { until, .. } | Self::Tombstone { until, .. } => *until,
        }
    }
}

#[derive(Default)]
struct State {
    namespaces: BTreeMap<String, BTreeMap<SessionId, Entry>>,
    indexes: BTreeMap<String, Index>,
    unreachable: bool,
    read_only: bool,
}

/// A handle on one namespace of a backing in memory. Clones are handles on the same namespace.
#[derive(Clone)]
pub struct ReferenceStore {
    pub(crate) clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
    namespace: String,
}

impl ReferenceStore {
    /// A new backing and a handle on its unnamed namespace.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Arc::default(),
            namespace: String::new(),
        }
    }

    /// A handle on another namespace of the same backing.
    #[must_use]
    pub fn sibling(&self, namespace: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            ..self.clone()
        }
    }

    /// Makes the backing unreachable, or reachable again.
    pub fn set_unreachable(&self, unreachable: bool) {
        self.state().unreachable = unreachable;
    }

    /// Makes the backing refuse changes, or take them again.
    pub fn set_read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn is_sibling(&self) -> bool {
        !self.namespace.is_empty()
    }

    /// Changes the data behind the calls' back.
    pub(crate) fn meddle(&self, change: impl FnOnce(&mut BTreeMap<SessionId, Entry>, Timestamp)) {
        let now = self.clock.now();
        let mut state = self.state();
        let namespace = state.namespaces.entry(self.namespace.clone());
        change(namespace.or_default(), now);
    }

    /// The same for the owner index.
    pub(crate) fn meddle_with_index(&self, change: impl FnOnce(&mut Index)) {
        let mut state = self.state();
        change(state.indexes.entry(self.namespace.clone()).or_default());
    }

    /// An [`Opened`] with every capability that a store in memory can have, for handles that `wrap` makes from this
    /// one.
    fn opened<W>(&self, wrap: W) -> Opened
    where
        W: Fn(Self) -> Handle + Clone + Send + Sync + 'static,
    {
        let (again, beside) = ((self.clone(), wrap.clone()), (self.clone(), wrap.clone()));
        let (outage, read_only) = (self.clone(), self.clone());
        Opened::new(wrap(self.clone()))
            .on_reopen(move || {
                let handle = again.1(again.0.clone());
                async move { Ok(handle) }
            })
            .on_sibling(move |name| {
                let handle = beside.1(beside.0.sibling(name));
                async move { Ok(handle) }
            })
            .on_outage(move |on| {
                outage.set_unreachable(on);
                std::future::ready(())
            })
            .on_read_only(move |on| {
                read_only.set_read_only(on);
                std::future::ready(())
            })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One atomic step, with other tasks let through before and after.
    pub(crate) async fn step<T>(
        &self,
        changes: bool,
        step: impl FnOnce(&mut BTreeMap<SessionId, Entry>, Timestamp) -> T,
    ) -> Result<T, Error> {
        self.step_with_index(changes, |entries, _, now| step(entries, now))
            .await
    }

    /// The same for what concerns the owner index.
    pub(crate) async fn step_with_index<T>(
        &self,
        changes: bool,
        step: impl FnOnce(&mut BTreeMap<SessionId, Entry>, &mut Index, Timestamp) -> T,
    ) -> Result<T, Error> {
        yield_now().await;
        let answer = {
            let mut state = self.state();
            if state.unreachable {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "the reference store is unreachable",
                ));
            }
            if changes && state.read_only {
                return Err(Error::new(
                    ErrorKind::Rejected,
                    "the reference store is read-only",
                ));
            }
            let now = self.clock.now();
            let State {
                namespaces,
                indexes,
                ..
            } = &mut *state;
            let entries = namespaces.entry(self.namespace.clone()).or_default();
            let index = indexes.entry(self.namespace.clone()).or_default();
            step(entries, index, now)
        };
        yield_now().await;
        Ok(answer)
    }
}

impl fmt::Debug for ReferenceStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceStore")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// A fresh reference store in virtual time, with every capability that a store in memory can have.
pub fn opened() -> Opened {
    opened_as(|store| {
        let store = Arc::new(store);
        Handle::full(store.clone()).with_owner_index(store)
    })
}

/// The same for handles that `wrap` makes from the reference store's.
pub(crate) fn opened_as<W>(wrap: W) -> Opened
where
    W: Fn(ReferenceStore) -> Handle + Clone + Send + Sync + 'static,
{
    let start = Timestamp::from_millis(1_764_105_578_229);
    let clock = Arc::new(ManualClock::new(start));
    let store = ReferenceStore::new(clock.clone());
    let opened = store.opened(wrap);
    opened.virtual_time(move |by| clock.advance(by))
}

/// What an entry is at a moment: entries whose time is over are nothing.
pub(crate) fn current(entry: Option<&Entry>, now: Timestamp) -> Loaded {
    match entry {
        Some(entry) if entry.until() <= now => Loaded::Missing,
        Some(Entry::Session { value, until }) => Loaded::Live(Stored {
            value: value.clone(),
            remaining: Some(until.saturating_since(now)),
        }),
        Some(Entry::Tombstone { reason, .. }) => Loaded::Ended(*reason),
        None => Loaded::Missing,
    }
}

pub(crate) fn session(value: Bytes, ttl: Duration, now: Timestamp) -> Entry {
    let until = now.saturating_add(ttl);
    Entry::Session { value, until }
}

pub(crate) fn tombstone(reason: EndReason, now: Timestamp) -> Entry {
    let until = now.saturating_add(TOMBSTONE_TTL);
    Entry::Tombstone { reason, until }
}

#[async_trait]
impl Store for ReferenceStore {
    async fn load(&self, id: &SessionId) -> Result<Loaded, Error> {
        self.step(false, |entries, now| current(entries.get(id), now))
            .await
    }

    async fn create(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<Created, Error> {
        self.step(true, |entries, now| {
            if current(entries.get(id), now) != Loaded::Missing {
                return Created::Taken;
            }
            entries.insert(id.clone(), session(value, ttl, now));
            Created::Created
        })
        .await
    }

    async fn replace(
        &self,
        id: &SessionId,
        base: &Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Replaced, Error> {
        self.step(true, |entries, now| match current(entries.get(id), now) {
            Loaded::Live(stored) if stored.value == *base => {
                entries.insert(id.clone(), session(value, ttl, now));
                Replaced::Replaced
            }
            Loaded::Live(stored) => Replaced::Changed(stored),
            _ => Replaced::Gone,
        })
        .await
    }

    async fn renew(&self, id: &SessionId, ttl: Duration) -> Result<bool, Error> {
        self.step(true, |entries, now| match current(entries.get(id), now) {
            Loaded::Live(stored) => {
                entries.insert(id.clone(), session(stored.value, ttl, now));
                true
            }
            _ => false,
        })
        .await
    }

    async fn end(&self, id: &SessionId, reason: EndReason) -> Result<bool, Error> {
        self.step(true, |entries, now| {
            let before = current(entries.get(id), now);
            let kept = match before {
                Loaded::Ended(EndReason::Destroyed) => true,
                Loaded::Ended(EndReason::Rotated) => reason == EndReason::Rotated,
                _ => false,
            };
            if !kept {
                entries.insert(id.clone(), tombstone(reason, now));
            }
            matches!(before, Loaded::Live(_))
        })
        .await
    }

    async fn retire(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Error> {
        self.step(true, |entries, now| match current(entries.get(id), now) {
            Loaded::Live(stored) if stored.value == *base => {
                entries.insert(id.clone(), tombstone(EndReason::Rotated, now));
                Retired::Retired
            }
            Loaded::Live(stored) => Retired::Changed(stored),
            _ => Retired::Gone,
        })
        .await
    }
}

#[async_trait]
impl Sweep for ReferenceStore {
    async fn sweep(&self, limit: usize) -> Result<usize, Error> {
        self.step(true, |entries, now| {
            let over = entries.iter().filter(|(_, entry)| entry.until() <= now);
            let over: Vec<SessionId> = over.take(limit).map(|(id, _)| id.clone()).collect();
            for id in &over {
                entries.remove(id);
            }
            over.len()
        })
        .await
    }
}

#[async_trait]
impl Scan for ReferenceStore {
    async fn scan(&self, cursor: Option<String>, limit: usize) -> Result<ScanPage, Error> {
        let after = match cursor.as_deref().map(SessionId::parse) {
            None => Bound::Unbounded,
            Some(Some(id)) => Bound::Excluded(id),
            Some(None) => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    "this cursor is none that a page gave",
                ));
            }
        };
        self.step(false, |entries, now| {
            let mut page = ScanPage::default();
            for (id, entry) in entries.range((after, Bound::Unbounded)) {
                if page.sessions.len() >= limit.max(1) {
                    let last = page.sessions.last();
                    page.next = last.map(|(id, _)| id.as_str().to_owned());
                    break;
                }
                if let Loaded::Live(stored) = current(Some(entry), now) {
                    page.sessions.push((id.clone(), stored));
                }
            }
            page
        })
        .await
    }
}
