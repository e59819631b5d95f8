//! From what the request presented to a view of its session: at most one call to the store, and with an owner index a second
//! one for the owner's revocation, once for each owner, process and revocation of anybody.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;

use cloakroom_core::{
    EndReason, Error, ErrorKind, Loaded, OwnerIndex, SessionId, Stored,
    owner_index::Revision,
    record::Record,
    session::{Existing, NewReason, View},
    ticket::Presented,
};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{
    beside::beside,
    config::{Config, Owned},
    observe,
    owners::{
        end::{Ended, end_if},
        source::{Belonging, put_back_owner},
    },
};

pub(crate) async fn view(
    config: &Arc<Config>,
    presented: &Presented,
    secure: bool,
) -> Result<View, Error> {
    let (id, resign) = match presented {
        Presented::None => return fresh(config, NewReason::NoTicket, secure),
        Presented::Invalid(reason) => {
            observe::bad_ticket(reason.as_str());
            return fresh(config, NewReason::NoTicket, secure);
        }
        Presented::Valid {
            id, needs_resign, ..
        } => (id, *needs_resign),
    };
    let span = tracing::debug_span!("session_load", session = %id.fingerprint());
    match load(config, id).instrument(span).await? {
        Found::Live(stored, record) => existing(config, id, resign, stored, record),
        Found::None(reason) => fresh(config, reason, secure),
    }
}

/// The same without waiting for anybody, where the store has the session at hand and nothing else is to be asked. Most requests
/// do no more than read their session. Whatever is not plain is left to [`view`], which finds it again.
pub(crate) fn view_at_once(config: &Config, presented: &Presented) -> Option<View> {
    let Presented::Valid {
        id, needs_resign, ..
    } = presented
    else {
        return None;
    };
    let (cached, revision) = match &config.owned {
        None => (config.store().cached(id)?, Revision::default()),
        Some(owned) => owned.owners.index.cached_with_revision(id)?,
    };
    let record = cached.value.record(&config.policy.limits).ok()??;
    if is_over(config, &record) {
        return None;
    }
    if let Some(owned) = &config.owned
        && knows_revoked(owned, &record, revision)?
    {
        return None;
    }
    observe::load("live");
    existing(config, id, *needs_resign, cached.into(), record).ok()
}

fn existing(
    config: &Config,
    id: &SessionId,
    resign: bool,
    stored: Stored,
    record: Record,
) -> Result<View, Error> {
    let existing = Existing {
        id: id.clone(),
        base: stored.value,
        remaining: stored.remaining,
        resign,
    };
    let mut view = View::existing(existing, record, config.fresh_id()?);
    adopt(config, &mut view);
    Ok(view)
}

/// What the store has under a ticket's id.
pub(crate) enum Found {
    Live(Stored, Record),
    None(NewReason),
}

pub(crate) async fn load(config: &Config, id: &SessionId) -> Result<Found, Error> {
    let answer = match &config.owned {
        None => {
            let loaded = timed(config, "load", config.store().load(id)).await;
            loaded.map(|loaded| (loaded, Revision::default()))
        }
        Some(owned) => {
            let index: &dyn OwnerIndex = &*owned.owners.index;
            let loaded = index.load_with_revision(id);
            timed(config, "load", loaded).await
        }
    };
    let (stored, revision) = match answer {
        Ok((Loaded::Live(stored), revision)) => (stored, revision),
        Ok((Loaded::Ended(reason), _)) => {
            observe::load("ended");
            return Ok(Found::None(NewReason::Ended(reason)));
        }
        Ok(_) => {
            observe::load("missing");
            observe::unknown_id();
            return Ok(Found::None(NewReason::Unknown));
        }
        Err(error) => {
            observe::load("error");
            return Err(error);
        }
    };
    match Record::parse(&stored.value, &config.policy.limits) {
        Ok(Some(record)) if !is_over(config, &record) => {
            if let Some(owned) = &config.owned
                && is_revoked(config, owned, &record, revision).await?
            {
                observe::load("revoked");
                end_beside(config, owned, id, stored.value);
                return Ok(Found::None(NewReason::Ended(EndReason::Destroyed)));
            }
            observe::load("live");
            Ok(Found::Live(stored, record))
        }
        Ok(_) => {
            observe::load("missing");
            Ok(Found::None(NewReason::Unknown))
        }
        Err(error) => {
            observe::load("unreadable");
            tracing::warn!(
                session = %id.fingerprint(),
                %error,
                "a stored session cannot be read; its visitor gets a new one and the value is left alone"
            );
            Ok(Found::None(NewReason::Unreadable))
        }
    }
}

/// Whether the absolute lifetime is over. Where there is none, nobody asks what time it is.
fn is_over(config: &Config, record: &Record) -> bool {
    record.ends().is_some() && config.policy.is_over(record, config.clock.now())
}

/// Whether the owner's sessions, or everybody's, were revoked after this one's sign-in. The store is asked only where the
/// revision is another than at the last time.
async fn is_revoked(
    config: &Config,
    owned: &Owned,
    record: &Record,
    revision: Revision,
) -> Result<bool, Error> {
    match knows_revoked(owned, record, revision) {
        Some(known) => Ok(known),
        // In a box: each load has the size of the largest thing that it may wait for.
        None => Box::pin(ask_revoked(config, owned, record, revision)).await,
    }
}

async fn ask_revoked(
    config: &Config,
    owned: &Owned,
    record: &Record,
    revision: Revision,
) -> Result<bool, Error> {
    let belonging = Belonging::of(record, owned.owners.from.as_ref());
    let Some(owner) = &belonging.identity.owner else {
        return Ok(false);
    };
    let call = owned.owners.index.revoked_at(owner);
    let at = timed(config, "revoked_at", call)
        .await
        .inspect_err(|_| observe::load("error"))?;
    owned.revocations.put(revision, owner, at);
    Ok(belonging.is_revoked(at))
}

/// The same, where it is known without asking.
fn knows_revoked(owned: &Owned, record: &Record, revision: Revision) -> Option<bool> {
    let belonging = Belonging::of(record, owned.owners.from.as_ref());
    let Some(owner) = &belonging.identity.owner else {
        return Some(false);
    };
    let known = owned.revocations.get(revision, owner)?;
    Some(belonging.is_revoked(known))
}

/// Ends a revoked session that nobody has ended yet, unless it is another by now.
pub(crate) fn end_beside(config: &Config, owned: &Arc<Owned>, id: &SessionId, value: Bytes) {
    let (owned, id) = (Arc::clone(owned), id.clone());
    beside(config, async move {
        let owners = &owned.owners;
        let ended = end_if(&*owners.index, owners.deadline, &id, |stored| {
            *stored == value
        })
        .await;
        // One that was spared is another by now, and listed by the same claim.
        let Ok(Ended::ForGood(_) | Ended::Rotated) = ended else {
            return;
        };
        if let Some((record, belonging)) = owners.read(&value) {
            let mut under: Vec<String> = record.identity().owner.into_iter().collect();
            under.extend(belonging.identity.owner);
            under.dedup();
            for owner in under {
                owners.release(&owner, vec![id.clone()]).await;
            }
        }
    });
}

/// Takes the owner that the session's data tell of, where it is another than the one that is written down.
pub(crate) fn adopt(config: &Config, view: &mut View) {
    let Some(owned) = &config.owned else {
        return;
    };
    let Belonging { identity, differs } = Belonging::of(view.base(), owned.owners.from.as_ref());
    if !differs {
        return;
    }
    if let Err(error) = view.adopt(&identity, &config.policy) {
        tracing::warn!(
            session = %view.id().fingerprint(),
            %error,
            "a session is not put under the owner that its data tell of; raise `limits` or let its writers put less into it"
        );
    }
    if !view.is_adopted() {
        return;
    }
    observe::adoption(
        match (view.base().identity().owner, view.identity().owner) {
            (None, _) => "adopted",
            (Some(_), Some(_)) => "moved",
            (Some(_), None) => "released",
        },
    );
}

/// Takes a sign-in back that the owner's limit has refused, and with it what would tell of the owner at the next request.
pub(crate) fn withdraw_sign_in(config: &Config, view: &mut View) {
    view.withdraw_sign_in(&config.policy);
    if let Some(from) = config
        .owned
        .as_ref()
        .and_then(|owned| owned.owners.from.as_ref())
    {
        put_back_owner(from, view);
    }
}

pub(crate) fn fresh(config: &Config, reason: NewReason, secure: bool) -> Result<View, Error> {
    Ok(View::new(reason, config.fresh_id()?, config.blank(secure)))
}

/// A store's call under the deadline, measured. A store that keeps the deadline by itself needs no second timer for it.
pub(crate) async fn timed<T>(
    config: &Config,
    operation: &'static str,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let deadline = (!config.store_is_punctual).then_some(config.deadline);
    measured(deadline, operation, call).await
}

/// The same under a deadline that is not the layer's.
pub(crate) async fn within<T>(
    deadline: Duration,
    operation: &'static str,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    measured(Some(deadline), operation, call).await
}

async fn measured<T>(
    deadline: Option<Duration>,
    operation: &'static str,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let call = pin!(call);
    let start = Instant::now();
    let answer = match deadline {
        None => call.await,
        Some(deadline) => match tokio::time::timeout(deadline, call).await {
            Ok(answer) => answer,
            Err(_) => Err(overdue(deadline)),
        },
    };
    observe::store_call(operation, start.elapsed(), answer.as_ref().err());
    answer
}

/// No answer within the deadline.
#[cold]
fn overdue(deadline: Duration) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!("the session store did not answer within the deadline of {deadline:?}"),
    )
}
