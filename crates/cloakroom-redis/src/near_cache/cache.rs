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
    hash::BuildHasher as _,
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cloakroom_core::{
    SessionId, Stored,
    cached::{Cached, CachedValue},
    owner_index::Revision,
};
use lru::{DefaultHasher, LruCache};

use crate::{keys::Keys, near_cache::NearCache};

/// What an entry costs beside its id and its value: the list and the table.
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
    most: Most,
    parts: Box<[Mutex<Part>]>,
    /// Of all parts together: ids do not fall evenly, and a part that is full must not forget while there is room.
    total: Total,
    hasher: DefaultHasher,
    revision: RwLock<Kept<Revision>>,
    marks: AtomicU64,
    closed: AtomicBool,
}

/// What is allowed.
struct Most {
    sessions: usize,
    bytes: usize,
    /// The largest entry that is kept: what is larger would push out many others.
    entry_bytes: usize,
}

#[derive(Default)]
struct Total {
    sessions: AtomicUsize,
    bytes: AtomicUsize,
}

impl Total {
    fn add(&self, bytes: usize) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn subtract(&self, bytes: usize) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

struct Part {
    entries: LruCache<SessionId, Kept<Live>>,
}

/// A live session as it was when it was asked for.
struct Live {
    value: CachedValue,
    remaining: Option<Duration>,
    /// When it was last noted that somebody asked for it.
    noted: Instant,
}

/// What stands under a key.
enum Kept<T> {
    Nothing,
    /// Somebody has asked the server, and nothing has spoken against the answer yet.
    Mark(u64),
    /// The answer to a question that was asked then.
    Answer(T, Instant),
}

/// How exactly is known what was not asked for the longest. To note it is dearer than to answer, so that of many requests of one
/// visitor the first notes it.
const NOTED_EVERY: Duration = Duration::from_millis(100);

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
            most: Most {
                sessions: options.capacity,
                bytes: options.max_bytes,
                entry_bytes: options.max_bytes / parts,
            },
            parts: (0..parts).map(|_| Mutex::new(Part::new())).collect(),
            total: Total::default(),
            hasher: DefaultHasher::default(),
            revision: RwLock::new(Kept::Nothing),
            marks: AtomicU64::new(NO_MARK + 1),
            closed: AtomicBool::new(false),
        }
    }

    /// The session as it is at `now`, if that is known.
    pub(crate) fn session(&self, id: &SessionId, now: Instant) -> Option<Cached> {
        let mut part = self.part(id);
        let Kept::Answer(live, asked) = part.entries.peek_mut(id)? else {
            return None;
        };
        let is_noted = now.saturating_duration_since(live.noted) < NOTED_EVERY;
        let age = now.saturating_duration_since(*asked);
        let remaining = match live.remaining {
            None => Some(None),
            Some(time) => time
                .checked_sub(age)
                .filter(|time| !time.is_zero())
                .map(Some),
        };
        match remaining {
            Some(remaining) if age < self.max_age => {
                let value = live.value.clone();
                if !is_noted {
                    live.noted = now;
                    part.entries.promote(id);
                }
                Some(Cached { value, remaining })
            }
            _ => {
                part.remove(id, &self.total);
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
        let number = self.number(id);
        let mut part = lock(&self.parts[number]);
        let mark = match part.entries.peek(id) {
            Some(Kept::Mark(mark)) => *mark,
            Some(Kept::Answer(..)) => NO_MARK,
            _ if !self.is_open() => NO_MARK,
            _ => {
                let mark = self.new_mark();
                part.put(id, Kept::Mark(mark), &self.total);
                drop(part);
                self.make_room(number);
                mark
            }
        };
        Asked { mark, at: now }
    }

    /// Keeps the answer to a question, if nothing has spoken against it.
    pub(crate) fn keep(&self, id: &SessionId, asked: Asked, stored: &Stored) {
        let live = Live {
            value: CachedValue::new(stored.value.clone()),
            remaining: stored.remaining,
            noted: asked.at,
        };
        let answer = Kept::Answer(live, asked.at);
        let fits = size(id, &answer) <= self.most.entry_bytes;
        let number = self.number(id);
        let mut part = lock(&self.parts[number]);
        if !part.is_marked(id, asked) {
            return;
        }
        if fits {
            part.put(id, answer, &self.total);
            drop(part);
            self.make_room(number);
        } else {
            part.remove(id, &self.total);
        }
    }

    /// Takes the mark of a question away whose answer is not to be kept.
    pub(crate) fn drop_mark(&self, id: &SessionId, asked: Asked) {
        let mut part = self.part(id);
        if part.is_marked(id, asked) {
            part.remove(id, &self.total);
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
        self.part(id).remove(id, &self.total);
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
            let mut part = lock(part);
            while part.remove_oldest(&self.total) {}
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
        lock(&self.parts[self.number(id)])
    }

    fn number(&self, id: &SessionId) -> usize {
        let hash = self.hasher.hash_one(id);
        usize::try_from(hash % self.parts.len() as u64).unwrap_or(0)
    }

    /// After something was put into the part `number`: what was not asked for the longest gives way, in that part first, so
    /// that as a rule no other one is waited for.
    fn make_room(&self, number: usize) {
        if !self.is_full() {
            return;
        }
        // What was just put in is the last to go.
        self.make_room_in(number, 1);
        let parts = self.parts.len();
        for other in 1..parts {
            self.make_room_in((number + other) % parts, 0);
        }
        self.make_room_in(number, 0);
    }

    fn make_room_in(&self, number: usize, spared: usize) {
        let mut part = lock(&self.parts[number]);
        while self.is_full() && part.entries.len() > spared {
            part.remove_oldest(&self.total);
        }
    }

    fn is_full(&self) -> bool {
        self.total.sessions.load(Ordering::Relaxed) > self.most.sessions
            || self.total.bytes.load(Ordering::Relaxed) > self.most.bytes
    }
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Part {
    fn new() -> Self {
        Self {
            entries: LruCache::unbounded(),
        }
    }

    fn is_marked(&self, id: &SessionId, asked: Asked) -> bool {
        matches!(self.entries.peek(id), Some(Kept::Mark(mark)) if *mark == asked.mark)
    }

    fn put(&mut self, id: &SessionId, kept: Kept<Live>, total: &Total) {
        total.add(size(id, &kept));
        if let Some(before) = self.entries.put(id.clone(), kept) {
            total.subtract(size(id, &before));
        }
    }

    fn remove(&mut self, id: &SessionId, total: &Total) {
        if let Some(kept) = self.entries.pop(id) {
            total.subtract(size(id, &kept));
        }
    }

    /// `false` where there was nothing.
    fn remove_oldest(&mut self, total: &Total) -> bool {
        let oldest = self.entries.pop_lru();
        if let Some((id, kept)) = &oldest {
            total.subtract(size(id, kept));
        }
        oldest.is_some()
    }
}

fn size(id: &SessionId, kept: &Kept<Live>) -> usize {
    let value = match kept {
        Kept::Answer(live, _) => live.value.bytes().len() + CachedValue::MAX_OVERHEAD,
        _ => 0,
    };
    ENTRY_BYTES + id.as_str().len() + value
}

#[cfg(test)]
mod tests;
