//! Which connection a call takes: the only one, or that of the thread which makes the call.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{Call, Link};
use crate::{connect::Target, fault::Fault, near_cache::cache::Cache, server::ServerInfo};

/// How many connections a store has at most that has one for each thread.
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

/// The least number that no other living thread has which ever asked for its own.
fn number_of_thread() -> usize {
    thread_local! {
        static NUMBER: Number = Number::take();
    }
    // A thread that is about to end has given its own back.
    NUMBER
        .try_with(|Number(number)| *number)
        .unwrap_or_default()
}

/// A thread's number, given back when the thread ends.
struct Number(usize);

static GIVEN_BACK: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

impl Number {
    fn take() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let mut free = GIVEN_BACK.lock().unwrap_or_else(PoisonError::into_inner);
        let number = free.pop_first();
        Self(number.unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed)))
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        let mut free = GIVEN_BACK.lock().unwrap_or_else(PoisonError::into_inner);
        free.insert(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Barrier, thread};

    use super::*;

    /// However many have come and gone before.
    #[test]
    fn threads_that_live_at_once_have_numbers_of_their_own_and_low_ones() {
        let own = number_of_thread();
        for _ in 0..3 {
            let all = Barrier::new(20);
            let numbers: HashSet<_> = thread::scope(|scope| {
                let threads = [(); 20].map(|()| {
                    scope.spawn(|| {
                        let number = number_of_thread();
                        all.wait();
                        assert_eq!(number_of_thread(), number, "it keeps it");
                        number
                    })
                });
                threads.map(|thread| thread.join().unwrap()).into()
            });
            assert_eq!(numbers.len(), 20);
            assert!(!numbers.contains(&own));
        }
        let next = thread::spawn(number_of_thread).join().unwrap();
        assert!(next < 64, "numbers are given back: {next}");
    }
}
