//! One request's view of its session, and the log of its changes.
//!
//! A [`View`] starts from what the request presented and what the store answered, takes the application's calls, all in
//! memory, and is read by [`plan`](crate::plan) at the end. The log keeps what was asked for, name by name, so that the
//! changes can be applied again to another base when another request committed first.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    EndReason, Error, ErrorKind, SessionId, Stored, Timestamp,
    json::Raw,
    policy::{Lifetime, Policy},
    record::{
        Identity, OwnLifetime, Record, StoredAttributes, check_name, check_size, check_value,
    },
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

/// One request's view of its session.
#[derive(Clone, Debug)]
pub struct View {
    origin: Origin,
    /// The id of a new or rotated session; drawn by the caller, known to nobody before the response.
    fresh_id: SessionId,
    pub(crate) record: Record,
    /// The record as it was loaded, or as another request left it: what changes are counted against.
    base: Record,
    pub(crate) log: Vec<(String, Operation)>,
    pub(crate) lifetime_change: Option<OwnLifetime>,
    /// The absolute end that this request gave the session itself.
    pub(crate) ends_change: Option<Timestamp>,
    ending: Option<Ending>,
    rotated: bool,
    /// Begun anew without data by this request: nothing of what was stored, and nothing of what others put there
    /// meanwhile, goes on.
    blank: bool,
    sign_in: Option<Identity>,
    silent: bool,
    /// This request has committed already: no housekeeping is left to do.
    settled: bool,
}

impl View {
    /// A view without a stored session. `fresh_id` becomes the session's id if it is saved.
    #[must_use]
    pub fn new(
        reason: NewReason,
        fresh_id: SessionId,
        policy: &Policy,
        attributes: &StoredAttributes,
    ) -> Self {
        let record = Record::new(policy.lifetime.own(), attributes);
        Self::with(Origin::New(reason), fresh_id, record)
    }

    /// A view of a stored session. `fresh_id` becomes its id if it is rotated.
    #[must_use]
    pub fn existing(existing: Existing, record: Record, fresh_id: SessionId) -> Self {
        Self::with(Origin::Existing(existing), fresh_id, record)
    }

    fn with(origin: Origin, fresh_id: SessionId, record: Record) -> Self {
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
            Origin::Existing(existing) if !self.rotated => &existing.id,
            _ => &self.fresh_id,
        }
    }

    /// The id that a new or rotated session gets.
    #[must_use]
    pub fn fresh_id(&self) -> &SessionId {
        &self.fresh_id
    }

    /// Another fresh id, after the store said that the first is taken.
    pub fn redraw(&mut self, fresh_id: SessionId) {
        self.fresh_id = fresh_id;
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
        self.rotated
    }

    /// Whether this request signs somebody in: a fresh grant.
    #[must_use]
    pub fn signs_in(&self) -> bool {
        self.sign_in.is_some()
    }

    /// Whether this request leaves the session's time alone.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// The names the application stored, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.record.data().map(|(name, _)| name).collect()
    }

    /// Who is signed in.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.record.identity()
    }

    /// The raw JSON of a name. `cookie` and `__ck` can be read too.
    #[must_use]
    pub fn get_raw(&self, name: &str) -> Option<&Raw> {
        self.record.get(name)
    }

    /// The value of a name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Type`] if the stored value is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let value = self.record.get(name);
        value.map(|raw| read(name, raw)).transpose()
    }

    /// Gives a name a value.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a reserved name or an integer that Node would round, [`ErrorKind::TooLarge`] beyond
    /// the limits, [`ErrorKind::Type`] for what is not JSON, [`ErrorKind::Gone`] after the session was ended here. The
    /// view is unchanged then.
    pub fn insert<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
        policy: &Policy,
    ) -> Result<(), Error> {
        self.insert_raw(name, write(name, value)?, policy)
    }

    /// Gives a name a value that is JSON text already.
    ///
    /// # Errors
    ///
    /// As [`View::insert`].
    pub fn insert_raw(&mut self, name: &str, value: Raw, policy: &Policy) -> Result<(), Error> {
        self.change(name, Operation::Set(value), policy)
    }

    /// Gives a name a value only where it has none, in the end: if another request gives it one first, that stays.
    ///
    /// # Errors
    ///
    /// As [`View::insert`].
    pub fn fill_raw(&mut self, name: &str, value: Raw, policy: &Policy) -> Result<(), Error> {
        let fill: UpdateFn = Arc::new(move |current| {
            let kept = current.unwrap_or(&value);
            Ok(Some(kept.clone()))
        });
        self.change(name, Operation::Update(fill), policy)
    }

    /// Takes a name away.
    ///
    /// # Errors
    ///
    /// As [`View::insert`].
    pub fn remove(&mut self, name: &str, policy: &Policy) -> Result<(), Error> {
        self.change(name, Operation::Remove, policy)
    }

    /// Gives a name the value that `f` makes of its current one, and makes it again of another current one if another
    /// request commits first. `f` must depend on its argument alone. `None` in the answer takes the name away.
    ///
    /// # Errors
    ///
    /// As [`View::insert`], and [`ErrorKind::Type`] if the stored value is not a `T`.
    pub fn update<T, F>(&mut self, name: &str, f: F, policy: &Policy) -> Result<(), Error>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> Option<T> + Send + Sync + 'static,
    {
        let owned = name.to_owned();
        let update: UpdateFn = Arc::new(move |current| {
            let current = current.map(|raw| read(&owned, raw)).transpose()?;
            f(current).map(|value| write(&owned, &value)).transpose()
        });
        self.change(name, Operation::Update(update), policy)
    }

    /// Takes every name of the application away.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] after the session was ended here.
    pub fn clear(&mut self) -> Result<(), Error> {
        self.check_open()?;
        for name in self.names() {
            self.record.remove(&name);
            self.log.push((name, Operation::Remove));
        }
        Ok(())
    }

    fn change(&mut self, name: &str, operation: Operation, policy: &Policy) -> Result<(), Error> {
        self.check_open()?;
        check_name(name, policy.exclusive)?;
        let changed = apply(&self.record, name, &operation, policy)?;
        self.record = changed;
        self.log.push((name.to_owned(), operation));
        Ok(())
    }

    fn check_open(&self) -> Result<(), Error> {
        match self.ending {
            None => Ok(()),
            Some(_) => Err(Error::new(
                ErrorKind::Gone,
                "this request has ended its session already; a change cannot be kept in it",
            )),
        }
    }

    /// Gives this session its own lifetime ("remember me"), which it keeps until it is changed again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for less than a millisecond, [`ErrorKind::Gone`] after the session was ended here.
    pub fn set_lifetime(&mut self, lifetime: OwnLifetime) -> Result<(), Error> {
        self.check_open()?;
        if matches!(lifetime, OwnLifetime::Idle(idle) if idle < Duration::from_millis(1)) {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a session's lifetime must be at least 1 ms; to end the session, destroy it",
            ));
        }
        if self.record.lifetime() != Some(lifetime) {
            self.record.set_lifetime(lifetime);
            self.lifetime_change = Some(lifetime);
        }
        Ok(())
    }

    /// As [`View::set_lifetime`], with an absolute lifetime of its own where `lifetime` has one.
    ///
    /// # Errors
    ///
    /// As [`View::set_lifetime`], and [`ErrorKind::Invalid`] for an idle lifetime that the policy's absolute one would
    /// cut.
    pub fn remember(
        &mut self,
        lifetime: Lifetime,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (own, absolute) = (lifetime.own(), lifetime.absolute_duration());
        let limit = policy.lifetime.absolute_duration();
        if let (OwnLifetime::Idle(idle), None, Some(limit)) = (own, absolute, limit)
            && idle > limit
        {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "a lifetime of {idle:?} would be cut by the layer's absolute lifetime of {limit:?}; give the session an absolute lifetime of its own, as in `Lifetime::idle(..).absolute(..)`"
                ),
            ));
        }
        self.set_lifetime(own)?;
        if let Some(absolute) = absolute {
            let ends = now.saturating_add(absolute);
            self.record.set_ends(Some(ends));
            self.ends_change = Some(ends);
        }
        Ok(())
    }

    /// Gives the session a new id and keeps its data. The old id is dead when the response leaves.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] after the session was ended here.
    pub fn rotate(&mut self) -> Result<(), Error> {
        self.check_open()?;
        self.rotated = true;
        Ok(())
    }

    /// Begins anew: a new id, no data, nobody signed in, the policy's lifetime. The old id is dead when the response
    /// leaves.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] after the session was ended here.
    pub fn regenerate(
        &mut self,
        policy: &Policy,
        attributes: &StoredAttributes,
    ) -> Result<(), Error> {
        self.clear()?;
        self.record = Record::new(policy.lifetime.own(), attributes);
        self.lifetime_change = None;
        self.ends_change = None;
        self.sign_in = None;
        self.rotated = true;
        self.blank = true;
        Ok(())
    }

    /// Signs `owner` in: a new id, the owner and the time stamped, the absolute lifetime begun anew.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] after the session was ended here, [`ErrorKind::TooLarge`] beyond the limits.
    pub fn sign_in(
        &mut self,
        owner: impl Into<String>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.check_open()?;
        let identity = Identity {
            owner: Some(owner.into()),
            signed_in: Some(now),
        };
        let mut record = self.record.clone();
        record.set_identity(&identity);
        // What this request gave the session itself is meant for the one that begins here.
        if self.ends_change.is_none() {
            record.set_ends(policy.absolute_end(now));
        }
        check_size(&record, "the owner", &policy.limits)?;
        self.record = record;
        self.sign_in = Some(identity);
        self.rotated = true;
        Ok(())
    }

    /// Ends the session and clears the cookie. Changes of this request are dropped.
    pub fn destroy(&mut self) {
        self.ending = Some(Ending::Destroyed);
    }

    /// express's `req.session = null`: [`Policy::unset`] says what becomes of the session.
    pub fn unset(&mut self) {
        self.ending.get_or_insert(Ending::Unset);
    }

    /// Lets this request use the session without renewing it ("silent poll").
    pub fn skip_renewal(&mut self) {
        self.silent = true;
    }

    /// Takes note that `passed` has gone by since the store said how long the session still lives.
    pub fn pass(&mut self, passed: Duration) {
        if let Origin::Existing(existing) = &mut self.origin {
            let left = existing.remaining;
            existing.remaining = left.map(|left| left.saturating_sub(passed));
        }
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
            return self.record.data().next().is_some();
        }
        let lifetime_changed = self.lifetime_change.is_some() || self.ends_change.is_some();
        let differs = |name: &str| self.record.get(name) != self.base.get(name);
        lifetime_changed || self.log.iter().any(|(name, _)| differs(name))
    }

    /// Whether this request has committed already.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Goes on after `snapshot`, a clone of this view, was committed as `existing` and `record`: what was changed since
    /// the clone was taken stays to be committed.
    pub fn committed(
        &mut self,
        snapshot: &Self,
        existing: Existing,
        record: Record,
        fresh_id: SessionId,
        policy: &Policy,
    ) {
        let later = self.log.split_off(snapshot.log.len().min(self.log.len()));
        self.base = record.clone();
        // Begun anew since the clone was taken: it does not stand on what was committed.
        let restarted = self.blank && !snapshot.blank;
        let mut record = if restarted {
            self.record.clone()
        } else {
            record
        };
        for (name, operation) in later.iter().filter(|_| !restarted) {
            // It fitted when it was asked for; if it does not fit any more, the plan has nothing to save for it.
            if let Ok(changed) = apply(&record, name, operation, policy) {
                record = changed;
            }
        }
        let ends = self.record.ends();
        self.origin = Origin::Existing(existing);
        self.record = record;
        self.fresh_id = fresh_id;
        self.log = later;
        if self.lifetime_change == snapshot.lifetime_change {
            self.lifetime_change = None;
        }
        if self.ends_change == snapshot.ends_change {
            self.ends_change = None;
        }
        if self.ends_change.is_some() {
            self.record.set_ends(self.ends_change);
        }
        if let Some(lifetime) = self.lifetime_change {
            self.record.set_lifetime(lifetime);
        }
        if self.sign_in == snapshot.sign_in {
            self.sign_in = None;
            self.rotated &= restarted || !snapshot.rotated;
        }
        if let Some(identity) = &self.sign_in {
            self.record.set_identity(identity);
            self.record.set_ends(ends);
        }
        self.blank = restarted;
        self.settled = true;
    }

    /// Takes a merged record as the current one, and what the store holds as the base.
    pub(crate) fn rebased(&mut self, theirs: Stored, base: Record, merged: Record) {
        if let Origin::Existing(existing) = &mut self.origin {
            existing.base = theirs.value;
            existing.remaining = theirs.remaining;
        }
        self.base = base;
        self.record = merged;
    }

    /// The record that changes are counted against.
    pub(crate) fn base(&self) -> &Record {
        &self.base
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.blank
    }

    pub(crate) fn sign_in_stamp(&self) -> Option<&Identity> {
        self.sign_in.as_ref()
    }
}

/// The record after one operation.
pub(crate) fn apply(
    record: &Record,
    name: &str,
    operation: &Operation,
    policy: &Policy,
) -> Result<Record, Error> {
    let value = match operation {
        Operation::Set(value) => Some(value.clone()),
        Operation::Remove => None,
        Operation::Update(update) => update(record.get(name))?,
    };
    let mut changed = record.clone();
    match value {
        Some(value) => {
            check_value(name, &value, &policy.limits, policy.exclusive)?;
            changed.set(name, value);
            check_size(&changed, name, &policy.limits)?;
        }
        None => drop(changed.remove(name)),
    }
    Ok(changed)
}

fn read<T: DeserializeOwned>(name: &str, raw: &Raw) -> Result<T, Error> {
    // serde_json's message may quote the value: only where it stands is told.
    raw.read().map_err(|error| {
        let (expected, column) = (std::any::type_name::<T>(), error.column());
        Error::new(
            ErrorKind::Type,
            format!("the session's `{name}` is not a `{expected}` (at byte {column} of its JSON)"),
        )
    })
}

fn write<T: Serialize + ?Sized>(name: &str, value: &T) -> Result<Raw, Error> {
    Raw::of(value).map_err(|_| {
        let given = std::any::type_name::<T>();
        Error::new(
            ErrorKind::Type,
            format!("the `{given}` given to the session's `{name}` cannot be written as JSON"),
        )
    })
}
