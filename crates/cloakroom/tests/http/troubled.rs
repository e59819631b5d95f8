//! A store whose troubles are set by hand, around a real one: stands for a server that fails, is slow, or answers late,
//! at a moment of the test's choice.

use std::{
    sync::{Arc, Mutex},
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
}

impl Troubled {
    pub fn new(store: impl Store) -> Self {
        Self(Arc::new(Inner {
            store: Arc::new(store),
            calls: Mutex::default(),
            trouble: Mutex::default(),
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
        let trouble = self.0.trouble.lock().unwrap().clone();
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
