//! Renewals beside the response: nobody waits for them.
//!
//! One task makes them, all that have come up since it last looked at once: a task for each would be dearer than the
//! renewal, and a store that can send several together gets them together.

use std::{
    mem,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cloakroom_core::{Error, SessionId};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout_at},
};

use crate::{config::Config, load::overdue, observe};

/// How many renewals may wait at once; more than that are dropped, and counted.
const AT_ONCE: usize = 1024;

/// How long renewals gather before they are made. Much shorter than any lifetime, and on a busy server long enough for dozens:
/// waking a task for each costs more than the renewal.
const GATHERING: Duration = Duration::from_millis(1);

type Renewal = (SessionId, Duration);

/// The renewals that nobody has begun with.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    queue: Mutex<Queue>,
    /// Told whenever the task ends.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Renewal>,
    /// The task that makes them runs.
    runs: bool,
}

impl Renewals {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until none waits and none is under way.
    pub(crate) async fn settled(&self) {
        loop {
            let mut ended = pin!(self.ended.notified());
            // From here on an end is not missed.
            ended.as_mut().enable();
            if !self.queue().runs {
                return;
            }
            ended.await;
        }
    }
}

/// Renews beside the response.
pub(crate) fn renew_beside(config: &Arc<Config>, id: SessionId, ttl: Duration) {
    {
        let mut queue = config.renewals.queue();
        if queue.waiting.len() >= AT_ONCE {
            observe::renewal("dropped");
            return;
        }
        queue.waiting.push((id, ttl));
        if mem::replace(&mut queue.runs, true) {
            return;
        }
    }
    let mut running = Running {
        config: Arc::clone(config),
        is_over: false,
    };
    tokio::spawn(async move {
        loop {
            sleep(GATHERING).await;
            match running.next() {
                Some(renewals) => renew_all(&running.config, renewals).await,
                None => break,
            }
        }
    });
}

/// Held by the task. When it goes before its end, with its runtime, the next renewal starts another.
struct Running {
    config: Arc<Config>,
    is_over: bool,
}

impl Running {
    fn next(&mut self) -> Option<Vec<Renewal>> {
        let mut queue = self.config.renewals.queue();
        if queue.waiting.is_empty() {
            queue.runs = false;
            self.is_over = true;
            self.config.renewals.ended.notify_waiters();
            return None;
        }
        Some(mem::take(&mut queue.waiting))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            self.config.renewals.queue().runs = false;
            self.config.renewals.ended.notify_waiters();
        }
    }
}

async fn renew_all(config: &Config, renewals: Vec<Renewal>) {
    let start = Instant::now();
    let end = start + config.deadline;
    let mut under_way: FuturesUnordered<_> = renewals
        .iter()
        .map(|(id, ttl)| config.store.renew(id, *ttl))
        .collect();
    while let Ok(Some(renewed)) = timeout_at(end, under_way.next()).await {
        note(start, &renewed);
    }
    for _ in 0..under_way.len() {
        note(start, &Err(overdue(config.deadline)));
    }
}

/// Renews, and says whether the session is known to live. A failure is counted and logged and nobody's trouble: where the
/// store can be read and not written, reading works.
pub(crate) async fn renew(config: &Config, id: &SessionId, ttl: Duration) -> bool {
    let start = Instant::now();
    let renewed = match timeout_at(start + config.deadline, config.store.renew(id, ttl)).await {
        Ok(renewed) => renewed,
        Err(_) => Err(overdue(config.deadline)),
    };
    note(start, &renewed);
    matches!(renewed, Ok(true))
}

fn note(start: Instant, renewed: &Result<bool, Error>) {
    observe::store_call("renew", start.elapsed(), renewed.as_ref().err());
    observe::renewal(match renewed {
        Ok(true) => "done",
        Ok(false) => "gone",
        Err(_) => "error",
    });
}
