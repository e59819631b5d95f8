//! A clock for upper bounds: it stands still while the machine does not let this process run.
//!
//! "Answered within half a second" is a statement about the program. On a machine that is busy with other things a thread
//! that sleeps for two milliseconds may come back after two hundred, and the program's threads fare no better; a bound on
//! the time on the wall then says something about the machine. This clock is a thread that only sleeps and looks how long
//! it slept. What goes beyond twice the nap is left out, for everybody who measures meanwhile. On a quiet machine the clock
//! is the wall's, so a program that waits where it should not is found out there; on a busy one it is slower, and a bound
//! holds less strictly, but never fails for the machine's sake.
//!
//! Deadlines inside of the program, and the limits after which a test gives up waiting, go by the clock on the wall.

use std::{
    sync::{
        Once,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const NAP: Duration = Duration::from_millis(2);

/// Nanoseconds since the clock was first asked.
fn clock() -> u64 {
    static CLOCK: AtomicU64 = AtomicU64::new(0);
    static RUNS: Once = Once::new();
    RUNS.call_once(|| {
        thread::spawn(|| {
            let mut last = Instant::now();
            loop {
                thread::sleep(NAP);
                let now = Instant::now();
                let passed = (now - last).min(NAP * 2);
                last = now;
                CLOCK.fetch_add(passed.subsec_nanos().into(), Ordering::Relaxed);
            }
        });
    });
    CLOCK.load(Ordering::Relaxed)
}

/// A moment on this clock.
#[derive(Clone, Copy, Debug)]
pub struct Awake(u64);

impl Awake {
    pub fn now() -> Self {
        Self(clock())
    }

    /// The time in which this process could have run since then, exact to some milliseconds.
    pub fn elapsed(self) -> Duration {
        Duration::from_nanos(clock() - self.0)
    }
}
