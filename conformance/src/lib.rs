//! Real express-session servers, a server of ours with the same routes, and the runners that hold both against each other.
//!
//! - [`ask`]: what a request asks of a server, the same for both.
//! - [`ours`]: the server on our layer.
//! - [`children`]: the processes: Redis, Node, and more of ours.
//! - [`gate`]: where a handler waits for what is to happen meanwhile.
//! - [`differential`]: random sequences of requests, and every difference explained or reported.
//! - [`stage`]: one of each for the tests of a program, and browsers in front of them.
//! - [`races`]: random interleavings, and every acknowledged change accounted for.
//!
//! Everything here is for tests: what cannot go on says why and panics or ends the process.

pub mod ask;
pub mod children;
pub mod client;
pub mod differential;
pub mod gate;
pub mod ours;
pub mod races;
pub mod resp;
pub mod rng;
pub mod stage;
