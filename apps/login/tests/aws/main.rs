//! What `deploy/aws` says of the application, held against the application: the task's variables, the rights of its user in
//! Valkey, how long connections stay open, and how a secret is replaced. Nothing here talks to AWS; `deploy/aws/check` looks at
//! the files themselves.

mod connections;
#[path = "../support/program.rs"]
mod program_support;
mod rotation;
#[path = "../../../../crates/cloakroom-redis/tests/support/mod.rs"]
mod servers;
#[path = "../support/mod.rs"]
mod support;
mod task;
