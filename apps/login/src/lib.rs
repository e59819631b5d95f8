//! The login application: a name, a session, a countdown.
//!
//! The article's Node application in Rust: the same routes, the same cookie, the same stored value, so that both can
//! serve the same visitors. [`config`] says what can be set, [`startup`] makes it run.

mod assets;
pub mod config;
mod device;
mod form;
mod guard;
mod request_log;
mod routes;
pub mod secret;
mod security_headers;
pub mod serve;
pub mod startup;
mod user_name;
mod views;

pub use routes::health::check as healthcheck;
