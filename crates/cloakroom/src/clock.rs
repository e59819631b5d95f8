//! The system's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use cloakroom_core::{Clock, Timestamp};

/// The system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        // A clock that stands before 1970 shows 1970.
        let millis = since_epoch.map_or(0, |passed| passed.as_millis());
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}
