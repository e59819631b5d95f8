//! Whose a session is, by its metadata or by its data.

use std::{fmt, sync::Arc};

use cloakroom_core::{
    Timestamp,
    owner_index::check_owner,
    record::{Identity, Record},
};
use serde::de::DeserializeOwned;

/// A stored session, to be asked whose it is: see
/// [`owner_from`](crate::SessionLayerBuilder::owner_from).
#[derive(Clone, Copy, Debug)]
pub struct OwnerProbe<'a>(&'a Record);

impl OwnerProbe<'_> {
    /// The value of a top-level name; `None` where there is none, or none that is a `T`.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.0.get(name)?.read().ok()
    }

    /// The owner that [`sign_in`](crate::Session::sign_in) has written down.
    #[must_use]
    pub fn signed_in(&self) -> Option<String> {
        self.0.identity().owner
    }
}

type FromFn = dyn Fn(&OwnerProbe<'_>) -> Option<String> + Send + Sync;

/// The application's answer to whose a session is.
#[derive(Clone)]
pub(crate) struct OwnerFrom(Arc<FromFn>);

impl OwnerFrom {
    pub(crate) fn new(
        from: impl Fn(&OwnerProbe<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(from))
    }
}

impl fmt::Debug for OwnerFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerFrom")
    }
}

/// Whose a stored session is, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Belonging {
    pub(crate) identity: Identity,
    /// The data say something else than what is written down.
    pub(crate) differs: bool,
}

impl Belonging {
    pub(crate) fn of(record: &Record, from: Option<&OwnerFrom>) -> Self {
        let written = record.identity();
        let Some(from) = from else {
            return Self {
                identity: written,
                differs: false,
            };
        };
        let owner = (from.0)(&OwnerProbe(record)).filter(|owner| check_owner(owner).is_ok());
        if owner == written.owner {
            return Self {
                identity: written,
                differs: false,
            };
        }
        let signed_in = owner.as_ref().and_then(|_| record.dated());
        Self {
            identity: Identity { owner, signed_in },
            differs: true,
        }
    }

    /// Whether the revocation concerns it. What is written down without a time is older than any revocation; what is
    /// found in the data without one counts as new.
    pub(crate) fn is_revoked(&self, at: Option<Timestamp>) -> bool {
        match (at, self.identity.signed_in) {
            (None, _) => false,
            (Some(at), Some(signed_in)) => signed_in <= at,
            (Some(_), None) => !self.differs,
        }
    }
}
