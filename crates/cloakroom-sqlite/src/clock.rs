//! The system's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use cloakroom_core::{Clock, Timestamp};

/// Wall time, not monotonic time: what is stored must mean the same after a restart and in another process.
#[derive(Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::UNIX_EPOCH.saturating_add(since_epoch)
    }
}
