//! The law that every store keeps.
//!
//! A store keeps opaque bytes under a [`SessionId`] for a limited time. It has no upsert: nothing but
//! [`Store::create`] makes a session exist, so a session that has ended cannot come back by way of a late write. What
//! callers must tell apart is an enum, not an error: "the session is gone" is an answer, "the store cannot be reached"
//! is an [`Error`], and the one never looks like the other.
//!
//! The law in full, for all stores and all moments:
//!
//! 1. A session is **live** from a successful `create` until it is ended or its time is over. `load`, `replace` and
//!    `renew` see only live sessions; whether an expired one was swept yet cannot be observed.
//! 2. The bytes are returned exactly as they were given: empty, with NUL, not UTF-8, of any length the store allows.
//! 3. `create`, `replace` and `retire` are atomic: of several at once on one id with the same base, one wins.
//! 4. `renew` moves the end of a session's time and nothing else. It never carries data and never revives.
//! 5. `end` leaves a tombstone for [`TOMBSTONE_TTL`]. While it stands, `load` answers [`Loaded::Ended`] and no operation
//!    makes the session live again. A session that expired leaves none: it is [`Loaded::Missing`].
//! 6. An acknowledged change is seen by every later call, from whatever handle. A call that fails may have happened or not;
//!    nothing in between. An option of a store may let other processes see changes later; it is off by default, and says
//!    how much later at the most.
//! 7. A future that is dropped before it is ready leaves the store as if the call had not been made, or as if it had
//!    been finished.
//! 8. A time to live is relative, from the moment of the call, with a resolution of a millisecond or better. Zero means
//!    that the session's time is over at once. A time too long for the store is cut to the longest it can keep.
//! 9. Errors are [`Unavailable`](crate::ErrorKind::Unavailable) or [`Timeout`](crate::ErrorKind::Timeout) where
//!    trying again later may help and [`Rejected`](crate::ErrorKind::Rejected) where it will not. No store panics.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};

use crate::{Error, SessionId, cached::Cached};

/// How long a tombstone stands: longer than the longest request that may still hold the ended id.
pub const TOMBSTONE_TTL: Duration = Duration::from_secs(15 * 60);

/// A live session as a store has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The bytes as they were given. They are the session's version: [`Store::replace`] compares them.
    pub value: Bytes,
    /// How long the session still lives without renewal; `None` if the store keeps it without an end, as
    /// connect-redis' `disableTTL` does.
    pub remaining: Option<Duration>,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("bytes", &self.value.len())
            .field("remaining", &self.remaining)
            .finish()
    }
}

/// Why a session ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// Signed out, revoked or otherwise destroyed: the visitor is anonymous.
    Destroyed,
    /// The session goes on under another id, which only the response that rotated it tells.
    Rotated,
}

/// What [`Store::load`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loaded {
    /// The session is live.
    Live(Stored),
    /// The session was ended not long ago.
    Ended(EndReason),
    /// No such session: never made, expired, or ended so long ago that the tombstone is gone.
    Missing,
}

/// What [`Store::create`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Created {
    /// The session is live now.
    Created,
    /// A live session has this id; nothing was changed. Draw another id.
    Taken,
}

/// What [`Store::replace`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The new bytes are stored and the new time to live counts.
    Replaced,
    /// Another request was first; nothing was changed. Here is what the store holds now.
    Changed(Stored),
    /// The session is not live: nothing was changed and nothing can be.
    Gone,
}

/// What [`Store::retire`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retired {
    /// The session has ended; a tombstone says that it was rotated.
    Retired,
    /// Another request was first; nothing was changed. Here is what the store holds now.
    Changed(Stored),
    /// The session is not live: nothing was changed.
    Gone,
}

/// A place that keeps sessions. See the [module's documentation](self) for the law.
///
/// No method of the law has a default body: a wrapper that forgets one must not compile. [`cached`](Store::cached),
/// [`renew_all`](Store::renew_all) and [`deadline`](Store::deadline) have one, since without them a store is slower and nothing else. The trait is usable as
/// `Arc<dyn Store>`, which implements it too. Callers put a deadline on each call; a store must survive that its futures are
/// dropped.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Looks a session up. Changes nothing, and works where writing does not.
    async fn load(&self, id: &SessionId) -> Result<Loaded, Error>;

    /// What [`load`](Store::load) would answer now, where that is a live session that the store has at hand and can name without
    /// waiting for anybody; `None` in any other case, and `load` is asked. Rule 6 holds for this answer as for that one.
    ///
    /// Most requests do nothing but read their session, so a store that has sessions in memory saves each of them a future and,
    /// where it keeps the same [`CachedValue`](crate::cached::CachedValue), the reading of the bytes.
    fn cached(&self, id: &SessionId) -> Option<Cached> {
        let _ = id;
        None
    }

    /// Makes a session exist under a fresh random id, never over a live one.
    async fn create(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<Created, Error>;

    /// Stores `value` in place of `base` and gives the session a new time to live, only while the session is live and
    /// its bytes equal `base`.
    async fn replace(
        &self,
        id: &SessionId,
        base: &Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Replaced, Error>;

    /// Gives a live session a new time to live, shorter or longer than before. `false` if it is not live.
    async fn renew(&self, id: &SessionId, ttl: Duration) -> Result<bool, Error>;

    /// [`renew`](Store::renew) for several sessions, with an answer for each in their order. Where one session is named twice,
    /// the later time counts.
    ///
    /// Each page that is read renews a session, so a store that can do several in one round trip, or in one transaction,
    /// should. The default body begins with all of them in their order and waits for all: it is for stores that carry calls
    /// out in the order in which they come.
    async fn renew_all(&self, renewals: &[(SessionId, Duration)]) -> Vec<Result<bool, Error>> {
        join_all(renewals.iter().map(|(id, ttl)| self.renew(id, *ttl))).await
    }

    /// After which time each call is answered whatever happens, with an error if need be; `None` if the store does not see
    /// to that. Callers whose own deadline is not shorter need no timer of their own.
    fn deadline(&self) -> Option<Duration> {
        None
    }

    /// Ends a session and leaves a tombstone that says why, whether it was live or not; the answer says if it was. Where
    /// a tombstone stands already it is kept, reason included, except that `Destroyed` replaces `Rotated`.
    async fn end(&self, id: &SessionId, reason: EndReason) -> Result<bool, Error>;

    /// Ends a session because it goes on under another id, only while it is live and its bytes equal `base`. What another
    /// request committed after the new session was written is not lost with the old one.
    async fn retire(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Error>;
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    // As `async_trait` would write it, but for the future: the store's own is passed on, since every request makes one and a
    // second around it has its price.
    fn load<'s, 'id, 'f>(&'s self, id: &'id SessionId) -> BoxFuture<'f, Result<Loaded, Error>>
    where
        's: 'f,
        'id: 'f,
        Self: 'f,
    {
        (**self).load(id)
    }

    fn cached(&self, id: &SessionId) -> Option<Cached> {
        (**self).cached(id)
    }

    async fn create(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<Created, Error> {
        (**self).create(id, value, ttl).await
    }

    async fn replace(
        &self,
        id: &SessionId,
        base: &Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Replaced, Error> {
        (**self).replace(id, base, value, ttl).await
    }

    async fn renew(&self, id: &SessionId, ttl: Duration) -> Result<bool, Error> {
        (**self).renew(id, ttl).await
    }

    async fn renew_all(&self, renewals: &[(SessionId, Duration)]) -> Vec<Result<bool, Error>> {
        (**self).renew_all(renewals).await
    }

    fn deadline(&self) -> Option<Duration> {
        (**self).deadline()
    }

    async fn end(&self, id: &SessionId, reason: EndReason) -> Result<bool, Error> {
        (**self).end(id, reason).await
    }

    async fn retire(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Error> {
        (**self).retire(id, base).await
    }
}

/// Optional: a store that can throw away what has expired. Redis does so by itself.
#[async_trait]
pub trait Sweep: Store {
    /// Deletes at most `limit` expired sessions and tombstones and says how many of these it deleted. Nothing that is live
    /// and no tombstone that stands is touched. A store that is an [`OwnerIndex`](crate::OwnerIndex) too may besides forget
    /// claims and revocations whose time to be kept is over; they are not counted, so an answer below `limit` says nothing
    /// of them.
    async fn sweep(&self, limit: usize) -> Result<usize, Error>;
}

/// Optional: a store that can list its sessions, in bounded memory and without blocking others.
#[async_trait]
pub trait Scan: Store {
    /// A page of at most about `limit` live sessions and where to go on: `None` as the cursor starts, `None` in the
    /// answer ends. A session that is live from the first page to the last is listed at least once.
    async fn scan(&self, cursor: Option<String>, limit: usize) -> Result<ScanPage, Error>;
}

/// A page of [`Scan::scan`].
#[derive(Clone, Debug, Default)]
pub struct ScanPage {
    /// Live sessions with what the store has.
    pub sessions: Vec<(SessionId, Stored)>,
    /// Where the next page starts; `None` after the last.
    pub next: Option<String>,
}
