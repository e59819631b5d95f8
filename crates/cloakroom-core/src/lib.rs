//! The pure rules of cloakroom sessions.
//!
//! Everything here decides and nothing here acts: no sockets, no runtime, no clock and no random source. The
//! present time and fresh random bytes are arguments, so every rule can be tested as a table.
//!
//! # Layout
//!
//! - [`id`]: the session id, its grammar and its fingerprint for logs.
//! - [`handle`]: what names a session to those who must not know its id.
//! - [`ticket`]: `s:<id>.<mac>`, signed and verified as Node's cookie-signature does.
//! - [`keyring`]: several secrets; the first signs, all verify.
//! - [`cookie`]: the `Cookie` header in, the `Set-Cookie` header out.
//! - [`json`]: JSON objects whose values stay text.
//! - [`record`]: the stored value, an ordered list of names with raw JSON each, byte-exact where untouched.
//! - [`policy`]: lifetimes and the options that say when to save, renew and send the cookie.
//! - [`session`]: one request's view of its session and the log of its changes.
//! - [`plan`]: from view, policy and time to a store operation and a cookie operation.
//! - [`merge`]: the three-way merge when another request committed first.
//! - [`store`]: the law that every store keeps.
//! - [`cached`]: what a store has at hand, and what was read out of it.
//! - [`owner_index`]: the law of stores that know whose a session is, and can end an owner's sessions.
//! - [`usage`]: what an owned session remembers of its use, and how long its claim is kept.
//! - [`error`]: what can go wrong, and whether trying again may help.
//! - [`time`]: milliseconds since the Unix epoch and the clock that is passed in.

mod ascii;
pub mod cached;
pub mod cookie;
pub mod error;
pub mod handle;
pub mod id;
pub mod json;
pub mod keyring;
pub mod merge;
pub mod owner_index;
pub mod plan;
pub mod policy;
pub mod record;
pub mod session;
pub mod store;
pub mod ticket;
pub mod time;
pub mod usage;

pub use cookie::{CookieOptions, Priority, SameSite, Secure};
pub use error::{Error, ErrorKind};
pub use handle::SessionHandle;
pub use id::SessionId;
pub use keyring::Secrets;
pub use owner_index::OwnerIndex;
pub use policy::{Lifetime, Policy, Unset};
pub use store::{Created, EndReason, Loaded, Replaced, Retired, Store, Stored};
pub use time::{Clock, Timestamp};
