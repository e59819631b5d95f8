//! The calls, each with the bugs that it can have; those of `retire` stand in a file of their own.

use std::{
    collections::HashMap,
    fmt,
    ops::Range,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom_core::{
    Created, EndReason, Error, ErrorKind, Loaded, Replaced, Retired, SessionId, Store,
    cached::Cached,
    owner_index::{Claims, Revision},
};
use tokio::task::yield_now;

use super::{
    Rogue,
    rules::{Entries, bury, takes, unswept},
};
use crate::{
    reference::{Entry, ReferenceStore, current, session},
    reference_index::Index,
};

pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);

/// The reference store with one bug.
pub struct RogueStore {
    pub(super) rogue: Rogue,
    pub(super) inner: ReferenceStore,
    /// The prefix of joined keys.
    pub(super) prefix: String,
    /// The listings of owners that this handle has had.
    pub(super) owned: Mutex<HashMap<String, Claims>>,
    /// The times that this handle may give.
    pub(super) block: Mutex<Range<i64>>,
    /// What this handle loaded last.
    pub(super) seen: Mutex<HashMap<SessionId, Loaded>>,
    /// What waits under tombstones, or the marks that are to stand for some.
    pub(super) hidden: Mutex<HashMap<SessionId, Entry>>,
    /// Times to live as `create` was given them.
    pub(super) given: Mutex<HashMap<SessionId, Duration>>,
    /// The revision that this handle was told last.
    pub(super) told: Mutex<Option<Revision>>,
    broken: AtomicBool,
}

impl fmt::Debug for RogueStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RogueStore").field(&self.rogue).finish()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Long enough for every other caller of a race to come as far.
pub(super) async fn meanwhile() {
    tokio::time::sleep(Duration::from_millis(3)).await;
}

impl RogueStore {
    pub(super) fn new(rogue: Rogue, inner: ReferenceStore) -> Self {
        let prefix = inner.namespace().to_owned();
        let inner = match rogue {
            Rogue::OneNamespace | Rogue::JoinedKeys if inner.is_sibling() => inner.sibling("all"),
            _ => inner,
        };
        Self {
            rogue,
            inner,
            prefix,
            owned: Mutex::default(),
            block: Mutex::new(0..0),
            seen: Mutex::default(),
            hidden: Mutex::default(),
            given: Mutex::default(),
            told: Mutex::default(),
            broken: AtomicBool::new(false),
        }
    }

    /// What happens to the data when the store is opened again.
    pub(super) fn reopened(&self) {
        match self.rogue {
            Rogue::ReopenRestartsTime => self.inner.meddle(|entries, now| {
                for entry in entries.values_mut() {
                    if let Entry::Session { until, .. } = entry {
                        *until = now.saturating_add(HOUR);
                    }
                }
            }),
            Rogue::ReopenLosesTombstones => self.inner.meddle(|entries, _| {
                entries.retain(|_, entry| matches!(entry, Entry::Session { .. }));
            }),
            Rogue::RetireIsNotWritten => self.unretire(),
            Rogue::ReopenLosesOwners => self
                .inner
                .meddle_with_index(|index| *index = Index::default()),
            _ => {}
        }
    }

    pub(super) fn key(&self, id: &SessionId) -> SessionId {
        let text = match self.rogue {
            Rogue::IdsWithoutCase => id.as_str().to_ascii_lowercase(),
            Rogue::JoinedKeys => format!("{}{}", self.prefix, id.as_str()),
            _ => return id.clone(),
        };
        SessionId::parse(&text).unwrap_or_else(|| id.clone())
    }

    fn value(&self, value: Bytes) -> Bytes {
        match self.rogue {
            Rogue::LossyText => String::from_utf8_lossy(&value).into_owned().into(),
            Rogue::CutValues => value.slice(..value.len().min(65_535)),
            Rogue::RewrittenJson => String::from_utf8_lossy(&value)
                .replace("[]", "{}")
                .replace("1.0", "1")
                .into(),
            _ => value,
        }
    }

    pub(super) fn ttl(&self, ttl: Duration) -> Result<Duration, Error> {
        let millis = ttl.as_millis();
        Ok(match self.rogue {
            Rogue::ZeroIsForEver if ttl.is_zero() => Duration::MAX,
            Rogue::SecondsRoundedDown => Duration::from_secs(ttl.as_secs()),
            Rogue::SecondsRoundedUp => {
                Duration::from_secs(u64::try_from(millis.div_ceil(1000)).unwrap_or(u64::MAX))
            }
            Rogue::TimesOverflow => Duration::from_millis(u64::from(millis as u32)),
            Rogue::LongTimesRefused if ttl > HOUR * 24 * 366 => {
                let message = "the time to live is longer than a year";
                return Err(Error::new(ErrorKind::Rejected, message));
            }
            _ => ttl,
        })
    }

    /// What becomes of an error; `nothing` is what a store answers that takes it for an answer.
    pub(super) fn heard<T>(&self, answer: Result<T, Error>, nothing: T) -> Result<T, Error> {
        if self.broken.load(Ordering::SeqCst) {
            let message = "the connection was lost once";
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        match (self.rogue, answer) {
            (Rogue::OutageIsMissing, Err(error)) if error.kind() == ErrorKind::Unavailable => {
                Ok(nothing)
            }
            (Rogue::ReadOnlyIsGone, Err(error)) if error.kind() == ErrorKind::Rejected => {
                Ok(nothing)
            }
            (Rogue::OutageIsForGood, Err(error)) if error.kind() == ErrorKind::Unavailable => {
                Err(Error::new(ErrorKind::Rejected, error.to_string()))
            }
            (Rogue::OutageStays, Err(error)) if error.kind() == ErrorKind::Unavailable => {
                self.broken.store(true, Ordering::SeqCst);
                Err(error)
            }
            (_, answer) => answer,
        }
    }

    pub(super) async fn read(&self, id: &SessionId) -> Result<Loaded, Error> {
        match self.rogue {
            Rogue::LoadConsumes => {
                let taken = |entries: &mut Entries, now| current(entries.remove(id).as_ref(), now);
                self.inner.step(true, taken).await
            }
            Rogue::ExpiredUntilSwept => {
                let found = |entries: &mut Entries, _| unswept(entries, id);
                self.inner.step(false, found).await
            }
            Rogue::LoadWrites => {
                let found = |entries: &mut Entries, now| current(entries.get(id), now);
                self.inner.step(true, found).await
            }
            Rogue::StaleCache => {
                if let Some(seen) = lock(&self.seen).get(id) {
                    return Ok(seen.clone());
                }
                self.inner.load(id).await
            }
            Rogue::CreateHides => {
                let found = self.inner.load(id).await?;
                let hidden = (found == Loaded::Missing)
                    .then(|| lock(&self.hidden).remove(id))
                    .flatten();
                let Some(entry) = hidden else {
                    return Ok(found);
                };
                let risen = |entries: &mut Entries, _| entries.insert(id.clone(), entry);
                self.inner.step(true, risen).await?;
                self.inner.load(id).await
            }
            Rogue::RetireIsSoft => {
                let marked = lock(&self.hidden).get(id).cloned();
                match current(marked.as_ref(), self.inner.clock.now()) {
                    Loaded::Missing => self.inner.load(id).await,
                    marked => Ok(marked),
                }
            }
            Rogue::RemainingStandsStill => {
                let mut found = self.inner.load(id).await?;
                if let Loaded::Live(stored) = &mut found {
                    stored.remaining = lock(&self.given).get(id).copied();
                }
                Ok(found)
            }
            _ => self.inner.load(id).await,
        }
    }

    async fn put(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<(), Error> {
        self.inner
            .step(true, |entries, now| {
                entries.insert(id.clone(), session(value, ttl, now));
            })
            .await
    }

    async fn make(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<Created, Error> {
        let rogue = self.rogue;
        match rogue {
            Rogue::CreateOverwrites
            | Rogue::CreateOverTombstone
            | Rogue::CreateTripsOverExpired => {
                self.inner
                    .step(true, |entries, now| {
                        let found = current(entries.get(id), now);
                        let refused = match rogue {
                            Rogue::CreateOverwrites => matches!(found, Loaded::Ended(_)),
                            Rogue::CreateOverTombstone => matches!(found, Loaded::Live(_)),
                            _ => entries.contains_key(id),
                        };
                        if refused {
                            return Created::Taken;
                        }
                        entries.insert(id.clone(), session(value, ttl, now));
                        Created::Created
                    })
                    .await
            }
            Rogue::CreateInTwoSteps => {
                if self.inner.load(id).await? != Loaded::Missing {
                    return Ok(Created::Taken);
                }
                meanwhile().await;
                self.put(id, value, ttl).await?;
                Ok(Created::Created)
            }
            Rogue::CreateInPieces => {
                let claimed = self.inner.create(id, Bytes::new(), ttl).await?;
                if claimed == Created::Created {
                    yield_now().await;
                    self.put(id, value, ttl).await?;
                }
                Ok(claimed)
            }
            Rogue::CreateHides => {
                if matches!(self.inner.load(id).await?, Loaded::Ended(_)) {
                    let entry = session(value, ttl, self.inner.clock.now());
                    lock(&self.hidden).insert(id.clone(), entry);
                    return Ok(Created::Created);
                }
                self.inner.create(id, value, ttl).await
            }
            _ => self.inner.create(id, value, ttl).await,
        }
    }

    async fn swap(
        &self,
        id: &SessionId,
        base: &Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Replaced, Error> {
        let rogue = self.rogue;
        if rogue == Rogue::ReplaceInTwoSteps {
            return match self.inner.load(id).await? {
                Loaded::Live(stored) if stored.value == *base => {
                    meanwhile().await;
                    self.put(id, value, ttl).await?;
                    Ok(Replaced::Replaced)
                }
                Loaded::Live(stored) => Ok(Replaced::Changed(stored)),
                _ => Ok(Replaced::Gone),
            };
        }
        let replaced = self
            .inner
            .step(true, |entries, now| {
                let found = match rogue {
                    Rogue::ReplaceRevives => unswept(entries, id),
                    _ => current(entries.get(id), now),
                };
                let old_end = entries.get(id).map(Entry::until);
                let mut entry = session(value.clone(), ttl, now);
                if let (
                    Rogue::ReplaceKeepsTime | Rogue::ReplaceInPieces,
                    Entry::Session { until, .. },
                    Some(old_end),
                ) = (rogue, &mut entry, old_end)
                {
                    *until = old_end;
                }
                match found {
                    Loaded::Live(stored) if !takes(rogue, &stored.value, base) => {
                        if rogue == Rogue::RefusedReplaceRenews {
                            let renewed = session(stored.value.clone(), ttl, now);
                            entries.insert(id.clone(), renewed);
                        }
                        Replaced::Changed(stored)
                    }
                    Loaded::Missing | Loaded::Ended(_) if rogue != Rogue::ReplaceUpserts => {
                        Replaced::Gone
                    }
                    _ => {
                        entries.insert(id.clone(), entry);
                        Replaced::Replaced
                    }
                }
            })
            .await?;
        if rogue == Rogue::ReplaceInPieces && replaced == Replaced::Replaced {
            yield_now().await;
            self.put(id, value, ttl).await?;
        }
        Ok(replaced)
    }

    async fn prolong(&self, id: &SessionId, ttl: Duration) -> Result<bool, Error> {
        match self.rogue {
            Rogue::RenewWritesBack => {
                let renewed = self.inner.renew(id, ttl).await?;
                let seen = lock(&self.seen).get(id).cloned();
                if let (true, Some(Loaded::Live(stored))) = (renewed, seen) {
                    self.put(id, stored.value, ttl).await?;
                }
                Ok(renewed)
            }
            Rogue::RenewInTwoSteps => {
                let Loaded::Live(stored) = self.inner.load(id).await? else {
                    return Ok(false);
                };
                meanwhile().await;
                self.put(id, stored.value, ttl).await?;
                Ok(true)
            }
            Rogue::RenewInPieces => {
                let taken = |entries: &mut Entries, now| match current(entries.get(id), now) {
                    Loaded::Live(stored) => {
                        entries.remove(id);
                        Some(stored.value)
                    }
                    _ => None,
                };
                let Some(value) = self.inner.step(true, taken).await? else {
                    return Ok(false);
                };
                yield_now().await;
                self.put(id, value, ttl).await?;
                Ok(true)
            }
            Rogue::RenewRevives | Rogue::RenewNeverShortens => {
                let rogue = self.rogue;
                self.inner
                    .step(true, |entries, now| {
                        let found = match rogue {
                            Rogue::RenewRevives => unswept(entries, id),
                            _ => current(entries.get(id), now),
                        };
                        let Loaded::Live(stored) = found else {
                            return false;
                        };
                        let left = stored.remaining.unwrap_or_default();
                        let ttl = match rogue {
                            Rogue::RenewNeverShortens => ttl.max(left),
                            _ => ttl,
                        };
                        entries.insert(id.clone(), session(stored.value, ttl, now));
                        true
                    })
                    .await
            }
            _ => self.inner.renew(id, ttl).await,
        }
    }

    async fn finish(&self, id: &SessionId, reason: EndReason) -> Result<bool, Error> {
        let rogue = self.rogue;
        match rogue {
            Rogue::EndIsAlwaysTrue => self.inner.end(id, reason).await.map(|_| true),
            Rogue::EndInTwoSteps => {
                let was_live = matches!(self.inner.load(id).await?, Loaded::Live(_));
                meanwhile().await;
                self.inner.end(id, reason).await?;
                Ok(was_live)
            }
            Rogue::EndInPieces => {
                let gone = |entries: &mut Entries, now| {
                    let was_live = matches!(current(entries.get(id), now), Loaded::Live(_));
                    if was_live {
                        entries.remove(id);
                    }
                    was_live
                };
                let was_live = self.inner.step(true, gone).await?;
                yield_now().await;
                self.inner.end(id, reason).await?;
                Ok(was_live)
            }
            _ => {
                self.inner
                    .step(true, |entries, now| bury(rogue, entries, id, reason, now))
                    .await
            }
        }
    }
}

#[async_trait]
impl Store for RogueStore {
    async fn load(&self, id: &SessionId) -> Result<Loaded, Error> {
        let found = self.read(&self.key(id)).await;
        if let Ok(loaded @ Loaded::Live(_)) = &found {
            lock(&self.seen).insert(self.key(id), loaded.clone());
        }
        self.heard(found, Loaded::Missing)
    }

    fn cached(&self, id: &SessionId) -> Option<Cached> {
        self.at_hand(id)
    }

    async fn create(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<Created, Error> {
        self.forget(id);
        let (key, value, ttl) = (self.key(id), self.value(value), self.ttl(ttl)?);
        let created = self.make(&key, value, ttl).await;
        lock(&self.given).insert(key, ttl);
        self.heard(created, Created::Taken)
    }

    async fn replace(
        &self,
        id: &SessionId,
        base: &Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Replaced, Error> {
        self.forget(id);
        let (key, value, ttl) = (self.key(id), self.value(value), self.ttl(ttl)?);
        let replaced = self.swap(&key, base, value, ttl).await;
        self.heard(replaced, Replaced::Gone)
    }

    async fn renew(&self, id: &SessionId, ttl: Duration) -> Result<bool, Error> {
        self.forget(id);
        let renewed = self.prolong(&self.key(id), self.ttl(ttl)?).await;
        self.heard(renewed, false)
    }

    async fn renew_all(&self, renewals: &[(SessionId, Duration)]) -> Vec<Result<bool, Error>> {
        let mut order: Vec<_> = renewals.iter().collect();
        if self.rogue == Rogue::RenewAllBackwards {
            order.reverse();
        }
        let mut renewed = Vec::with_capacity(order.len());
        for (id, ttl) in order {
            renewed.push(self.renew(id, *ttl).await);
        }
        match self.rogue {
            Rogue::RenewAllBackwards => renewed.reverse(),
            Rogue::RenewAllAnswersOnce => {
                let first = matches!(renewed.first(), Some(Ok(true)));
                renewed.iter_mut().for_each(|renewed| *renewed = Ok(first));
            }
            _ => {}
        }
        renewed
    }

    async fn end(&self, id: &SessionId, reason: EndReason) -> Result<bool, Error> {
        self.forget(id);
        let was_live = self.finish(&self.key(id), reason).await;
        self.heard(was_live, false)
    }

    async fn retire(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Error> {
        self.forget(id);
        let retired = self.pull(&self.key(id), base).await;
        self.heard(retired, Retired::Gone)
    }
}
