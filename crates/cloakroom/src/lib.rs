//! Sessions for tower and axum.

pub mod clock;
pub mod memory;
