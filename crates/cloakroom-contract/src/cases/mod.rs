//! The cases, one module for each part of the law. Every case states its rule; where somebody shipped the opposite, it
//! names the incident.

pub(crate) mod basic;
pub(crate) mod expiry;
pub(crate) mod races;
