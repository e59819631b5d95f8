//! Every option of a session layer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cloakroom_core::{
    Clock, CookieOptions, Error, ErrorKind, Lifetime, Policy, SameSite, Secrets, Secure, Store,
    Unset, id::ID_BYTES, merge::Resolver, record::Limits,
};
use http::Response;
use ipnet::IpNet;
use tokio::sync::Semaphore;

use crate::{
    SessionLayer, SystemClock,
    commit::Turns,
    config::{Config, IdSource, RENEWALS_AT_ONCE, system_ids},
    outage::{OutagePolicy, Renderer},
};

/// How long the store may take to answer, unless set otherwise.
const DEADLINE: Duration = Duration::from_millis(500);

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

    /// The proxies whose `X-Forwarded-Proto` is believed. Default: none.
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

    /// Checks the options and makes the layer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], naming the option, what it was and what is allowed.
    pub fn build(self) -> Result<SessionLayer, Error> {
        self.cookie.validate()?;
        self.policy.validate()?;
        if self.deadline.is_zero() {
            return Err(Error::new(
                ErrorKind::Config,
                "`deadline` is 0; the store needs some time to answer",
            ));
        }
        let cookie_name = self.cookie.name.as_str().into();
        let config = Config {
            store: self.store,
            secrets: self.secrets,
            cookie: self.cookie,
            policy: self.policy,
            resolver: self.resolver,
            clock: self.clock,
            ids: self.ids.0,
            deadline: self.deadline,
            eager: self.eager,
            outage: self.outage,
            renderer: self.renderer,
            trusted_proxies: self.trusted_proxies,
            assume_https: self.assume_https,
            renewals: Arc::new(Semaphore::new(RENEWALS_AT_ONCE)),
            turns: Turns::new(),
        };
        Ok(SessionLayer {
            config: Arc::new(config),
            cookie_name,
        })
    }
}
