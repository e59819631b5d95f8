//! One connection as calls use it: the client's handle, and whether anybody still moves its bytes.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Poll, ready},
};

use cloakroom_core::SessionId;
use redis::{Cmd, Pipeline, RedisResult, Value, aio::MultiplexedConnection};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    fault::Fault,
    keys::Keys,
    loads::{Loads, Looked, Wanted},
};

/// The task that moves the bytes of a connection. Dropping it closes the connection.
pub(crate) struct Driver(JoinHandle<()>);

impl Driver {
    /// Waits until the connection is lost.
    pub(crate) async fn ended(&mut self) {
        let _ = (&mut self.0).await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A handle on a connection. Every call gets an answer or learns that the connection is lost.
///
/// The client alone does not see to that. It hands requests to its driver through a channel, and what is put in while the
/// driver ends may be neither sent nor dropped: the channel keeps it as long as anybody could still send, and the call that
/// waits for it is one that could. So the end of the driver is watched here.
pub(crate) struct Wire {
    conn: Arc<MultiplexedConnection>,
    loads: Arc<Loads>,
    /// Whoever runs the driver holds the receiver.
    driven: watch::Sender<()>,
}

impl Wire {
    /// Runs the driver of a connection that was just made, and what sends loads on it.
    pub(crate) fn drive(
        conn: MultiplexedConnection,
        driver: impl Future<Output = ()> + Send + 'static,
        keys: Keys,
    ) -> (Self, Driver) {
        let (driven, held) = watch::channel(());
        let conn = Arc::new(conn);
        let (loads, taker) = Loads::new(keys);
        // The driver ends when nobody could send anything any more, so what runs beside it must not be somebody who could.
        let sending = taker.send(Arc::downgrade(&conn));
        let task = tokio::spawn(async move {
            // Let go of after the driver, whether that ends or is stopped: then nothing is answered any more.
            let _held = held;
            tokio::select! {
                // What is handed over is sent in the same turn.
                biased;
                () = sending => {}
                () = driver => {}
            }
        });
        let wire = Self {
            conn,
            loads,
            driven,
        };
        (wire, Driver(task))
    }

    /// Looks a session up, together with others that are asked for at the same moment.
    pub(crate) async fn look(&self, id: &SessionId, with_revision: bool) -> Result<Looked, Fault> {
        let wanted = Wanted {
            id: id.clone(),
            with_revision,
        };
        let under_way = self.loads.begin();
        if under_way.is_alone {
            // In a box: the client's future is large, and on a busy machine few loads are alone.
            return Box::pin(self.look_alone(&wanted)).await;
        }
        self.loads.look(wanted).await
    }

    async fn look_alone(&self, wanted: &Wanted) -> Result<Looked, Fault> {
        let answers = self.pipeline(&self.loads.question(wanted)).await?;
        Loads::answer(wanted, answers)
    }

    pub(crate) async fn command(&self, command: &Cmd) -> Result<Value, Fault> {
        let mut conn = MultiplexedConnection::clone(&self.conn);
        let answer = pin!(conn.send_packed_command(command));
        self.answer(answer).await
    }

    /// Sends the commands at once and waits for all answers.
    pub(crate) async fn pipeline(&self, commands: &Pipeline) -> Result<Vec<Value>, Fault> {
        let mut conn = MultiplexedConnection::clone(&self.conn);
        let answers = pin!(conn.send_packed_commands(commands, 0, commands.len()));
        let answers = self.answer(answers).await?;
        if answers.len() == commands.len() {
            Ok(answers)
        } else {
            Err(Fault::Protocol)
        }
    }

    /// The client's futures have more than a kilobyte: they are pinned where they are made, since each hand that they went
    /// through would copy them.
    async fn answer<T>(
        &self,
        mut answer: Pin<&mut impl Future<Output = RedisResult<T>>>,
    ) -> Result<T, Fault> {
        let mut ended = pin!(self.driven.closed());
        poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer.map_err(Fault::from));
            }
            ready!(ended.as_mut().poll(cx));
            // The last thing that the driver did may have been to answer.
            Poll::Ready(match answer.as_mut().poll(cx) {
                Poll::Ready(answer) => answer.map_err(Fault::from),
                Poll::Pending => Err(Fault::Lost),
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::Pin, time::Duration};

    use redis::{AsyncConnectionConfig, RedisConnectionInfo};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    type Driving = Pin<Box<dyn Future<Output = ()> + Send>>;

    async fn connection(stream: DuplexStream) -> (MultiplexedConnection, Driving) {
        let silent = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let made = MultiplexedConnection::new_with_config(&silent, stream, config).await;
        let (conn, driver) = made.unwrap();
        (conn, Box::pin(driver))
    }

    fn keys() -> Keys {
        Keys {
            prefix: "sess:".into(),
        }
    }

    async fn answered<T>(call: impl Future<Output = T>) -> T {
        let answered = tokio::time::timeout(Duration::from_secs(60), call).await;
        answered.expect("the call hangs")
    }

    /// A request that is handed over at the moment at which the driver ends stays in the channel; a driver that takes none
    /// is that moment for as long as one likes.
    #[tokio::test]
    async fn a_request_that_the_driver_left_behind_is_lost_and_does_not_hang() {
        let (ours, _theirs) = duplex(1024);
        let (conn, driver) = connection(ours).await;
        let (wire, task) = Wire::drive(conn, std::future::pending(), keys());
        let call = tokio::spawn(async move { wire.command(&redis::cmd("PING")).await });
        tokio::task::yield_now().await;
        drop(task);
        let answer = answered(call).await.unwrap();
        assert!(matches!(answer, Err(Fault::Lost)), "{answer:?}");
        drop(driver);
    }

    /// A load that waits for its turn when the connection ends is told so, and so is one that comes too late.
    #[tokio::test]
    async fn loads_that_nobody_takes_are_lost_and_do_not_hang() {
        let (ours, _theirs) = duplex(1024);
        let (conn, driver) = connection(ours).await;
        let (wire, task) = Wire::drive(conn, driver, keys());
        let id = SessionId::from_random([1; 24]);
        let _another = wire.loads.begin();
        let mut waiting = Box::pin(wire.look(&id, false));
        // Asked for, and neither taken nor answered yet.
        tokio::select! {
            biased;
            answer = &mut waiting => panic!("{:?}", answer.err()),
            () = std::future::ready(()) => {}
        }
        drop(task);
        assert!(matches!(answered(waiting).await, Err(Fault::Lost)));
        let late = answered(wire.look(&id, true)).await;
        assert!(matches!(late, Err(Fault::Lost)));
    }

    /// One that was sent and has no answer when the connection ends is told so too, alone and among others.
    #[tokio::test]
    async fn loads_without_an_answer_at_the_end_are_lost() {
        for alone in [true, false] {
            ends_without_an_answer(alone).await;
        }
    }

    async fn ends_without_an_answer(alone: bool) {
        let (ours, mut theirs) = duplex(1024);
        let (conn, driver) = connection(ours).await;
        let (wire, _task) = Wire::drive(conn, driver, keys());
        let id = SessionId::from_random([1; 24]);
        let _another = (!alone).then(|| wire.loads.begin());
        let server = async {
            let read = theirs.read(&mut [0; 1024]).await;
            assert!(read.is_ok_and(|read| read > 0));
            drop(theirs);
        };
        let (answer, ()) = answered(async { tokio::join!(wire.look(&id, false), server) }).await;
        assert!(matches!(answer, Err(Fault::Lost)));
    }

    /// What sends loads does not keep a connection open that nobody has a handle on any more.
    #[tokio::test]
    async fn a_connection_ends_with_its_last_handle() {
        let (ours, mut theirs) = duplex(1024);
        let (conn, driver) = connection(ours).await;
        let (wire, mut task) = Wire::drive(conn, driver, keys());
        tokio::task::yield_now().await;
        drop(wire);
        answered(task.ended()).await;
        let read = answered(theirs.read(&mut [0; 16])).await;
        assert!(matches!(read, Ok(0)), "{read:?}");
    }

    #[tokio::test]
    async fn the_last_answer_before_the_end_counts() {
        let (ours, mut theirs) = duplex(1024);
        let (conn, driver) = connection(ours).await;
        let (wire, _task) = Wire::drive(conn, driver, keys());
        let ping = redis::cmd("PING");
        let server = async {
            let _ = theirs.read(&mut [0; 1024]).await;
            theirs.write_all(b"+PONG\r\n").await.unwrap();
            drop(theirs);
        };
        let (answer, ()) = answered(async { tokio::join!(wire.command(&ping), server) }).await;
        assert!(matches!(answer, Ok(Value::SimpleString(_))), "{answer:?}");
        let next = answered(wire.command(&ping)).await;
        assert!(matches!(next, Err(Fault::Lost)), "{next:?}");
    }
}
