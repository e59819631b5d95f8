//! Every option of a session layer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cloakroom_core::{
    Clock, CookieOptions, Error, ErrorKind, Lifetime, OwnerIndex, Policy, SameSite, Secrets,
    Secure, Store, Unset,
    id::ID_BYTES,
    merge::Resolver,
    record::{Limits, Record},
};
use http::Response;
use ipnet::IpNet;
use tokio::sync::Semaphore;

use crate::{
    SessionLayer, SystemClock,
    commit::Turns,
    config::{BESIDE_AT_ONCE, Config, Owned},
    ids::{IdSource, system_ids},
    outage::{OutagePolicy, Renderer},
    owners::{
        DEADLINE, OwnerFrom, Owners, cache::Revocations, limit::OwnerLimit, source::OwnerProbe,
    },
    renewals::Renewals,
};

/// Collects the options of a [`SessionLayer`]; [`build`](Self::build) refuses what cannot work, with an error that names
/// the option. Names and meanings are express-session's where it has the option.
#[derive(Debug)]
#[must_use]
pub struct SessionLayerBuilder {
    store: Arc<dyn Store>,
    secrets: Secrets,
    cookie: CookieOptions,
    policy: Policy,
    resolver: Resolver,
    clock: Arc<dyn Clock>,
    ids: Ids,
    deadline: Duration,
    eager: bool,
    outage: OutagePolicy,
    renderer: Renderer,
    trusted_proxies: Vec<IpNet>,
    assume_https: bool,
    owners: Option<Arc<dyn OwnerIndex>>,
    owner_limit: Option<OwnerLimit>,
    owner_from: Option<OwnerFrom>,
    device_facts: Option<bool>,
}

struct Ids(IdSource);

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ids")
    }
}

impl SessionLayerBuilder {
    pub(super) fn new(store: Arc<dyn Store>, secrets: Secrets) -> Self {
        Self {
            store,
            secrets,
            cookie: CookieOptions::new(),
            policy: Policy::default(),
            resolver: Resolver::ours(),
            clock: Arc::new(SystemClock),
            ids: Ids(system_ids()),
            deadline: DEADLINE,
            eager: false,
            outage: OutagePolicy::default(),
            renderer: Renderer::default(),
            trusted_proxies: Vec::new(),
            assume_https: true,
            owners: None,
            owner_limit: None,
            owner_from: None,
            device_facts: None,
        }
    }

    pub(super) fn express(store: Arc<dyn Store>, secrets: Secrets) -> Self {
        Self {
            cookie: CookieOptions::express(),
            policy: Policy::express(),
            eager: true,
            assume_https: false,
            ..Self::new(store, secrets)
        }
    }

    /// All attributes of the cookie at once. Default: [`CookieOptions::new`].
    pub fn cookie(mut self, cookie: CookieOptions) -> Self {
        self.cookie = cookie;
        self
    }

    /// The cookie's name. Default: `__Host-sid`, which a browser accepts only over TLS (and on localhost), for the whole
    /// host and from the host itself; express: `connect.sid`.
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie = self.cookie.name(name);
        self
    }

    /// When the cookie is marked `Secure`. Default: always; express: never.
    pub fn secure(mut self, secure: Secure) -> Self {
        self.cookie = self.cookie.secure(secure);
        self
    }

    /// The cookie's `SameSite`; `None` leaves the attribute out. Default: `Lax`; express: left out.
    pub fn same_site(mut self, same_site: Option<SameSite>) -> Self {
        self.cookie = self.cookie.same_site(same_site);
        self
    }

    /// How long sessions live. Default: 30 minutes without use and 8 hours in all; express: one day without use, with a
    /// cookie that the browser keeps while it runs.
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.policy.lifetime = lifetime;
        self
    }

    /// Send the cookie with every response that renews the session. Default: on, so that the cookie ends when the session
    /// ends; express: off.
    pub fn rolling(mut self, rolling: bool) -> Self {
        self.policy.rolling = rolling;
        self
    }

    /// Store new sessions into which nothing was put. Default: off; express: on.
    pub fn save_uninitialized(mut self, save_uninitialized: bool) -> Self {
        self.policy.save_uninitialized = save_uninitialized;
        self
    }

    /// Write sessions back that were not changed. Default: off; express: on.
    pub fn resave(mut self, resave: bool) -> Self {
        self.policy.resave = resave;
        self
    }

    /// What [`Session::unset`](crate::Session::unset) does. Default: destroy; express: keep.
    pub fn unset(mut self, unset: Unset) -> Self {
        self.policy.unset = unset;
        self
    }

    /// Renew a session only when this share of its lifetime, from 0 to 1, has passed since the last renewal. Default: 0,
    /// at each use, as express. Unless the store is [`exclusive`](Self::exclusive), more than a half counts as a half.
    pub fn renew_after(mut self, share: f64) -> Self {
        self.policy.renew_after = share;
        self
    }

    /// Declare that only cloakroom uses the store's sessions: names and integers are no longer refused for Node's sake,
    /// and `cookie.expires` is not kept fresh for it. Default: off.
    pub fn exclusive(mut self, exclusive: bool) -> Self {
        self.policy.exclusive = exclusive;
        self
    }

    /// How large a session may be. Default: 1 MiB, depth 256, 1,000 names.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.policy.limits = limits;
        self
    }

    /// Who wins where two requests change the same name and no `update` function can be applied again. Default: the later
    /// commit.
    pub fn resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// Load the session of every request, asked for or not: express's habit. Default: off; express: on.
    pub fn eager(mut self, eager: bool) -> Self {
        self.eager = eager;
        self
    }

    /// How long each call to the store may take before it counts as failed. A request makes one to load and one to
    /// commit; where others change the same session at the same time, a commit makes more, and may wait for its turn for
    /// five times as long. Default: 500 ms.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What becomes of requests while the store cannot be reached. Default: 503.
    pub fn on_outage(mut self, policy: OutagePolicy) -> Self {
        self.outage = policy;
        self
    }

    /// Renders the response to a request whose session could not be loaded or saved. `Retry-After` and `Cache-Control`
    /// are added. Default: 503, or 500 where trying again does not help, with a line of text.
    pub fn error_response(
        mut self,
        render: impl Fn(&Error) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.renderer = Renderer::new(render);
        self
    }

    /// The proxies whose `X-Forwarded-Proto` is believed, and `X-Forwarded-For` where owned sessions remember the address.
    /// Default: none.
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = IpNet>) -> Self {
        self.trusted_proxies = proxies.into_iter().collect();
        self
    }

    /// Whether a request counts as one over TLS when nothing is known about it: no [`RequestScheme`](crate::RequestScheme)
    /// and no trusted proxy. Over plain HTTP, no session with a `Secure` cookie is made, since the browser would not
    /// bring it back. Default: on; express: off.
    pub fn assume_https(mut self, assume: bool) -> Self {
        self.assume_https = assume;
        self
    }

    /// Keeps owned sessions in an owner index, so that they can be listed and ended: see [`owners`](crate::owners). The index
    /// is a second handle on the layer's store, and from here on the only one: sessions are loaded, written and ended by
    /// it too. Every layer, and every process, that signs in to the store's sessions should have it.
    ///
    /// A sign-in takes one more call to the store. A load still takes one, and a second one the first time that this process
    /// sees an owner and after each revocation of anybody's. What a signed-in session remembers of itself stands in
    /// `__ck`: since when it is there, when and from where it was used. Default: no index.
    pub fn owners(mut self, index: impl OwnerIndex) -> Self {
        self.owners = Some(Arc::new(index));
        self
    }

    /// How many sessions an owner may have. Needs [`owners`](Self::owners). With [`OwnerLimit::EvictOldest`] a sign-in takes
    /// a further call to the store; with either, more where the owner has too many sessions. Default: as many as they like.
    pub fn owner_limit(mut self, limit: OwnerLimit) -> Self {
        self.owner_limit = Some(limit);
        self
    }

    /// Whether signed-in sessions remember the `User-Agent` and the address that they were last written from. These are
    /// personal data. Needs [`owners`](Self::owners). Default: on where there is an index.
    pub fn device_facts(mut self, device_facts: bool) -> Self {
        self.device_facts = Some(device_facts);
        self
    }

    /// Asks every loaded session whose it is, by its data, where a Node peer signs visitors in and out. Needs
    /// [`owners`](Self::owners). Default: the owner is who was given to [`sign_in`](crate::Session::sign_in).
    ///
    /// The answer is the owner. Where it is another than the one that is written down, the session is put under it, or
    /// under nobody, with the request's commit; its id stays. It counts as signed in to when Node has last written it, as
    /// far as its cookie's dates tell, and else when it was first seen here; a revocation after that ends it. An
    /// [`owner_limit`](Self::owner_limit) makes older sessions give way to it and never refuses it. An answer that is empty
    /// or too long counts as nobody.
    ///
    /// A handler that signs somebody in must give the session what this function reads, before it commits, and take it away
    /// to sign them out without ending the session. If the sign-in is refused, the names that this function has asked for
    /// are put back as they were: else the session would be the owner's at the next request.
    pub fn owner_from(
        mut self,
        from: impl Fn(&OwnerProbe<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.owner_from = Some(OwnerFrom::new(from));
        self
    }

    /// The clock. Default: the system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The source of random bytes for ids. Default: the system's. For tests: whoever can foresee an id owns the session.
    pub fn insecure_id_source(
        mut self,
        draw: impl Fn() -> [u8; ID_BYTES] + Send + Sync + 'static,
    ) -> Self {
        self.ids = Ids(Arc::new(move || Ok(draw())));
        self
    }

    fn owned(&self) -> Result<Option<Owned>, Error> {
        if let Some(limit) = self.owner_limit {
            limit.validate()?;
        }
        let Some(index) = &self.owners else {
            let options = [
                ("owner_limit", self.owner_limit.is_some()),
                ("owner_from", self.owner_from.is_some()),
                ("device_facts", self.device_facts == Some(true)),
            ];
            return match options.iter().find(|(_, is_set)| *is_set) {
                None => Ok(None),
                Some((option, _)) => Err(Error::new(
                    ErrorKind::Config,
                    format!(
                        "`{option}` is set and `owners` is not; give the layer its store's owner index"
                    ),
                )),
            };
        };
        Ok(Some(Owned {
            owners: Owners {
                index: Arc::clone(index),
                deadline: self.deadline,
                limits: self.policy.limits,
                from: self.owner_from.clone(),
            },
            limit: self.owner_limit,
            device_facts: self.device_facts.unwrap_or(true),
            revocations: Revocations::default(),
        }))
    }

    /// Checks the options and makes the layer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], naming the option, what it was and what is allowed.
    pub fn build(self) -> Result<SessionLayer, Error> {
        let set_cookie = self.cookie.prepare()?;
        self.policy.validate()?;
        if self.deadline.is_zero() {
            return Err(Error::new(
                ErrorKind::Config,
                "`deadline` is 0; the store needs some time to answer",
            ));
        }
        let owned = self.owned()?;
        let store: Arc<dyn Store> = match &owned {
            Some(owned) => owned.owners.index.clone(),
            None => self.store,
        };
        let store_is_punctual = store.deadline().is_some_and(|own| own <= self.deadline);
        let mut policy = self.policy;
        policy.owners = owned.is_some();
        let blank = [false, true].map(|secure| {
            Record::new(
                policy.lifetime.own(),
                &self.cookie.stored_attributes(secure),
            )
        });
        let config = Config {
            store,
            owned: owned.map(Arc::new),
            secrets: self.secrets,
            cookie: self.cookie,
            set_cookie,
            policy,
            blank,
            resolver: self.resolver,
            clock: self.clock,
            ids: self.ids.0,
            deadline: self.deadline,
            store_is_punctual,
            eager: self.eager,
            outage: self.outage,
            renderer: self.renderer,
            trusted_proxies: self.trusted_proxies,
            assume_https: self.assume_https,
            renewals: Renewals::default(),
            beside: Arc::new(Semaphore::new(BESIDE_AT_ONCE)),
            turns: Turns::new(),
        };
        Ok(SessionLayer {
            config: Arc::new(config),
        })
    }
}
