//! Carries a plan out: compare-and-set, merge and again where another request was first.

mod turns;

use std::{sync::Arc, time::Duration};

use cloakroom_core::{
    Created, EndReason, Error, ErrorKind, Loaded, Replaced, Retired, SessionId, merge,
    plan::{CookieOp, Plan, StoreOp, Write, plan},
    session::{Origin, View},
};

pub(crate) use turns::Turns;

use crate::{
    config::Config,
    load::{self, timed},
    observe,
    owners::{
        claims::{Before, Claims},
        end::{Ended, end_if},
    },
};

/// How many conflicts a commit survives that has its turn: they come from other processes.
const TRIES: u32 = 5;

/// How a commit went.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) cookie: CookieOp,
    pub(crate) fate: Fate,
}

/// What became of the session.
#[derive(Debug)]
pub(crate) enum Fate {
    /// Nothing was written: there was nothing to write.
    Unchanged,
    /// Written.
    Written(Box<Write>),
    /// Ended by this request.
    Ended,
    /// It had ended before; nothing was written.
    Gone,
    /// A change was not saved, because the session needs a cookie and none can reach the browser.
    Withheld,
}

impl Outcome {
    fn unchanged(cookie: CookieOp) -> Self {
        Self {
            cookie,
            fate: Fate::Unchanged,
        }
    }

    /// Nothing was written; the cookie is sent again if the session is known to live.
    fn still(live: bool, cookie: CookieOp) -> Self {
        Self::unchanged(if live { cookie } else { CookieOp::Keep })
    }

    fn written(cookie: CookieOp, write: Write) -> Self {
        Self {
            cookie,
            fate: Fate::Written(Box::new(write)),
        }
    }

    fn gone() -> Self {
        Self {
            cookie: CookieOp::Keep,
            fate: Fate::Gone,
        }
    }
}

/// After this time, a session that was only read is asked after once more before its cookie is sent again: it may have
/// been rotated meanwhile, and the cookie would replace the new one. Below, the two responses may overtake each other on
/// the network as well.
pub(crate) const RECHECK_AFTER: Duration = Duration::from_millis(20);

/// What is known of the request beside its view.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// Whether a cookie can reach the browser.
    pub(crate) deliverable: bool,
    /// How long ago the session was loaded.
    pub(crate) age: Duration,
}

/// Commits a view.
pub(crate) async fn commit(
    config: &Arc<Config>,
    view: &mut View,
    circumstances: Circumstances,
) -> Result<Outcome, Failure> {
    let mut claims = Claims::of(view);
    let mut turn = None;
    let mut conflicts = 0;
    let patience = config.deadline.saturating_mul(TRIES);
    while conflicts <= TRIES {
        let mut planned = plan(view, &config.policy, config.clock.now());
        if !circumstances.deliverable && !withhold(&mut planned) {
            return Ok(Outcome {
                cookie: CookieOp::Keep,
                fate: if planned.essential {
                    Fate::Withheld
                } else {
                    Fate::Unchanged
                },
            });
        }
        if planned.dropped {
            observe::lost("ended");
            tracing::debug!("a change is not saved: the session had ended before the request");
            return Ok(Outcome::gone());
        }
        let compares = matches!(planned.store, StoreOp::Replace(_) | StoreOp::Rotate { .. });
        if compares && turn.is_none() {
            turn = config.turns.if_taken(stored_id(view), patience).await;
        }
        let stake = Stake::of(view, &planned);
        let planned = match claims.before(config, view, planned).await {
            Ok(Before::Go(planned)) => planned,
            Ok(Before::Gone) => {
                claims.ended(config);
                end_revoked(config, view);
                return Ok(Outcome::gone());
            }
            Err(error) => {
                claims.failed(config);
                return Err(Failure { error, stake });
            }
        };
        match step(config, view, planned, circumstances.age).await {
            Ok(Step::Done(outcome)) => {
                settle(config, view, claims, &outcome.fate).await;
                return Ok(outcome);
            }
            // The id was taken, which no honest store says twice of fresh random ids.
            Ok(Step::Again) => conflicts += 1,
            Ok(Step::Conflict(theirs)) => {
                observe::conflict();
                if let Err(error) = merge::rebase(view, theirs, &config.policy, &config.resolver) {
                    claims.failed(config);
                    return Err(Failure { error, stake });
                }
                load::adopt(config, view);
                match turn {
                    None => turn = Some(config.turns.of(stored_id(view), patience).await),
                    // What was known when the turn came is old; it costs one round and no patience.
                    Some(_) if conflicts == 0 => conflicts = 1,
                    Some(_) => {
                        tokio::time::sleep(jitter(config, conflicts)).await;
                        conflicts += 1;
                    }
                }
            }
            Err(error) => {
                claims.failed(config);
                return Err(Failure { error, stake });
            }
        }
    }
    claims.failed(config);
    let planned = plan(view, &config.policy, config.clock.now());
    Err(Failure {
        error: Error::new(
            ErrorKind::Conflict,
            format!(
                "other requests changed the session {TRIES} times while this one tried to; the change was not saved"
            ),
        ),
        stake: Stake::of(view, &planned),
    })
}

/// Tells the owner index what became of the session.
async fn settle(config: &Config, view: &View, claims: Claims, fate: &Fate) {
    match fate {
        Fate::Written(write) => claims.written(config, write, view.signs_in()).await,
        Fate::Ended | Fate::Gone => claims.ended(config),
        Fate::Unchanged | Fate::Withheld => {}
    }
}

/// Ends a session that was found revoked when it was to be committed.
fn end_revoked(config: &Config, view: &View) {
    if let (Some(owned), Origin::Existing(existing)) = (&config.owned, view.origin()) {
        load::end_beside(config, owned, &existing.id, existing.base.clone());
    }
}

/// The id that the session has in the store at present.
fn stored_id(view: &View) -> &SessionId {
    match view.origin() {
        Origin::Existing(existing) => &existing.id,
        Origin::New(_) => view.fresh_id(),
    }
}

/// A commit that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) stake: Stake,
}

/// What is lost if a commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stake {
    /// Something that the application asked for.
    Change,
    /// A new session without data, which `save_uninitialized` asks for.
    NewSession,
    /// A renewal, fresh dates, a `resave`: the session is as it was, and the next request tries again.
    Upkeep,
}

impl Stake {
    fn of(view: &View, planned: &Plan) -> Self {
        if planned.essential {
            Self::Change
        } else if view.is_new() {
            Self::NewSession
        } else {
            Self::Upkeep
        }
    }
}

enum Step {
    Done(Outcome),
    Conflict(cloakroom_core::Stored),
    Again,
}

async fn step(
    config: &Arc<Config>,
    view: &mut View,
    planned: Plan,
    age: Duration,
) -> Result<Step, Error> {
    let cookie = planned.cookie;
    let recheck = age >= RECHECK_AFTER && matches!(cookie, CookieOp::Set { .. });
    match planned.store {
        StoreOp::None if recheck && !view.is_new() => {
            let found = timed(config, "load", config.store.load(view.id())).await;
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

/// Ends the session, and says so only if it is true: one that was rotated meanwhile lives on under an id that only its
/// browser knows by now. The browser has it with the next request.
async fn end(config: &Config, id: &SessionId, cookie: CookieOp) -> Result<Step, Error> {
    let ended = end_if(&*config.store, config.deadline, id, |_| true).await;
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
            Ok(Step::Again)
        }
    }
}

/// Creates; after an unknown outcome, looks whether it happened.
async fn make(config: &Config, write: &Write) -> Result<Created, Error> {
    let (id, value) = (&write.id, &write.value);
    let call = config.store.create(id, value.clone(), write.ttl);
    match timed(config, "create", call).await {
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            match timed(config, "load", config.store.load(id)).await {
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
        .store
        .replace(id, &existing.base, value.clone(), write.ttl);
    let answer = match timed(config, "replace", call).await {
        // The outcome is unknown where the connection broke after the command was sent: our own bytes mean success.
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            match timed(config, "load", config.store.load(id)).await {
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
            return Ok(Step::Again);
        }
        Err(error) => {
            observe::commit("rotate", "error");
            return Err(error);
        }
    }
    let answer = match timed(config, "retire", config.store.retire(old, &base)).await {
        // If it happened after all, the new session is the only one that the visitor has: late answers count here too.
        Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout) => {
            match timed(config, "load", config.store.load(old)).await {
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
            let _ = timed(config, "end", config.store.end(old, EndReason::Rotated)).await;
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
    let _ = timed(config, "end", config.store.end(id, EndReason::Destroyed)).await;
}

/// Renews, and says whether the session is known to live. A failure is counted and logged and nobody's trouble: where the
/// store can be read and not written, reading works.
async fn renew(config: &Config, id: &SessionId, ttl: Duration) -> bool {
    let renewed = timed(config, "renew", config.store.renew(id, ttl)).await;
    observe::renewal(match renewed {
        Ok(true) => "done",
        Ok(false) => "gone",
        Err(_) => "error",
    });
    matches!(renewed, Ok(true))
}

/// Renews beside the response: nobody waits for it.
fn renew_beside(config: &Arc<Config>, id: SessionId, ttl: Duration) {
    let Ok(permit) = Arc::clone(&config.renewals).try_acquire_owned() else {
        observe::renewal("dropped");
        return;
    };
    let config = Arc::clone(config);
    tokio::spawn(async move {
        renew(&config, &id, ttl).await;
        drop(permit);
    });
}

/// Takes out of a plan what makes no sense when no cookie can reach the browser: a session that nobody could come back
/// to, or a new id that nobody would learn. Answers whether something is left.
fn withhold(planned: &mut Plan) -> bool {
    planned.cookie = CookieOp::Keep;
    if !matches!(planned.store, StoreOp::Create(_) | StoreOp::Rotate { .. }) {
        return true;
    }
    if planned.essential {
        observe::lost("insecure");
    }
    tracing::warn!(
        "no session was made: its cookie is `Secure` and the request came over plain HTTP. Behind a proxy that ends TLS, add the proxy to `trusted_proxies` and let it send X-Forwarded-Proto"
    );
    false
}

/// Up to 2^attempt milliseconds.
fn jitter(config: &Config, attempt: u32) -> Duration {
    let random = (config.ids)().map_or(0, |bytes| u64::from(bytes[0]));
    Duration::from_micros((1000 << attempt.min(8)) * random / 256)
}
