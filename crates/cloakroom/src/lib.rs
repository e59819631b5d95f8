//! Server-side web sessions for tower and axum, interchangeable with Node's express-session and connect-redis.
//!
//! The browser carries a signed ticket, the store keeps the data. Parallel requests never overwrite each other, a session
//! that has ended never comes back, and a store that cannot be reached never looks like a signed-out visitor.
//!
//! ```
//! use axum::{Router, routing::get};
//! use cloakroom::{Error, MemoryStore, Secrets, Session, SessionError, SessionLayer};
//!
//! async fn index(session: Session) -> Result<String, SessionError> {
//!     let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     Ok(format!("visit {visits}"))
//! }
//!
//! # fn main() -> Result<(), Error> {
//! let secrets = Secrets::new(["a long random text that only the server knows"])?;
//! let sessions = SessionLayer::builder(MemoryStore::new(), secrets).build()?;
//! let app: Router = Router::new().route("/", get(index)).layer(sessions);
//! # Ok(()) }
//! ```
//!
//! Around a whole application, [`SessionLayer::around`] does the same as `Router::layer` and costs less.
//!
//! # How a request goes through it
//!
//! The layer looks at the cookie and does nothing else. The first extractor that asks for the [`Session`] loads it: one
//! round trip to the store. The handler reads and changes it in memory, without `.await`. Before the response's head
//! leaves, the changes are committed by compare-and-set; where another request was first, they are merged name by name,
//! [`Session::update`]s applied again. Whoever follows a redirect finds the session saved, and a commit that fails is an
//! error response without a cookie, never a success.
//!
//! What becomes of the session where there is no ordinary response:
//!
//! | case | what happens |
//! |---|---|
//! | a streaming body | The commit is before the first byte. Later changes are errors, unless the handler called [`Session::keep_open`] and commits them by hand with [`Session::commit`]. |
//! | `HEAD`, 204, 304 | As any response: committed, the cookie set. |
//! | an upgrade (WebSocket) | Committed before the 101 leaves; afterwards as a streaming body. |
//! | a 4xx or 5xx answer | Committed: the handler decided to answer so. |
//! | a panic in the handler | Nothing is committed. With a layer that catches panics inside of this one, the response is a 5xx answer like any other and what the handler did before is committed. |
//! | the client goes away before the handler answers | Nothing is committed. |
//! | the client goes away after that | The commit is finished all the same. |
//!
//! # Layout
//!
//! - [`SessionLayer`] and its builder: the tower layer and every option.
//! - [`Session`]: the handle that handlers use.
//! - [`Typed`]: a session as one Rust type.
//! - [`MemoryStore`], and `redis` and `sqlite` with the features of these names: stores.
//! - [`owners`]: who is signed in where; listing and ending an owner's sessions.
//! - [`proxy`]: whose forwarded headers are believed.
//! - [`observe`]: the metrics and spans.

mod beside;
mod clock;
mod commit;
mod config;
#[cfg(feature = "axum")]
mod extract;
mod handle;
mod ids;
pub mod layer;
mod load;
pub mod memory;
pub mod observe;
mod outage;
pub mod owners;
pub mod proxy;
mod renewals;
mod slot;
mod typed;

pub use cloakroom_core as core;
pub use cloakroom_core::{
    Clock, CookieOptions, EndReason, Error, ErrorKind, Lifetime, OwnerIndex, Priority, SameSite,
    Secrets, Secure, SessionHandle, SessionId, Store, Timestamp, Unset,
    merge::Resolver,
    record::{Limits, OwnLifetime},
};
#[cfg(feature = "redis")]
pub use cloakroom_redis as redis;
#[cfg(feature = "sqlite")]
pub use cloakroom_sqlite as sqlite;
pub use clock::SystemClock;
#[cfg(feature = "axum")]
pub use extract::{OptionalSession, SessionError, SessionRejection, Unavailable};
pub use handle::Session;
pub use layer::{SessionLayer, SessionLayerBuilder};
pub use memory::MemoryStore;
pub use outage::OutagePolicy;
pub use owners::{OwnedSession, Owners, limit::OwnerLimit, source::OwnerProbe};
pub use proxy::{PeerAddr, RequestScheme};
pub use slot::{SessionSlot, Sessions};
pub use typed::Typed;
