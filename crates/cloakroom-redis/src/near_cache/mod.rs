//! The near cache: answers of the server that are kept here for as long as the server vouches for them.
//!
//! - [`cache`] is the table: what may be answered from it, and which answer may be put into it.
//! - [`tracking`] is the server's side: a connection on which it tells which keys have changed.
//! - [`load`] is the store's: loads by way of the cache, and changes that clear it.

pub(crate) mod cache;
mod load;
pub(crate) mod tracking;

use std::time::Duration;

use cloakroom_core::{Error, ErrorKind};

/// Options of the near cache, which keeps what was loaded in this process until the server says that it changed. For
/// [`RedisStoreBuilder::near_cache`](crate::RedisStoreBuilder::near_cache); see the [crate's documentation](crate#near-cache)
/// for what it promises and what it delays.
#[derive(Clone, Copy, Debug)]
#[must_use = "options do nothing until they are given to `RedisStoreBuilder::near_cache`"]
#[non_exhaustive]
pub struct NearCache {
    pub(crate) max_age: Duration,
    pub(crate) capacity: usize,
    pub(crate) max_bytes: usize,
}

/// For longer nobody's sign-out may be hidden.
const LONGEST_AGE: Duration = Duration::from_secs(60);

impl NearCache {
    /// The defaults: five seconds, 10,000 sessions, 32 MiB.
    pub fn new() -> Self {
        Self {
            max_age: Duration::from_secs(5),
            capacity: 10_000,
            max_bytes: 32 * 1024 * 1024,
        }
    }

    /// How long an answer counts without being asked for again; default 5 s, at most a minute. This bounds what can be missed
    /// where the server's word does not arrive: when packets vanish without a reset.
    pub fn max_age(mut self, time: Duration) -> Self {
        self.max_age = time;
        self
    }

    /// How many sessions are kept at most; default 10,000. The ones that were not asked for the longest give way.
    pub fn capacity(mut self, sessions: usize) -> Self {
        self.capacity = sessions;
        self
    }

    /// How many bytes are kept at most, as far as they can be told; default 32 MiB. Beside its value and its id, a session counts
    /// with some 950 bytes for the table and for where its names stand, which is more than most take.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Refuses what cannot work, as the store does when it is built; for whoever reads the options from a setting.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], naming the option and what is wrong with it.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = if self.max_age.is_zero() {
            "`max_age` is zero; nothing could ever be answered from it"
        } else if self.max_age > LONGEST_AGE {
            "`max_age` is more than a minute; a lost connection could hide a sign-out for so long"
        } else if self.capacity == 0 {
            "`capacity` is zero; nothing could ever be kept"
        } else if self.max_bytes == 0 {
            "`max_bytes` is zero; nothing could ever be kept"
        } else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::Config,
            format!(
                "options of the session store: `near_cache`: {wrong}; leave `near_cache` out to switch it off"
            ),
        ))
    }
}

impl Default for NearCache {
    fn default() -> Self {
        Self::new()
    }
}
