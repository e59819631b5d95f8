//! Through all sessions, page by page, in bounded memory.

use std::{
    collections::{HashSet, VecDeque},
    mem,
};

use cloakroom::{SessionHandle, SessionId, core::store::Stored};

use super::{revoked::Revocations, seen::Seen};
use crate::{clock::now, failure::Failure, progress::Progress, store::Opened};

/// A page asks for so many sessions to begin with.
const FIRST_PAGE: usize = 64;

/// The most that a page asks for.
const LARGEST_PAGE: usize = 256;

/// About how many bytes of values a page may hold.
const PAGE_BYTES: usize = 1024 * 1024;

/// A server may list a session twice while it rebuilds its table. So many are remembered to leave the second out; in a
/// larger store a few may be counted twice.
const REMEMBERED: usize = 400_000;

/// A walk. It gives each live session; one that lives from the first call to the last is among them.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    opened: &'a Opened,
    progress: Progress,
    cursor: Option<String>,
    over: bool,
    page: VecDeque<(SessionId, Stored)>,
    page_size: usize,
    given: HashSet<SessionHandle>,
    count: u64,
    revocations: Revocations,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(opened: &'a Opened, progress: Progress) -> Self {
        Self {
            opened,
            progress,
            cursor: None,
            over: false,
            page: VecDeque::new(),
            page_size: FIRST_PAGE,
            given: HashSet::new(),
            count: 0,
            revocations: Revocations::new(opened.sessions()),
        }
    }

    /// The next session that a visitor could use; `None` after the last. One that was revoked and still stands in the store,
    /// until it is presented, is passed over.
    pub(crate) async fn next(&mut self) -> Result<Option<Seen>, Failure> {
        while let Some((id, stored)) = self.next_stored().await? {
            let seen = self.see(id, &stored).await?;
            if seen.is_some() {
                return Ok(seen);
            }
        }
        Ok(None)
    }

    /// What stands in the store, read; `None` for what was revoked.
    pub(crate) async fn see(
        &mut self,
        id: SessionId,
        stored: &Stored,
    ) -> Result<Option<Seen>, Failure> {
        let seen = Seen::new(id, stored, now());
        let revoked = self.revocations.concern(&seen).await?;
        Ok((!revoked).then_some(seen))
    }

    /// The next session as it stands in the store.
    pub(crate) async fn next_stored(&mut self) -> Result<Option<(SessionId, Stored)>, Failure> {
        loop {
            while let Some((id, stored)) = self.page.pop_front() {
                let handle = id.handle();
                let new = if self.given.len() < REMEMBERED {
                    self.given.insert(handle)
                } else {
                    !self.given.contains(&handle)
                };
                if new {
                    self.count += 1;
                    return Ok(Some((id, stored)));
                }
            }
            if self.over {
                return Ok(None);
            }
            self.turn().await?;
        }
    }

    async fn turn(&mut self) -> Result<(), Failure> {
        let page = self
            .opened
            .page(mem::take(&mut self.cursor), self.page_size)
            .await?;
        let bytes: usize = page
            .sessions
            .iter()
            .map(|(_, stored)| stored.value.len())
            .sum();
        if let Some(mean) = bytes.checked_div(page.sessions.len()) {
            self.page_size = (PAGE_BYTES / mean.max(1)).clamp(1, LARGEST_PAGE);
        }
        self.page = page.sessions.into();
        self.cursor = page.next;
        self.over = self.cursor.is_none();
        self.progress.at(self.count);
        Ok(())
    }
}
