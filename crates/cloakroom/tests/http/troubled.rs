//! A store whose troubles are set by hand, around a real one: stands for a server that fails, is slow, or answers late,
//! at a moment of the test's choice.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom::{
    EndReason, Error, ErrorKind, OwnerIndex, SessionId, Store, Timestamp,
    core::{
        Created, Loaded, Replaced, Retired,
        cached::Cached,
        owner_index::{Claimed, Claims, Revision, Whose},
    },
};

#[derive(Clone, Debug)]
pub struct Troubled(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    index: Option<Arc<dyn OwnerIndex>>,
    deadline: Option<Duration>,
    /// Says what the store has at hand.
    tells: bool,
    calls: Mutex<Vec<&'static str>>,
    trouble: Mutex<Trouble>,
}

#[derive(Clone, Debug, Default)]
pub struct Trouble {
    /// These operations fail; `*` stands for all.
    pub failing: Vec<&'static str>,
    /// These operations never answer.
    pub silent: Vec<&'static str>,
    /// These operations take `delay` before they are carried out.
    pub slow: Vec<&'static str>,
    /// These operations are carried out and answer `delay` later.
    pub late: Vec<&'static str>,
    pub delay: Duration,
    /// The next call of this operation is carried out and answered as if the connection had broken.
    pub loses: Option<&'static str>,
    /// See [`Troubled::disturb`].
    pub seed: u64,
    /// See [`Troubled::disturb`].
    pub crash: Option<usize>,
}

impl Troubled {
    pub fn new(store: impl Store) -> Self {
        Self::around(Arc::new(store), None)
    }

    fn around(store: Arc<dyn Store>, index: Option<Arc<dyn OwnerIndex>>) -> Self {
        Self(Arc::new(Inner {
            store,
            index,
            deadline: None,
            tells: false,
            calls: Mutex::default(),
            trouble: Mutex::default(),
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::get_mut(&mut self.0).expect("nobody else has it yet"));
        self
    }

    /// One that says that it answers within `deadline` by itself.
    pub fn punctual(store: impl Store, deadline: Duration) -> Self {
        Self::new(store).with(|inner| inner.deadline = Some(deadline))
    }

    /// The same around a store with an owner index.
    pub fn indexed<S: OwnerIndex + Clone>(store: &S) -> Self {
        Self::around(Arc::new(store.clone()), Some(Arc::new(store.clone())))
    }

    /// One that says what the store has at hand, of which others know nothing. Such answers are calls too, and never fail.
    pub fn that_tells<S: OwnerIndex + Clone>(store: &S) -> Self {
        Self::indexed(store).with(|inner| inner.tells = true)
    }

    fn told<T>(&self, operation: &'static str, answer: impl FnOnce() -> Option<T>) -> Option<T> {
        let answer = self.0.tells.then(answer).flatten()?;
        self.0.calls.lock().unwrap().push(operation);
        Some(answer)
    }

    /// Lets other tasks through before and after each call, so many times as the seed says; from the `crash`-th call on
    /// nothing is answered or done any more, as if the process had been killed there.
    pub fn disturb(&self, seed: u64, crash: Option<usize>) {
        self.set(Trouble {
            seed,
            crash,
            ..Trouble::default()
        });
    }

    fn index(&self) -> &dyn OwnerIndex {
        self.0.index.as_deref().expect("a store with an index")
    }

    async fn let_through(&self) {
        let turns = {
            let mut trouble = self.0.trouble.lock().unwrap();
            if trouble.seed == 0 {
                return;
            }
            // xorshift: any sequence will do, as long as it is the same again.
            trouble.seed ^= trouble.seed << 13;
            trouble.seed ^= trouble.seed >> 7;
            trouble.seed ^= trouble.seed << 17;
            trouble.seed % 4
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    pub fn set(&self, trouble: Trouble) {
        *self.0.trouble.lock().unwrap() = trouble;
    }

    pub fn fail(&self, operations: &[&'static str]) {
        self.set(Trouble {
            failing: operations.to_vec(),
            ..Trouble::default()
        });
    }

    pub fn heal(&self) {
        self.set(Trouble::default());
    }

    /// The next call of `operation` is carried out and answered as if the connection had broken.
    pub fn lose_answer(&self, operation: &'static str) {
        self.set(Trouble {
            loses: Some(operation),
            ..Trouble::default()
        });
    }

    pub fn slow(&self, operations: &[&'static str], delay: Duration) {
        self.set(Trouble {
            slow: operations.to_vec(),
            delay,
            ..Trouble::default()
        });
    }

    /// The operations since the last call of this.
    pub fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.calls.lock().unwrap())
    }

    async fn before(&self, operation: &'static str) -> Result<(), Error> {
        self.0.calls.lock().unwrap().push(operation);
        self.let_through().await;
        let trouble = {
            let mut trouble = self.0.trouble.lock().unwrap();
            let before = trouble.clone();
            trouble.crash = trouble.crash.map(|left| left.saturating_sub(1));
            before
        };
        if trouble.crash == Some(0) {
            std::future::pending::<()>().await;
        }
        let is_among = |list: &[&str]| list.contains(&operation) || list.contains(&"*");
        if is_among(&trouble.slow) {
            tokio::time::sleep(trouble.delay).await;
        }
        if is_among(&trouble.silent) {
            std::future::pending::<()>().await;
        }
        if is_among(&trouble.failing) {
            return Err(down());
        }
        Ok(())
    }

    async fn after<T>(&self, operation: &'static str, answer: T) -> Result<T, Error> {
        self.let_through().await;
        let trouble = self.0.trouble.lock().unwrap().clone();
        if trouble.late.contains(&operation) {
            tokio::time::sleep(trouble.delay).await;
        }
        let mut trouble = self.0.trouble.lock().unwrap();
        if trouble.loses == Some(operation) {
            trouble.loses = None;
            return Err(down());
        }
        Ok(answer)
    }
}

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "the connection was refused")
}

#[async_trait]
impl Store for Troubled {
    async fn load(&self, id: &SessionId) -> Result<Loaded, Error> {
        self.before("load").await?;
        self.0.store.load(id).await
    }

    fn cached(&self, id: &SessionId) -> Option<Cached> {
        self.told("cached", || self.0.store.cached(id))
    }

    async fn create(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<Created, Error> {
        self.before("create").await?;
        self.after("create", self.0.store.create(id, value, ttl).await?)
            .await
    }

    async fn replace(
        &self,
        id: &SessionId,
        base: &Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Replaced, Error> {
        self.before("replace").await?;
        self.after("replace", self.0.store.replace(id, base, value, ttl).await?)
            .await
    }

    async fn renew(&self, id: &SessionId, ttl: Duration) -> Result<bool, Error> {
        self.before("renew").await?;
        self.after("renew", self.0.store.renew(id, ttl).await?)
            .await
    }

    async fn renew_all(&self, renewals: &[(SessionId, Duration)]) -> Vec<Result<bool, Error>> {
        if let Err(error) = self.before("renew").await {
            let again = |_| Err(Error::new(error.kind(), error.to_string()));
            return renewals.iter().map(again).collect();
        }
        let renewed = self.0.store.renew_all(renewals).await;
        match self.after("renew", renewed).await {
            Ok(renewed) => renewed,
            Err(_) => renewals.iter().map(|_| Err(down())).collect(),
        }
    }

    fn deadline(&self) -> Option<Duration> {
        self.0.deadline
    }

    async fn end(&self, id: &SessionId, reason: EndReason) -> Result<bool, Error> {
        self.before("end").await?;
        self.after("end", self.0.store.end(id, reason).await?).await
    }

    async fn retire(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Error> {
        self.before("retire").await?;
        self.after("retire", self.0.store.retire(id, base).await?)
            .await
    }
}

#[async_trait]
impl OwnerIndex for Troubled {
    async fn load_with_revision(&self, id: &SessionId) -> Result<(Loaded, Revision), Error> {
        self.before("load_with_revision").await?;
        let loaded = self.index().load_with_revision(id).await?;
        self.after("load_with_revision", loaded).await
    }

    fn cached_with_revision(&self, id: &SessionId) -> Option<(Cached, Revision)> {
        self.told("cached_with_revision", || {
            self.index().cached_with_revision(id)
        })
    }

    async fn claim(
        &self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
    ) -> Result<Claimed, Error> {
        self.before("claim").await?;
        let claimed = self.index().claim(owner, id, keep, limit).await?;
        self.after("claim", claimed).await
    }

    async fn owned(&self, owner: &str) -> Result<Claims, Error> {
        self.before("owned").await?;
        let owned = self.index().owned(owner).await?;
        self.after("owned", owned).await
    }

    async fn release(&self, owner: &str, ids: &[SessionId]) -> Result<(), Error> {
        self.before("release").await?;
        self.index().release(owner, ids).await?;
        self.after("release", ()).await
    }

    async fn revoke(&self, whose: Whose<'_>) -> Result<Timestamp, Error> {
        self.before("revoke").await?;
        let at = self.index().revoke(whose).await?;
        self.after("revoke", at).await
    }

    async fn revoked_at(&self, owner: &str) -> Result<Option<Timestamp>, Error> {
        self.before("revoked_at").await?;
        let at = self.index().revoked_at(owner).await?;
        self.after("revoked_at", at).await
    }
}
