//! One request's view of its session, and the log of its changes.
//!
//! A [`View`] starts from what the request presented and what the store answered, takes the application's calls, all in
//! memory, and is read by [`plan`](crate::plan) at the end. The log keeps what was asked for, name by name, so that the
//! changes can be applied again to another base when another request committed first.

mod changes;
mod commits;
mod ownership;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::de::DeserializeOwned;

pub(crate) use changes::apply;
use changes::read;

use crate::{
    EndReason, Error, SessionId, Timestamp,
    id::FreshId,
    json::Raw,
    policy::Policy,
    record::{Identity, OwnLifetime, Record},
    usage::Client,
};

/// Why a view starts without a stored session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewReason {
    /// The request brought no ticket, or none that verifies.
    NoTicket,
    /// The ticket verifies and the store knows no such session, or its absolute lifetime is over.
    Unknown,
    /// The session was ended not long ago.
    Ended(EndReason),
    /// The stored value is no readable session. It is left alone.
    Unreadable,
}

/// Where a view comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// No stored session; the view's id is fresh.
    New(NewReason),
    /// A stored session.
    Existing(Existing),
}

/// What is known of the stored session that a view began with.
#[derive(Clone)]
pub struct Existing {
    /// Its id.
    pub id: SessionId,
    /// Its bytes: the base of compare-and-set and of merging.
    pub base: Bytes,
    /// How long it lives without renewal; `None` for ever.
    pub remaining: Option<Duration>,
    /// The ticket was signed with an old secret: send the cookie again.
    pub resign: bool,
}

impl fmt::Debug for Existing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Existing")
            .field("id", &self.id)
            .field("bytes", &self.base.len())
            .field("remaining", &self.remaining)
            .field("resign", &self.resign)
            .finish()
    }
}

/// How the application ended the session in this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `destroy` or `sign_out`.
    Destroyed,
    /// `unset`: the policy says what it means.
    Unset,
}

/// The function of an `update`, from the current raw value to the new one; `None` stands for "no such name".
pub(crate) type UpdateFn = Arc<dyn Fn(Option<&Raw>) -> Result<Option<Raw>, Error> + Send + Sync>;

#[derive(Clone)]
pub(crate) enum Operation {
    Set(Raw),
    Remove,
    Update(UpdateFn),
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set(_) => "Set",
            Self::Remove => "Remove",
            Self::Update(_) => "Update",
        })
    }
}

/// A sign-in of this request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignIn {
    pub(crate) identity: Identity,
    /// Somebody has said who they are: the absolute lifetime begins anew. Else the session goes on with a new sign-in,
    /// past a revocation that is to end others.
    pub(crate) is_grant: bool,
}

/// One request's view of its session.
#[derive(Clone, Debug)]
pub struct View {
    origin: Origin,
    /// The id of a new or rotated session; drawn by the caller, known to nobody before the response.
    fresh_id: FreshId,
    pub(crate) record: Record,
    /// The record as it was loaded, or as another request left it: what changes are counted against.
    base: Record,
    pub(crate) log: Vec<(String, Operation)>,
    pub(crate) lifetime_change: Option<OwnLifetime>,
    /// The absolute end that this request gave the session itself.
    pub(crate) ends_change: Option<Timestamp>,
    ending: Option<Ending>,
    /// Asked for by itself; a sign-in rotates too.
    rotated: bool,
    /// Begun anew without data by this request: nothing of what was stored, and nothing of what others put there
    /// meanwhile, goes on.
    blank: bool,
    sign_in: Option<SignIn>,
    silent: bool,
    /// Whose the session is by its data, where something else is written down.
    found: Option<Identity>,
    /// What was found is to be written down.
    adopted: bool,
    /// The device that the request came from.
    client: Client,
    /// This request has committed already: no housekeeping is left to do.
    settled: bool,
}

impl View {
    /// A view without a stored session. `fresh_id` becomes the session's id if it is saved; `record` is one as
    /// [`Record::new`] makes it, with the policy's [lifetime](crate::Lifetime::own).
    #[must_use]
    pub fn new(reason: NewReason, fresh_id: impl Into<FreshId>, record: Record) -> Self {
        Self::with(Origin::New(reason), fresh_id.into(), record)
    }

    /// A view of a stored session. `fresh_id` becomes its id if it is rotated.
    #[must_use]
    pub fn existing(existing: Existing, record: Record, fresh_id: impl Into<FreshId>) -> Self {
        Self::with(Origin::Existing(existing), fresh_id.into(), record)
    }

    fn with(origin: Origin, fresh_id: FreshId, record: Record) -> Self {
        Self {
            origin,
            fresh_id,
            base: record.clone(),
            record,
            log: Vec::new(),
            lifetime_change: None,
            ends_change: None,
            ending: None,
            rotated: false,
            blank: false,
            sign_in: None,
            silent: false,
            found: None,
            adopted: false,
            client: Client::default(),
            settled: false,
        }
    }

    /// Where this view comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The id that the session has after this request.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        match &self.origin {
            Origin::Existing(existing) if !self.is_rotated() => &existing.id,
            _ => self.fresh_id.id(),
        }
    }

    /// The id that a new or rotated session gets.
    #[must_use]
    pub fn fresh_id(&self) -> &SessionId {
        self.fresh_id.id()
    }

    /// Another fresh id, after the store said that the first is taken.
    pub fn redraw(&mut self, fresh_id: impl Into<FreshId>) {
        self.fresh_id = fresh_id.into();
    }

    /// Whether no stored session stands behind this view.
    #[must_use]
    pub fn is_new(&self) -> bool {
        matches!(self.origin, Origin::New(_))
    }

    /// How the application ended the session in this request, if it did.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Whether the id is to change.
    #[must_use]
    pub fn is_rotated(&self) -> bool {
        self.rotated || self.signs_in()
    }

    /// Whether this request signs somebody in: a fresh grant, or a new sign-in past a revocation of the others.
    #[must_use]
    pub fn signs_in(&self) -> bool {
        self.sign_in.is_some()
    }

    /// Whether whose the session is was found in its data and is to be written down.
    #[must_use]
    pub fn is_adopted(&self) -> bool {
        self.adopted
    }

    /// The device that the request came from, as far as it is to be remembered.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Takes note of the device that the request came from.
    pub fn set_client(&mut self, client: Client) {
        self.client = client;
    }

    /// Whether this request leaves the session's time alone.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// The names the application stored, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let names = self.record.data_entries();
        names.map(|(name, _)| name.into_owned()).collect()
    }

    /// The record as this request has changed it.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Who is signed in.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.record.identity()
    }

    /// The raw JSON of a name. `cookie` and `__ck` can be read too.
    #[must_use]
    pub fn get_raw(&self, name: &str) -> Option<Raw> {
        self.record.get(name)
    }

    /// The value of a name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Type`](crate::ErrorKind::Type) if the stored value is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let value = self.record.value(name);
        value.map(|text| read(name, text)).transpose()
    }

    /// How long the session lives after this request, as far as is known now: what the plan will ask the store for.
    /// `None` if it ends with this request or is not stored.
    #[must_use]
    pub fn expires_in(&self, policy: &Policy, now: Timestamp) -> Option<Duration> {
        match crate::plan::plan(self, policy, now).store {
            crate::plan::StoreOp::None => match &self.origin {
                Origin::Existing(existing) if self.ending.is_none() => existing.remaining,
                _ => None,
            },
            operation => operation.ttl(),
        }
    }

    /// Whether the application's data differ from what is stored.
    #[must_use]
    pub fn is_modified(&self) -> bool {
        if self.sign_in.is_some() {
            return true;
        }
        if self.is_new() {
            // A lifetime alone makes no session: it would make one for every visitor.
            return self.record.data_entries().next().is_some();
        }
        let lifetime_changed = self.lifetime_change.is_some() || self.ends_change.is_some();
        let differs = |name: &str| self.record.value(name) != self.base.value(name);
        lifetime_changed || self.log.iter().any(|(name, _)| differs(name))
    }
}
