//! What a visitor sees while the store does not work.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom::{
    EndReason, Error, ErrorKind, MemoryStore, OwnerIndex, SessionId, Store, Timestamp,
    core::{
        Created, Loaded, Replaced, Retired,
        owner_index::{Claimed, Claims, Revision, Whose},
    },
};

use crate::App;

/// A store that can be made to fail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breakable {
    store: Arc<MemoryStore>,
    trouble: Arc<AtomicU8>,
    calls: Arc<AtomicUsize>,
    renewals: Arc<AtomicUsize>,
}

impl Breakable {
    pub(crate) const WORK: u8 = 0;
    pub(crate) const FAIL: u8 = 1;
    pub(crate) const HANG: u8 = 2;
    pub(crate) const PANIC: u8 = 3;
    /// Reads work, writes fail.
    pub(crate) const READ_ONLY: u8 = 4;

    pub(crate) fn set(&self, trouble: u8) {
        self.trouble.store(trouble, Ordering::SeqCst);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// How many renewals were made.
    pub(crate) fn renewals(&self) -> usize {
        self.renewals.load(Ordering::SeqCst)
    }

    async fn check(&self, writes: bool) -> Result<(), Error> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match self.trouble.load(Ordering::SeqCst) {
            Self::FAIL => Err(Error::new(ErrorKind::Unavailable, "the wire is cut")),
            Self::HANG => std::future::pending().await,
            Self::PANIC => panic!("the store is on fire"),
            Self::READ_ONLY if writes => Err(Error::new(ErrorKind::Rejected, "read-only")),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Breakable {
    async fn load(&self, id: &SessionId) -> Result<Loaded, Error> {
        self.check(false).await?;
        self.store.load(id).await
    }

    async fn create(&self, id: &SessionId, value: Bytes, ttl: Duration) -> Result<Created, Error> {
        self.check(true).await?;
        self.store.create(id, value, ttl).await
    }

    async fn replace(
        &self,
        id: &SessionId,
        base: &Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Replaced, Error> {
        self.check(true).await?;
        self.store.replace(id, base, value, ttl).await
    }

    async fn renew(&self, id: &SessionId, ttl: Duration) -> Result<bool, Error> {
        self.check(true).await?;
        let renewed = self.store.renew(id, ttl).await;
        self.renewals.fetch_add(1, Ordering::SeqCst);
        renewed
    }

    async fn end(&self, id: &SessionId, reason: EndReason) -> Result<bool, Error> {
        self.check(true).await?;
        self.store.end(id, reason).await
    }

    async fn retire(&self, id: &SessionId, base: &Bytes) -> Result<Retired, Error> {
        self.check(true).await?;
        self.store.retire(id, base).await
    }
}

#[async_trait]
impl OwnerIndex for Breakable {
    async fn load_with_revision(&self, id: &SessionId) -> Result<(Loaded, Revision), Error> {
        self.check(false).await?;
        self.store.load_with_revision(id).await
    }

    async fn claim(
        &self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
    ) -> Result<Claimed, Error> {
        self.check(true).await?;
        self.store.claim(owner, id, keep, limit).await
    }

    async fn owned(&self, owner: &str) -> Result<Claims, Error> {
        self.check(false).await?;
        self.store.owned(owner).await
    }

    async fn release(&self, owner: &str, ids: &[SessionId]) -> Result<(), Error> {
        self.check(true).await?;
        self.store.release(owner, ids).await
    }

    async fn revoke(&self, whose: Whose<'_>) -> Result<Timestamp, Error> {
        self.check(true).await?;
        self.store.revoke(whose).await
    }

    async fn revoked_at(&self, owner: &str) -> Result<Option<Timestamp>, Error> {
        self.check(false).await?;
        self.store.revoked_at(owner).await
    }
}

#[tokio::test]
async fn r39_an_outage_is_a_503_page_and_keeps_the_cookie() {
    let store = Breakable::default();
    let app = App::start_with_store(store.clone(), |_| ()).await;
    let mut visitor = app.visitor().that_takes_no();
    visitor.log_in("a").await;
    let before = visitor.cookie.clone();
    for trouble in [Breakable::FAIL, Breakable::HANG] {
        store.set(trouble);
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/login"),
            ("POST", "/save-session"),
            ("POST", "/delete-session"),
            ("GET", "/devices"),
            ("POST", "/devices/end-others"),
        ] {
            let answer = visitor.ask(method, path, &[], "").await;
            assert_eq!(answer.status, 503, "{method} {path}");
            assert_eq!(answer.heading(), "Service Unavailable");
            assert!(answer.body.contains("still logged in"));
            assert_eq!(answer.header("retry-after"), "2");
            assert_eq!(answer.header("cache-control"), "no-store");
            assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
            assert!(answer.cookies().is_empty(), "{method} {path}");
        }
        assert_eq!(visitor.get("/stylesheets/style.css").await.status, 200);
        assert_eq!(visitor.get("/nope").await.status, 404);
    }
    store.set(Breakable::WORK);
    assert_eq!(visitor.cookie, before);
    assert!(visitor.is_logged_in().await);
}

#[tokio::test]
async fn r39_r40_a_login_that_cannot_be_saved_is_no_success() {
    let store = Breakable::default();
    let app = App::start_with_store(store.clone(), |_| ()).await;
    let mut visitor = app.visitor().that_takes_no();
    visitor.log_in("a").await;
    store.set(Breakable::READ_ONLY);
    assert_eq!(
        visitor.get("/").await.heading(),
        "Hello, a!",
        "reading works"
    );
    for path in ["/save-session", "/delete-session"] {
        let answer = visitor.post(path, "userName=b").await;
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.heading(), "Service Unavailable", "{path}");
        assert!(answer.cookies().is_empty(), "{path}");
    }
    store.set(Breakable::WORK);
    assert_eq!(visitor.get("/").await.heading(), "Hello, a!");
}

#[tokio::test]
async fn a_panic_is_a_500_page_and_the_next_request_is_served() {
    let store = Breakable::default();
    let app = App::start_with_store(store.clone(), |_| ()).await;
    let mut visitor = app.visitor().that_takes_no();
    store.set(Breakable::PANIC);
    let answer = visitor.get("/").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.heading(), "Internal Server Error");
    assert!(!answer.body.contains("on fire"));
    assert!(answer.cookies().is_empty());
    store.set(Breakable::WORK);
    assert_eq!(visitor.get("/login").await.status, 200);
}

#[tokio::test]
async fn details_are_for_developers() {
    for (environment, shown) in [("development", true), ("production", false)] {
        let store = Breakable::default();
        let app = App::start_with_store(store.clone(), |s| {
            s.app_env = environment.into();
            s.session_secret = Some("a secret that is long enough for production".into());
        })
        .await;
        store.set(Breakable::FAIL);
        let answer = app.visitor().that_takes_no().get("/").await;
        assert_eq!(answer.status, 503);
        assert_eq!(
            answer.body.contains("the wire is cut"),
            shown,
            "{environment}"
        );
        assert_eq!(answer.body.contains("<pre>"), shown, "{environment}");
    }
}
