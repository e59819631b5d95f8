//! A connection on which the server tells which keys have changed.
//!
//! It speaks RESP3, in which a server may say something that is no answer, and has `CLIENT TRACKING` on. Two choices:
//!
//! - `OPTIN`: the server remembers the keys that are read directly behind `CLIENT CACHING YES` and no others. A load reads the
//!   tombstone too, of which there is none as long as the session lives; the server would remember the names of all
//!   tombstones that never were until the connection ends. Nothing is missed: whatever makes a tombstone deletes the
//!   session's key in the same step.
//! - No `NOLOOP`: a change of our own is told to us as well. With `NOLOOP` the server forgets the key all the same, and
//!   says nothing of later changes by others.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, ProtocolVersion, PushInfo, PushKind,
    RedisConnectionInfo, Value,
    aio::{AsyncPushSender, MultiplexedConnection, SendError},
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::{
    fault::Fault,
    keys::Keys,
    near_cache::{NearCache, cache::Cache},
    wire::{Driver, Wire},
};

/// What each connection with a near cache is made with.
pub(crate) struct Tracking {
    options: NearCache,
    keys: Keys,
    told: AtomicBool,
}

/// A connection that speaks RESP3, on which nothing is tracked yet.
pub(crate) struct Listening {
    pub(crate) wire: Wire,
    pub(crate) driver: Driver,
    pub(crate) cache: Arc<Cache>,
}

/// The longest answer to `AUTH`: a line.
const LONGEST_LINE: usize = 1024;

impl Tracking {
    pub(crate) fn new(options: NearCache, keys: Keys) -> Self {
        Self {
            options,
            keys,
            told: AtomicBool::new(false),
        }
    }

    /// Speaks RESP3 from here on; `None` where the server does not, and this stream is of no more use.
    pub(crate) async fn listen<S>(
        &self,
        stream: S,
        config: AsyncConnectionConfig,
    ) -> Result<Option<Listening>, Fault>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let cache = Arc::new(Cache::new(self.options, self.keys.clone()));
        let info = RedisConnectionInfo::default()
            .set_skip_set_lib_name()
            .set_protocol(ProtocolVersion::RESP3);
        let config = config.set_push_sender(Ear(cache.clone()));
        match MultiplexedConnection::new_with_config(&info, stream, config).await {
            Ok((conn, driver)) => {
                let (wire, driver) = Wire::drive(conn, driver, self.keys.clone());
                Ok(Some(Listening {
                    wire,
                    driver,
                    cache,
                }))
            }
            Err(error) if error.kind() == ErrorKind::Io => Err(Fault::Lost),
            Err(_) => Ok(None),
        }
    }

    /// Says once why there is no near cache.
    #[cold]
    pub(crate) fn tell_refused(&self, refused: Refused) {
        if self.told.swap(true, Ordering::Relaxed) {
            return;
        }
        let command = match refused {
            Refused::Protocol => "HELLO 3",
            Refused::Tracking => "CLIENT TRACKING",
            Refused::Caching => "CLIENT CACHING",
        };
        tracing::warn!(
            command,
            "the server refuses a command of the near cache; sessions are read from the server each time. Allow its user \
             +client|tracking and +client|caching, or leave `near_cache` out where the server does not know them"
        );
    }
}

/// Which command of the near cache a server refuses.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refused {
    Protocol,
    Tracking,
    Caching,
}

/// The end of a greeting: what [`is_tracked`] reads the answers of.
pub(crate) fn track(greeting: &mut Pipeline) {
    greeting
        .cmd("CLIENT")
        .arg("TRACKING")
        .arg("ON")
        .arg("OPTIN");
    remember_next(greeting);
}

pub(crate) fn is_tracked(tracking: &Value, caching: &Value) -> Result<(), Refused> {
    match (tracking, caching) {
        (Value::Okay, Value::Okay) => Ok(()),
        (Value::Okay, _) => Err(Refused::Caching),
        _ => Err(Refused::Tracking),
    }
}

/// The server is to remember the key of the command that comes next.
pub(crate) fn remember_next(pipeline: &mut Pipeline) {
    pipeline.cmd("CLIENT").arg("CACHING").arg("YES");
}

/// Signs in before there is a client: it would send its own greeting first.
pub(crate) async fn sign_in<S>(stream: &mut S, auth: &Cmd) -> Result<Value, Fault>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let lost = |_| Fault::Lost;
    let sent = stream.write_all(&auth.get_packed_command()).await;
    sent.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let mut line = Vec::new();
    // Nothing else was asked, so nothing follows this line.
    while !line.ends_with(b"\r\n") {
        let read = stream.read_buf(&mut line).await.map_err(lost)?;
        if read == 0 {
            return Err(Fault::Lost);
        }
        if line.len() > LONGEST_LINE {
            return Err(Fault::Protocol);
        }
    }
    redis::parse_redis_value(&line).map_err(|_| Fault::Protocol)
}

/// Called by the task that reads the connection, between one answer and the next: what is told before an answer is heard
/// before it.
struct Ear(Arc<Cache>);

impl AsyncPushSender for Ear {
    fn send(&self, told: PushInfo) -> Result<(), SendError> {
        match told.kind {
            PushKind::Invalidate => told.data.iter().for_each(|keys| changed(&self.0, keys)),
            PushKind::Disconnection => self.0.close(),
            _ => {}
        }
        Ok(())
    }
}

/// A list of keys; or nothing, which means all, and so does what cannot be understood.
fn changed(cache: &Cache, keys: &Value) {
    let Value::Array(keys) = keys else {
        return cache.forget_all();
    };
    for key in keys {
        match key {
            Value::BulkString(key) => cache.forget_key(key),
            _ => cache.forget_all(),
        }
    }
}
