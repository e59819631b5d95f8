//! Lifetimes, and the options that say when to save, renew and send the cookie.

use std::time::Duration;

use crate::{
    Error, ErrorKind, Timestamp,
    record::{Limits, OwnLifetime, Record},
    time::LAST_DATE,
};

/// What connect-redis keeps a session for whose cookie has no `Expires`: one day.
pub const BROWSER_SESSION_TTL: Duration = Duration::from_secs(86_400);

/// The longest that a cookie may ask to be kept: browsers cut `Expires` at 400 days (RFC 6265bis section 5.5).
pub const MAX_COOKIE_AGE: Duration = Duration::from_secs(400 * 86_400);

/// How long a session lives: after its last use, and at most.
///
/// The idle lifetime counts from each use that renews; the absolute lifetime counts from the creation or sign-in and is
/// never exceeded, however busy the session is. The store's time to live is the smaller of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Lifetime {
    own: OwnLifetime,
    browser_ttl: Duration,
    absolute: Option<Duration>,
}

impl Lifetime {
    /// Ends `idle` after the last use. The cookie carries `Expires`. This is express's `cookie.maxAge`.
    pub const fn idle(idle: Duration) -> Self {
        Self {
            own: OwnLifetime::Idle(idle),
            browser_ttl: BROWSER_SESSION_TTL,
            absolute: None,
        }
    }

    /// A cookie without `Expires`, which the browser keeps while it runs; the store keeps the session for `ttl` after its
    /// last use. This is express without `maxAge`, where connect-redis takes one day.
    pub const fn browser_session(ttl: Duration) -> Self {
        Self {
            own: OwnLifetime::Browser,
            browser_ttl: ttl,
            absolute: None,
        }
    }

    /// Ends `absolute` after the creation or the sign-in, in use or not.
    pub const fn absolute(mut self, absolute: Duration) -> Self {
        self.absolute = Some(absolute);
        self
    }

    /// What a new record stores as its own lifetime.
    #[must_use]
    pub const fn own(&self) -> OwnLifetime {
        self.own
    }

    /// The absolute lifetime, where there is one.
    #[must_use]
    pub const fn absolute_duration(&self) -> Option<Duration> {
        self.absolute
    }

    fn validate(&self) -> Result<(), Error> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Config, message));
        let millisecond = Duration::from_millis(1);
        let (option, idle) = match self.own {
            OwnLifetime::Idle(idle) => ("lifetime.idle", idle),
            OwnLifetime::Browser => ("lifetime.browser_session", self.browser_ttl),
        };
        if idle < millisecond {
            return refuse(format!("`{option}` is {idle:?}; it must be at least 1 ms"));
        }
        match self.absolute {
            Some(absolute) if absolute < idle => refuse(format!(
                "`lifetime.absolute` is {absolute:?}, shorter than `{option}`, {idle:?}; it must be at least as long"
            )),
            _ => Ok(()),
        }
    }
}

impl Default for Lifetime {
    /// 30 minutes without use, 8 hours in all: the upper end of what OWASP's session management cheat sheet gives for
    /// low-risk applications, and its working day.
    fn default() -> Self {
        Self::idle(Duration::from_secs(30 * 60)).absolute(Duration::from_secs(8 * 3600))
    }
}

/// What [`Session::unset`](crate::session::View::unset) does at the end of the request: express's `unset`, which there
/// answers to `req.session = null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unset {
    /// The stored session stays as it was; this request's changes are dropped.
    Keep,
    /// The session is destroyed.
    #[default]
    Destroy,
}

/// Every option that decides about saving, renewing and the cookie. Names and meanings are express-session's where it
/// has them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// How long a session lives unless it says otherwise itself.
    pub lifetime: Lifetime,
    /// Send the cookie with every response that renews the session, so that it ends in the browser when it ends in the
    /// store.
    pub rolling: bool,
    /// Store a new session although nothing was put into it.
    pub save_uninitialized: bool,
    /// Write the session back although nothing was changed.
    pub resave: bool,
    /// What an unset session becomes.
    pub unset: Unset,
    /// Renew only when this share of the lifetime (0 to 1) has passed since the last renewal. 0 renews at each use. Unless
    /// the store is `exclusive`, half of the lifetime is the most that counts: by then `cookie.expires` is written anew.
    pub renew_after: f64,
    /// Only cloakroom writes to the store: no names and integers are refused for Node's sake, and `cookie.expires` is
    /// not kept fresh for it.
    pub exclusive: bool,
    /// Owned sessions are in an owner index: they remember when and from where they were used, and their claims are kept
    /// as long as they may live.
    pub owners: bool,
    /// How large a session may be.
    pub limits: Limits,
}

impl Default for Policy {
    /// The safe choice: nothing is stored for visitors without data, the cookie ends with the session.
    fn default() -> Self {
        Self {
            lifetime: Lifetime::default(),
            rolling: true,
            save_uninitialized: false,
            resave: false,
            unset: Unset::Destroy,
            renew_after: 0.0,
            exclusive: false,
            owners: false,
            limits: Limits::default(),
        }
    }
}

impl Policy {
    /// express-session 1.19's defaults (its README, "Options").
    #[must_use]
    pub fn express() -> Self {
        Self {
            lifetime: Lifetime::browser_session(BROWSER_SESSION_TTL),
            rolling: false,
            save_uninitialized: true,
            resave: true,
            unset: Unset::Keep,
            ..Self::default()
        }
    }

    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], naming the option, what it was and what is allowed.
    pub fn validate(&self) -> Result<(), Error> {
        self.lifetime.validate()?;
        if !(0.0..=1.0).contains(&self.renew_after) {
            let share = self.renew_after;
            return Err(Error::new(
                ErrorKind::Config,
                format!("`renew_after` is {share}; it must be a share of the lifetime from 0 to 1"),
            ));
        }
        for (option, value) in [
            ("limits.bytes", self.limits.bytes),
            ("limits.depth", self.limits.depth),
            ("limits.names", self.limits.names),
        ] {
            if value == 0 {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("`{option}` is 0; no session fits into that"),
                ));
            }
        }
        Ok(())
    }

    /// The times that hold for `record` if it is written or renewed now.
    #[must_use]
    pub fn times(&self, record: &Record, now: Timestamp) -> Times {
        let own = record.lifetime().unwrap_or(self.lifetime.own);
        let idle = match own {
            OwnLifetime::Idle(idle) => idle,
            OwnLifetime::Browser => self.lifetime.browser_ttl,
        };
        let left = record.ends().map(|ends| ends.saturating_since(now));
        let ttl = left.map_or(idle, |left| left.min(idle));
        let persistent = matches!(own, OwnLifetime::Idle(_));
        Times {
            idle,
            ttl,
            // JavaScript's dates go on; to Node the last one is better than `null`, which means one day to connect-redis.
            expires: persistent.then(|| now.saturating_add(ttl).min(LAST_DATE)),
            cookie_expires: persistent.then(|| now.saturating_add(ttl.min(MAX_COOKIE_AGE))),
        }
    }

    /// The absolute end of a session created or signed in now.
    #[must_use]
    pub fn absolute_end(&self, now: Timestamp) -> Option<Timestamp> {
        let absolute = self.lifetime.absolute?;
        Some(now.saturating_add(absolute))
    }

    /// Whether the record's absolute lifetime is over.
    #[must_use]
    pub fn is_over(&self, record: &Record, now: Timestamp) -> bool {
        record.ends().is_some_and(|ends| ends <= now)
    }
}

/// What [`Policy::times`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The idle lifetime: the record's own where it has one.
    pub idle: Duration,
    /// The store's time to live: the idle lifetime, cut by what is left of the absolute one.
    pub ttl: Duration,
    /// `cookie.expires` for the stored value, at most the last date that can be written; `None` for a browser-session cookie.
    pub expires: Option<Timestamp>,
    /// `Expires` for the browser, at most 400 days ahead; `None` for a browser-session cookie.
    pub cookie_expires: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::StoredAttributes;

    const NOW: Timestamp = Timestamp::from_millis(1_764_105_578_229);

    fn record(policy: &Policy) -> Record {
        Record::new(policy.lifetime.own(), &StoredAttributes::default())
    }

    #[test]
    fn r15_the_ttl_never_exceeds_what_is_left_of_the_absolute_lifetime() {
        let policy = Policy {
            lifetime: Lifetime::idle(Duration::from_secs(60)).absolute(Duration::from_secs(90)),
            ..Policy::default()
        };
        let mut record = record(&policy);
        record.set_ends(policy.absolute_end(NOW));
        assert_eq!(policy.times(&record, NOW).ttl, Duration::from_secs(60));
        let later = NOW.saturating_add(Duration::from_secs(70));
        assert_eq!(policy.times(&record, later).ttl, Duration::from_secs(20));
        assert!(!policy.is_over(&record, later));
        let end = NOW.saturating_add(Duration::from_secs(90));
        assert!(policy.is_over(&record, end), "R14");
    }

    #[test]
    fn r23_the_cookie_is_never_asked_to_be_kept_longer_than_400_days() {
        let years = Duration::from_secs(10 * 365 * 86_400);
        let policy = Policy {
            lifetime: Lifetime::idle(years),
            ..Policy::default()
        };
        let times = policy.times(&record(&policy), NOW);
        assert_eq!(
            times.cookie_expires,
            Some(NOW.saturating_add(MAX_COOKIE_AGE))
        );
        assert_eq!(times.ttl, years);
    }

    #[test]
    fn refusals_name_the_option() {
        let with = |lifetime| Policy {
            lifetime,
            ..Policy::default()
        };
        let second = Duration::from_secs(1);
        for (policy, option) in [
            (with(Lifetime::idle(Duration::ZERO)), "lifetime.idle"),
            (
                with(Lifetime::browser_session(Duration::ZERO)),
                "lifetime.browser_session",
            ),
            (
                with(Lifetime::idle(second * 2).absolute(second)),
                "lifetime.absolute",
            ),
            (
                Policy {
                    renew_after: 1.5,
                    ..Policy::default()
                },
                "renew_after",
            ),
            (
                Policy {
                    renew_after: f64::NAN,
                    ..Policy::default()
                },
                "renew_after",
            ),
            (
                Policy {
                    limits: Limits::default().with_names(0),
                    ..Policy::default()
                },
                "limits.names",
            ),
        ] {
            let error = policy.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(option), "{error}");
        }
        assert!(Policy::default().validate().is_ok());
        assert!(Policy::express().validate().is_ok());
    }
}
