//! From what the request presented to a view of its session: at most one call to the store.

use std::{future::Future, sync::Arc};

use cloakroom_core::{
    Error, ErrorKind, Loaded, SessionId, Stored,
    record::Record,
    session::{Existing, NewReason, View},
    ticket::Presented,
};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{config::Config, observe};

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
        Presented::Valid { id, needs_resign } => (id, *needs_resign),
    };
    let span = tracing::debug_span!("session_load", session = %id.fingerprint());
    match load(config, id).instrument(span).await? {
        Found::Live(stored, record) => {
            let existing = Existing {
                id: id.clone(),
                base: stored.value,
                remaining: stored.remaining,
                resign,
            };
            Ok(View::existing(existing, record, config.fresh_id()?))
        }
        Found::None(reason) => fresh(config, reason, secure),
    }
}

/// What the store has under a ticket's id.
pub(crate) enum Found {
    Live(Stored, Record),
    None(NewReason),
}

pub(crate) async fn load(config: &Config, id: &SessionId) -> Result<Found, Error> {
    let answer = timed(config, "load", config.store.load(id)).await;
    let stored = match answer {
        Ok(Loaded::Live(stored)) => stored,
        Ok(Loaded::Ended(reason)) => {
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
        Ok(Some(record)) if !config.policy.is_over(&record, config.clock.now()) => {
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

pub(crate) fn fresh(config: &Config, reason: NewReason, secure: bool) -> Result<View, Error> {
    Ok(View::new(
        reason,
        config.fresh_id()?,
        &config.policy,
        &config.attributes(secure),
    ))
}

/// A store's call under the deadline, measured.
pub(crate) async fn timed<T>(
    config: &Config,
    operation: &'static str,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let start = Instant::now();
    let deadline = config.deadline;
    let answer = match tokio::time::timeout(deadline, call).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::new(
            ErrorKind::Timeout,
            format!("the session store did not answer within the deadline of {deadline:?}"),
        )),
    };
    observe::store_call(operation, start.elapsed(), answer.as_ref().err());
    answer
}
