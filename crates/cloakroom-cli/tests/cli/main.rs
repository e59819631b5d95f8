//! The program itself, on real servers and files.

#[path = "../../../cloakroom-redis/tests/support/mod.rs"]
mod support;

mod beside;
mod bounded;
mod cookie;
mod doctor;
mod documented;
mod owners;
mod revoke;
mod sessions;
mod stage;
mod terminal;
mod watch;
mod watching;
mod wrong;
