//! The system's clock, for whoever is not given another one.

use std::time::{SystemTime, UNIX_EPOCH};

use cloakroom_core::{Clock, Timestamp};

/// The system's clock. It may be set back while the process runs: nothing here takes it to be monotonic.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        };
        Timestamp::from_millis(millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_present_and_not_the_epoch() {
        let earlier = Timestamp::parse_iso("2025-01-01T00:00:00.000Z").unwrap();
        assert!(SystemClock.now() > earlier);
    }
}
