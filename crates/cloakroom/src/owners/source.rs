//! Whose a session is, by its metadata or by its data.

use std::{cell::RefCell, fmt, sync::Arc};

use cloakroom_core::{
    Timestamp,
    owner_index::check_owner,
    record::{Identity, Record},
    session::View,
};
use serde::de::DeserializeOwned;

/// A stored session, to be asked whose it is: see
/// [`owner_from`](crate::SessionLayerBuilder::owner_from).
#[derive(Debug)]
pub struct OwnerProbe<'a> {
    record: &'a Record,
    /// Which names were asked for, where somebody wants to know: each load of a session asks.
    asked: Option<RefCell<Vec<String>>>,
}

impl OwnerProbe<'_> {
    /// The value of a top-level name; `None` where there is none, or none that is a `T`.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        if let Some(asked) = &self.asked {
            asked.borrow_mut().push(name.to_owned());
        }
        self.record.get(name)?.read().ok()
    }

    /// The owner that [`sign_in`](crate::Session::sign_in) has written down.
    #[must_use]
    pub fn signed_in(&self) -> Option<String> {
        self.record.identity().owner
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

    /// The owner of a record.
    fn ask(&self, record: &Record) -> Option<String> {
        self.answer(&OwnerProbe {
            record,
            asked: None,
        })
    }

    /// The owner, and the names that were asked for it.
    fn ask_with_names(&self, record: &Record) -> (Option<String>, Vec<String>) {
        let probe = OwnerProbe {
            record,
            asked: Some(RefCell::default()),
        };
        let owner = self.answer(&probe);
        let names = probe.asked.map(RefCell::into_inner);
        (owner, names.unwrap_or_default())
    }

    fn answer(&self, probe: &OwnerProbe<'_>) -> Option<String> {
        (self.0)(probe).filter(|owner| check_owner(owner).is_ok())
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
        let owner = from.ask(record);
        if owner == written.owner {
            return Self {
                identity: written,
                differs: false,
            };
        }
        let identity = match owner {
            Some(owner) => Identity::new(owner, record.dated()),
            None => Identity::default(),
        };
        Self {
            identity,
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

/// Puts back what this request gave the session to tell `owner_from` of an owner, until the answer is that of before.
pub(crate) fn put_back_owner(from: &OwnerFrom, view: &mut View) {
    let before = if view.is_blank() {
        None
    } else {
        from.ask(view.base())
    };
    loop {
        let (owner, asked) = from.ask_with_names(view.record());
        if owner == before || !view.put_back(&asked) {
            return;
        }
    }
}
