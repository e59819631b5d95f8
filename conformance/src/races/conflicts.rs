//! Counts the conflicts that our instances in this process have met and merged.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// The count.
#[derive(Clone, Debug, Default)]
pub struct Conflicts(Arc<AtomicU64>);

impl Conflicts {
    /// Counts from here on, for the whole process.
    ///
    /// # Panics
    ///
    /// If something else counts already.
    #[must_use]
    pub fn install() -> Self {
        let conflicts = Self::default();
        if let Err(error) = metrics::set_global_recorder(conflicts.clone()) {
            panic!("{error}");
        }
        conflicts
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Recorder for Conflicts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        if key.name() == "cloakroom_conflicts_total" {
            Counter::from_arc(Arc::clone(&self.0))
        } else {
            Counter::noop()
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
