//! Who we are to the server, where that changes.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use cloakroom_core::Error;

/// A user's name and password, or a token in its place. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(crate) username: Option<Arc<str>>,
    pub(crate) password: Arc<str>,
    pub(crate) renew_after: Option<Duration>,
}

impl Credentials {
    /// The default user with this password.
    #[must_use]
    pub fn new(password: impl AsRef<str>) -> Self {
        Self {
            username: None,
            password: password.as_ref().into(),
            renew_after: None,
        }
    }

    /// The name of the user whose password it is.
    #[must_use]
    pub fn username(mut self, username: impl AsRef<str>) -> Self {
        self.username = Some(username.as_ref().into());
        self
    }

    /// Asks the provider again after this time and signs the open connection in anew; without it only a new connection
    /// asks. Less than a second counts as one.
    #[must_use]
    pub fn renew_after(mut self, time: Duration) -> Self {
        self.renew_after = Some(time.max(Duration::from_secs(1)));
        self
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("renew_after", &self.renew_after)
            .finish_non_exhaustive()
    }
}

/// Gives credentials that change: tokens of a cloud, passwords from a vault that rotates them.
///
/// It is asked whenever a connection is made, and again after [`Credentials::renew_after`]. The time that it takes counts
/// towards `connect_timeout`, so a slow source belongs behind a cache. Its errors are shown to whoever calls the store: they
/// must not hold a secret.
#[async_trait]
pub trait CredentialsProvider: Send + Sync + 'static {
    /// The credentials that are valid now.
    async fn credentials(&self) -> Result<Credentials, Error>;
}
