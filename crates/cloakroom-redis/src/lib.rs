//! The session store of cloakroom on Redis or Valkey, shared with Node's express-session and connect-redis.
//!
//! Sessions are the plain strings that connect-redis writes, under the same keys: a Node application and this one can use
//! the same sessions at the same time.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use cloakroom_redis::RedisStore;
//!
//! # async fn start() -> Result<(), cloakroom_core::Error> {
//! let store = RedisStore::connect("redis://localhost:6379").await?;
//!
//! // Or with options, from the parts that an environment has:
//! let (host, port) = ("cache.internal", 6379);
//! let store = RedisStore::builder((host, port))
//!     .password("from the environment")
//!     .prefix("shop:")
//!     .command_timeout(Duration::from_millis(250))
//!     .connect()
//!     .await?;
//! if let Some(server) = store.server_info() {
//!     println!("sessions are kept by {server}"); // Redis 7.0.15
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! Everything in [`cloakroom_core::store`], and:
//!
//! - **One round trip for each call**, or none with a [near cache](#near-cache), on one connection that all calls share, or all of a
//!   thread where [each thread has its own](RedisStoreBuilder::connection_per_thread). Loads that come up at the same moment go
//!   together: the busier the application, the less each of them costs.
//! - **Every call is answered within [`command_timeout`](RedisStoreBuilder::command_timeout)**, whatever the server does:
//!   refuses, resets, is silent, or lets packets vanish. While the server is away, calls fail at once.
//! - **The store comes back by itself**, well within a second of the server.
//! - **Nothing grows** meanwhile: no more than [`max_in_flight`](RedisStoreBuilder::max_in_flight) calls are under way on a connection.
//! - **Reading works where writing does not**, on a read-only replica during a failover for instance.
//! - **Errors name the server's address and what to do**, never a password, an id or a value.
//!
//! # Servers
//!
//! Redis 6.2 to 8 and Valkey 7.2 to 9, a single server or the primary of replicas. Changes are made with `SET ... IFEQ`
//! where the server has it (Valkey from 8.1, Redis from 8.4) and with a script elsewhere; which it is, is found out for
//! each connection. Cluster and Sentinel are not supported by this version; a server that is part of one says so in the
//! error.
//!
//! The user needs the commands `GET`, `MGET`, `SET`, `DEL`, `EXISTS`, `PTTL`, `PEXPIRE`, `EVAL` and `EVALSHA` on the keys
//! `PREFIX*` and `ck:*`, for the owner index `TIME`, `ZADD`, `ZREM`, `ZSCORE`, `ZCARD` and `ZRANGE`, `SCAN` for listings, and `SELECT` for
//! a database other than 0. `maxmemory-policy` should be `noeviction` or one of `volatile-ttl` and its kin: a server that
//! evicts sessions signs visitors out, and one that evicts revocations lets them back in.
//!
//! # Keys
//!
//! | key | |
//! |---|---|
//! | `PREFIX` and the id | what the session holds, as JSON text; the key's time to live is the session's |
//! | `ck:t:{PREFIX` and the id and `}` | the tombstone of a session that was ended, for a quarter of an hour: `destroyed` or `rotated` |
//! | `ck:u:{N:PREFIX}` and the owner | the owner's claims, a sorted set: ids by the time of the claim |
//! | `ck:k:{N:PREFIX}` and the owner | the same ids by the time until which they are kept; each claim takes away up to 32 that are past |
//! | `ck:e:{N:PREFIX}` and the owner, `ck:a:{N:PREFIX}` | the time of the latest revocation of the owner, and of everybody; for 400 days |
//! | `ck:r:{N:PREFIX}` | the time of the latest revocation |
//! | `ck:c:{N:PREFIX}` | the last time that was given to a claim or a revocation, so that the next is later |
//!
//! `N` is the number of bytes of the prefix, times are milliseconds since 1970-01-01T00:00:00Z by the server's clock. The last
//! two have no time to live; every other key of the store's own has. Where `PREFIX` has braces of its own, `{app}:` for instance, the other
//! keys have none besides: a cluster keeps together what belongs together.
//!
//! connect-redis does not look for tombstones. A session that it writes back after it was ended is refused here, and
//! deleted again when it is next asked for.
//!
//! A key without a time to live, as connect-redis' `disableTTL` makes them, is a session without an end. A key that holds
//! something else than a string is no session: it counts as missing, with a warning in the log, and is left alone.
//!
//! # Near cache
//!
//! [`near_cache`](RedisStoreBuilder::near_cache) keeps in this process what was loaded, so that most loads do not go to the
//! server. It is off by default.
//!
//! ```no_run
//! use cloakroom_redis::{NearCache, RedisStore};
//!
//! # async fn start() -> Result<(), cloakroom_core::Error> {
//! let store = RedisStore::builder("redis://localhost:6379")
//!     .near_cache(NearCache::new())
//!     .connect()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! **When.** Where the same sessions are read many times in a few seconds, and seldom changed: pages that ask for twenty things
//! at once, dashboards that poll. Set `renew_after` of the session layer, to 0.1 for instance: at its default of 0 each request
//! renews its session, the server then says that the key has changed, and nothing is ever answered from here. Node's
//! express-session does the same with each request that it serves, unless `touch` is disabled there.
//!
//! **What it promises.** The server remembers which sessions were read on this connection and tells when one changes, expires or
//! ends, whoever did it (`CLIENT TRACKING`). An answer is kept only if nothing was said against it since before the question
//! was sent. A change made with this store or a clone of it is seen by the next load, as without. A session's remaining time
//! counts down here too. That a session has ended or is missing is asked each time. When the connection is lost, replaced or
//! given up, everything is forgotten at once: an outage is an error, as without.
//!
//! **What it delays.** What another process changes, a sign-out or a revocation for instance, counts here once the server's
//! word has arrived: about a millisecond after the change on one machine, the way of a packet on a network. Where packets
//! vanish and nothing says so, it counts [`max_age`](NearCache::max_age) later at the most, 5 s by default. So this is the one
//! option with which rule 6 of [`cloakroom_core::store`] holds between the clones of a store and not between processes.
//! `replace` and `retire` compare with what the server has, so nothing is ever overwritten because of it.
//!
//! **What it costs.** Here [`capacity`](NearCache::capacity) sessions or [`max_bytes`](NearCache::max_bytes), whichever is less;
//! in the server's memory the names of the sessions that were read, until they change or end (`tracking-table-max-keys`, a
//! million by default). A load that goes to the server has two commands more and does not go together with others.
//!
//! **Servers.** Redis from 6.2 and Valkey. The user needs `+client|tracking +client|caching` besides. A server that
//! refuses, as older managed ones do, is used without: the log says so once, and
//! [`has_near_cache`](RedisStore::has_near_cache) tells.
//!
//! # By hand
//!
//! ```sh
//! redis-cli --scan --pattern 'sess:*' | wc -l   # how many sessions there are
//! redis-cli del 'sess:ID'                       # sign somebody out
//! redis-cli zcard 'ck:u:{5:sess:}hanako'        # how many sessions hanako has at most
//! ```

mod address;
mod answer;
mod ask;
mod builder;
mod connect;
mod credentials;
mod fault;
mod keys;
mod link;
mod loads;
mod near_cache;
mod owner_index;
mod renewals;
mod scan;
mod script;
mod server;
mod store;
mod tls;
mod wire;

pub use address::Address;
pub use ask::Reply;
pub use builder::RedisStoreBuilder;
pub use credentials::{Credentials, CredentialsProvider};
pub use keys::KeyNames;
pub use near_cache::NearCache;
pub use server::{ServerInfo, ServerKind};
pub use store::RedisStore;
pub use tls::Tls;
