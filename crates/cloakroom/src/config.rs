//! What one layer's sessions share.

use std::{fmt, sync::Arc, time::Duration};

use cloakroom_core::{
    Clock, CookieOptions, Error, Secrets, Store,
    cookie::SetCookie,
    id::FreshId,
    merge::Resolver,
    policy::Policy,
    record::{Record, StoredAttributes},
};
use ipnet::IpNet;
use tokio::sync::Semaphore;

use crate::{
    commit::Turns,
    ids::IdSource,
    outage::{OutagePolicy, Renderer},
    owners::{Owners, cache::Revocations, limit::OwnerLimit},
    proxy::RequestScheme,
    renewals::Renewals,
};

/// How much of what tidies the owner index may be under way at once; what is more is left out, and made good by whoever comes
/// across it.
pub(crate) const BESIDE_AT_ONCE: usize = 1024;

/// What a layer with an owner index has beside the others.
#[derive(Debug)]
pub(crate) struct Owned {
    pub(crate) owners: Owners,
    pub(crate) limit: Option<OwnerLimit>,
    /// Whether sessions remember user agent and address.
    pub(crate) device_facts: bool,
    pub(crate) revocations: Revocations,
}

pub(crate) struct Config {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) secrets: Secrets,
    pub(crate) cookie: CookieOptions,
    /// The same, ready to be written.
    pub(crate) set_cookie: SetCookie,
    pub(crate) policy: Policy,
    /// New sessions' records for requests over plain HTTP and over TLS, made once: every visitor without a cookie gets one.
    pub(crate) blank: [Record; 2],
    pub(crate) resolver: Resolver,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: IdSource,
    pub(crate) deadline: Duration,
    /// The store answers within the deadline by itself.
    pub(crate) store_is_punctual: bool,
    pub(crate) eager: bool,
    pub(crate) outage: OutagePolicy,
    pub(crate) renderer: Renderer,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) assume_https: bool,
    pub(crate) owned: Option<Arc<Owned>>,
    pub(crate) renewals: Renewals,
    pub(crate) beside: Arc<Semaphore>,
    pub(crate) turns: Turns,
}

impl Config {
    /// The store itself: a call of the `Arc` around it would box the call's future a second time.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) fn fresh_id(&self) -> Result<FreshId, Error> {
        (self.ids)().map(FreshId::from_random)
    }

    /// Whether the request counts as one over TLS.
    pub(crate) fn is_secure(&self, scheme: Option<RequestScheme>) -> bool {
        match scheme {
            Some(scheme) => scheme == RequestScheme::Https,
            None => self.assume_https,
        }
    }

    pub(crate) fn attributes(&self, secure: bool) -> StoredAttributes {
        self.cookie.stored_attributes(secure)
    }

    /// What a new session begins with.
    pub(crate) fn blank(&self, secure: bool) -> Record {
        let [plain, over_tls] = &self.blank;
        if secure { over_tls } else { plain }.clone()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("store", &self.store)
            .field("secrets", &self.secrets)
            .field("cookie", &self.cookie)
            .field("policy", &self.policy)
            .field("deadline", &self.deadline)
            .field("eager", &self.eager)
            .field("outage", &self.outage)
            .field("trusted_proxies", &self.trusted_proxies)
            .field("owned", &self.owned)
            .finish_non_exhaustive()
    }
}
