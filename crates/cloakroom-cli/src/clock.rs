//! The present time, by this machine.

use cloakroom::{Clock as _, SystemClock, Timestamp};

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}
