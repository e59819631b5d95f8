//! Through all sessions, page by page, in bounded memory.

use std::{
    collections::{HashSet, VecDeque, hash_map::RandomState},
    hash::BuildHasher as _,
    mem,
};

use cloakroom::SessionHandle;

use super::{revoked::Revocations, scope::Scope, seen::Seen};
use crate::{failure::Failure, progress::Progress, store::Course};

/// A page asks for so many sessions to begin with.
const FIRST_PAGE: usize = 64;

/// The most that a page asks for.
const LARGEST_PAGE: usize = 256;

/// About how many bytes of values a page may hold.
const PAGE_BYTES: usize = 1024 * 1024;

/// A server may list a session twice while it rebuilds its table. So many are remembered to leave the second out; in a
/// larger store a few may be counted twice. It is what a table of two million places takes, 20 MB.
const REMEMBERED: usize = 1_800_000;

/// A walk. It gives each session; one that lives from the first call to the last is among them.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    scope: Scope<'a>,
    progress: Progress,
    course: Course,
    cursor: Option<String>,
    over: bool,
    page: VecDeque<Seen>,
    page_size: usize,
    given: Option<Given>,
    count: u64,
    revocations: Option<Revocations>,
}

impl<'a> Walk<'a> {
    /// Those that a visitor could use. One that was revoked and still stands in the store, until it is presented, is passed
    /// over.
    pub(crate) fn live(scope: Scope<'a>, progress: Progress) -> Self {
        let mut walk = Self::standing(scope, progress);
        walk.revocations = Some(Revocations::new(scope.opened.sessions()));
        walk
    }

    /// Those that stand in the store, revoked or not.
    pub(crate) fn standing(scope: Scope<'a>, progress: Progress) -> Self {
        Self {
            scope,
            progress,
            course: scope.opened.course(),
            cursor: None,
            over: false,
            page: VecDeque::new(),
            page_size: FIRST_PAGE,
            given: Some(Given::new(REMEMBERED)),
            count: 0,
            revocations: None,
        }
    }

    /// A session may come twice: for whoever keeps them in mind anyway, or does not mind.
    pub(crate) fn with_repetitions(mut self) -> Self {
        self.given = None;
        self
    }

    /// The next session; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Seen>, Failure> {
        loop {
            while let Some(seen) = self.page.pop_front() {
                if self
                    .given
                    .as_mut()
                    .is_some_and(|given| given.has(seen.handle))
                {
                    continue;
                }
                self.count += 1;
                let revocations = self.revocations.as_ref();
                if !revocations.is_some_and(|revocations| revocations.concern(&seen)) {
                    return Ok(Some(seen));
                }
            }
            if self.over {
                return Ok(None);
            }
            self.turn().await?;
        }
    }

    /// Writes something to the terminal beside the progress.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.progress.aside(write)
    }

    async fn turn(&mut self) -> Result<(), Failure> {
        let cursor = mem::take(&mut self.cursor);
        let page = self.scope.opened.page(cursor, self.page_size).await?;
        let sizes = page.sessions.iter().map(|(_, stored)| stored.value.len());
        let bytes: usize = sizes.sum();
        if let Some(mean) = bytes.checked_div(page.sessions.len()) {
            self.page_size = (PAGE_BYTES / mean.max(1)).clamp(1, LARGEST_PAGE);
        }
        let sessions = page.sessions.into_iter();
        self.page = sessions
            .map(|(id, stored)| self.scope.see(id, &stored))
            .collect();
        if let Some(revocations) = &mut self.revocations {
            revocations.learn(&self.page).await?;
        }
        self.cursor = page.next;
        self.over = self.cursor.is_none();
        let share = match &self.cursor {
            Some(cursor) => self.course.share(cursor),
            None => Some(1.0),
        };
        self.progress.at(self.count + self.page.len() as u64, share);
        Ok(())
    }
}

/// Which sessions were given, by eight bytes each: of a million, two are the same once in forty million walks.
#[derive(Debug)]
struct Given {
    most: usize,
    hasher: RandomState,
    seen: HashSet<u64>,
}

impl Given {
    fn new(most: usize) -> Self {
        Self {
            most,
            hasher: RandomState::new(),
            seen: HashSet::new(),
        }
    }

    /// Whether this one was given before, as far as is remembered; from now on it was.
    fn has(&mut self, handle: SessionHandle) -> bool {
        let hash = self.hasher.hash_one(handle);
        if self.seen.len() < self.most {
            !self.seen.insert(hash)
        } else {
            self.seen.contains(&hash)
        }
    }
}

#[cfg(test)]
mod tests {
    use cloakroom::SessionId;

    use super::*;

    #[test]
    fn a_session_is_given_once_as_far_as_there_is_room() {
        let handle = |number: u32| SessionId::parse(&format!("id-{number}")).unwrap().handle();
        let mut given = Given::new(100);
        assert!((0..100).all(|number| !given.has(handle(number))));
        assert!((0..100).all(|number| given.has(handle(number))));
        // Beyond the room one is given again, and none that is new is left out.
        assert!((100..1000).all(|number| !given.has(handle(number))));
        assert!((100..1000).all(|number| !given.has(handle(number))));
        assert!((0..100).all(|number| given.has(handle(number))));
        assert_eq!(given.seen.len(), 100);
    }
}
