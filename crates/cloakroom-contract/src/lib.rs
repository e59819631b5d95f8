//! What every cloakroom store must do, as a test kit that any store can run.
//!
//! The law is written in [`cloakroom_core::store`] and, for stores that know whose a session is, in
//! [`cloakroom_core::owner_index`]; here it is [cases](cases()), each of which opens a fresh store,
//! does one thing to it and looks at what the store answers. A store that passes them all can stand behind
//! cloakroom's sessions.
//!
//! # Running it
//!
//! Write a [`StoreFactory`]; only a way to open an empty store is needed, and each further capability of [`Opened`]
//! makes more cases run. Then [`store_contract!`] makes one test per case:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use async_trait::async_trait;
//! use cloakroom_contract::{Handle, Opened, StoreFactory, reference::ReferenceStore};
//! use cloakroom_core::{Error, Timestamp, time::ManualClock};
//!
//! struct Factory;
//!
//! #[async_trait]
//! impl StoreFactory for Factory {
//!     async fn open(&self) -> Result<Opened, Error> {
//!         let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_764_105_578_229)));
//!         let store = Arc::new(ReferenceStore::new(clock.clone()));
//!         Ok(Opened::new(Handle::full(store)).virtual_time(move |by: Duration| clock.advance(by)))
//!     }
//! }
//!
//! # mod contract { use super::*;
//! cloakroom_contract::store_contract!(Factory);
//! # }
//! # fn main() {}
//! ```
//!
//! [`run_all`] runs the same cases anywhere and gives a [`Report`].
//!
//! A case whose capability is absent is reported as skipped, with the reason; it is never silently passed. A store that
//! panics or hangs fails the case at hand and not the run.
//!
//! # The tests of the tests
//!
//! [`rogues`] holds stores that break the law, one way each, most of them after a bug that somebody shipped. Each must
//! fail its own cases, and each case has a rogue that it catches.
//!
//! # Repeating a failure
//!
//! The cases of `model` and `races` that draw sequences print their seed when they fail. `CLOAKROOM_CONTRACT_SEED` sets
//! it; `CLOAKROOM_CONTRACT_SEQUENCES` sets how many sequences are tried.

mod case;
mod cases;
mod factory;
pub mod kill;
mod list;
pub mod model;
mod probe;
pub mod reference;
mod reference_index;
mod report;
pub mod rogues;

pub use case::{Case, Outcome, test};
pub use factory::{Capability, Handle, Opened, StoreFactory};
pub use list::{cases, find};
pub use report::{Report, run_all};
