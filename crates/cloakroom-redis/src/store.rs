//! The store: each call of the law in one round trip.

use std::{fmt, mem, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom_core::{
    Created, EndReason, Error, ErrorKind, Loaded, Replaced, Retired, SessionId, Store, Stored,
    cached::Cached,
};
use redis::{Cmd, Pipeline, ToRedisArgs, Value};

use crate::{
    address::Address,
    answer::{Compared, Left, bytes, compared, number, remaining, three, unexpected},
    builder::RedisStoreBuilder,
    fault::{Fault, Refusal},
    keys::{KeyNames, Keys, reason, tombstone_millis, word},
    link::{Call, Links, Live},
    loads::Looked,
    script::{self, Script},
    server::ServerInfo,
};

/// Sessions on a Redis or Valkey server. A clone is another handle on the same store and the same connection. See the
/// [crate's documentation](crate).
#[derive(Clone)]
pub struct RedisStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) keys: Keys,
    pub(crate) links: Links,
    /// The store was given a near cache; its connection may have none.
    pub(crate) may_be_near: bool,
    max_value_size: usize,
}

/// The longest time that a key gets: what JavaScript and Lua can still count in milliseconds, some 285,000 years.
const LONGEST_MILLIS: u64 = (1 << 53) - 1;

impl RedisStore {
    /// Connects to the server at `url` with the default options.
    ///
    /// # Errors
    ///
    /// As [`RedisStoreBuilder::connect`].
    pub async fn connect(url: impl AsRef<str>) -> Result<Self, Error> {
        Self::builder(url.as_ref()).connect().await
    }

    /// Options for the server at `address`: a URL, `(host, port)` or the path of a socket.
    pub fn builder(address: impl Into<Address>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(address.into())
    }

    pub(crate) fn new(prefix: Arc<str>, max_value_size: usize, links: Links) -> Self {
        let inner = Arc::new(Inner {
            keys: Keys { prefix },
            may_be_near: links.target().tracking.is_some(),
            links,
            max_value_size,
        });
        Self { inner }
    }

    /// What every key begins with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.inner.keys.prefix
    }

    /// The keys of a session and of an owner, for tools that look after a server beside the store.
    #[must_use]
    pub fn key_names(&self, id: &SessionId, owner: &str) -> KeyNames {
        self.inner.keys.names(id, owner)
    }

    /// The pattern of `SCAN` that matches what begins with the prefix, and nothing else; for tools, as
    /// [`key_names`](Self::key_names).
    #[must_use]
    pub fn key_pattern(&self) -> String {
        self.inner.keys.pattern()
    }

    /// Where the server is, as messages show it: without a user and a password.
    #[must_use]
    pub fn address(&self) -> String {
        self.inner.links.target().to_string()
    }

    /// What the server is that the store is connected with at present; `None` while it is not connected.
    #[must_use]
    pub fn server_info(&self) -> Option<ServerInfo> {
        self.inner.links.info()
    }

    pub(crate) async fn wait(&self) -> Result<(), Error> {
        self.inner
            .links
            .first()
            .await
            .map_err(|fault| self.fail(fault))
    }

    #[cold]
    pub(crate) fn fail(&self, fault: Fault) -> Error {
        fault.into_error(self.inner.links.target())
    }

    fn check_size(&self, value: &Bytes) -> Result<(), Error> {
        let (has, may) = (value.len(), self.inner.max_value_size);
        if has <= may {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::TooLarge,
            format!(
                "the session has {has} bytes and `max_value_size` is {may}; store less in it or raise the option"
            ),
        ))
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("address", &format_args!("{}", self.inner.links.target()))
            .field("prefix", &self.inner.keys.prefix)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn load(&self, id: &SessionId) -> Result<Loaded, Error> {
        self.inner.load(id).await.map_err(|fault| self.fail(fault))
    }

    fn cached(&self, id: &SessionId) -> Option<Cached> {
        self.inner.near(id)
    }

    async fn create(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<Created, Error> {
        self.check_size(&value)?;
        let _known = self.inner.forgets(id);
        let created = self.inner.create(id, &value, ttl).await;
        created.map_err(|fault| self.fail(fault))
    }

    async fn replace(
        &self,
        id: &SessionId,
        base: &Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Replaced, Error> {
        self.check_size(&value)?;
        let _known = self.inner.forgets(id);
        let replaced = self.inner.replace(id, base, &value, millis(ttl)).await;
        replaced.map_err(|fault| self.fail(fault))
    }

    async fn renew(&self, id: &SessionId, ttl: Duration) -> Result<bool, Error> {
        let renewal = [(id.clone(), ttl)];
        let mut renewed = self.renew_all(&renewal).await;
        renewed
            .pop()
            .unwrap_or_else(|| Err(self.fail(Fault::Protocol)))
    }

    async fn renew_all(&self, renewals: &[(SessionId, Duration)]) -> Vec<Result<bool, Error>> {
        let ids = renewals.iter().map(|(id, _)| id);
        let _known: Vec<_> = ids.filter_map(|id| self.inner.forgets(id)).collect();
        match self.inner.renew(renewals).await {
            Ok(renewed) => {
                let renewed = renewed.into_iter();
                renewed
                    .map(|renewed| renewed.map_err(|fault| self.fail(fault)))
                    .collect()
            }
            Err(fault) => {
                let fail = |_| Err(self.fail(fault.clone()));
                renewals.iter().map(fail).collect()
            }
        }
    }

    fn deadline(&self) -> Option<Duration> {
        Some(self.inner.links.command_timeout())
    }

    async fn end(&self, id: &SessionId, reason: EndReason) -> Result<bool, Error> {
        let _known = self.inner.forgets(id);
        let ended = self.inner.end(id, reason).await;
        ended.map_err(|fault| self.fail(fault))
    }

    async fn retire(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Error> {
        let _known = self.inner.forgets(id);
        let retired = self.inner.retire(id, base).await;
        retired.map_err(|fault| self.fail(fault))
    }
}

impl Inner {
    async fn load(self: &Arc<Self>, id: &SessionId) -> Result<Loaded, Fault> {
        if self.may_be_near {
            return match self.near(id) {
                Some(cached) => Ok(Loaded::Live(cached.into())),
                // In a box: the answers that nobody keeps must not carry its size.
                None => Ok(Box::pin(self.fetch(id, false)).await?.0),
            };
        }
        let call = self.links.call()?;
        let looked = self.look(&call, id, false).await?;
        self.found(id, [looked.value, looked.left, looked.tombstone])
    }

    /// Looks a session up, twice where the connection was lost; for [`found`](Self::found).
    pub(crate) async fn look(
        &self,
        call: &Call<'_>,
        id: &SessionId,
        with_revision: bool,
    ) -> Result<Looked, Fault> {
        let mut again = true;
        let odd = loop {
            let live = call.live().await?;
            match call.look(&live, id, with_revision).await {
                Err(Fault::Lost) if mem::take(&mut again) => {}
                Ok(looked) if looked.is_odd() => break looked,
                looked => return looked,
            }
        };
        // In a box, as all that is rare here: each load has the size of the largest thing that it may wait for.
        Box::pin(self.look_what_is_odd(call, id, odd)).await
    }

    async fn look_what_is_odd(
        &self,
        call: &Call<'_>,
        id: &SessionId,
        mut looked: Looked,
    ) -> Result<Looked, Fault> {
        let get = on_key("GET", self.keys.session_in_parts(id));
        let answer = call.command(&call.live().await?, &get).await?;
        // Only a refusal counts: what came after the look has not been compared with a tombstone.
        if matches!(answer, Value::ServerError(_)) {
            looked.value = answer;
        }
        Ok(looked)
    }

    pub(crate) fn found(
        self: &Arc<Self>,
        id: &SessionId,
        [value, left, tombstone]: [Value; 3],
    ) -> Result<Loaded, Fault> {
        if let Some(word) = bytes(tombstone)? {
            if !matches!(value, Value::Nil) {
                self.delete_again(self.keys.session(id));
            }
            return Ok(Loaded::Ended(reason(&word)));
        }
        let value = match value {
            Value::ServerError(error) if Refusal::of(&error) == Refusal::WrongType => {
                tracing::warn!(
                    session = %id.fingerprint(),
                    "a session's key holds something else than a string; its visitor gets a new session and the key is left alone"
                );
                return Ok(Loaded::Missing);
            }
            value => bytes(value)?,
        };
        Ok(match (value, remaining(left)?) {
            (Some(value), Left::Some(remaining)) => Loaded::Live(Stored {
                value: value.into(),
                remaining,
            }),
            _ => Loaded::Missing,
        })
    }

    async fn create(&self, id: &SessionId, value: &Bytes, ttl: Duration) -> Result<Created, Fault> {
        let call = self.links.call()?;
        let millis = millis(ttl).to_string();
        let answer = self
            .run(
                &call,
                &script::CREATE,
                &self.keys.both(id),
                &[value, millis.as_bytes()],
            )
            .await?;
        match answer {
            Value::Int(1) => Ok(Created::Created),
            Value::Int(0) => Ok(Created::Taken),
            other => Err(unexpected(other)),
        }
    }

    /// A connection that is lost leaves open whether the change was made. Made again it does no harm: the base still
    /// compares, and where it was made the first time the server now holds our own bytes. Where it holds those of somebody
    /// else, they may have been written upon ours: that nothing was changed cannot be said any more.
    async fn replace(
        self: &Arc<Self>,
        id: &SessionId,
        base: &Bytes,
        value: &Bytes,
        millis: u64,
    ) -> Result<Replaced, Fault> {
        let call = self.links.call()?;
        match self.replace_once(&call, id, base, value, millis).await {
            Err(Fault::Lost) if millis > 0 => {
                match self.replace_once(&call, id, base, value, millis).await? {
                    Replaced::Changed(stored) if stored.value == value => Ok(Replaced::Replaced),
                    Replaced::Changed(_) => Err(Fault::Lost),
                    replaced => Ok(replaced),
                }
            }
            replaced => replaced,
        }
    }

    async fn replace_once(
        self: &Arc<Self>,
        call: &Call<'_>,
        id: &SessionId,
        base: &Bytes,
        value: &Bytes,
        millis: u64,
    ) -> Result<Replaced, Fault> {
        let live = call.live().await?;
        if live.has_ifeq() && millis > 0 {
            let done = self
                .replace_by_command(call, &live, id, base, value, millis)
                .await?;
            if let Some(done) = done {
                return Ok(done);
            }
        }
        let millis = millis.to_string();
        let arguments: [&[u8]; 3] = [base, value, millis.as_bytes()];
        let answer = self
            .run(call, &script::REPLACE, &self.keys.both(id), &arguments)
            .await?;
        Ok(match compared(answer)? {
            Compared::Done => Replaced::Replaced,
            Compared::Gone => Replaced::Gone,
            Compared::Changed(stored) => Replaced::Changed(stored),
        })
    }

    /// `None` where the server does not know `IFEQ`. The tombstone is looked at last: were it first, a session that ended
    /// and was written back by a blind peer between the two would be taken for live.
    async fn replace_by_command(
        self: &Arc<Self>,
        call: &Call<'_>,
        live: &Arc<Live>,
        id: &SessionId,
        base: &Bytes,
        value: &Bytes,
        millis: u64,
    ) -> Result<Option<Replaced>, Fault> {
        let key = self.keys.session(id);
        let mut swap = Pipeline::with_capacity(3);
        swap.cmd("SET")
            .arg(&key)
            .arg(&value[..])
            .arg("IFEQ")
            .arg(&base[..]);
        swap.arg("GET").arg("PX").arg(millis).cmd("PTTL").arg(&key);
        swap.cmd("EXISTS").arg(self.keys.tombstone(id));
        let [held, left, tombstone] = three(call.pipeline(live, &swap).await?)?;
        let ended = number(tombstone)? != 0;
        let held = match held {
            Value::ServerError(error) => match Refusal::of(&error) {
                Refusal::Syntax => {
                    live.lacks_ifeq();
                    return Ok(None);
                }
                Refusal::WrongType => return Ok(Some(Replaced::Gone)),
                refusal => return Err(Fault::Server(refusal)),
            },
            held => bytes(held)?,
        };
        if ended && held.is_some() {
            self.delete_again(key);
        }
        Ok(Some(match (held, remaining(left)?) {
            _ if ended => Replaced::Gone,
            (Some(held), _) if held == *base => Replaced::Replaced,
            (Some(held), Left::Some(remaining)) => Replaced::Changed(Stored {
                value: held.into(),
                remaining,
            }),
            _ => Replaced::Gone,
        }))
    }

    async fn end(&self, id: &SessionId, reason: EndReason) -> Result<bool, Fault> {
        let call = self.links.call()?;
        let millis = tombstone_millis().to_string();
        let arguments = [word(reason).as_bytes(), millis.as_bytes()];
        let answer = self
            .run(&call, &script::END, &self.keys.both(id), &arguments)
            .await?;
        Ok(number(answer)? != 0)
    }

    async fn retire(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Fault> {
        let call = self.links.call()?;
        let millis = tombstone_millis().to_string();
        let rotated = word(EndReason::Rotated).as_bytes();
        let answer = self
            .run(
                &call,
                &script::RETIRE,
                &self.keys.both(id),
                &[base, rotated, millis.as_bytes()],
            )
            .await?;
        Ok(match compared(answer)? {
            Compared::Done => Retired::Retired,
            Compared::Gone => Retired::Gone,
            Compared::Changed(stored) => Retired::Changed(stored),
        })
    }

    /// Sends what does no harm when it is sent twice. A connection that is lost may only have been idle for longer than
    /// the server allows.
    pub(crate) async fn twice(
        &self,
        call: &Call<'_>,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Fault> {
        let mut again = true;
        loop {
            let live = call.live().await?;
            match call.pipeline(&live, commands).await {
                Err(Fault::Lost) if mem::take(&mut again) => {}
                answers => return answers,
            }
        }
    }

    /// Runs a script by its hash, and by its text where the server does not have it: it was restarted, or somebody emptied
    /// its cache. The text leaves it cached.
    pub(crate) async fn run(
        &self,
        call: &Call<'_>,
        script: &Script,
        keys: &[String],
        arguments: &[&[u8]],
    ) -> Result<Value, Fault> {
        let command = |name: &str, what: &str| {
            let mut command = redis::cmd(name);
            command.arg(what).arg(keys.len()).arg(keys);
            for argument in arguments {
                command.arg(*argument);
            }
            command
        };
        let live = call.live().await?;
        let by_hash = call
            .command(&live, &command("EVALSHA", &script.hash))
            .await?;
        match by_hash {
            Value::ServerError(error) if Refusal::of(&error) == Refusal::NoScript => {
                call.command(&live, &command("EVAL", script.code)).await
            }
            answer => Ok(answer),
        }
    }

    /// Deletes what somebody brought back beside a tombstone. Nobody waits for it, and where it cannot be done, on a
    /// replica for instance, the next look tries again.
    pub(crate) fn delete_again(self: &Arc<Self>, key: String) {
        let inner = self.clone();
        tokio::spawn(async move {
            let mut delete = Cmd::new();
            delete.arg("DEL").arg(key);
            let deleted = async {
                let call = inner.links.call()?;
                call.command(&call.live().await?, &delete).await
            };
            if let Err(fault) = deleted.await {
                tracing::debug!(
                    ?fault,
                    "a session that came back could not be deleted again"
                );
            }
        });
    }
}

/// Room for a command's name, a key as most are, and a number.
const KEY_ROOM: usize = 96;

/// A command whose first argument is a key.
pub(crate) fn on_key(name: &str, key: impl ToRedisArgs) -> Cmd {
    let mut command = Cmd::with_capacity(3, KEY_ROOM);
    command.arg(name).arg(key);
    command
}

/// A time in whole milliseconds; what is shorter than one is over at once.
pub(crate) fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).map_or(LONGEST_MILLIS, |millis| millis.min(LONGEST_MILLIS))
}
