//! The table of what was loaded on one connection, and of what is being loaded.
//!
//! An answer may be put in only if nothing has spoken against it since before it was asked for. So whoever asks leaves a
//! mark under the key first; whatever speaks against the key takes away the mark as it takes away an answer; and an answer
//! goes in only where its mark still stands. The order in which tasks wake up decides nothing.
//!
//! The table belongs to one connection and ends with it: nobody tells what changed meanwhile.
//!
//! Keys are ids and values are sessions, both secret: nothing here has a `Debug` that shows any.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cloakroom_core::{SessionId, Stored, owner_index::Revision};
use lru::LruCache;

use crate::{keys::Keys, near_cache::NearCache};

/// What an entry costs beside its id and its value: the list, the table, the counts of the shared parts.
const ENTRY_BYTES: usize = 200;

/// Into how many parts the table is divided, so that requests at once seldom wait for each other.
const MOST_PARTS: usize = 16;

/// The least that is worth a part of its own.
const PART_SESSIONS: usize = 64;
const PART_BYTES: usize = 256 * 1024;

pub(crate) struct Cache {
    keys: Keys,
    revision_key: String,
    max_age: Duration,
    part_sessions: usize,
    part_bytes: usize,
    parts: Box<[Mutex<Part>]>,
    hasher: RandomState,
    revision: RwLock<Kept<Revision>>,
    marks: AtomicU64,
    closed: AtomicBool,
}

struct Part {
    entries: LruCache<SessionId, Kept<Stored>>,
    bytes: usize,
}

/// What stands under a key.
enum Kept<T> {
    Nothing,
    /// Somebody has asked the server, and nothing has spoken against the answer yet.
    Mark(u64),
    /// The answer to a question that was asked then.
    Answer(T, Instant),
}

/// A question to the server that is under way: the mark that it left, and when it was asked.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    mark: u64,
    at: Instant,
}

/// The mark of a question whose answer is not to be kept.
const NO_MARK: u64 = 0;

impl Cache {
    pub(crate) fn new(options: NearCache, keys: Keys) -> Self {
        let worth = (options.capacity / PART_SESSIONS).min(options.max_bytes / PART_BYTES);
        let parts = worth.clamp(1, MOST_PARTS);
        Self {
            revision_key: keys.revision(),
            keys,
            max_age: options.max_age,
            part_sessions: options.capacity / parts,
            part_bytes: options.max_bytes / parts,
            parts: (0..parts).map(|_| Mutex::new(Part::new())).collect(),
            hasher: RandomState::new(),
            revision: RwLock::new(Kept::Nothing),
            marks: AtomicU64::new(NO_MARK + 1),
            closed: AtomicBool::new(false),
        }
    }

    /// The session as it is at `now`, if that is known.
    pub(crate) fn session(&self, id: &SessionId, now: Instant) -> Option<Stored> {
        let mut part = self.part(id);
        let Kept::Answer(stored, asked) = part.entries.get(id)? else {
            return None;
        };
        let age = now.saturating_duration_since(*asked);
        let remaining = match stored.remaining {
            None => Some(None),
            Some(time) => time
                .checked_sub(age)
                .filter(|time| !time.is_zero())
                .map(Some),
        };
        match remaining {
            Some(remaining) if age < self.max_age => Some(Stored {
                value: stored.value.clone(),
                remaining,
            }),
            _ => {
                part.remove(id);
                None
            }
        }
    }

    /// The revision at `now`, if that is known.
    pub(crate) fn revision(&self, now: Instant) -> Option<Revision> {
        match *self.revision.read().unwrap_or_else(PoisonError::into_inner) {
            Kept::Answer(revision, asked)
                if now.saturating_duration_since(asked) < self.max_age =>
            {
                Some(revision)
            }
            _ => None,
        }
    }

    /// Leaves a mark before the server is asked for a session. Several questions at once share one: what speaks against it
    /// after the first was asked may speak against each.
    pub(crate) fn ask(&self, id: &SessionId, now: Instant) -> Asked {
        let mut part = self.part(id);
        let mark = match part.entries.peek(id) {
            Some(Kept::Mark(mark)) => *mark,
            Some(Kept::Answer(..)) => NO_MARK,
            _ if !self.is_open() => NO_MARK,
            _ => {
                let mark = self.new_mark();
                part.put(id, Kept::Mark(mark));
                part.make_room(self.part_sessions, self.part_bytes);
                mark
            }
        };
        Asked { mark, at: now }
    }

    /// Keeps the answer to a question, if nothing has spoken against it.
    pub(crate) fn keep(&self, id: &SessionId, asked: Asked, stored: &Stored) {
        let answer = Kept::Answer(stored.clone(), asked.at);
        let fits = size(id, &answer) <= self.part_bytes;
        let mut part = self.part(id);
        if !part.is_marked(id, asked) {
            return;
        }
        if fits {
            part.put(id, answer);
            part.make_room(self.part_sessions, self.part_bytes);
        } else {
            part.remove(id);
        }
    }

    /// Takes the mark of a question away whose answer is not to be kept.
    pub(crate) fn drop_mark(&self, id: &SessionId, asked: Asked) {
        let mut part = self.part(id);
        if part.is_marked(id, asked) {
            part.remove(id);
        }
    }

    /// As [`ask`](Self::ask), for the revision.
    pub(crate) fn ask_revision(&self, now: Instant) -> Asked {
        let mut kept = self
            .revision
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mark = match &*kept {
            Kept::Mark(mark) => *mark,
            _ if !self.is_open() => NO_MARK,
            // An answer that stands here is too old: it was looked for first.
            _ => {
                let mark = self.new_mark();
                *kept = Kept::Mark(mark);
                mark
            }
        };
        Asked { mark, at: now }
    }

    /// As [`keep`](Self::keep), for the revision.
    pub(crate) fn keep_revision(&self, asked: Asked, revision: Revision) {
        let mut kept = self
            .revision
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if matches!(&*kept, Kept::Mark(mark) if *mark == asked.mark) {
            *kept = Kept::Answer(revision, asked.at);
        }
    }

    /// What is known of a session, and what is being asked, does not count any more.
    pub(crate) fn forget(&self, id: &SessionId) {
        self.part(id).remove(id);
    }

    pub(crate) fn forget_revision(&self) {
        *self
            .revision
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Kept::Nothing;
    }

    /// As [`forget`](Self::forget), by a key as the server names it.
    pub(crate) fn forget_key(&self, key: &[u8]) {
        if key == self.revision_key.as_bytes() {
            self.forget_revision();
        } else if let Some(id) = self.keys.id(key) {
            self.forget(&id);
        }
    }

    /// Nothing that is known counts any more.
    pub(crate) fn forget_all(&self) {
        self.forget_revision();
        for part in &self.parts {
            *lock(part) = Part::new();
        }
    }

    /// The connection is lost: nothing is known, and nothing will be.
    pub(crate) fn close(&self) {
        // First, so that whoever comes to a part after it was emptied puts nothing in.
        self.closed.store(true, Ordering::Relaxed);
        self.forget_all();
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
    }

    fn new_mark(&self) -> u64 {
        self.marks.fetch_add(1, Ordering::Relaxed)
    }

    fn part(&self, id: &SessionId) -> MutexGuard<'_, Part> {
        let hash = self.hasher.hash_one(id);
        let number = usize::try_from(hash % self.parts.len() as u64).unwrap_or(0);
        lock(&self.parts[number])
    }
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Part {
    fn new() -> Self {
        Self {
            entries: LruCache::unbounded(),
            bytes: 0,
        }
    }

    fn is_marked(&self, id: &SessionId, asked: Asked) -> bool {
        matches!(self.entries.peek(id), Some(Kept::Mark(mark)) if *mark == asked.mark)
    }

    fn put(&mut self, id: &SessionId, kept: Kept<Stored>) {
        self.bytes += size(id, &kept);
        if let Some(before) = self.entries.put(id.clone(), kept) {
            self.bytes -= size(id, &before);
        }
    }

    fn remove(&mut self, id: &SessionId) {
        if let Some(kept) = self.entries.pop(id) {
            self.bytes -= size(id, &kept);
        }
    }

    fn make_room(&mut self, sessions: usize, bytes: usize) {
        while self.entries.len() > sessions || self.bytes > bytes {
            let Some((id, kept)) = self.entries.pop_lru() else {
                return;
            };
            self.bytes -= size(&id, &kept);
        }
    }
}

fn size(id: &SessionId, kept: &Kept<Stored>) -> usize {
    let value = match kept {
        Kept::Answer(stored, _) => stored.value.len(),
        _ => 0,
    };
    ENTRY_BYTES + id.as_str().len() + value
}

#[cfg(test)]
mod tests;
