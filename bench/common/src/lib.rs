//! What all measured programs share, ours and those of `bench/peers`: [`page`], [`sessions`] and [`args`].
//!
//! So all of them show the same bytes, keep the same data and are started in the same way. The Node program
//! (`bench/node/app.js`) repeats the page, since it cannot use this crate; `bench/check` compares the two.

pub mod args;
pub mod page;
pub mod sessions;
