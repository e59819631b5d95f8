//! The task that makes the connection, watches it and makes it again.

use std::{
    future::pending,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until};

use super::{Live, Shared, State};
use crate::{
    connect::{Ready, renew},
    fault::Fault,
    wire::Driver,
};

/// The time between two attempts to connect.
pub(super) const RETRY: Duration = Duration::from_millis(200);

/// The same after a refusal that somebody must do something about, a wrong password for instance.
const RETRY_REFUSED: Duration = Duration::from_millis(700);

/// The time between two looks whether an idle connection still lives.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(5);

/// The least time between two looks for a new primary.
pub(super) const REFRESH: Duration = Duration::from_secs(1);

/// Held by the task that keeps the connection; when it goes, by whatever way, the next call starts another.
pub(super) struct Running(pub(super) Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.state.send_replace(State::Connecting);
        self.0.running.store(false, Ordering::Release);
    }
}

pub(super) async fn keep_connected(shared: &Shared) {
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
        let (live, driver) = Live::of(ready);
        let live = Arc::new(live);
        self.state.send_replace(State::Up(live.clone()));
        (live, driver)
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
