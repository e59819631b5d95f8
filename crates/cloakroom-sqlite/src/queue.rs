//! The queue before the writer's thread, and the handle that callers use.
//!
//! It is bounded in calls and in bytes. A call whose future was dropped stays in it until its turn and is then not made;
//! hence the bound in bytes, for nobody else may hold its value any more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
};

use cloakroom_core::Timestamp;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{fault::Fault, writer::Thread};

/// Where an answer goes.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, Fault>>;

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
    /// Given back when the call is over, however it ends.
    _room: Room,
    work: F,
    outcome: Result<T, Fault>,
    answer: Answer<T>,
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

/// What the thread receives.
pub(crate) enum Message {
    Job(Box<dyn Job>),
    Close(Answer<()>),
}

/// Memory that a waiting call holds.
struct Room {
    taken: Arc<AtomicUsize>,
    bytes: usize,
}

impl Room {
    /// Refuses what does not fit, except that a value always fits where none waits.
    fn take(taken: &Arc<AtomicUsize>, bytes: usize, max: usize) -> Result<Self, Fault> {
        let before = taken.fetch_add(bytes, Ordering::Relaxed);
        let room = Self {
            taken: taken.clone(),
            bytes,
        };
        if before > 0 && bytes > 0 && before.saturating_add(bytes) > max {
            return Err(Fault::Crowded);
        }
        Ok(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) calls: usize,
    pub(crate) bytes: usize,
}

/// The handle to the thread. Dropping it ends the queue and waits until what is in it was done.
pub(crate) struct Writer {
    queue: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    closed: AtomicBool,
    /// The bytes of the values that wait.
    taken: Arc<AtomicUsize>,
    max_bytes: usize,
}

impl Writer {
    pub(crate) fn start(
        limits: Limits,
        thread: impl FnOnce(Receiver<Message>) -> Thread,
    ) -> Result<Self, std::io::Error> {
        let (queue, messages) = sync_channel(limits.calls);
        let thread = thread(messages);
        let thread = thread::Builder::new()
            .name("cloakroom-sqlite".into())
            .spawn(move || thread.run())?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            closed: AtomicBool::new(false),
            taken: Arc::default(),
            max_bytes: limits.bytes,
        })
    }

    /// Has `work` done in a transaction and answers after its commit. `work` may be called again if the group it was in
    /// could not be committed. `bytes` is what it holds in memory as long as it waits.
    pub(crate) async fn call<T, F>(&self, bytes: usize, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnMut(&Connection, Timestamp) -> Result<T, Fault> + Send + 'static,
    {
        let room = Room::take(&self.taken, bytes, self.max_bytes)?;
        let (answer, answered) = oneshot::channel();
        self.send(Message::Job(Box::new(Call {
            _room: room,
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
