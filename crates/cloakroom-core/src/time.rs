//! Milliseconds since the Unix epoch, and the clock that is passed in.

mod civil;

use std::{fmt, sync::atomic::AtomicI64, sync::atomic::Ordering, time::Duration};

pub(crate) use civil::Text;
use jiff::fmt::temporal::DateTimePrinter;

/// A moment, in milliseconds since 1970-01-01T00:00:00Z: the resolution of JavaScript's `Date`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// ECMAScript's time range is 100,000,000 days on either side of the epoch (ECMA-262, "Time Values and Time Range").
const JS_MAX_MILLIS: i64 = 8_640_000_000_000_000;

/// The last whole second that jiff can write: 9999-12-30T22:00:00Z.
pub(crate) const LAST_DATE: Timestamp = Timestamp(253_402_207_200_000);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(0);

    /// The moment `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This moment plus `duration`, at most the last moment that can be represented.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How long it is from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The form of JavaScript's `Date.prototype.toISOString`: `2026-11-26T08:15:30.250Z`, always with three decimals.
    /// `None` where JavaScript has no such date or jiff's range (years -9999 to 9999) ends.
    #[must_use]
    pub fn to_iso_string(self) -> Option<String> {
        if let Some(text) = civil::iso_string(self.0) {
            return Some(text.as_str().to_owned());
        }
        static PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
        if !(-JS_MAX_MILLIS..=JS_MAX_MILLIS).contains(&self.0) {
            return None;
        }
        let moment = jiff::Timestamp::from_millisecond(self.0).ok()?;
        Some(PRINTER.timestamp_to_string(&moment))
    }

    /// Reads what `toISOString` writes; `None` for anything that is not such a date.
    #[must_use]
    pub fn parse_iso(text: &str) -> Option<Self> {
        if let Some(millis) = civil::parse_iso(text) {
            return Some(Self(millis));
        }
        let moment: jiff::Timestamp = text.parse().ok()?;
        Some(Self(moment.as_millisecond()))
    }

    /// The `IMF-fixdate` of RFC 9110 section 5.6.7, cut to the whole second as JavaScript's `toUTCString` does.
    /// `None` beyond the year 9999.
    #[must_use]
    pub fn to_http_date(self) -> Option<String> {
        self.http_date().map(|text| text.as_str().to_owned())
    }

    /// The same without an allocation.
    pub(crate) fn http_date(self) -> Option<Text<29>> {
        civil::http_date(self.0.div_euclid(1000))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_iso_string() {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// Where the present time comes from. The core never reads the system's clock.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present time.
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// A clock that stands still until it is told to move: for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub const fn new(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.0))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// Sets the clock.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_string_always_has_three_decimals_as_javascript_writes_it() {
        assert_eq!(
            Timestamp::UNIX_EPOCH.to_iso_string().unwrap(),
            "1970-01-01T00:00:00.000Z"
        );
        let t = Timestamp::from_millis(1_764_105_578_229);
        assert_eq!(t.to_iso_string().unwrap(), "2025-11-25T21:19:38.229Z");
        assert_eq!(Timestamp::parse_iso("2025-11-25T21:19:38.229Z"), Some(t));
    }

    #[test]
    fn http_date_is_cut_to_the_second() {
        let t = Timestamp::parse_iso("2025-11-25T21:22:27.999Z").unwrap();
        assert_eq!(t.to_http_date().unwrap(), "Tue, 25 Nov 2025 21:22:27 GMT");
    }

    #[test]
    fn out_of_range_is_none_and_never_a_panic() {
        for millis in [i64::MIN, i64::MAX, JS_MAX_MILLIS + 1] {
            let t = Timestamp::from_millis(millis);
            assert_eq!(t.to_iso_string(), None);
            assert_eq!(t.to_http_date(), None);
            let _ = t.to_string();
        }
        assert_eq!(Timestamp::parse_iso("soon"), None);
        let last = Timestamp::from_millis(i64::MAX);
        assert_eq!(last.saturating_add(Duration::MAX), last);
        assert_eq!(Timestamp::UNIX_EPOCH.saturating_since(last), Duration::ZERO);
    }
}
