//! The store as the cases see it: every call has a deadline, and an error where none is due fails the case.

use std::{
    future::Future,
    num::NonZeroUsize,
    sync::Arc,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use cloakroom_core::{
    Created, EndReason, Error, Loaded, OwnerIndex, Replaced, Retired, SessionId, Store, Stored,
    Timestamp,
    owner_index::{Claim, Claimed, Claims, Revision, Whose},
    store::{Scan, ScanPage, Sweep},
};

use crate::{
    Capability, Handle, Opened, StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    factory::Time,
};

/// A store that takes longer than this for one call does not work.
const CALL_DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);

/// An id that no other case uses.
pub(crate) fn fresh_id() -> SessionId {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut bytes = *b"cloakroom-contract......";
    bytes[20..].copy_from_slice(&number.to_be_bytes());
    SessionId::from_random(bytes)
}

pub(crate) async fn answer<T>(
    what: &str,
    call: impl Future<Output = Result<T, Error>>,
) -> Step<Result<T, Error>> {
    match tokio::time::timeout(CALL_DEADLINE, call).await {
        Ok(answer) => Ok(answer),
        Err(_) => Err(Stop::failed(format_args!(
            "{what} did not answer within {} s",
            CALL_DEADLINE.as_secs()
        ))),
    }
}

pub(crate) async fn ok<T>(what: &str, call: impl Future<Output = Result<T, Error>>) -> Step<T> {
    answer(what, call).await?.map_err(|error| {
        Stop::failed(format_args!(
            "{what} failed ({}): {error}",
            error.kind().as_str()
        ))
    })
}

/// One handle on a store.
#[derive(Clone, Debug)]
pub(crate) struct Probe(pub(crate) Arc<dyn Store>);

impl Probe {
    pub(crate) async fn load(&self, id: &SessionId) -> Step<Loaded> {
        ok("load", self.0.load(id)).await
    }

    pub(crate) async fn create(
        &self,
        id: &SessionId,
        value: impl Into<Bytes>,
        ttl: Duration,
    ) -> Step<Created> {
        ok("create", self.0.create(id, value.into(), ttl)).await
    }

    pub(crate) async fn replace(
        &self,
        id: &SessionId,
        base: impl Into<Bytes>,
        value: impl Into<Bytes>,
        ttl: Duration,
    ) -> Step<Replaced> {
        let base = base.into();
        ok("replace", self.0.replace(id, &base, value.into(), ttl)).await
    }

    pub(crate) async fn renew(&self, id: &SessionId, ttl: Duration) -> Step<bool> {
        ok("renew", self.0.renew(id, ttl)).await
    }

    pub(crate) async fn renew_all(&self, renewals: &[(SessionId, Duration)]) -> Step<Vec<bool>> {
        let renewed = async { self.0.renew_all(renewals).await.into_iter().collect() };
        ok("renew_all", renewed).await
    }

    pub(crate) async fn end(&self, id: &SessionId, reason: EndReason) -> Step<bool> {
        ok("end", self.0.end(id, reason)).await
    }

    pub(crate) async fn retire(&self, id: &SessionId, base: impl Into<Bytes>) -> Step<Retired> {
        ok("retire", self.0.retire(id, &base.into())).await
    }

    /// Creates a session that must not exist yet.
    pub(crate) async fn make(
        &self,
        id: &SessionId,
        value: impl Into<Bytes>,
        ttl: Duration,
    ) -> Step {
        let created = self.create(id, value, ttl).await?;
        ensure_eq!(
            created,
            Created::Created,
            "create makes a session under a free id"
        );
        Ok(())
    }

    /// The session must be live.
    pub(crate) async fn live(&self, id: &SessionId, when: &str) -> Step<Stored> {
        match self.load(id).await? {
            Loaded::Live(stored) => Ok(stored),
            other => Err(Stop::failed(format_args!(
                "{when} the session is live, but load answers {other:?}"
            ))),
        }
    }

    /// The session must be live with these bytes.
    pub(crate) async fn holds(&self, id: &SessionId, value: &[u8], when: &str) -> Step<Stored> {
        let stored = self.live(id, when).await?;
        same_bytes(&stored.value, value, when)?;
        Ok(stored)
    }

    /// There must be no such session and no tombstone.
    pub(crate) async fn missing(&self, id: &SessionId, when: &str) -> Step {
        ensure_eq!(
            self.load(id).await?,
            Loaded::Missing,
            "{when} there is no session"
        );
        Ok(())
    }

    /// A tombstone must stand.
    pub(crate) async fn ended(&self, id: &SessionId, reason: EndReason, when: &str) -> Step {
        ensure_eq!(
            self.load(id).await?,
            Loaded::Ended(reason),
            "{when} a tombstone stands"
        );
        Ok(())
    }

    /// No call may find the session or make it live.
    pub(crate) async fn refuses(&self, id: &SessionId, last: &[u8], when: &str) -> Step {
        let replaced = self
            .replace(id, last.to_vec(), &b"late write"[..], HOUR)
            .await?;
        ensure_eq!(
            replaced,
            Replaced::Gone,
            "{when} replace finds nothing to replace"
        );
        ensure!(
            !self.renew(id, HOUR).await?,
            "{when} renew answers true although nothing is live"
        );
        let retired = self.retire(id, last.to_vec()).await?;
        ensure_eq!(
            retired,
            Retired::Gone,
            "{when} retire finds nothing to retire"
        );
        Ok(())
    }
}

/// Compares bytes and says where they differ.
pub(crate) fn same_bytes(found: &[u8], wanted: &[u8], when: &str) -> Step {
    ensure_eq!(found.len(), wanted.len(), "{when}, the value's length");
    let difference = found.iter().zip(wanted).position(|(a, b)| a != b);
    ensure!(
        difference.is_none(),
        "{when}, the value differs from byte {} on",
        difference.unwrap_or_default()
    );
    Ok(())
}

/// An open store with everything that the factory gave.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) probe: Probe,
    pub(crate) opened: Opened,
}

/// Opens a fresh store.
pub(crate) async fn open(factory: &dyn StoreFactory) -> Step<Stage> {
    open_with(factory, &[]).await
}

/// Opens a fresh store and skips the case unless it has all these capabilities.
pub(crate) async fn open_with(factory: &dyn StoreFactory, needs: &[Capability]) -> Step<Stage> {
    let opened = ok("opening the store", factory.open()).await?;
    let lacks = needs.iter().find_map(|need| opened.lacks(*need));
    match lacks {
        Some(reason) => Err(Stop::Skipped(reason)),
        None => Ok(Stage {
            probe: Probe(opened.handle.store.clone()),
            opened,
        }),
    }
}

impl Stage {
    /// Lets time pass.
    pub(crate) async fn pass(&self, time: Duration) {
        match &self.opened.time {
            Time::Virtual(advance) => advance(time),
            Time::Real { resolution } => tokio::time::sleep(time + *resolution).await,
        }
    }

    /// A time to live that this store can be watched to the end of.
    pub(crate) fn short(&self) -> Duration {
        match self.opened.time {
            Time::Virtual(_) => Duration::from_secs(60),
            Time::Real { resolution } => resolution * 2 + Duration::from_millis(500),
        }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self.opened.time, Time::Virtual(_))
    }

    /// How much of a time to live may be lost at most between the call and the next look.
    pub(crate) fn slack(&self, since: Instant) -> Duration {
        match self.opened.time {
            Time::Virtual(_) => Duration::from_millis(1),
            Time::Real { resolution } => since.elapsed() + resolution,
        }
    }

    /// Another handle, in the namespace `name` of the same backing.
    pub(crate) async fn sibling(&self, name: &str) -> Step<Handle> {
        match &self.opened.sibling {
            Some(sibling) => ok("opening a sibling", sibling(name.to_owned())).await,
            None => Err(Stop::Skipped("it has no other namespace".to_owned())),
        }
    }

    /// Drops every handle and opens the store again.
    pub(crate) async fn reopen(mut self) -> Step<Self> {
        // The store must really be closed: the suite holds nothing but this stand-in meanwhile.
        let nothing: Arc<dyn Store> = Arc::new(Closed);
        self.probe = Probe(nothing.clone());
        self.opened.handle = Handle::new(nothing);
        let Some(reopen) = &self.opened.reopen else {
            return Err(Stop::Skipped("it cannot be opened again".to_owned()));
        };
        let handle = ok("opening the store again", reopen()).await?;
        self.probe = Probe(handle.store.clone());
        self.opened.handle = handle;
        Ok(self)
    }

    pub(crate) async fn outage(&self, on: bool) {
        if let Some(switch) = &self.opened.outage {
            switch(on).await;
        }
    }

    pub(crate) async fn read_only(&self, on: bool) {
        if let Some(switch) = &self.opened.read_only {
            switch(on).await;
        }
    }

    pub(crate) fn sweeper(&self) -> Step<Arc<dyn Sweep>> {
        let sweep = self.opened.handle.sweep.clone();
        sweep.ok_or_else(|| Stop::Skipped("it has no Sweep".to_owned()))
    }

    pub(crate) fn scanner(&self) -> Step<Arc<dyn Scan>> {
        let scan = self.opened.handle.scan.clone();
        scan.ok_or_else(|| Stop::Skipped("it has no Scan".to_owned()))
    }

    pub(crate) fn index(&self) -> Step<Index> {
        self.opened.handle.index()
    }

    /// The owner index of another namespace of the same backing.
    pub(crate) async fn sibling_index(&self, name: &str) -> Step<(Probe, Index)> {
        let handle = self.sibling(name).await?;
        Ok((Probe(handle.store.clone()), handle.index()?))
    }
}

impl Handle {
    fn index(&self) -> Step<Index> {
        let index = self.owner_index.clone();
        let index = index.ok_or_else(|| Stop::Skipped("it has no OwnerIndex".to_owned()))?;
        Ok(Index(index))
    }
}

/// One handle on an owner index.
#[derive(Clone, Debug)]
pub(crate) struct Index(pub(crate) Arc<dyn OwnerIndex>);

impl Index {
    /// A claim for an hour without a limit.
    pub(crate) async fn claim(&self, owner: &str, id: &SessionId) -> Step<Timestamp> {
        let claimed = self.claim_with(owner, id, HOUR, None).await?;
        ensure!(
            claimed.over.is_empty(),
            "a claim without a limit names claims beyond it"
        );
        Ok(claimed.at)
    }

    /// A claim for an hour: what is beyond the limit.
    pub(crate) async fn claim_within(
        &self,
        owner: &str,
        id: &SessionId,
        limit: usize,
    ) -> Step<Vec<SessionId>> {
        let limit = NonZeroUsize::new(limit);
        Ok(self.claim_with(owner, id, HOUR, limit).await?.over)
    }

    pub(crate) async fn claim_with(
        &self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
    ) -> Step<Claimed> {
        ok("claim", self.0.claim(owner, id, keep, limit)).await
    }

    pub(crate) async fn listed(&self, owner: &str) -> Step<Claims> {
        ok("owned", self.0.owned(owner)).await
    }

    pub(crate) async fn owned(&self, owner: &str) -> Step<Vec<Claim>> {
        Ok(self.listed(owner).await?.claims)
    }

    /// The ids of an owner's claims, in the order of the answer.
    pub(crate) async fn ids(&self, owner: &str) -> Step<Vec<SessionId>> {
        let owned = self.owned(owner).await?;
        Ok(owned.into_iter().map(|claim| claim.id).collect())
    }

    pub(crate) async fn release(&self, owner: &str, ids: &[SessionId]) -> Step {
        ok("release", self.0.release(owner, ids)).await
    }

    pub(crate) async fn revoke(&self, owner: &str) -> Step<Timestamp> {
        ok("revoke", self.0.revoke(Whose::Owner(owner))).await
    }

    pub(crate) async fn revoke_everybody(&self) -> Step<Timestamp> {
        ok("revoke", self.0.revoke(Whose::Everybody)).await
    }

    pub(crate) async fn revoked_at(&self, owner: &str) -> Step<Option<Timestamp>> {
        ok("revoked_at", self.0.revoked_at(owner)).await
    }

    pub(crate) async fn load(&self, id: &SessionId) -> Step<(Loaded, Revision)> {
        ok("load_with_revision", self.0.load_with_revision(id)).await
    }

    /// The revision as it comes with a load.
    pub(crate) async fn revision(&self) -> Step<Revision> {
        Ok(self.load(&fresh_id()).await?.1)
    }
}

pub(crate) async fn sweep(sweeper: &dyn Sweep, limit: usize) -> Step<usize> {
    ok("sweep", sweeper.sweep(limit)).await
}

pub(crate) async fn scan(scanner: &dyn Scan, from: Option<String>, limit: usize) -> Step<ScanPage> {
    ok("scan", scanner.scan(from, limit)).await
}

/// Stands in for a store while none is open.
#[derive(Debug)]
struct Closed;

impl Closed {
    fn error() -> Error {
        Error::new(
            cloakroom_core::ErrorKind::Unavailable,
            "the store is closed",
        )
    }
}

#[async_trait::async_trait]
impl Store for Closed {
    async fn load(&self, _: &SessionId) -> Result<Loaded, Error> {
        Err(Self::error())
    }

    async fn create(&self, _: &SessionId, _: Bytes, _: Duration) -> Result<Created, Error> {
        Err(Self::error())
    }

    async fn replace(
        &self,
        _: &SessionId,
        _: &Bytes,
        _: Bytes,
        _: Duration,
    ) -> Result<Replaced, Error> {
        Err(Self::error())
    }

    async fn renew(&self, _: &SessionId, _: Duration) -> Result<bool, Error> {
        Err(Self::error())
    }

    async fn end(&self, _: &SessionId, _: EndReason) -> Result<bool, Error> {
        Err(Self::error())
    }

    async fn retire(&self, _: &SessionId, _: &Bytes) -> Result<Retired, Error> {
        Err(Self::error())
    }
}
