//! The connection, and what keeps it alive.
//!
//! All calls share one multiplexed connection, or all calls of a thread (see [`places`]). A task of its own makes it, watches it and
//! makes it again:
//!
//! - A connection that is lost is replaced at once; calls that begin meanwhile wait for the first attempt, so that a
//!   server that closes idle connections is not noticed. One that was lost before it was of any use is replaced after
//!   [`RETRY`]: whoever greets and hangs up is not called without a pause.
//! - Where that attempt fails, calls fail at once with its reason, and further attempts are made every
//!   [`RETRY`] until one succeeds, with or without calls. Nothing queues up.
//! - A connection on which [`SILENT_CALLS`](live::SILENT_CALLS) calls in a row got no answer in time is taken for dead,
//!   although nothing says so: a black hole looks like this. An answer starts the count anew, and calls that were waiting
//!   when it came do not count: what stands behind large values is late on a connection that works.
//! - A connection that nobody uses is tried every [`HEARTBEAT`](keeper::HEARTBEAT), so that one which died unnoticed is
//!   found before a visitor waits for it.
//! - A server that says that it is a read-only replica is looked up again beside the work,
//!   [`REFRESH`](keeper::REFRESH) apart at least: after a failover the same name leads to the new primary.

mod keeper;
mod live;
mod places;

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cloakroom_core::SessionId;
use redis::{Cmd, Pipeline, Value};
use tokio::{
    sync::{Semaphore, SemaphorePermit, watch},
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use crate::{
    connect::Target,
    fault::{Fault, Refusal},
    loads::Looked,
    near_cache::cache::Cache,
    server::ServerInfo,
};

use keeper::{RETRY, Running, keep_connected};
pub(crate) use live::Live;
pub(crate) use places::Links;

/// A call that its caller gave up sooner than this says nothing about the connection.
const PATIENCE: Duration = Duration::from_millis(50);

#[derive(Clone)]
enum State {
    /// The first attempt is under way.
    Connecting,
    Up(Arc<Live>),
    Down(Arc<Fault>),
}

struct Shared {
    target: Arc<Target>,
    state: watch::Sender<State>,
    running: AtomicBool,
}

/// A handle on the connection; the connection ends with it.
pub(crate) struct Link {
    shared: Arc<Shared>,
    keeper: Mutex<Option<AbortHandle>>,
    calls: Semaphore,
    command_timeout: Duration,
}

impl Drop for Link {
    fn drop(&mut self) {
        let keeper = self
            .keeper
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(keeper) = keeper {
            keeper.abort();
        }
    }
}

/// A call that may be under way: it has its place, and a moment at which it is over.
pub(crate) struct Call<'a> {
    link: &'a Link,
    deadline: Instant,
    _place: SemaphorePermit<'a>,
}

impl Link {
    fn new(target: Arc<Target>, command_timeout: Duration, max_in_flight: usize) -> Self {
        let state = watch::Sender::new(State::Connecting);
        Self {
            shared: Arc::new(Shared {
                target,
                state,
                running: AtomicBool::new(false),
            }),
            keeper: Mutex::new(None),
            calls: Semaphore::new(max_in_flight),
            command_timeout,
        }
    }

    /// What the server of the present connection is.
    fn info(&self) -> Option<ServerInfo> {
        match &*self.shared.state.borrow() {
            State::Up(live) => Some(live.info.clone()),
            _ => None,
        }
    }

    /// What the near cache of the present connection says, if it has one.
    fn near<T>(&self, ask: impl FnOnce(&Cache) -> T) -> Option<T> {
        match &*self.shared.state.borrow() {
            State::Up(live) => live.near.as_deref().map(ask),
            _ => None,
        }
    }

    /// Waits for the outcome of the first attempt.
    async fn first(&self) -> Result<(), Fault> {
        self.keep();
        let mut state = self.shared.state.subscribe();
        // One attempt sets a state; a connection that is lost at once may set it back before it is seen.
        let deadline = Instant::now() + self.shared.target.connect_timeout * 2 + RETRY;
        let settled = state.wait_for(|state| !matches!(state, State::Connecting));
        let Ok(outcome) = timeout_at(deadline, settled).await else {
            return Err(Fault::Lost);
        };
        match outcome.as_deref() {
            Ok(State::Up(_)) => Ok(()),
            Ok(State::Down(fault)) => Err((**fault).clone()),
            _ => Err(Fault::Lost),
        }
    }

    /// Takes a place among the calls; there is none where too many are under way.
    fn call(&self) -> Result<Call<'_>, Fault> {
        Ok(Call {
            link: self,
            deadline: Instant::now() + self.command_timeout,
            _place: self.calls.try_acquire().map_err(|_| Fault::Crowded)?,
        })
    }

    /// Sees that the task runs which keeps the connection. It ends with the runtime that it was started in.
    fn keep(&self) {
        // Read first: a write by every call would send the flag from core to core.
        if self.shared.running.load(Ordering::Acquire)
            || self.shared.running.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let running = Running(self.shared.clone());
        let task = tokio::spawn(async move {
            keep_connected(&running.0).await;
        });
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        *keeper = Some(task.abort_handle());
    }

    /// The connection, if it is there.
    fn present(&self) -> Option<Arc<Live>> {
        match &*self.shared.state.borrow() {
            State::Up(live) if !live.dead.load(Ordering::Relaxed) => Some(live.clone()),
            _ => None,
        }
    }

    async fn live(&self, deadline: Instant) -> Result<Arc<Live>, Fault> {
        self.keep();
        match self.present() {
            Some(live) => Ok(live),
            // In a box: the calls that need not wait must not carry its size.
            None => Box::pin(self.next_live(deadline)).await,
        }
    }

    /// The connection that is being made.
    async fn next_live(&self, deadline: Instant) -> Result<Arc<Live>, Fault> {
        let mut state = self.shared.state.subscribe();
        let settled = state.wait_for(|state| match state {
            State::Connecting => false,
            State::Up(live) => !live.dead.load(Ordering::Relaxed),
            State::Down(_) => true,
        });
        let settled = timeout_at(deadline, settled).await;
        let settled = settled.map_err(|_| Fault::SlowConnect)?;
        match settled.as_deref() {
            Ok(State::Up(live)) => Ok(live.clone()),
            Ok(State::Down(fault)) => Err(Fault::Down(fault.clone())),
            Ok(State::Connecting) | Err(_) => Err(Fault::Lost),
        }
    }
}

impl Call<'_> {
    pub(crate) async fn live(&self) -> Result<Arc<Live>, Fault> {
        self.link.live(self.deadline).await
    }

    /// Sends the commands at once and waits for all answers.
    pub(crate) async fn pipeline(
        &self,
        live: &Arc<Live>,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Fault> {
        let answers = pin!(live.wire.pipeline(commands));
        let answers = self.watched(live, answers).await?;
        for answer in &answers {
            note(live, answer);
        }
        Ok(answers)
    }

    /// Looks a session up, together with others that are asked for at the same moment.
    pub(crate) async fn look(
        &self,
        live: &Arc<Live>,
        id: &SessionId,
        with_revision: bool,
    ) -> Result<Looked, Fault> {
        let looked = pin!(live.wire.look(id, with_revision));
        let looked = self.watched(live, looked).await?;
        for answer in [
            &looked.left,
            &looked.value,
            &looked.tombstone,
            &looked.revision,
        ] {
            note(live, answer);
        }
        Ok(looked)
    }

    pub(crate) async fn command(&self, live: &Arc<Live>, command: &Cmd) -> Result<Value, Fault> {
        let answer = pin!(live.wire.command(command));
        let answer = self.watched(live, answer).await?;
        note(live, &answer);
        Ok(answer)
    }

    async fn watched<T>(
        &self,
        live: &Arc<Live>,
        answer: Pin<&mut impl Future<Output = Result<T, Fault>>>,
    ) -> Result<T, Fault> {
        let mut waiting = Waiting {
            live,
            since: Instant::now(),
            before: live.answers(),
            over: false,
        };
        let answer = timeout_at(self.deadline, answer).await;
        waiting.over = true;
        let fault = match answer {
            Ok(Ok(answer)) => {
                live.answered();
                return Ok(answer);
            }
            Ok(Err(fault)) => fault,
            Err(_) => Fault::Silent,
        };
        if fault.is_loss() {
            live.lost();
        } else if matches!(fault, Fault::Silent) {
            live.unanswered(waiting.before);
        }
        Err(fault)
    }
}

fn note(live: &Live, answer: &Value) {
    if let Value::ServerError(error) = answer {
        live.refused(Refusal::of(error));
    }
}

/// A call whose caller has a shorter deadline than ours is dropped and never comes to its own end; its silence counts
/// all the same.
struct Waiting<'a> {
    live: &'a Live,
    since: Instant,
    before: u64,
    over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over && self.since.elapsed() >= PATIENCE {
            self.live.unanswered(self.before);
        }
    }
}
