//! What to do with the store and with the cookie: a pure function of the request's view, the policy and the time.
//!
//! Every rule of when to save, renew, set or clear is here and nowhere else. The rules are express-session's
//! (`shouldSave`, `shouldTouch`, `shouldSetCookie`), measured as 64 rows that a test holds this function against, with
//! these differences: destroying clears the cookie; a ticket signed with an old secret is sent again; a lifetime changed
//! for one session persists; an ended id never gets a cookie that could replace a newer one; and `cookie.expires` is
//! written anew when half of the lifetime has passed, so that a Node peer's `save()` does not delete the session.

use std::{fmt, time::Duration};

use bytes::Bytes;

use crate::{
    EndReason, SessionId, Timestamp,
    policy::{Policy, Times, Unset},
    record::Record,
    session::{Ending, Existing, NewReason, Origin, View},
    usage::{self, Reach},
};

/// A store operation, a cookie operation, and what they say about the request.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What to ask of the store.
    pub store: StoreOp,
    /// What to tell the browser once the store has done it.
    pub cookie: CookieOp,
    /// The application asked for it: the response must not succeed without it. Otherwise it is housekeeping.
    pub essential: bool,
    /// The application changed something that is not going to be saved, because the session had ended before.
    pub dropped: bool,
}

/// What to ask of the store.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreOp {
    /// Nothing.
    None,
    /// Make a session exist.
    Create(Write),
    /// Write in place of the view's base.
    Replace(Write),
    /// Give the session a new time to live.
    Renew {
        /// The session.
        id: SessionId,
        /// The new time to live.
        ttl: Duration,
    },
    /// Create a session under the fresh id, then retire the old id.
    Rotate {
        /// The new session.
        write: Write,
        /// The id that ends.
        old: SessionId,
        /// A sign-in: goes on even if the old session is gone.
        grant: bool,
    },
    /// End the session.
    End {
        /// The session.
        id: SessionId,
    },
}

impl StoreOp {
    /// The time to live that the operation gives the session.
    #[must_use]
    pub fn ttl(&self) -> Option<Duration> {
        match self {
            Self::None | Self::End { .. } => None,
            Self::Renew { ttl, .. } => Some(*ttl),
            Self::Create(write) | Self::Replace(write) | Self::Rotate { write, .. } => {
                Some(write.ttl)
            }
        }
    }

    /// The value that the operation writes.
    pub fn write_mut(&mut self) -> Option<&mut Write> {
        match self {
            Self::Create(write) | Self::Replace(write) | Self::Rotate { write, .. } => Some(write),
            Self::None | Self::Renew { .. } | Self::End { .. } => None,
        }
    }
}

/// A value to be written.
#[derive(Clone, PartialEq)]
pub struct Write {
    /// Under which id.
    pub id: SessionId,
    /// The record with its dates written.
    pub record: Record,
    /// The record's bytes.
    pub value: Bytes,
    /// For how long.
    pub ttl: Duration,
    /// What the owner index must know of it.
    pub claim: Option<ClaimOp>,
}

impl Write {
    /// The same without a claim, which could not be made: the record is not to say that it was.
    pub fn forget_claim(&mut self) {
        if self.claim.take().is_some() {
            let mut usage = self.record.usage();
            usage.kept = None;
            self.record.set_usage(&usage);
            self.value = self.record.to_bytes();
        }
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("id", &self.id)
            .field("bytes", &self.value.len())
            .field("ttl", &self.ttl)
            .finish()
    }
}

/// What to ask of the owner index for a write.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimOp {
    /// Whose the session is.
    pub owner: String,
    /// For how long the claim is to be kept.
    pub keep: Duration,
    /// Before the write, since no claim reaches as far as the session may live; otherwise it can be made beside it.
    pub first: bool,
}

impl fmt::Debug for ClaimOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimOp")
            .field("keep", &self.keep)
            .field("first", &self.first)
            .finish_non_exhaustive()
    }
}

/// What to tell the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookieOp {
    /// Nothing: whatever cookie it has stays.
    Keep,
    /// Set the ticket of this id.
    Set {
        /// The session.
        id: SessionId,
        /// `Expires`; `None` for a cookie that the browser keeps while it runs.
        expires: Option<Timestamp>,
    },
    /// Remove the cookie.
    Remove,
}

/// Decides. See the [module's documentation](self).
#[must_use]
pub fn plan(view: &View, policy: &Policy, now: Timestamp) -> Plan {
    plan_after(view, Duration::ZERO, policy, now)
}

/// The same for a view on which `passed` has gone by since the store said how long the session still lives: as if
/// [`View::pass`] had been told of it.
#[must_use]
pub fn plan_after(view: &View, passed: Duration, policy: &Policy, now: Timestamp) -> Plan {
    match view.origin() {
        Origin::New(reason) => plan_new(view, *reason, policy, now),
        Origin::Existing(existing) => {
            let remaining = existing.remaining.map(|left| left.saturating_sub(passed));
            plan_existing(view, existing, remaining, policy, now)
        }
    }
}

const NOTHING: Plan = Plan {
    store: StoreOp::None,
    cookie: CookieOp::Keep,
    essential: false,
    dropped: false,
};

fn plan_new(view: &View, reason: NewReason, policy: &Policy, now: Timestamp) -> Plan {
    let modified = view.is_modified();
    if let Some(ending) = view.ending() {
        // The browser may have a cookie that is good for nothing; after an end elsewhere it may have a newer one.
        let stale = matches!(reason, NewReason::Unknown | NewReason::Unreadable);
        let clear = stale && (ending == Ending::Destroyed || policy.unset == Unset::Destroy);
        return Plan {
            cookie: if clear {
                CookieOp::Remove
            } else {
                CookieOp::Keep
            },
            ..NOTHING
        };
    }
    let save = match reason {
        // Another response has brought, or is about to bring, the new cookie; only a fresh grant may replace it.
        NewReason::Ended(EndReason::Rotated) => view.signs_in(),
        NewReason::Ended(EndReason::Destroyed) => modified,
        _ => modified || policy.save_uninitialized,
    };
    if !save {
        return Plan {
            dropped: modified,
            ..NOTHING
        };
    }
    let mut record = view.record.clone();
    stamp(&mut record, policy, now);
    let request = Request { view, policy, now };
    let times = policy.times(&record, now);
    let write = write(view.fresh_id(), record, &times, Kind::New, &request);
    Plan {
        store: StoreOp::Create(write),
        cookie: set(view.fresh_id(), &times),
        essential: modified,
        dropped: false,
    }
}

fn plan_existing(
    view: &View,
    existing: &Existing,
    remaining: Option<Duration>,
    policy: &Policy,
    now: Timestamp,
) -> Plan {
    match view.ending() {
        // Unless it was regenerated before: then the old session is to be no more in any case.
        Some(Ending::Unset) if policy.unset == Unset::Keep && !view.is_blank() => {
            return NOTHING;
        }
        Some(_) => {
            return Plan {
                store: StoreOp::End {
                    id: existing.id.clone(),
                },
                cookie: CookieOp::Remove,
                essential: true,
                dropped: false,
            };
        }
        None => {}
    }

    let mut record = view.record.clone();
    // One from before the absolute lifetime was configured, or from a Node peer, gets its end now.
    let stamped = stamp(&mut record, policy, now);
    let lifetime_changed = view.lifetime_change.is_some() || view.ends_change.is_some();
    // What was asked for expressly, a sign-in or a lifetime, counts from now in a silent request too.
    let silent = view.is_silent() && !lifetime_changed && !view.signs_in();
    let times = match remaining {
        Some(remaining) if silent => cut(policy.times(&record, now), remaining, now),
        _ => policy.times(&record, now),
    };

    let request = Request { view, policy, now };
    if view.is_rotated() {
        return Plan {
            store: StoreOp::Rotate {
                write: write(view.fresh_id(), record, &times, Kind::New, &request),
                old: existing.id.clone(),
                grant: view.signs_in(),
            },
            cookie: set(view.fresh_id(), &times),
            essential: true,
            dropped: false,
        };
    }

    let modified = view.is_modified();
    if view.is_settled() && !modified {
        return NOTHING;
    }
    let claim_is_due =
        is_owned(&record, policy) && usage::reach(&record, &times, now) != Reach::Far;
    let stale =
        !silent && (stamped || claim_is_due || (!policy.exclusive && is_stale(&record, &times)));
    let renew = !silent && is_due(remaining, &times, policy.renew_after);
    let store = if modified || view.is_adopted() || policy.resave && !silent || stale {
        StoreOp::Replace(write(&existing.id, record, &times, Kind::Kept, &request))
    } else if renew {
        StoreOp::Renew {
            id: existing.id.clone(),
            ttl: times.ttl,
        }
    } else {
        StoreOp::None
    };

    let renews = !silent && store != StoreOp::None;
    let send = existing.resign
        || policy.rolling && renews
        || lifetime_changed
        || modified && !silent && times.cookie_expires.is_some();
    Plan {
        store,
        cookie: if send {
            set(&existing.id, &times)
        } else {
            CookieOp::Keep
        },
        essential: modified,
        dropped: false,
    }
}

/// Gives a record without an absolute end the one that the policy asks for, unless a peer has left no room for it: a value
/// beyond the limits could not be read again.
fn stamp(record: &mut Record, policy: &Policy, now: Timestamp) -> bool {
    match policy.absolute_end(now) {
        Some(ends) if record.ends().is_none() => record.give_ends(ends, &policy.limits),
        _ => false,
    }
}

/// What a write is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A session under an id that nobody knows yet.
    New,
    /// A session under its id.
    Kept,
}

struct Request<'a> {
    view: &'a View,
    policy: &'a Policy,
    now: Timestamp,
}

fn write(
    id: &SessionId,
    mut record: Record,
    times: &Times,
    kind: Kind,
    request: &Request<'_>,
) -> Write {
    let (policy, now) = (request.policy, request.now);
    record.set_expires(times.expires);
    let claim = claim(&record, times, kind, request);
    if is_owned(&record, policy) {
        let kept = claim.as_ref().map(|claim| now.saturating_add(claim.keep));
        usage::note(&mut record, request.view.client(), kept, policy, now);
    }
    let mut value = record.to_bytes();
    if value.len() > policy.limits.bytes {
        record = undated(request);
        value = record.to_bytes();
    }
    Write {
        id: id.clone(),
        value,
        record,
        ttl: times.ttl,
        claim,
    }
}

/// What is written where a peer has left no room for the date.
#[cold]
fn undated(request: &Request<'_>) -> Record {
    let mut record = request.view.record.clone();
    stamp(&mut record, request.policy, request.now);
    record
}

fn is_owned(record: &Record, policy: &Policy) -> bool {
    policy.owners && record.identity().owner.is_some()
}

/// The claim that a write needs. Claims are made again as values are: when half of the lifetime has passed.
fn claim(record: &Record, times: &Times, kind: Kind, request: &Request<'_>) -> Option<ClaimOp> {
    let now = request.now;
    let owner = record.identity().owner.filter(|_| request.policy.owners)?;
    let reach = match kind {
        Kind::New => Reach::Short,
        Kind::Kept if request.view.is_adopted() => Reach::Short,
        Kind::Kept => usage::reach(record, times, now),
    };
    let until = usage::keep_until(record, times, now);
    (reach != Reach::Far).then(|| ClaimOp {
        owner,
        keep: until.saturating_since(now),
        first: reach == Reach::Short,
    })
}

fn set(id: &SessionId, times: &Times) -> CookieOp {
    CookieOp::Set {
        id: id.clone(),
        expires: times.cookie_expires,
    }
}

/// The same times for a session that is not renewed: it ends when it ends, and where a peer that does not know of its
/// absolute lifetime has given it more than is left, it ends at that.
fn cut(times: Times, remaining: Duration, now: Timestamp) -> Times {
    let ttl = times.ttl.min(remaining);
    let end = now.saturating_add(ttl);
    Times {
        ttl,
        expires: times.expires.map(|latest| latest.min(end)),
        cookie_expires: times.cookie_expires.map(|latest| latest.min(end)),
        ..times
    }
}

/// Whether more than half of the lifetime has passed since `cookie.expires` was written.
fn is_stale(record: &Record, times: &Times) -> bool {
    match (record.expires(), times.expires) {
        (Some(written), Some(fresh)) => fresh.saturating_since(written) > times.ttl / 2,
        // A lifetime without a date: written by somebody who did not know.
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

/// Whether the share `renew_after` of the lifetime has passed since the last renewal.
fn is_due(remaining: Option<Duration>, times: &Times, renew_after: f64) -> bool {
    match remaining {
        // Kept for ever, or for longer than it should be: the time to live must be set.
        None => true,
        Some(remaining) if remaining > times.ttl => true,
        Some(remaining) => {
            let passed = times.ttl.saturating_sub(remaining);
            // In floats, because multiplying a duration panics at a share that `Policy::validate` would refuse.
            passed.as_secs_f64() >= times.ttl.as_secs_f64() * renew_after
        }
    }
}
