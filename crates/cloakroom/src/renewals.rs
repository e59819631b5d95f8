//! Renewals beside the response: nobody waits for them.
//!
//! One task makes them, all that have come up since it last looked in one call of the store: a task for each would be
//! dearer than the renewal, and a store can do many of them in one round trip. Each such call has the deadline, and one that
//! is slow does not hold up the next.

use std::{
    mem,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cloakroom_core::{Error, SessionId};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{sync::Notify, time::sleep};

use crate::{config::Config, load::timed, observe};

/// How many renewals may wait at once, and how many may be under way; more than that are dropped, and counted.
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

    /// Forgets a session's waiting renewals: what is done to it now counts, and not what was asked for before.
    pub(crate) fn forget(&self, id: &SessionId) {
        self.queue().waiting.retain(|(waiting, _)| waiting != id);
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

/// The longest that renewals which have been asked for take, if no further ones are.
pub(crate) fn longest(deadline: Duration) -> Duration {
    deadline.saturating_add(GATHERING).saturating_mul(2)
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
    let running = Running {
        config: Arc::clone(config),
        under_way: 0,
        is_over: false,
    };
    tokio::spawn(make(running));
}

async fn make(mut running: Running) {
    let mut under_way = FuturesUnordered::new();
    loop {
        let mut gathered = pin!(sleep(GATHERING));
        loop {
            tokio::select! {
                biased;
                () = &mut gathered => break,
                Some(made) = under_way.next() => running.under_way -= made,
            }
        }
        let Some(renewals) = running.next() else {
            return;
        };
        if renewals.is_empty() {
            continue;
        }
        running.under_way += renewals.len();
        let config = Arc::clone(&running.config);
        under_way.push(async move {
            renew_all(&config, &renewals).await;
            renewals.len()
        });
    }
}

/// Held by the task. When it goes before its end, with its runtime, what it leaves is counted, and the next renewal starts
/// another.
struct Running {
    config: Arc<Config>,
    under_way: usize,
    is_over: bool,
}

impl Running {
    /// What is to be begun now. `None` where nothing waits and nothing is under way: that is the end.
    fn next(&mut self) -> Option<Vec<Renewal>> {
        let mut queue = self.config.renewals.queue();
        if queue.waiting.is_empty() && self.under_way == 0 {
            self.is_over = true;
            queue.runs = false;
            self.config.renewals.ended.notify_waiters();
            return None;
        }
        let room = AT_ONCE.saturating_sub(self.under_way);
        let some = room.min(queue.waiting.len());
        Some(queue.waiting.drain(..some).collect())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let renewals = &self.config.renewals;
        let left = {
            let mut queue = renewals.queue();
            queue.runs = false;
            mem::take(&mut queue.waiting).len() + self.under_way
        };
        for _ in 0..left {
            observe::renewal("dropped");
        }
        renewals.ended.notify_waiters();
    }
}

/// Renews, and says whether the session is known to live. A failure is counted and logged and nobody's trouble: where the
/// store can be read and not written, reading works.
pub(crate) async fn renew(config: &Config, id: &SessionId, ttl: Duration) -> bool {
    let renewed = timed(config, "renew", config.store().renew(id, ttl)).await;
    note(&renewed);
    matches!(renewed, Ok(true))
}

/// The same for several. Those that fail mostly fail for one reason: the first one tells it.
async fn renew_all(config: &Config, renewals: &[Renewal]) {
    let call = async { Ok(config.store().renew_all(renewals).await) };
    let Ok(renewed) = timed(config, "renew", call).await else {
        renewals.iter().for_each(|_| observe::renewal("error"));
        return;
    };
    renewed.iter().for_each(note);
    if let Some(error) = renewed.iter().find_map(|renewed| renewed.as_ref().err()) {
        observe::store_failure("renew", error);
    }
}

fn note(renewed: &Result<bool, Error>) {
    observe::renewal(match renewed {
        Ok(true) => "done",
        Ok(false) => "gone",
        Err(_) => "error",
    });
}
