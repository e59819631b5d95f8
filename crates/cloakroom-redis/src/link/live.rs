//! One connection, and what calls have learnt of it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use tokio::sync::Notify;

use crate::{
    connect::Ready,
    fault::Refusal,
    near_cache::cache::Cache,
    server::ServerInfo,
    wire::{Driver, Wire},
};

/// After how many unanswered calls in a row a connection is given up.
pub(super) const SILENT_CALLS: u32 = 2;

/// One connection.
pub(crate) struct Live {
    pub(super) wire: Wire,
    pub(crate) info: ServerInfo,
    pub(crate) near: Option<Arc<Cache>>,
    ifeq: AtomicBool,
    answers: AtomicU64,
    silent: AtomicU32,
    pub(super) dead: AtomicBool,
    pub(super) give_up: Notify,
    pub(super) refresh: Notify,
}

impl Live {
    pub(super) fn of(ready: Ready) -> (Self, Driver) {
        let live = Self {
            ifeq: AtomicBool::new(ready.info.has_ifeq()),
            answers: AtomicU64::new(0),
            wire: ready.wire,
            info: ready.info,
            near: ready.near,
            silent: AtomicU32::new(0),
            dead: AtomicBool::new(false),
            give_up: Notify::new(),
            refresh: Notify::new(),
        };
        (live, ready.driver)
    }

    pub(crate) fn has_ifeq(&self) -> bool {
        self.ifeq.load(Ordering::Relaxed)
    }

    /// The server does not know `IFEQ` after all.
    pub(crate) fn lacks_ifeq(&self) {
        self.ifeq.store(false, Ordering::Relaxed);
    }

    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.silent.store(0, Ordering::Relaxed);
    }

    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// A call that began after `before` answers got none.
    pub(super) fn unanswered(&self, before: u64) {
        if self.answers() != before {
            return;
        }
        if self.silent.fetch_add(1, Ordering::Relaxed) + 1 >= SILENT_CALLS {
            self.lost();
        }
    }

    pub(super) fn lost(&self) {
        self.dead.store(true, Ordering::Relaxed);
        if let Some(near) = &self.near {
            near.close();
        }
        self.give_up.notify_one();
    }

    /// What an answer of the server says about the connection.
    pub(super) fn refused(&self, refusal: Refusal) {
        match refusal {
            Refusal::ReadOnly => self.refresh.notify_one(),
            // The password was changed, or the token ran out: a new connection asks for credentials anew.
            Refusal::NoAuth => self.lost(),
            _ => {}
        }
    }
}
