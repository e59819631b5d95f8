//! The store contract on real servers: Redis with scripts, Valkey with `SET ... IFEQ`, over TCP and over a socket, directly
//! and behind `Arc<dyn OwnerIndex>`, without and with a near cache.

mod support;

use std::{
    collections::HashMap,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use cloakroom_contract::{Capability, Handle, Opened, StoreFactory};
use cloakroom_core::{Error, OwnerIndex, SessionId, Store as _};
use cloakroom_redis::{NearCache, RedisStore, RedisStoreBuilder};
use support::{
    Program, Server,
    proxy::{Proxy, Way},
};

const URL: &str = "CLOAKROOM_CONTRACT_REDIS";
const PREFIXES: &str = "a key is the prefix and the id, as connect-redis has it; a prefix ends with a colon so that none begins \
                        with another";

/// How the factory makes the store unreachable.
#[derive(Clone, Copy)]
enum Outage {
    /// Connections are reset and refused.
    Reset,
    /// Packets vanish.
    BlackHole,
    /// The server is stopped.
    Frozen,
}

#[derive(Clone, Copy)]
struct Factory {
    program: Program,
    wrap: fn(RedisStore) -> Handle,
    socket: bool,
    outage: Outage,
    near: bool,
}

fn full(store: RedisStore) -> Handle {
    let store = Arc::new(store);
    Handle::new(store.clone())
        .with_scan(store.clone())
        .with_owner_index(store)
}

fn shared(store: RedisStore) -> Handle {
    let shared: Arc<dyn OwnerIndex> = Arc::new(store);
    Handle::new(Arc::new(shared.clone())).with_owner_index(Arc::new(shared))
}

/// Tests share two cores with everything else on the machine: a call may take long without the server being silent. In an
/// outage the time is waited for.
fn builder(url: &str, near: bool) -> RedisStoreBuilder {
    let builder = RedisStore::builder(url)
        .command_timeout(Duration::from_secs(4))
        .connect_timeout(Duration::from_secs(4));
    if near {
        builder.near_cache(NearCache::new().max_age(AGE))
    } else {
        builder
    }
}

/// How long an answer of a near cache counts here.
const AGE: Duration = Duration::from_millis(500);

/// One store for each prefix. Handles of one process that has a near cache are clones of one store, and see at once what the
/// others change; other processes see it as soon as the server has told them, which `near_cache` tests.
#[derive(Default)]
struct Siblings(Mutex<HashMap<String, RedisStore>>);

impl Siblings {
    async fn get(&self, builder: RedisStoreBuilder, name: String) -> Result<RedisStore, Error> {
        let made = builder.prefix(&name).connect().await?;
        let mut stores = self.0.lock().unwrap();
        Ok(stores.entry(name).or_insert(made).clone())
    }
}

#[async_trait]
impl StoreFactory for Factory {
    async fn open(&self) -> Result<Opened, Error> {
        let Self {
            program,
            wrap,
            socket,
            outage,
            near,
        } = *self;
        let server = Arc::new(Server::start(program, &[]));
        let proxy = Arc::new(Proxy::to(server.port).await);
        let url = if socket {
            server.socket_url()
        } else {
            proxy.url()
        };
        let store = builder(&url, near).connect().await?;
        let (watcher, stopped, disturbed) = (store.clone(), server.clone(), proxy.clone());
        let read_only = server.clone();
        let siblings = Arc::new(Siblings::default());
        let (again, beside, direct) = (url.clone(), url.clone(), server.url());
        Ok(Opened::new(wrap(store))
            .real_time(Duration::from_millis(10))
            .keep((server, proxy))
            .on_reopen(move || {
                let builder = builder(&again, near);
                async move { builder.connect().await.map(wrap) }
            })
            .on_sibling(move |name| {
                let (builder, siblings) = (builder(&beside, near), siblings.clone());
                async move {
                    if near {
                        siblings.get(builder, name).await.map(wrap)
                    } else {
                        builder.prefix(name).connect().await.map(wrap)
                    }
                }
            })
            .on_outage(move |on| {
                match outage {
                    Outage::Frozen if on => stopped.freeze(),
                    Outage::Frozen => stopped.thaw(),
                    Outage::Reset if on => disturbed.set(Way::Reset),
                    Outage::BlackHole if on => disturbed.set(Way::BlackHole),
                    Outage::Reset | Outage::BlackHole => disturbed.set(Way::Open),
                }
                let store = watcher.clone();
                async move {
                    settled(&store, on).await;
                    // What the near cache promises for an outage that nobody announces.
                    if on && near {
                        tokio::time::sleep(AGE).await;
                    }
                }
            })
            .on_read_only(move |on| {
                let replicas = if on { "1" } else { "0" };
                read_only.call(&["CONFIG", "SET", "min-replicas-to-write", replicas]);
                async {}
            })
            .on_writer(move || {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command
                    .args(["--exact", "writer", "--nocapture"])
                    .env(URL, &direct);
                command
            })
            .without(Capability::NestedNamespaces, PREFIXES))
    }
}

/// Waits until the store has noticed that the server is back; that it is away, each call finds out for itself.
async fn settled(store: &RedisStore, away: bool) {
    let id = SessionId::from_random([0; 24]);
    while !away && store.load(&id).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What `durability` starts and kills; without the variable this is an empty test.
#[tokio::test]
async fn writer() {
    if let Ok(url) = std::env::var(URL) {
        let store = builder(&url, false).connect().await.unwrap();
        cloakroom_contract::kill::write_owned_until_killed(&store).await;
    }
}

mod on_redis {
    use super::*;
    cloakroom_contract::store_contract!(Factory {
        program: Program::Redis,
        wrap: full,
        socket: false,
        outage: Outage::Reset,
        near: false,
    });
}

mod on_valkey {
    use super::*;
    cloakroom_contract::store_contract!(Factory {
        program: Program::Valkey,
        wrap: full,
        socket: false,
        outage: Outage::BlackHole,
        near: false,
    });
}

mod over_a_socket_behind_a_pointer {
    use super::*;
    cloakroom_contract::store_contract!(Factory {
        program: Program::Redis,
        wrap: shared,
        socket: true,
        outage: Outage::Frozen,
        near: false,
    });
}

mod on_redis_with_a_near_cache {
    use super::*;
    cloakroom_contract::store_contract!(Factory {
        program: Program::Redis,
        wrap: full,
        socket: false,
        outage: Outage::BlackHole,
        near: true,
    });
}

mod on_valkey_with_a_near_cache {
    use super::*;
    cloakroom_contract::store_contract!(Factory {
        program: Program::Valkey,
        wrap: shared,
        socket: false,
        outage: Outage::Reset,
        near: true,
    });
}
