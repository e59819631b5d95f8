//! The cases, one module for each part of the law. Every case states its rule; where somebody shipped the opposite, it
//! names the incident.

pub(crate) mod basic;
pub(crate) mod cached;
pub(crate) mod cancel;
pub(crate) mod durability;
pub(crate) mod expiry;
pub(crate) mod faults;
pub(crate) mod linear;
pub(crate) mod model;
pub(crate) mod owners;
pub(crate) mod races;
pub(crate) mod retire;
pub(crate) mod rotation;
pub(crate) mod rotation_races;
pub(crate) mod scan;
pub(crate) mod sweep;
pub(crate) mod wire;
