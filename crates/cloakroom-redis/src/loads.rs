//! Loads, many in one round trip.
//!
//! Nearly every request loads its session, so a busy application has dozens of loads at any moment. What came up by the time
//! that the connection's task has its turn goes to the server as one request. The task gives way once to whatever else is ready to
//! run: on an idle machine that is nothing, on a busy one it is what brings the next loads. Nobody waits for a time.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    vec,
};

use cloakroom_core::SessionId;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use redis::{Cmd, Pipeline, RedisResult, Value, aio::MultiplexedConnection};
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

struct Load {
    id: SessionId,
    with_revision: bool,
    answer: oneshot::Sender<Result<Looked, Fault>>,
}

/// The loads that wait for their turn on one connection.
pub(crate) struct Loads {
    keys: Keys,
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

    /// Looks a session up. Whoever gives up waiting takes nothing from the others.
    pub(crate) async fn look(&self, id: &SessionId, with_revision: bool) -> Result<Looked, Fault> {
        let (answer, looked) = oneshot::channel();
        let load = Load {
            id: id.clone(),
            with_revision,
            answer,
        };
        let is_first = {
            let mut queue = self.queue();
            if queue.closed {
                return Err(Fault::Lost);
            }
            queue.waiting.push(load);
            queue.waiting.len() == 1
        };
        if is_first {
            self.come.notify_one();
        }
        looked.await.unwrap_or(Err(Fault::Lost))
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
    let question = question(&keys, &loads);
    let answers = conn
        .send_packed_commands(&question, 0, question.len())
        .await;
    tell(loads, answers);
}

/// How much longer the sessions live is asked first: where one ends in between, its tombstone is still seen. Values and
/// tombstones are of one moment. Were the tombstones looked at first, a session that ended and was written back by a blind
/// peer in between would be taken for live.
fn question(keys: &Keys, loads: &[Load]) -> Pipeline {
    let mut question = Pipeline::with_capacity(loads.len() + 2);
    let mut values = Cmd::with_capacity(2 * loads.len() + 1, 128 * loads.len());
    values.arg("MGET");
    for Load { id, .. } in loads {
        question.add_command(on_key("PTTL", keys.session_in_parts(id)));
        values.arg(keys.session_in_parts(id));
        values.arg(keys.tombstone_in_parts(id));
    }
    question.add_command(values);
    if wants_revision(loads) {
        question.cmd("GET").arg(keys.revision());
    }
    question
}

fn wants_revision(loads: &[Load]) -> bool {
    loads.iter().any(|load| load.with_revision)
}

/// Answers each load with its part.
fn tell(loads: Vec<Load>, answers: RedisResult<Vec<Value>>) {
    let told = answers.map_err(Fault::from);
    let told = told.and_then(|answers| Answers::of(answers, &loads).ok_or(Fault::Protocol));
    match told {
        Ok(mut answers) => {
            for Load {
                with_revision,
                answer,
                ..
            } in loads
            {
                let looked = answers.next(with_revision).ok_or(Fault::Protocol);
                // Nobody may wait for it any more.
                let _ = answer.send(looked);
            }
        }
        Err(fault) => {
            for load in loads {
                let _ = load.answer.send(Err(fault.clone()));
            }
        }
    }
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
    fn of(mut answers: Vec<Value>, loads: &[Load]) -> Option<Self> {
        let revision = if wants_revision(loads) {
            answers.pop()?
        } else {
            Value::Nil
        };
        let values = match answers.pop()? {
            Value::Array(values) if values.len() == 2 * loads.len() => {
                Values::Each(values.into_iter())
            }
            refused @ Value::ServerError(_) => Values::Refused(refused),
            _ => return None,
        };
        (answers.len() == loads.len()).then(|| Self {
            left: answers.into_iter(),
            values,
            revision,
        })
    }

    fn next(&mut self, with_revision: bool) -> Option<Looked> {
        let left = self.left.next()?;
        let (value, tombstone) = match &mut self.values {
            Values::Each(values) => (values.next()?, values.next()?),
            Values::Refused(refused) => (refused.clone(), Value::Nil),
        };
        let revision = if with_revision {
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
