//! What the application asks of its session, and the log of it.

use std::{sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{Ending, Operation, Origin, UpdateFn, View};
use crate::{
    Error, ErrorKind, Timestamp,
    json::Raw,
    policy::{Lifetime, Policy},
    record::{OwnLifetime, Record, StoredAttributes, check_name, check_size, check_value},
};

impl View {
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
            let current = current
                .map(|raw| read(&owned, raw.as_str().as_bytes()))
                .transpose()?;
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

    pub(super) fn check_open(&self) -> Result<(), Error> {
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
    /// As [`View::set_lifetime`], [`ErrorKind::Invalid`] for an idle lifetime that the policy's absolute one would cut, and
    /// [`ErrorKind::TooLarge`] beyond the limits.
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
        let mut remembered = self.clone();
        remembered.set_lifetime(own)?;
        if let Some(absolute) = absolute {
            let ends = now.saturating_add(absolute);
            remembered.record.set_ends(Some(ends));
            remembered.ends_change = Some(ends);
        }
        check_size(&remembered.record, "the lifetime", &policy.limits)?;
        *self = remembered;
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
        // What was found stays: it says whose the old session is, which another request may write down meanwhile.
        self.adopted = false;
        self.rotated = true;
        self.blank = true;
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
        Operation::Update(update) => update(record.get(name).as_ref())?,
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

pub(super) fn read<T: DeserializeOwned>(name: &str, text: &[u8]) -> Result<T, Error> {
    // serde_json's message may quote the value: only where it stands is told.
    serde_json::from_slice(text).map_err(|error| {
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
