//! The connection, and what keeps it alive.
//!
//! All calls share one multiplexed connection. A task of its own makes it, watches it and makes it again:
//!
//! - A connection that is lost is replaced at once; calls that begin meanwhile wait for the first attempt, so that a
//!   server that closes idle connections is not noticed. One that was lost before it was of any use is replaced after
//!   [`RETRY`]: whoever greets and hangs up is not called without a pause.
//! - Where that attempt fails, calls fail at once with its reason, and further attempts are made every
//!   [`RETRY`] until one succeeds, with or without calls. Nothing queues up.
//! - A connection on which [`SILENT_CALLS`] calls in a row got no answer in time is taken for dead, although nothing says so:
//!   a black hole looks like this. An answer starts the count anew, and calls that were waiting when it came do not count: what
//!   stands behind large values is late on a connection that works.
//! - A connection that nobody uses is tried every [`HEARTBEAT`], so that one which died unnoticed is found before a visitor
//!   waits for it.
//! - A server that says that it is a read-only replica is looked up again beside the work, [`REFRESH`] apart at least: after
//!   a failover the same name leads to the new primary.

use std::{
    future::pending,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{Cmd, Pipeline, Value};
use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit, watch},
    task::AbortHandle,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use crate::{
    connect::{Ready, Target, renew},
    fault::{Fault, Refusal},
    near_cache::cache::Cache,
    server::ServerInfo,
    wire::{Driver, Wire},
};

/// The time between two attempts to connect.
const RETRY: Duration = Duration::from_millis(200);

/// The same after a refusal that somebody must do something about, a wrong password for instance.
const RETRY_REFUSED: Duration = Duration::from_millis(700);

/// After how many unanswered calls in a row a connection is given up.
const SILENT_CALLS: u32 = 2;

/// A call that its caller gave up sooner than this says nothing about the connection.
const PATIENCE: Duration = Duration::from_millis(50);

/// The time between two looks whether an idle connection still lives.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The least time between two looks for a new primary.
const REFRESH: Duration = Duration::from_secs(1);

/// One connection.
pub(crate) struct Live {
    wire: Wire,
    pub(crate) info: ServerInfo,
    pub(crate) near: Option<Arc<Cache>>,
    ifeq: AtomicBool,
    answers: AtomicU64,
    silent: AtomicU32,
    dead: AtomicBool,
    give_up: Notify,
    refresh: Notify,
}

impl Live {
    pub(crate) fn has_ifeq(&self) -> bool {
        self.ifeq.load(Ordering::Relaxed)
    }

    /// The server does not know `IFEQ` after all.
    pub(crate) fn lacks_ifeq(&self) {
        self.ifeq.store(false, Ordering::Relaxed);
    }

    fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.silent.store(0, Ordering::Relaxed);
    }

    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// A call that began after `before` answers got none.
    fn unanswered(&self, before: u64) {
        if self.answers() != before {
            return;
        }
        if self.silent.fetch_add(1, Ordering::Relaxed) + 1 >= SILENT_CALLS {
            self.lost();
        }
    }

    fn lost(&self) {
        self.dead.store(true, Ordering::Relaxed);
        if let Some(near) = &self.near {
            near.close();
        }
        self.give_up.notify_one();
    }

    /// What an answer of the server says about the connection.
    fn refused(&self, refusal: Refusal) {
        match refusal {
            Refusal::ReadOnly => self.refresh.notify_one(),
            // The password was changed, or the token ran out: a new connection asks for credentials anew.
            Refusal::NoAuth => self.lost(),
            _ => {}
        }
    }
}

#[derive(Clone)]
enum State {
    /// The first attempt is under way.
    Connecting,
    Up(Arc<Live>),
    Down(Arc<Fault>),
}

struct Shared {
    target: Target,
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
    pub(crate) fn new(target: Target, command_timeout: Duration, max_in_flight: usize) -> Self {
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

    pub(crate) fn target(&self) -> &Target {
        &self.shared.target
    }

    pub(crate) fn command_timeout(&self) -> Duration {
        self.command_timeout
    }

    /// What the server of the present connection is.
    pub(crate) fn info(&self) -> Option<ServerInfo> {
        match &*self.shared.state.borrow() {
            State::Up(live) => Some(live.info.clone()),
            _ => None,
        }
    }

    /// What the near cache of the present connection says, if it has one.
    pub(crate) fn near<T>(&self, ask: impl FnOnce(&Cache) -> T) -> Option<T> {
        match &*self.shared.state.borrow() {
            State::Up(live) => live.near.as_deref().map(ask),
            _ => None,
        }
    }

    /// Waits for the outcome of the first attempt.
    pub(crate) async fn first(&self) -> Result<(), Fault> {
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
    pub(crate) fn call(&self) -> Result<Call<'_>, Fault> {
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
        if let Some(live) = self.present() {
            return Ok(live);
        }
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

/// Held by the task that keeps the connection; when it goes, by whatever way, the next call starts another.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.state.send_replace(State::Connecting);
        self.0.running.store(false, Ordering::Release);
    }
}

async fn keep_connected(shared: &Shared) {
    let mut attempt = 0;
    loop {
        match shared.target.connect(attempt).await {
            Ok(ready) => {
                let since = Instant::now();
                let useful = serve(shared, ready).await;
                shared.state.send_replace(State::Connecting);
                attempt = 0;
                if !useful {
                    sleep_until(since + RETRY).await;
                }
            }
            Err(fault) => {
                let pause = if fault.is_lasting() {
                    RETRY_REFUSED
                } else {
                    RETRY
                };
                shared.down(fault);
                attempt += 1;
                sleep(pause).await;
            }
        }
    }
}

impl Shared {
    fn down(&self, fault: Fault) {
        let before = self
            .state
            .send_replace(State::Down(Arc::new(fault.clone())));
        if !matches!(before, State::Down(_)) {
            let error = fault.into_error(&self.target);
            tracing::warn!(%error, "the session store cannot be reached; trying again until it can");
        }
    }

    fn up(&self, ready: Ready) -> (Arc<Live>, Driver) {
        let live = Arc::new(Live {
            ifeq: AtomicBool::new(ready.info.has_ifeq()),
            answers: AtomicU64::new(0),
            wire: ready.wire,
            info: ready.info,
            near: ready.near,
            silent: AtomicU32::new(0),
            dead: AtomicBool::new(false),
            give_up: Notify::new(),
            refresh: Notify::new(),
        });
        self.state.send_replace(State::Up(live.clone()));
        (live, ready.driver)
    }
}

/// Until the connection is lost or given up; whether a call was answered on it.
async fn serve(shared: &Shared, ready: Ready) -> bool {
    let mut renew_at = ready.renew_after.and_then(from_now);
    let (mut live, mut driver) = shared.up(ready);
    tracing::info!(address = %shared.target, server = %live.info, "connected to the session store");
    let mut since = Instant::now();
    let mut successor: Option<Successor<'_>> = None;
    loop {
        tokio::select! {
            () = driver.ended() => break,
            () = live.give_up.notified() => break,
            () = heart_stops(&live, shared.target.connect_timeout) => break,
            () = at(renew_at) => {
                let next = sign_in_anew(shared, &live).await;
                renew_at = next.and_then(from_now);
            }
            () = live.refresh.notified(), if successor.is_none() => {
                let start = (since + REFRESH).max(Instant::now());
                successor = Some(Box::pin(async move {
                    sleep_until(start).await;
                    shared.target.connect(0).await
                }));
            }
            next = found(&mut successor) => {
                successor = None;
                since = Instant::now();
                // The old connection answers until the new one is there, and then what it was asked before.
                if let Ok(next) = next {
                    renew_at = next.renew_after.and_then(from_now);
                    let (next, next_driver) = shared.up(next);
                    let old = std::mem::replace(&mut driver, next_driver);
                    tokio::spawn(retire(old, shared.target.connect_timeout));
                    live = next;
                }
            }
        }
    }
    live.answers() > 0
}

/// Any answer will do, a refusal included.
async fn heart_stops(live: &Live, patience: Duration) {
    let ping = redis::cmd("PING");
    loop {
        sleep(HEARTBEAT).await;
        let answer = tokio::time::timeout(patience, live.wire.command(&ping)).await;
        if !matches!(answer, Ok(Ok(_))) {
            return;
        }
    }
}

type Successor<'a> = Pin<Box<dyn Future<Output = Result<Ready, Fault>> + Send + 'a>>;

async fn found(successor: &mut Option<Successor<'_>>) -> Result<Ready, Fault> {
    match successor {
        Some(successor) => successor.await,
        None => pending().await,
    }
}

/// Lets a connection that has a successor answer what it was asked.
async fn retire(mut driver: Driver, time: Duration) {
    let _ = tokio::time::timeout(time, driver.ended()).await;
}

/// `None` where no clock goes that far: that is never.
fn from_now(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

async fn sign_in_anew(shared: &Shared, live: &Live) -> Option<Duration> {
    let renewed = renew(&live.wire, &shared.target.identity);
    match tokio::time::timeout(shared.target.connect_timeout, renewed).await {
        Ok(Ok(next)) => next,
        failed => {
            let fault = failed.map_or(Fault::SlowConnect, |failed| {
                failed.err().unwrap_or(Fault::Lost)
            });
            let error = fault.into_error(&shared.target);
            tracing::warn!(%error, "the credentials of the session store could not be renewed; trying again");
            Some(Duration::from_secs(1))
        }
    }
}
