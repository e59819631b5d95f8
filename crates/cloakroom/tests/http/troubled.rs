//! A store whose troubles are set by hand, around a real one: stands for a server that fails, is slow, or answers late,
//! at a moment of the test's choice.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom::{
    EndReason, Error, ErrorKind, SessionId, Store,
    core::{Created, Loaded, Replaced, Retired},
};

#[derive(Clone, Debug)]
pub struct Troubled(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    calls: Mutex<Vec<&'static str>>,
    trouble: Mutex<Trouble>,
    /// How many calls are yet to be answered with an error after they were carried out.
    lost_answers: AtomicUsize,
}

#[derive(Clone, Debug, Default)]
pub struct Trouble {
    /// These operations fail; `*` stands for all.
    pub failing: Vec<&'static str>,
    /// These operations never answer.
    pub silent: Vec<&'static str>,
    /// Each call takes that long before it is carried out.
    pub delay: Duration,
}

impl Troubled {
    pub fn new(store: impl Store) -> Self {
        Self(Arc::new(Inner {
            store: Arc::new(store),
            calls: Mutex::default(),
            trouble: Mutex::default(),
            lost_answers: AtomicUsize::new(0),
        }))
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

    /// The next `count` writing calls are carried out and answered as if the connection had broken.
    pub fn lose_answers(&self, count: usize) {
        self.0.lost_answers.store(count, Ordering::SeqCst);
    }

    /// The operations since the last call of this.
    pub fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.calls.lock().unwrap())
    }

    async fn before(&self, operation: &'static str) -> Result<(), Error> {
        self.0.calls.lock().unwrap().push(operation);
        let trouble = self.0.trouble.lock().unwrap().clone();
        if !trouble.delay.is_zero() {
            tokio::time::sleep(trouble.delay).await;
        }
        if trouble.silent.contains(&operation) || trouble.silent.contains(&"*") {
            std::future::pending::<()>().await;
        }
        if trouble.failing.contains(&operation) || trouble.failing.contains(&"*") {
            return Err(down());
        }
        Ok(())
    }

    fn after<T>(&self, answer: T) -> Result<T, Error> {
        let lost = self
            .0
            .lost_answers
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if lost.is_ok() {
            Err(down())
        } else {
            Ok(answer)
        }
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

    async fn create(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<Created, Error> {
        self.before("create").await?;
        self.after(self.0.store.create(id, value, ttl).await?)
    }

    async fn replace(
        &self,
        id: &SessionId,
        base: &Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Replaced, Error> {
        self.before("replace").await?;
        self.after(self.0.store.replace(id, base, value, ttl).await?)
    }

    async fn renew(&self, id: &SessionId, ttl: Duration) -> Result<bool, Error> {
        self.before("renew").await?;
        self.after(self.0.store.renew(id, ttl).await?)
    }

    async fn end(&self, id: &SessionId, reason: EndReason) -> Result<bool, Error> {
        self.before("end").await?;
        self.after(self.0.store.end(id, reason).await?)
    }

    async fn retire(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Error> {
        self.before("retire").await?;
        self.after(self.0.store.retire(id, base).await?)
    }
}
