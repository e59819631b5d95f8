//! One plan carried out against the store.

use std::{sync::Arc, time::Duration};

use cloakroom_core::{
    Created, EndReason, Error, ErrorKind, Loaded, Replaced, Retired, SessionId, Stored,
    plan::{CookieOp, Plan, StoreOp, Write},
    session::{Origin, View},
};

use super::{Fate, Outcome, RECHECK_AFTER};
use crate::{
    config::Config,
    load::timed,
    observe,
    owners::end::{Ended, end_if},
    renewals::{renew, renew_beside},
};

/// What a step has come to.
pub(super) enum Step {
    /// It is done, or there is nothing left to do.
    Done(Outcome),
    /// Another request was first; this is what it left.
    Conflict(Stored),
    /// This fresh id is somebody's already; the view has another.
    Taken(SessionId),
}

/// Carries a plan out that was made `age` after the session was loaded.
pub(super) async fn step(
    config: &Arc<Config>,
    view: &mut View,
    planned: Plan,
    age: Duration,
) -> Result<Step, Error> {
    let recheck = needs_recheck(&planned, age);
    if let (false, Origin::Existing(existing)) =
        (matches!(planned.store, StoreOp::None), view.origin())
    {
        config.renewals.forget(&existing.id);
    }
    let cookie = planned.cookie;
    match planned.store {
        StoreOp::None if recheck && !view.is_new() => {
            let found = timed(config, "load", config.store().load(view.id())).await;
            let live = matches!(found, Ok(Loaded::Live(_)));
            Ok(Step::Done(Outcome::still(live, cookie)))
        }
        StoreOp::None => Ok(Step::Done(Outcome::unchanged(cookie))),
        StoreOp::Renew { id, ttl } if recheck => {
            let live = renew(config, &id, ttl).await;
            Ok(Step::Done(Outcome::still(live, cookie)))
        }
        StoreOp::Renew { id, ttl } => {
            renew_beside(config, id, ttl);
            Ok(Step::Done(Outcome::unchanged(cookie)))
        }
        StoreOp::End { id } => end(config, &id, cookie).await,
        StoreOp::Create(write) => create(config, view, write, cookie).await,
        StoreOp::Replace(write) => replace(config, view, write, cookie).await,
        StoreOp::Rotate { write, old, grant } => {
            rotate(config, view, write, &old, grant, cookie).await
        }
    }
}

/// Carries out what needs no waiting for: nothing, or a renewal beside the response. `None` for everything else.
pub(super) fn step_at_once(config: &Arc<Config>, planned: Plan, age: Duration) -> Option<CookieOp> {
    if planned.dropped || needs_recheck(&planned, age) {
        return None;
    }
    match planned.store {
        StoreOp::None => {}
        StoreOp::Renew { id, ttl } => renew_beside(config, id, ttl),
        _ => return None,
    }
    Some(planned.cookie)
}

/// Whether the cookie may be sent only if the session still lives.
fn needs_recheck(planned: &Plan, age: Duration) -> bool {
    age >= RECHECK_AFTER && matches!(planned.cookie, CookieOp::Set { .. })
}

/// Ends the session, and says so only if it is true: one that was rotated meanwhile lives on under an id that only its
/// browser knows by now. The browser has it with the next request.
async fn end(config: &Config, id: &SessionId, cookie: CookieOp) -> Result<Step, Error> {
    let ended = end_if(config.store(), config.deadline, id, |_| true).await;
    observe::commit(
        "end",
        match &ended {
            Ok(Ended::Rotated) => "gone",
            Ok(_) => "done",
            Err(_) => "error",
        },
    );
    if ended? != Ended::Rotated {
        return Ok(Step::Done(Outcome {
            cookie,
            fate: Fate::Ended,
        }));
    }
    Err(Error::new(
        ErrorKind::Conflict,
        "another request has given the session a new id meanwhile; that one was not ended. Sign out again",
    ))
}

async fn create(
    config: &Config,
    view: &mut View,
    write: Write,
    cookie: CookieOp,
) -> Result<Step, Error> {
    let created = make(config, &write).await;
    match &created {
        Ok(Created::Created) => observe::commit("create", "done"),
        Ok(Created::Taken) => {}
        Err(_) => observe::commit("create", "error"),
    }
    match created? {
        Created::Created => Ok(Step::Done(Outcome::written(cookie, write))),
        Created::Taken => {
            view.redraw(config.fresh_id()?);
            Ok(Step::Taken(write.id))
        }
    }
}

/// Creates; after an unknown outcome, looks whether it happened.
async fn make(config: &Config, write: &Write) -> Result<Created, Error> {
    let (id, value) = (&write.id, &write.value);
    let call = config.store().create(id, value.clone(), write.ttl);
    match timed(config, "create", call).await {
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            match timed(config, "load", config.store().load(id)).await {
                Ok(Loaded::Live(stored)) if stored.value == *value => Ok(Created::Created),
                _ => Err(error),
            }
        }
        answer => answer,
    }
}

async fn replace(
    config: &Config,
    view: &View,
    write: Write,
    cookie: CookieOp,
) -> Result<Step, Error> {
    let Origin::Existing(existing) = view.origin() else {
        return Ok(Step::Done(Outcome::gone()));
    };
    let (id, value) = (&write.id, &write.value);
    let call = config
        .store()
        .replace(id, &existing.base, value.clone(), write.ttl);
    let answer = match timed(config, "replace", call).await {
        // The outcome is unknown where the connection broke after the command was sent: our own bytes mean success.
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            match timed(config, "load", config.store().load(id)).await {
                Ok(Loaded::Live(stored)) if stored.value == *value => Ok(Replaced::Replaced),
                _ => Err(error),
            }
        }
        answer => answer,
    };
    match answer {
        Ok(Replaced::Replaced) => {
            observe::commit("replace", "done");
            Ok(Step::Done(Outcome::written(cookie, write)))
        }
        Ok(Replaced::Changed(theirs)) => Ok(Step::Conflict(theirs)),
        Ok(Replaced::Gone) => {
            observe::commit("replace", "gone");
            Ok(Step::Done(Outcome::gone()))
        }
        Err(error) => {
            observe::commit("replace", "error");
            Err(error)
        }
    }
}

/// Creates the new session, then retires the old one. Nobody knows the new id before the response, so whatever fails in
/// between leaves the visitor with the old session and, at worst, a leftover that nobody can guess and that expires.
async fn rotate(
    config: &Config,
    view: &mut View,
    write: Write,
    old: &SessionId,
    grant: bool,
    cookie: CookieOp,
) -> Result<Step, Error> {
    let Origin::Existing(existing) = view.origin() else {
        return Ok(Step::Done(Outcome::gone()));
    };
    let base = existing.base.clone();
    match make(config, &write).await {
        Ok(Created::Created) => {}
        Ok(Created::Taken) => {
            view.redraw(config.fresh_id()?);
            return Ok(Step::Taken(write.id));
        }
        Err(error) => {
            observe::commit("rotate", "error");
            return Err(error);
        }
    }
    let answer = match timed(config, "retire", config.store().retire(old, &base)).await {
        // If it happened after all, the new session is the only one that the visitor has: late answers count here too.
        Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout) => {
            match timed(config, "load", config.store().load(old)).await {
                Ok(Loaded::Ended(EndReason::Rotated)) => Ok(Retired::Retired),
                _ => Err(error),
            }
        }
        answer => answer,
    };
    match answer {
        Ok(Retired::Retired) => {}
        // A fresh grant does not depend on the old session. A Node peer ends sessions without a tombstone, and another
        // may write this one back: under the id from before the sign-in, nothing is to live again.
        Ok(Retired::Gone) if grant => {
            let _ = timed(config, "end", config.store().end(old, EndReason::Rotated)).await;
        }
        Ok(Retired::Gone) => {
            discard(config, &write.id).await;
            observe::commit("rotate", "gone");
            return Ok(Step::Done(Outcome::gone()));
        }
        Ok(Retired::Changed(theirs)) => {
            discard(config, &write.id).await;
            view.redraw(config.fresh_id()?);
            return Ok(Step::Conflict(theirs));
        }
        Err(error) => {
            discard(config, &write.id).await;
            observe::commit("rotate", "error");
            return Err(error);
        }
    }
    observe::commit("rotate", "done");
    Ok(Step::Done(Outcome::written(cookie, write)))
}

/// Takes back a session whose id nobody has seen. If that fails, it expires by itself.
async fn discard(config: &Config, id: &SessionId) {
    let _ = timed(config, "end", config.store().end(id, EndReason::Destroyed)).await;
}
