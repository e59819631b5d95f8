//! What `bench/guard` counts: the steps of a request one by one, and whole requests on the memory store.
//!
//! Nothing here depends on chance or on the time of day, so that the same code takes the same instructions each time.

use std::{hint::black_box, sync::Arc, time::Duration};

use bytes::Bytes;
use cloakroom::{
    Clock, CookieOptions, Error, ErrorKind, Limits, MemoryStore, Secrets, SessionId, SessionLayer,
    SessionLayerBuilder, SessionSlot, Store as _, Timestamp,
    core::{
        Policy,
        cookie::SetCookie,
        id::{FreshId, ID_BYTES},
        plan::{CookieOp, StoreOp, plan},
        record::Record,
        session::{Existing, View},
        ticket::{self, Presented, Seal},
    },
};
use http::{Request, Response, header};
use http_body_util::Empty;
use tokio::runtime::Runtime;
use tower::{Layer as _, ServiceExt as _, service_fn};

use cloakroom_bench_common::sessions::{LIFETIME, SECRET, session};

const NAME: &str = "__Host-sid";

/// A moment that does not pass.
const NOW: Timestamp = Timestamp::from_millis(1_764_105_578_229);

/// One step that is counted.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// As the command line and `bench/guard.tsv` name it.
    pub name: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    run: fn(&Stage, u32) -> Result<(), Error>,
}

/// Every step, in the order of a request.
pub const STEPS: [Step; 9] = [
    Step {
        name: "sign",
        what: "a ticket from an id",
        run: sign,
    },
    Step {
        name: "verify",
        what: "an id from a Cookie header with three cookies",
        run: verify,
    },
    Step {
        name: "load",
        what: "a view of the stored session, and one value of it",
        run: load,
    },
    Step {
        name: "plan",
        what: "the decision to renew and to send the cookie",
        run: plan_renewal,
    },
    Step {
        name: "commit",
        what: "a changed value, planned and written as JSON",
        run: commit,
    },
    Step {
        name: "session",
        what: "verify, load, plan and the Set-Cookie header: the session's own work of a request",
        run: whole,
    },
    Step {
        name: "untouched",
        what: "a request on the memory store whose handler leaves the session alone",
        run: untouched,
    },
    Step {
        name: "read",
        what: "a request on the memory store that reads, renews and sends the cookie",
        run: read,
    },
    Step {
        name: "change",
        what: "a request on the memory store that counts up",
        run: change,
    },
];

/// The step of this name.
///
/// # Errors
///
/// [`ErrorKind::Invalid`], with the names that there are.
pub fn step(name: &str) -> Result<Step, Error> {
    STEPS
        .into_iter()
        .find(|step| step.name == name)
        .ok_or_else(|| {
            let names = STEPS.map(|step| step.name).join(", ");
            Error::new(
                ErrorKind::Invalid,
                format!("there is no step `{name}`; there are {names}"),
            )
        })
}

impl Step {
    /// Takes the step so many times.
    ///
    /// # Errors
    ///
    /// The session's, where it does not do what is counted here; it should.
    pub fn take(self, stage: &Stage, times: u32) -> Result<(), Error> {
        (self.run)(stage, times)
    }
}

/// What the steps need; made before anything is counted.
pub struct Stage {
    secrets: Secrets,
    policy: Policy,
    set_cookie: SetCookie,
    id: SessionId,
    header: String,
    value: Bytes,
    view: View,
    runtime: Runtime,
    layer: SessionLayer,
}

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }
}

impl Stage {
    /// Sets everything up.
    ///
    /// # Errors
    ///
    /// Those of the layer's options, of the memory store and of the runtime.
    pub fn new() -> Result<Self, Error> {
        let secrets = Secrets::new([SECRET])?;
        let policy = Policy::default();
        let set_cookie = CookieOptions::new().prepare()?;
        let id = SessionId::from_random([7; ID_BYTES]);
        let set = set_cookie.ticket(&id, &Seal::of(&id, &secrets), None, true)?;
        let pair = set.split(';').next().unwrap_or_default();
        let header = format!("theme=dark; {pair}; _ga=GA1.1.1234567890.1234567890");
        let value = stored(&policy)?;
        let view = view(&id, &value, &policy.limits)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            // Time passes when nothing else is left to do, and so always at the same place.
            .start_paused(true)
            .build()
            .map_err(|error| Error::new(ErrorKind::Unavailable, "no runtime").with_source(error))?;
        let store = Arc::new(MemoryStore::new().with_clock(Arc::new(Still)));
        let created = store.create(&id, value.clone(), Duration::from_secs(1800));
        runtime.block_on(created)?;
        let layer = builder(store, &secrets).build()?;
        Ok(Self {
            secrets,
            policy,
            set_cookie,
            id,
            header,
            value,
            view,
            runtime,
            layer,
        })
    }

    fn presented(&self) -> Result<(SessionId, Seal), Error> {
        match ticket::presented([self.header.as_bytes()], NAME, &self.secrets) {
            Presented::Valid { id, seal, .. } => Ok((id, seal)),
            _ => Err(unexpected("the ticket does not verify")),
        }
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, Error> {
        let request = Request::builder().header(header::COOKIE, &self.header);
        request
            .body(Empty::new())
            .map_err(|_| unexpected("the request cannot be made"))
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

fn builder(store: Arc<MemoryStore>, secrets: &Secrets) -> SessionLayerBuilder {
    SessionLayer::builder(store, secrets.clone())
        .clock(Still)
        .insecure_id_source(|| [9; ID_BYTES])
}

/// The session of 300 bytes that the measured programs have, with its dates and its absolute end: the next reading only renews
/// it.
fn stored(policy: &Policy) -> Result<Bytes, Error> {
    let mut record = Record::parse(&session(300).into(), &policy.limits)?
        .ok_or_else(|| unexpected("the session is none"))?;
    record.set_ends(policy.absolute_end(NOW));
    record.set_expires(Some(NOW.saturating_add(LIFETIME)));
    Ok(record.to_bytes())
}

fn view(id: &SessionId, value: &Bytes, limits: &Limits) -> Result<View, Error> {
    let record = Record::parse(value, limits)?.ok_or_else(|| unexpected("the session is none"))?;
    let existing = Existing {
        id: id.clone(),
        base: value.clone(),
        remaining: Some(Duration::from_secs(1000)),
        resign: false,
    };
    Ok(View::existing(
        existing,
        record,
        FreshId::from_random([9; ID_BYTES]),
    ))
}

fn unexpected(what: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, what)
}

fn visits(view: &View) -> Result<u64, Error> {
    view.get("visits")?
        .ok_or_else(|| unexpected("the session has no `visits`"))
}

fn sign(stage: &Stage, times: u32) -> Result<(), Error> {
    for _ in 0..times {
        black_box(ticket::sign(black_box(stage.id.as_str()), &stage.secrets));
    }
    Ok(())
}

fn verify(stage: &Stage, times: u32) -> Result<(), Error> {
    for _ in 0..times {
        black_box(stage.presented()?);
    }
    Ok(())
}

fn load(stage: &Stage, times: u32) -> Result<(), Error> {
    for _ in 0..times {
        let view = view(&stage.id, black_box(&stage.value), &stage.policy.limits)?;
        black_box(visits(&view)?);
    }
    Ok(())
}

fn plan_renewal(stage: &Stage, times: u32) -> Result<(), Error> {
    for _ in 0..times {
        let planned = plan(black_box(&stage.view), &stage.policy, NOW);
        if !matches!(planned.store, StoreOp::Renew { .. }) {
            return Err(unexpected("the plan is not to renew"));
        }
    }
    Ok(())
}

fn commit(stage: &Stage, times: u32) -> Result<(), Error> {
    for _ in 0..times {
        let mut view = black_box(&stage.view).clone();
        view.update(
            "visits",
            |n: Option<u64>| Some(n.unwrap_or(0) + 1),
            &stage.policy,
        )?;
        let planned = plan(&view, &stage.policy, NOW);
        if !matches!(black_box(planned).store, StoreOp::Replace(_)) {
            return Err(unexpected("the plan is not to replace"));
        }
    }
    Ok(())
}

fn whole(stage: &Stage, times: u32) -> Result<(), Error> {
    for _ in 0..times {
        let (id, seal) = stage.presented()?;
        let view = view(&id, &stage.value, &stage.policy.limits)?;
        black_box(visits(&view)?);
        let CookieOp::Set { id, expires } = plan(&view, &stage.policy, NOW).cookie else {
            return Err(unexpected("the plan is not to send the cookie"));
        };
        black_box(stage.set_cookie.ticket(&id, &seal, expires, true)?);
    }
    Ok(())
}

type Handled = Result<Response<Empty<Bytes>>, Error>;

async fn ignore(_: Request<Empty<Bytes>>) -> Handled {
    Ok(Response::new(Empty::new()))
}

async fn look(request: Request<Empty<Bytes>>) -> Handled {
    let session = opened(&request).await?;
    black_box(session.get::<u64>("visits")?);
    Ok(Response::new(Empty::new()))
}

async fn count(request: Request<Empty<Bytes>>) -> Handled {
    let session = opened(&request).await?;
    session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(Response::new(Empty::new()))
}

async fn opened(request: &Request<Empty<Bytes>>) -> Result<cloakroom::Session, Error> {
    let slot = request.extensions().get::<SessionSlot>();
    slot.ok_or_else(|| unexpected("there is no slot"))?
        .session()
        .await
}

/// A macro, since every service has a type of its own.
macro_rules! serve {
    ($stage:expr, $times:expr, $handler:expr) => {
        $stage.runtime.block_on(async {
            let service = $stage.layer.layer(service_fn($handler));
            for _ in 0..$times {
                let response = service.clone().oneshot($stage.request()?).await?;
                // What is left to be done beside the response counts, too.
                $stage.layer.settled().await;
                black_box(response);
            }
            Ok(())
        })
    };
}

fn untouched(stage: &Stage, times: u32) -> Result<(), Error> {
    serve!(stage, times, ignore)
}

fn read(stage: &Stage, times: u32) -> Result<(), Error> {
    serve!(stage, times, look)
}

fn change(stage: &Stage, times: u32) -> Result<(), Error> {
    serve!(stage, times, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_can_be_taken() {
        let stage = Stage::new().unwrap();
        for step in STEPS {
            step.take(&stage, 2)
                .unwrap_or_else(|error| panic!("{}: {error}", step.name));
        }
    }
}
