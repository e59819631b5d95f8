//! Loads, many in one round trip.
//!
//! Nearly every request loads its session, so a busy application has dozens of loads at any moment. A load that is the only one
//! goes to the server at once. Others wait for the turn of the connection's task: what came up by then goes as one request. The
//! task gives way once to whatever else is ready to run, which on a busy machine is what brings the next loads. Nobody waits for a
//! time.

use std::{
    mem, slice,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    vec,
};

use cloakroom_core::SessionId;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use redis::{Cmd, Pipeline, Value, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, oneshot},
    task::yield_now,
};

use crate::{fault::Fault, keys::Keys, store::on_key};

/// How many go together: all of them wait until the last value is there.
const AT_ONCE: usize = 32;

/// What the server has said of a session. An answer to several questions that is an error stands in the place of each.
pub(crate) struct Looked {
    /// The answer to `PTTL`, which was asked first.
    pub(crate) left: Value,
    /// `Nil` also where the key holds something else than a string.
    pub(crate) value: Value,
    /// Of the same moment as the value.
    pub(crate) tombstone: Value,
    /// The owner index's revision, for a load that wants it, and `Nil` for others. It was asked last.
    pub(crate) revision: Value,
}

impl Looked {
    /// There was a key and no string in it: it holds something else, which `MGET` does not say, or it went in between.
    pub(crate) fn is_odd(&self) -> bool {
        let was_there = matches!(self.left, Value::Int(left) if left >= NO_END);
        was_there && matches!((&self.value, &self.tombstone), (Value::Nil, Value::Nil))
    }
}

/// What `PTTL` says of a key without a time to live; less than that where there is none.
const NO_END: i64 = -1;

/// What is asked.
pub(crate) struct Wanted {
    pub(crate) id: SessionId,
    pub(crate) with_revision: bool,
}

struct Load {
    wanted: Wanted,
    answer: oneshot::Sender<Result<Looked, Fault>>,
}

/// The loads on one connection.
pub(crate) struct Loads {
    keys: Keys,
    under_way: AtomicUsize,
    queue: Mutex<Queue>,
    come: Notify,
}

struct Queue {
    waiting: Vec<Load>,
    /// Nobody takes them any more.
    closed: bool,
}

impl Loads {
    /// And who takes them.
    pub(crate) fn new(keys: Keys) -> (Arc<Self>, Taker) {
        let loads = Arc::new(Self {
            keys,
            under_way: AtomicUsize::new(0),
            queue: Mutex::new(Queue {
                waiting: Vec::new(),
                closed: false,
            }),
            come: Notify::new(),
        });
        (loads.clone(), Taker(loads))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be held while a session is looked up.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        let others = self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay {
            loads: self,
            is_alone: others == 0,
        }
    }

    /// What to send for a load that is alone, and [`answer`](Self::answer) understands.
    pub(crate) fn question(&self, wanted: &Wanted) -> Pipeline {
        question(&self.keys, slice::from_ref(wanted))
    }

    pub(crate) fn answer(wanted: &Wanted, answers: Vec<Value>) -> Result<Looked, Fault> {
        Answers::of(answers, slice::from_ref(wanted))
            .and_then(|mut answers| answers.next(wanted))
            .ok_or(Fault::Protocol)
    }

    /// Looks a session up together with others. Whoever gives up waiting takes nothing from them.
    pub(crate) async fn look(&self, wanted: Wanted) -> Result<Looked, Fault> {
        let (answer, looked) = oneshot::channel();
        let is_first = {
            let mut queue = self.queue();
            if queue.closed {
                return Err(Fault::Lost);
            }
            queue.waiting.push(Load { wanted, answer });
            queue.waiting.len() == 1
        };
        if is_first {
            self.come.notify_one();
        }
        looked.await.unwrap_or(Err(Fault::Lost))
    }
}

/// A load that is under way.
pub(crate) struct UnderWay<'a> {
    loads: &'a Loads,
    /// None else was when it began.
    pub(crate) is_alone: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.loads.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes the loads of one connection. After it, what waits and what still comes is told that the connection is lost: also
/// where it never had its turn.
pub(crate) struct Taker(Arc<Loads>);

impl Drop for Taker {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.closed = true;
        queue.waiting.clear();
    }
}

impl Taker {
    /// Sends what comes, until nobody has a handle on the connection any more. Run by the task that moves the bytes: what it
    /// hands over there is sent at once.
    pub(crate) async fn send(self, conn: Weak<MultiplexedConnection>) {
        let loads = &*self.0;
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                Some(()) = under_way.next() => {}
                () = loads.come.notified() => {
                    yield_now().await;
                    let mut waiting = mem::take(&mut loads.queue().waiting);
                    waiting.retain(|load| !load.answer.is_closed());
                    let mut waiting = waiting.into_iter();
                    let Some(conn) = conn.upgrade() else {
                        return;
                    };
                    loop {
                        let some: Vec<_> = waiting.by_ref().take(AT_ONCE).collect();
                        if some.is_empty() {
                            break;
                        }
                        under_way.push(look_up((*conn).clone(), loads.keys.clone(), some));
                    }
                }
            }
        }
    }
}

async fn look_up(mut conn: MultiplexedConnection, keys: Keys, loads: Vec<Load>) {
    let (wanted, tell): (Vec<_>, Vec<_>) = loads
        .into_iter()
        .map(|load| (load.wanted, load.answer))
        .unzip();
    let question = question(&keys, &wanted);
    let answers = conn
        .send_packed_commands(&question, 0, question.len())
        .await;
    let answers = answers.map_err(Fault::from);
    let mut answers =
        answers.and_then(|answers| Answers::of(answers, &wanted).ok_or(Fault::Protocol));
    for (wanted, tell) in wanted.iter().zip(tell) {
        let looked = match &mut answers {
            Ok(answers) => answers.next(wanted).ok_or(Fault::Protocol),
            Err(fault) => Err(fault.clone()),
        };
        // Nobody may wait for it any more.
        let _ = tell.send(looked);
    }
}

/// How much longer the sessions live is asked first: where one ends in between, its tombstone is still seen. Values and
/// tombstones are of one moment. Were the tombstones looked at first, a session that ended and was written back by a blind
/// peer in between would be taken for live.
fn question(keys: &Keys, wanted: &[Wanted]) -> Pipeline {
    let mut question = Pipeline::with_capacity(wanted.len() + 2);
    let mut values = Cmd::with_capacity(2 * wanted.len() + 1, 128 * wanted.len());
    values.arg("MGET");
    for Wanted { id, .. } in wanted {
        question.add_command(on_key("PTTL", keys.session_in_parts(id)));
        values.arg(keys.session_in_parts(id));
        values.arg(keys.tombstone_in_parts(id));
    }
    question.add_command(values);
    if wants_revision(wanted) {
        question.cmd("GET").arg(keys.revision());
    }
    question
}

fn wants_revision(wanted: &[Wanted]) -> bool {
    wanted.iter().any(|wanted| wanted.with_revision)
}

/// The answers to a [`question`].
struct Answers {
    left: vec::IntoIter<Value>,
    values: Values,
    revision: Value,
}

enum Values {
    Each(vec::IntoIter<Value>),
    Refused(Value),
}

impl Answers {
    fn of(mut answers: Vec<Value>, wanted: &[Wanted]) -> Option<Self> {
        let revision = if wants_revision(wanted) {
            answers.pop()?
        } else {
            Value::Nil
        };
        let values = match answers.pop()? {
            Value::Array(values) if values.len() == 2 * wanted.len() => {
                Values::Each(values.into_iter())
            }
            refused @ Value::ServerError(_) => Values::Refused(refused),
            _ => return None,
        };
        (answers.len() == wanted.len()).then(|| Self {
            left: answers.into_iter(),
            values,
            revision,
        })
    }

    fn next(&mut self, wanted: &Wanted) -> Option<Looked> {
        let left = self.left.next()?;
        let (value, tombstone) = match &mut self.values {
            Values::Each(values) => (values.next()?, values.next()?),
            Values::Refused(refused) => (refused.clone(), Value::Nil),
        };
        let revision = if wanted.with_revision {
            self.revision.clone()
        } else {
            Value::Nil
        };
        Some(Looked {
            left,
            value,
            tombstone,
            revision,
        })
    }
}
