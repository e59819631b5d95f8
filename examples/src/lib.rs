//! Small applications on cloakroom.
//!
//! Each file in `src/bin` is one application, to be read from top to bottom and run with
//! `cargo run -p cloakroom-examples --bin NAME`; `tests/applications.rs` drives each of them. [`own_store`] shows how to
//! write a store.

pub mod own_store;

/// Every Rust block of the README is compiled and run as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

/// As is every one of the Japanese README.
#[cfg(doctest)]
#[doc = include_str!("../../README.ja.md")]
mod readme_ja {}
