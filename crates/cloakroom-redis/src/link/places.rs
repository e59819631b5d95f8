//! Which connection a call takes: the only one, or that of the thread which makes the call.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use std::time::Duration;

use super::{Call, Link};
use crate::{connect::Target, fault::Fault, near_cache::cache::Cache, server::ServerInfo};

/// How many connections a store has at most that has one for each thread. More threads share them.
const MOST: usize = 64;

/// The connections of a store. Each is made when it is first used.
pub(crate) struct Links {
    target: Arc<Target>,
    command_timeout: Duration,
    max_in_flight: usize,
    places: Box<[OnceLock<Link>]>,
}

impl Links {
    pub(crate) fn new(
        target: Target,
        command_timeout: Duration,
        max_in_flight: usize,
        one_per_thread: bool,
    ) -> Self {
        let places = if one_per_thread { MOST } else { 1 };
        Self {
            target: Arc::new(target),
            command_timeout,
            max_in_flight,
            places: (0..places).map(|_| OnceLock::new()).collect(),
        }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn command_timeout(&self) -> Duration {
        self.command_timeout
    }

    /// Waits for the outcome of this thread's first attempt.
    pub(crate) async fn first(&self) -> Result<(), Fault> {
        self.here().first().await
    }

    /// Takes a place among the calls of this thread's connection.
    pub(crate) fn call(&self) -> Result<Call<'_>, Fault> {
        self.here().call()
    }

    /// What the near cache of the present connection says, if it has one.
    pub(crate) fn near<T>(&self, ask: impl FnOnce(&Cache) -> T) -> Option<T> {
        self.here().near(ask)
    }

    /// What the server is, as one of the connections has found it.
    pub(crate) fn info(&self) -> Option<ServerInfo> {
        self.places
            .iter()
            .filter_map(OnceLock::get)
            .find_map(Link::info)
    }

    fn here(&self) -> &Link {
        let place = match &*self.places {
            [only] => only,
            several => &several[number_of_thread() % several.len()],
        };
        place.get_or_init(|| {
            Link::new(
                Arc::clone(&self.target),
                self.command_timeout,
                self.max_in_flight,
            )
        })
    }
}

/// Threads are numbered as they come.
fn number_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // A thread that is about to end has none any more.
    NUMBER.try_with(|number| *number).unwrap_or_default()
}
