//! The three-way merge of top-level names when another request committed first.
//!
//! With base B (what this request loaded), ours O (what it made of it) and theirs T (what the store holds now), per name:
//! O = B takes T, deletions included; T = B or O = T takes O; an `update` function is applied to T; else both sides
//! changed it and the [`Resolver`] decides, by default for ours. Values are compared byte for byte.
//!
//! `cookie.expires` becomes the later date, the rest of `cookie` and `__ck` stays T's but for what this request changed
//! (the lifetime). If another owner or another sign-in stands in T than in B, nothing of ours belongs there: an error. It
//! is none where T only says of B's data whose they are, as this request had found itself.

use std::{fmt, sync::Arc};

use crate::{
    Error, ErrorKind,
    json::Raw,
    policy::Policy,
    record::{Record, check_size},
    session::{Operation, View, apply},
    store::Stored,
};

/// Decides when both sides changed a name and no `update` function can be applied again. Gets the name, the base's, our
/// and their value (`None` where the name is absent) and answers with the value to keep, `None` to drop the name.
#[derive(Clone)]
pub struct Resolver(Arc<ResolveFn>);

type ResolveFn =
    dyn Fn(&str, Option<&Raw>, Option<&Raw>, Option<&Raw>) -> Option<Raw> + Send + Sync;

impl Resolver {
    /// A resolver from a function of `(name, base, ours, theirs)`.
    pub fn new<F>(resolve: F) -> Self
    where
        F: Fn(&str, Option<&Raw>, Option<&Raw>, Option<&Raw>) -> Option<Raw>
            + Send
            + Sync
            + 'static,
    {
        Self(Arc::new(resolve))
    }

    /// The later commit wins: ours.
    #[must_use]
    pub fn ours() -> Self {
        Self::new(|_, _, ours, _| ours.cloned())
    }

    /// The earlier commit wins: theirs.
    #[must_use]
    pub fn theirs() -> Self {
        Self::new(|_, _, _, theirs| theirs.cloned())
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::ours()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

/// Puts this request's changes on top of `theirs`, which becomes the view's base. To be planned and tried again.
///
/// # Errors
///
/// [`ErrorKind::Conflict`] if somebody else is signed in there now. [`ErrorKind::Corrupt`] and
/// [`ErrorKind::TooLarge`] if theirs is no readable session, [`ErrorKind::Type`] if an `update` does not fit theirs, and
/// [`ErrorKind::TooLarge`] if what this request asked for makes theirs too large. The view is unchanged then.
pub fn rebase(
    view: &mut View,
    theirs: Stored,
    policy: &Policy,
    resolver: &Resolver,
) -> Result<(), Error> {
    if view.is_new() {
        return Ok(());
    }
    let record = Record::parse(&theirs.value, &policy.limits)?.ok_or_else(|| {
        Error::new(
            ErrorKind::Corrupt,
            "another writer has put something into the session that is no session; this change was not saved",
        )
    })?;
    let theirs_is = record.identity();
    // Of two requests to a session of a peer, each finds by the data whose it is, and one is the first to write it down.
    let was_found = view
        .found()
        .is_some_and(|found| found.owner == theirs_is.owner);
    if theirs_is != view.base().identity() && !was_found {
        return Err(Error::new(
            ErrorKind::Conflict,
            "somebody else has signed in to this session meanwhile; this change was not saved",
        ));
    }
    // What this request began anew takes nothing of theirs.
    let merged = if view.is_blank() {
        view.record.clone()
    } else {
        merge(view, record.clone(), policy, resolver)?
    };
    view.rebased(theirs, record, merged);
    Ok(())
}

fn merge(
    view: &View,
    theirs: Record,
    policy: &Policy,
    resolver: &Resolver,
) -> Result<Record, Error> {
    let their_expires = theirs.expires();
    let mut merged = theirs;
    let mut done: Vec<&str> = Vec::new();
    for (name, _) in &view.log {
        if done.contains(&name.as_str()) {
            continue;
        }
        done.push(name);
        merged = merge_name(view, name, merged, policy, resolver)?;
    }
    if let Some(lifetime) = view.lifetime_change {
        merged.set_lifetime(lifetime);
    }
    if view.ends_change.is_some() {
        merged.set_ends(view.ends_change);
    }
    if view.lifetime_change.is_some() || view.ends_change.is_some() {
        check_size(&merged, "the lifetime", &policy.limits)?;
    }
    if let Some(sign_in) = view.own_sign_in() {
        merged.hand_over(&sign_in.identity);
        if sign_in.is_grant {
            merged.set_ends(view.record.ends());
        }
        check_size(&merged, "the owner", &policy.limits)?;
    }
    // The later date; the plan writes a fresh one whenever the session is renewed with this commit.
    let later = view.record.expires().max(their_expires);
    if their_expires.is_some() && later != their_expires && view.lifetime_change.is_none() {
        merged.set_expires(later);
    }
    Ok(merged)
}

/// Merges one name that this request touched into `merged`, which still holds their value of it.
fn merge_name(
    view: &View,
    name: &str,
    mut merged: Record,
    policy: &Policy,
    resolver: &Resolver,
) -> Result<Record, Error> {
    let mut operations = view
        .log
        .iter()
        .filter_map(|(logged, operation)| (logged == name).then_some(operation));
    // Once a value was given that asked for no current one, nothing of ours depends on theirs any more.
    if operations
        .clone()
        .all(|operation| matches!(operation, Operation::Update(_)))
    {
        return operations.try_fold(merged, |record, operation| {
            apply(&record, name, operation, policy)
        });
    }
    let (b, o, t) = (
        view.base().get(name),
        view.record.get(name),
        merged.get(name),
    );
    if o == b || o == t {
        return Ok(merged);
    }
    let winner = if t == b {
        o
    } else {
        (resolver.0)(name, b.as_ref(), o.as_ref(), t.as_ref())
    };
    match winner {
        Some(value) => {
            merged.set(name, value);
            check_size(&merged, name, &policy.limits)?;
        }
        None => drop(merged.remove(name)),
    }
    Ok(merged)
}
