//! The law for one id as a pure function: from what is there, a call and its answer to what is there next, or to why
//! the answer breaks the law.

use std::time::Duration;

use bytes::Bytes;
use cloakroom_core::{Created, EndReason, Loaded, Replaced, Retired, Stored, store::TOMBSTONE_TTL};

/// A call on one id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// `load`
    Load,
    /// `create`
    Create {
        /// The session's bytes.
        value: Bytes,
        /// Its time to live.
        ttl: Duration,
    },
    /// `replace`
    Replace {
        /// What the caller takes the session's bytes to be.
        base: Bytes,
        /// The session's bytes from now on.
        value: Bytes,
        /// Its time to live from now on.
        ttl: Duration,
    },
    /// `renew`
    Renew {
        /// The session's time to live from now on.
        ttl: Duration,
    },
    /// `end`
    End(EndReason),
    /// `retire`
    Retire {
        /// What the caller takes the session's bytes to be.
        base: Bytes,
    },
}

/// What a call answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Of `load`.
    Loaded(Loaded),
    /// Of `create`.
    Created(Created),
    /// Of `replace`.
    Replaced(Replaced),
    /// Of `renew`.
    Renewed(bool),
    /// Of `end`.
    WasLive(bool),
    /// Of `retire`.
    Retired(Retired),
}

/// What there is under one id. Moments are durations since whatever moment the caller counts from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cell {
    /// Nothing.
    #[default]
    Missing,
    /// A live session.
    Live {
        /// Its bytes.
        value: Bytes,
        /// When its time is over.
        until: Duration,
    },
    /// A tombstone.
    Ended {
        /// Why the session ended.
        reason: EndReason,
        /// When the tombstone is gone.
        until: Duration,
    },
}

impl Cell {
    /// What is left at `now`.
    #[must_use]
    pub fn at(self, now: Duration) -> Self {
        match self {
            Self::Live { until, .. } | Self::Ended { until, .. } if until <= now => Self::Missing,
            standing => standing,
        }
    }

    /// What there is after `call` was made at `now` and gave `answer`.
    ///
    /// # Errors
    ///
    /// Says what the answer should have been. `slack` is how much less than the model a store may say that a session
    /// still lives.
    pub fn after(
        self,
        now: Duration,
        slack: Duration,
        call: &Call,
        answer: &Answer,
    ) -> Result<Self, String> {
        let before = self.at(now);
        let session = |value: &Bytes, ttl: &Duration| Self::Live {
            value: value.clone(),
            until: now.saturating_add(*ttl),
        };
        let fits = |stored: &Stored| before.shows(stored, now, slack);
        let next = match (call, answer, &before) {
            (Call::Load, Answer::Loaded(Loaded::Live(stored)), Self::Live { .. })
                if fits(stored) =>
            {
                Some(before.clone())
            }
            (Call::Load, Answer::Loaded(Loaded::Ended(said)), Self::Ended { reason, .. })
                if said == reason =>
            {
                Some(before.clone())
            }
            (Call::Load, Answer::Loaded(Loaded::Missing), Self::Missing) => Some(before.clone()),
            (Call::Create { value, ttl }, Answer::Created(Created::Created), Self::Missing) => {
                Some(session(value, ttl))
            }
            (Call::Create { .. }, Answer::Created(Created::Taken), Self::Live { .. })
            | (Call::Create { .. }, Answer::Created(_), Self::Ended { .. }) => Some(before.clone()),
            (
                Call::Replace { base, value, ttl },
                Answer::Replaced(Replaced::Replaced),
                Self::Live { value: held, .. },
            ) if base == held => Some(session(value, ttl)),
            (
                Call::Replace { base, .. },
                Answer::Replaced(Replaced::Changed(stored)),
                Self::Live { value: held, .. },
            ) if base != held && fits(stored) => Some(before.clone()),
            (
                Call::Replace { .. },
                Answer::Replaced(Replaced::Gone),
                Self::Missing | Self::Ended { .. },
            ) => Some(before.clone()),
            (Call::Renew { ttl }, Answer::Renewed(true), Self::Live { value, .. }) => {
                Some(session(value, ttl))
            }
            (Call::Renew { .. }, Answer::Renewed(false), Self::Missing | Self::Ended { .. }) => {
                Some(before.clone())
            }
            (Call::End(reason), Answer::WasLive(was_live), _)
                if *was_live == matches!(before, Self::Live { .. }) =>
            {
                Some(before.clone().ended(*reason, now))
            }
            (
                Call::Retire { base },
                Answer::Retired(Retired::Retired),
                Self::Live { value: held, .. },
            ) if base == held => Some(before.clone().ended(EndReason::Rotated, now)),
            (
                Call::Retire { base },
                Answer::Retired(Retired::Changed(stored)),
                Self::Live { value: held, .. },
            ) if base != held && fits(stored) => Some(before.clone()),
            (
                Call::Retire { .. },
                Answer::Retired(Retired::Gone),
                Self::Missing | Self::Ended { .. },
            ) => Some(before.clone()),
            _ => None,
        };
        next.map(|next| next.at(now))
            .ok_or_else(|| format!("{call:?} on {before:?} answers {answer:?}"))
    }

    fn shows(&self, stored: &Stored, now: Duration, slack: Duration) -> bool {
        let Self::Live { value, until } = self else {
            return false;
        };
        let left = until.saturating_sub(now);
        let said = stored.remaining.unwrap_or(left);
        stored.value == *value && said <= left && said.saturating_add(slack) >= left
    }

    fn ended(self, reason: EndReason, now: Duration) -> Self {
        match (self, reason) {
            (
                kept @ Self::Ended {
                    reason: EndReason::Destroyed,
                    ..
                },
                _,
            )
            | (kept @ Self::Ended { .. }, EndReason::Rotated) => kept,
            _ => Self::Ended {
                reason,
                until: now + TOMBSTONE_TTL,
            },
        }
    }
}
