//! `retire` with its bugs.

use std::time::Duration;

use bytes::Bytes;
use cloakroom_core::{
    EndReason, Error, ErrorKind, Loaded, Retired, SessionId, Store as _, Timestamp,
    store::TOMBSTONE_TTL,
};
use tokio::task::yield_now;

use super::{
    Rogue, RogueStore,
    rules::{Entries, as_text, unswept},
    store::{HOUR, lock, meanwhile},
};
use crate::reference::{Entry, current, session, tombstone};

/// The namespace of the sessions that a file would still have.
const UNWRITTEN: &str = "unwritten";

impl RogueStore {
    pub(super) async fn pull(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Error> {
        let rogue = self.rogue;
        match rogue {
            Rogue::RetireIsEnd => {
                let was_live = self.inner.end(id, EndReason::Rotated).await?;
                Ok(if was_live {
                    Retired::Retired
                } else {
                    Retired::Gone
                })
            }
            Rogue::RetireInTwoSteps => match self.inner.load(id).await? {
                Loaded::Live(stored) if stored.value == *base => {
                    meanwhile().await;
                    self.inner.end(id, EndReason::Rotated).await?;
                    Ok(Retired::Retired)
                }
                Loaded::Live(stored) => Ok(Retired::Changed(stored)),
                _ => Ok(Retired::Gone),
            },
            Rogue::RetireInPieces => {
                let retired = self.inner.step(true, |entries, now| {
                    let retired = lay(rogue, entries, id, base, now);
                    if retired == Retired::Retired {
                        entries.remove(id);
                    }
                    retired
                });
                let retired = retired.await?;
                if retired == Retired::Retired {
                    yield_now().await;
                    self.inner.end(id, EndReason::Rotated).await?;
                }
                Ok(retired)
            }
            Rogue::RetireIsSoft => match self.read(id).await? {
                Loaded::Live(stored) if stored.value == *base => {
                    let mark = tombstone(EndReason::Rotated, self.inner.clock.now());
                    lock(&self.hidden).insert(id.clone(), mark);
                    Ok(Retired::Retired)
                }
                Loaded::Live(stored) => Ok(Retired::Changed(stored)),
                _ => Ok(Retired::Gone),
            },
            Rogue::RetireAnswersStale => {
                let retired = self.inner.retire(id, base).await?;
                let seen = lock(&self.seen).get(id).cloned();
                Ok(match (retired, seen) {
                    (Retired::Changed(_), Some(Loaded::Live(old))) => Retired::Changed(old),
                    (retired, _) => retired,
                })
            }
            Rogue::RetireComparesSeen => {
                let seen = lock(&self.seen).get(id).cloned();
                let held = match (self.inner.load(id).await?, seen) {
                    (Loaded::Live(held), Some(Loaded::Live(seen))) if seen.value == *base => {
                        held.value
                    }
                    _ => base.clone(),
                };
                self.inner.retire(id, &held).await
            }
            Rogue::RetireCountsRenewals => {
                let given = lock(&self.given).get(id).copied();
                match self.inner.load(id).await? {
                    Loaded::Live(stored) if stored.remaining > given => {
                        Ok(Retired::Changed(stored))
                    }
                    _ => self.inner.retire(id, base).await,
                }
            }
            Rogue::RetireInAllNamespaces => {
                for name in ["app", "other"] {
                    if name != self.inner.namespace() {
                        self.inner.sibling(name).retire(id, base).await?;
                    }
                }
                self.inner.retire(id, base).await
            }
            Rogue::RetireIsNotWritten => {
                let retired = self.inner.step(true, |entries, now| {
                    let before = entries.get(id).cloned();
                    (lay(rogue, entries, id, base, now), before)
                });
                let (retired, before) = retired.await?;
                if let (Retired::Retired, Some(entry)) = (&retired, before) {
                    let unwritten = self.inner.sibling(UNWRITTEN);
                    unwritten.meddle(|entries, _| {
                        entries.insert(id.clone(), entry);
                    });
                }
                Ok(retired)
            }
            _ => {
                let retired = self
                    .inner
                    .step(true, |entries, now| lay(rogue, entries, id, base, now));
                match (rogue, retired.await) {
                    (Rogue::RetireOutageIsGone, Err(error))
                        if error.kind() == ErrorKind::Unavailable =>
                    {
                        Ok(Retired::Gone)
                    }
                    (Rogue::RetireReadOnlyIsGone, Err(error))
                        if error.kind() == ErrorKind::Rejected =>
                    {
                        Ok(Retired::Gone)
                    }
                    (_, retired) => retired,
                }
            }
        }
    }

    /// What was retired and not written is there again when the store is opened.
    pub(super) fn unretire(&self) {
        let mut unwritten = Entries::new();
        self.inner
            .sibling(UNWRITTEN)
            .meddle(|entries, _| unwritten.append(entries));
        self.inner
            .meddle(|entries, _| entries.append(&mut unwritten));
    }
}

/// `retire` in one step.
fn lay(
    rogue: Rogue,
    entries: &mut Entries,
    id: &SessionId,
    base: &[u8],
    now: Timestamp,
) -> Retired {
    let found = match rogue {
        Rogue::RetireCountsExpired => unswept(entries, id),
        _ => current(entries.get(id), now),
    };
    match found {
        Loaded::Live(stored) if !same(rogue, &stored.value, base) => {
            if rogue == Rogue::RefusedRetireRenews {
                let renewed = session(stored.value.clone(), HOUR, now);
                entries.insert(id.clone(), renewed);
            }
            Retired::Changed(stored)
        }
        Loaded::Live(stored) => {
            let left = stored.remaining.unwrap_or_default();
            match stone(rogue, left, now) {
                Some(stone) => entries.insert(id.clone(), stone),
                None => entries.remove(id),
            };
            Retired::Retired
        }
        Loaded::Ended(reason) => {
            let reason = match rogue {
                Rogue::RetireDowngrades => EndReason::Rotated,
                _ => reason,
            };
            if matches!(
                rogue,
                Rogue::RetireDowngrades | Rogue::RetireRestartsTombstone
            ) {
                entries.insert(id.clone(), tombstone(reason, now));
            }
            Retired::Gone
        }
        _ => Retired::Gone,
    }
}

/// What a rogue leaves of a session that had `left` to live.
fn stone(rogue: Rogue, left: Duration, now: Timestamp) -> Option<Entry> {
    let reason = match rogue {
        Rogue::RetireLeavesNothing => return None,
        Rogue::RetireSaysDestroyed => EndReason::Destroyed,
        _ => EndReason::Rotated,
    };
    let ttl = match rogue {
        Rogue::RetireTombstoneInheritsTime => left,
        Rogue::RetireTombstoneStays => TOMBSTONE_TTL * 1000,
        _ => TOMBSTONE_TTL,
    };
    let until = now.saturating_add(ttl);
    Some(Entry::Tombstone { reason, until })
}

/// Whether a rogue takes `base` for the stored bytes.
fn same(rogue: Rogue, stored: &[u8], base: &[u8]) -> bool {
    match rogue {
        Rogue::RetireIgnoresBase => true,
        Rogue::RetireComparesText => as_text(stored) == as_text(base),
        Rogue::RetireComparesHead => {
            stored.len() == base.len() && stored.iter().zip(base).take(4096).all(|(a, b)| a == b)
        }
        _ => stored == base,
    }
}
