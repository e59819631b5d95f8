//! Live sessions that a store has at hand.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    Error, Stored,
    record::{Limits, Record},
};

/// How many names a value, and our own metadata in it, may have for what was read out of it to be kept.
const MOST_NAMES: usize = 8;

/// A session's bytes, and what was read out of them. Cheap to clone: the clones share both, so that of all requests which find
/// the same clone at hand, one reads the bytes.
#[derive(Clone)]
pub struct CachedValue(Arc<Inner>);

struct Inner {
    value: Bytes,
    /// With the limits that it was read with.
    read: OnceLock<(Limits, Record)>,
}

impl CachedValue {
    /// How much memory one takes at the most beside the value's own, in bytes.
    pub const MAX_OVERHEAD: usize = size_of::<Inner>() + Record::size(MOST_NAMES);

    /// Nothing is read yet.
    #[must_use]
    pub fn new(value: Bytes) -> Self {
        Self(Arc::new(Inner {
            value,
            read: OnceLock::new(),
        }))
    }

    /// The bytes as they were given to the store.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0.value
    }

    /// [`Record::parse`]. The record is kept, where it has no more than 8 names, for whoever asks with the same limits.
    ///
    /// # Errors
    ///
    /// As [`Record::parse`].
    pub fn record(&self, limits: &Limits) -> Result<Option<Record>, Error> {
        if let Some((read_with, record)) = self.0.read.get()
            && read_with == limits
        {
            return Ok(Some(record.clone()));
        }
        let record = Record::parse(&self.0.value, limits)?;
        if let Some(record) = &record
            && record.names_in_memory() <= MOST_NAMES
        {
            let _ = self.0.read.set((*limits, record.clone()));
        }
        Ok(record)
    }
}

impl fmt::Debug for CachedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedValue")
            .field("bytes", &self.0.value.len())
            .finish_non_exhaustive()
    }
}

/// A live session as a store has it at hand: the answer of [`Store::cached`](crate::Store::cached).
#[derive(Clone, Debug)]
pub struct Cached {
    /// The bytes as they were given.
    pub value: CachedValue,
    /// How long the session still lives without renewal, as in [`Stored`].
    pub remaining: Option<Duration>,
}

impl From<Cached> for Stored {
    fn from(cached: Cached) -> Self {
        Self {
            value: cached.value.bytes().clone(),
            remaining: cached.remaining,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const VALUE: &[u8] = br#"{"cookie":{},"a":1}"#;

    fn cached(value: impl Into<Bytes>) -> CachedValue {
        CachedValue::new(value.into())
    }

    #[test]
    fn a_value_is_read_once_for_the_same_limits() {
        let value = cached(VALUE);
        let limits = Limits::default();
        let one = value.clone().record(&limits).unwrap().unwrap();
        let (read_with, kept) = value.0.read.get().unwrap();
        assert_eq!((*read_with, kept), (limits, &one));
        assert_eq!(one.get("a").unwrap().as_str(), "1");
        assert_eq!(value.record(&limits).unwrap().unwrap(), one);
    }

    #[test]
    fn what_was_read_with_wider_limits_does_not_pass_narrower_ones() {
        let value = cached(VALUE);
        value.record(&Limits::default()).unwrap();
        let error = value.record(&Limits::default().with_names(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let error = value.record(&Limits::default().with_bytes(5)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn what_was_changed_by_one_request_does_not_show_in_another() {
        let value = cached(VALUE);
        let limits = Limits::default();
        let mut one = value.record(&limits).unwrap().unwrap();
        one.remove("a");
        let other = value.record(&limits).unwrap().unwrap();
        assert_eq!(other.get("a").unwrap().as_str(), "1");
        assert_eq!(other.to_bytes(), VALUE);
    }

    #[test]
    fn of_a_value_with_many_names_nothing_is_kept() {
        let names: String = (0..MOST_NAMES).map(|n| format!(r#","n{n}":1"#)).collect();
        let value = cached(format!(r#"{{"cookie":{{}}{names}}}"#));
        assert!(value.record(&Limits::default()).unwrap().is_some());
        assert!(value.0.read.get().is_none());
    }

    #[test]
    fn no_session_and_no_readable_session_are_told_apart() {
        let limits = Limits::default();
        assert_eq!(cached("null").record(&limits).unwrap(), None);
        let error = cached("{").record(&limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn r29_debug_shows_no_value() {
        let value = cached(VALUE);
        value.record(&Limits::default()).unwrap();
        let remaining = None;
        let shown = format!("{:?}", Cached { value, remaining });
        assert!(shown.contains("19") && !shown.contains("cookie"), "{shown}");
    }
}
