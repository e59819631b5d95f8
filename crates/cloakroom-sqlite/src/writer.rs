//! The one thread that writes.
//!
//! SQLite has one writer at a time, so there is one thread for it. It takes everything that waits as one group: `BEGIN
//! IMMEDIATE`, all of it, `COMMIT`, and only then the answers. Under load a group holds many calls and the price of a
//! commit is divided among them; alone, a call waits for nobody. In between it sweeps in small batches.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    },
    time::{Duration, Instant},
};

use cloakroom_core::Clock;
use rusqlite::Connection;

use crate::{
    checkpoint::Checkpoints,
    claims,
    fault::Fault,
    file::Home,
    queue::{Answer, Job, Message},
    readers::Readers,
    rows,
};

/// What the thread is told.
pub(crate) struct Settings {
    pub(crate) prefix: Arc<str>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_group: usize,
    pub(crate) sweep_interval: Option<Duration>,
    pub(crate) sweep_batch: usize,
}

fn after(interval: Duration) -> Option<Instant> {
    Instant::now().checked_add(interval)
}

/// The thread's own.
pub(crate) struct Thread {
    conn: Connection,
    home: Home,
    checkpoints: Checkpoints,
    readers: Arc<Readers>,
    messages: Receiver<Message>,
    settings: Settings,
    next_sweep: Option<Instant>,
}

impl Thread {
    pub(crate) fn new(
        conn: Connection,
        home: Home,
        checkpoints: Checkpoints,
        readers: Arc<Readers>,
        messages: Receiver<Message>,
        settings: Settings,
    ) -> Self {
        Self {
            next_sweep: settings.sweep_interval.and_then(after),
            conn,
            home,
            checkpoints,
            readers,
            messages,
            settings,
        }
    }

    /// Works until the store is closed or dropped, and closes the file.
    pub(crate) fn run(mut self) {
        let closing = self.work();
        let done = self.finish();
        if let Some(closing) = closing {
            let _ = closing.send(done);
        }
    }

    /// Works until the store is closed, with whom to tell when all is done, or dropped.
    fn work(&mut self) -> Option<Answer<()>> {
        let mut group = Vec::new();
        loop {
            let mut closing = None;
            match self.receive() {
                Ok(Message::Job(job)) => {
                    group.push(job);
                    closing = self.gather(&mut group);
                }
                Ok(Message::Close(answer)) => closing = Some(answer),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
            self.commit(&mut group);
            if closing.is_some() {
                return closing;
            }
            self.sweep_if_due();
            self.checkpoints.after_commit(&self.conn);
        }
    }

    fn receive(&self) -> Result<Message, RecvTimeoutError> {
        match self.next_sweep {
            Some(at) => self
                .messages
                .recv_timeout(at.saturating_duration_since(Instant::now())),
            None => self
                .messages
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn gather(&self, group: &mut Vec<Box<dyn Job>>) -> Option<Answer<()>> {
        while group.len() < self.settings.max_group {
            match self.messages.try_recv() {
                Ok(Message::Job(job)) => group.push(job),
                Ok(Message::Close(answer)) => return Some(answer),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        None
    }

    fn commit(&self, group: &mut Vec<Box<dyn Job>>) {
        group.retain(|job| !job.is_abandoned());
        if group.is_empty() {
            return;
        }
        let done = self.transact(group);
        match done {
            // A large value must not be the failure of its neighbours.
            Err(fault) if fault.is_about_size() && group.len() > 1 => {
                for mut job in group.drain(..) {
                    let done = self.transact(std::slice::from_mut(&mut job));
                    job.answer(done);
                }
            }
            _ => group.drain(..).for_each(|job| job.answer(done)),
        }
    }

    /// One transaction. An error means that nothing of it has happened; a job that fails by itself is no error here.
    fn transact(&self, group: &mut [Box<dyn Job>]) -> Result<(), Fault> {
        self.transaction(|conn| {
            // Now, and not before the wait for the lock, in which a session's time may have come to its end.
            let now = self.settings.clock.now();
            for job in group {
                if let Err(fault) = job.apply(conn, now)
                    && conn.is_autocommit()
                {
                    // SQLite has rolled everything back, as it does when the disk is full.
                    return Err(fault);
                }
            }
            Ok(())
        })
    }

    /// One batch, so that calls that wait do not wait long. A full batch is followed by the next at once.
    fn sweep_if_due(&mut self) {
        if self.next_sweep.is_none_or(|at| at > Instant::now()) {
            return;
        }
        let (prefix, limit) = (&self.settings.prefix, self.settings.sweep_batch);
        let now = self.settings.clock.now();
        let swept = self.transaction(|conn| {
            let sessions = rows::sweep(conn, prefix, limit, now)?;
            let claims = claims::sweep(conn, prefix, limit, now)?;
            Ok(sessions.max(claims))
        });
        if let Err(fault) = swept {
            let error = fault.into_error(self.home.path());
            tracing::warn!(%error, "sweeping failed and will be tried again");
        }
        if !swept.is_ok_and(|count| count >= limit) {
            self.next_sweep = self.settings.sweep_interval.and_then(after);
        }
    }

    /// Closes the writer's connection last, for the last to leave removes the log.
    fn finish(self) -> Result<(), Fault> {
        self.readers.close();
        self.checkpoints.finish(&self.conn);
        self.conn.close().map_err(|(_, error)| error.into())
    }

    /// `BEGIN IMMEDIATE` waits for other writers before anything was read, so what `work` reads holds until the commit.
    fn transaction<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.home.check()?;
        let conn = &self.conn;
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done = work(conn).and_then(|done| {
            conn.prepare_cached("COMMIT")?.execute([])?;
            Ok(done)
        });
        if !conn.is_autocommit() {
            // Fails only where SQLite has rolled back by itself.
            let _ = conn.execute_batch("ROLLBACK");
        }
        done
    }
}
