//! `sweep` and `scan` with their bugs.

use std::time::Duration;

use async_trait::async_trait;
use cloakroom_core::{
    Error, Loaded, SessionId, Timestamp,
    store::{Scan, ScanPage, Sweep},
};

use super::{Rogue, RogueStore, rules::LONG_AGO};
use crate::reference::{Entry, current};

#[async_trait]
impl Sweep for RogueStore {
    async fn sweep(&self, limit: usize) -> Result<usize, Error> {
        let rogue = self.rogue;
        let hour = Duration::from_secs(60 * 60);
        let over = move |entry: &Entry, now: Timestamp| match rogue {
            Rogue::SweepInAnotherZone => entry.until() <= now.saturating_add(hour),
            Rogue::SweepTakesTombstones if matches!(entry, Entry::Tombstone { .. }) => true,
            _ => entry.until() <= now,
        };
        let limit = match rogue {
            Rogue::SweepWithoutLimit => usize::MAX,
            _ => limit,
        };
        let swept = self.inner.step(true, move |entries, now| {
            let ids = entries.iter().filter(|(_, entry)| over(entry, now));
            let ids: Vec<SessionId> = ids.take(limit).map(|(id, _)| id.clone()).collect();
            for id in &ids {
                entries.remove(id);
            }
            ids.len()
        });
        self.heard(swept.await, 0)
    }
}

#[async_trait]
impl Scan for RogueStore {
    async fn scan(&self, cursor: Option<String>, limit: usize) -> Result<ScanPage, Error> {
        let page = match self.rogue {
            Rogue::ScanByOffset | Rogue::ScanPanics => self.by_offset(cursor, limit).await,
            Rogue::ScanListsExpired => self.with_expired(cursor, limit).await,
            Rogue::ScanKnowsNoLimit => self.inner.scan(cursor, usize::MAX).await,
            Rogue::ScanSkips => self.with_a_gap(cursor, limit).await,
            Rogue::ScanWithoutTime => self.inner.scan(cursor, limit).await.map(|mut page| {
                for (_, stored) in &mut page.sessions {
                    stored.remaining = None;
                }
                page
            }),
            Rogue::ScanOfAllNamespaces => {
                let mut page = self.inner.scan(cursor, limit).await?;
                let other = self.inner.sibling("other").scan(None, limit).await?;
                page.sessions.extend(other.sessions);
                Ok(page)
            }
            _ => self.inner.scan(cursor, limit).await,
        };
        self.heard(page, ScanPage::default())
    }
}

impl RogueStore {
    async fn by_offset(&self, cursor: Option<String>, limit: usize) -> Result<ScanPage, Error> {
        let panics = self.rogue == Rogue::ScanPanics;
        let offset = cursor.map_or(0, |cursor| match cursor.parse::<usize>() {
            Err(_) if panics => panic!("a cursor that is no offset"),
            offset => offset.unwrap_or(0),
        });
        let all = self.inner.scan(None, usize::MAX).await?;
        let rest = all.sessions.len().saturating_sub(offset);
        let limit = limit.max(1);
        Ok(ScanPage {
            sessions: all.sessions.into_iter().skip(offset).take(limit).collect(),
            next: (rest > limit).then(|| (offset + limit).to_string()),
        })
    }

    async fn with_a_gap(&self, cursor: Option<String>, limit: usize) -> Result<ScanPage, Error> {
        let page = self.inner.scan(cursor, limit).await?;
        let Some(next) = page.next.clone() else {
            return Ok(page);
        };
        let skipped = self.inner.scan(Some(next), 1).await?;
        let next = skipped.next;
        Ok(ScanPage { next, ..page })
    }

    async fn with_expired(&self, cursor: Option<String>, limit: usize) -> Result<ScanPage, Error> {
        let after = cursor.as_deref().and_then(SessionId::parse);
        let all = self.inner.step(false, |entries, _| {
            let later = entries.iter().filter(|(id, _)| Some(*id) > after.as_ref());
            later
                .filter_map(|(id, entry)| match current(Some(entry), LONG_AGO) {
                    Loaded::Live(stored) => Some((id.clone(), stored)),
                    _ => None,
                })
                .collect::<Vec<_>>()
        });
        let mut sessions = all.await?;
        let more = sessions.len() > limit.max(1);
        sessions.truncate(limit.max(1));
        let last = sessions.last().map(|(id, _)| id.as_str().to_owned());
        Ok(ScanPage {
            sessions,
            next: last.filter(|_| more),
        })
    }
}
