//! When and how often a request's changes are tried: merged and tried again where another request was first. And what is
//! at stake if all fails.

mod step;
mod turns;

use std::{sync::Arc, time::Duration};

use cloakroom_core::{
    Error, ErrorKind, SessionId, merge,
    plan::{CookieOp, Plan, StoreOp, Write, plan, plan_after},
    session::{Origin, View},
};

use step::{Step, step, step_at_once};
pub(crate) use turns::Turns;

use crate::{config::Config, load, observe, owners::claims::Claims};

/// After this time, a session that was only read is asked after once more before its cookie is sent again: it may have
/// been rotated meanwhile, and the cookie would replace the new one. Below, the two responses may overtake each other on
/// the network as well.
pub(crate) const RECHECK_AFTER: Duration = Duration::from_millis(20);

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

/// What is known of the request beside its view.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// Whether a cookie can reach the browser.
    pub(crate) deliverable: bool,
    /// How long ago the session was loaded.
    pub(crate) age: Duration,
}

/// Commits a view that was only read: answers with what the browser is to be told. `None` where there
/// is something to write, to ask or to refuse.
pub(crate) fn commit_at_once(
    config: &Arc<Config>,
    view: &View,
    circumstances: Circumstances,
) -> Option<CookieOp> {
    if !circumstances.deliverable || view.is_modified() {
        return None;
    }
    let now = config.clock.now();
    let planned = plan_after(view, circumstances.age, &config.policy, now);
    step_at_once(config, planned, circumstances.age)
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
            Ok(Some(planned)) => planned,
            Ok(None) => {
                // The session's own claim goes with the session, if that is still the one that was revoked.
                claims.failed(config);
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
            // Which no honest store says twice of fresh random ids.
            Ok(Step::Taken(id)) => {
                claims.taken(&id);
                conflicts += 1;
            }
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
        Fate::Written(write) => claims.written(config, view, write).await,
        Fate::Ended | Fate::Gone => claims.ended(config, view),
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
