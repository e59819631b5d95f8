//! The owner index: the law of [`cloakroom_core::owner_index`].

mod cancel;
mod claims;
mod durability;
mod faults;
mod limits;
mod model;
mod revocations;
mod separation;
mod times;

pub(crate) use cancel::*;
pub(crate) use claims::*;
pub(crate) use durability::*;
pub(crate) use faults::*;
pub(crate) use limits::*;
pub(crate) use model::*;
pub(crate) use revocations::*;
pub(crate) use separation::*;
pub(crate) use times::*;
