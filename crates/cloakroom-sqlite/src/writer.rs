//! The one thread that writes, and its queue.
//!
//! SQLite has one writer at a time, so there is one thread for it. It takes everything that waits as one group: `BEGIN
//! IMMEDIATE`, all of it, `COMMIT`, and only then the answers. Under load a group holds many calls and the price of a
//! commit is divided among them; alone, a call waits for nobody. In between it sweeps in small batches.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use cloakroom_core::{Clock, Timestamp};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{checkpoint::Checkpoints, fault::Fault, file::Home, readers::Readers, rows};

/// One call that waits for the writer.
pub(crate) trait Job: Send {
    /// Whether nobody waits for the answer any more; such a call need not be made.
    fn is_abandoned(&self) -> bool;
    /// Does the work, inside the group's transaction.
    fn apply(&mut self, conn: &Connection, now: Timestamp) -> Result<(), Fault>;
    /// Answers, once it is known what became of the group.
    fn answer(self: Box<Self>, group: Result<(), Fault>);
}

struct Call<T, F> {
    work: F,
    outcome: Result<T, Fault>,
    answer: oneshot::Sender<Result<T, Fault>>,
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: FnMut(&Connection, Timestamp) -> Result<T, Fault> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn apply(&mut self, conn: &Connection, now: Timestamp) -> Result<(), Fault> {
        self.outcome = (self.work)(conn, now);
        self.outcome.as_ref().map(|_| ()).map_err(|fault| *fault)
    }

    fn answer(self: Box<Self>, group: Result<(), Fault>) {
        // Nobody may be listening; the change stands all the same.
        let _ = self.answer.send(group.and(self.outcome));
    }
}

enum Message {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<Result<(), Fault>>),
}

/// The settings of the writer's thread.
pub(crate) struct Settings {
    pub(crate) prefix: Arc<str>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_group: usize,
    pub(crate) max_queue: usize,
    pub(crate) sweep_interval: Option<Duration>,
    pub(crate) sweep_batch: usize,
}

/// The handle to the thread. Dropping it ends the queue and waits until what is in it was done.
pub(crate) struct Writer {
    queue: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    closed: AtomicBool,
}

impl Writer {
    pub(crate) fn start(
        conn: Connection,
        home: Home,
        checkpoints: Checkpoints,
        readers: Arc<Readers>,
        settings: Settings,
    ) -> Result<Self, std::io::Error> {
        let (queue, messages) = sync_channel(settings.max_queue);
        let mut thread = Thread {
            next_sweep: settings.sweep_interval.and_then(after),
            conn,
            home,
            checkpoints,
            readers,
            messages,
            settings,
        };
        let thread = thread::Builder::new()
            .name("cloakroom-sqlite".into())
            .spawn(move || {
                let closing = thread.work();
                let done = thread.finish();
                if let Some(closing) = closing {
                    let _ = closing.send(done);
                }
            })?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            closed: AtomicBool::new(false),
        })
    }

    /// Has `work` done in a transaction and answers after its commit. `work` may be called again if the group it was in
    /// could not be committed.
    pub(crate) async fn call<T, F>(&self, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnMut(&Connection, Timestamp) -> Result<T, Fault> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Job(Box::new(Call {
            work,
            outcome: Err(Fault::Stopped),
            answer,
        })))?;
        answered.await.map_err(|_| self.why_silent())?
    }

    /// Does what waits, empties the log into the file, and ends the thread.
    pub(crate) async fn close(&self) -> Result<(), Fault> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        if let Err(fault) = self.send(Message::Close(answer)) {
            self.closed.store(false, Ordering::SeqCst);
            return Err(fault);
        }
        answered.await.map_err(|_| Fault::Stopped)?
    }

    fn send(&self, message: Message) -> Result<(), Fault> {
        let queue = self.queue.as_ref().ok_or(Fault::Closed)?;
        queue.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => Fault::Crowded,
            TrySendError::Disconnected(_) => self.why_silent(),
        })
    }

    fn why_silent(&self) -> Fault {
        if self.closed.load(Ordering::SeqCst) {
            Fault::Closed
        } else {
            Fault::Stopped
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // An answer may wake a task that holds the last handle; that drop runs on the thread itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

fn after(interval: Duration) -> Option<Instant> {
    Instant::now().checked_add(interval)
}

struct Thread {
    conn: Connection,
    home: Home,
    checkpoints: Checkpoints,
    readers: Arc<Readers>,
    messages: Receiver<Message>,
    settings: Settings,
    next_sweep: Option<Instant>,
}

impl Thread {
    /// Works until the store is closed, with whom to tell when all is done, or dropped.
    fn work(&mut self) -> Option<oneshot::Sender<Result<(), Fault>>> {
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

    fn gather(&self, group: &mut Vec<Box<dyn Job>>) -> Option<oneshot::Sender<Result<(), Fault>>> {
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
        let now = self.settings.clock.now();
        self.transaction(|conn| {
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
        let swept = self.transaction(|conn| rows::sweep(conn, prefix, limit, now));
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
