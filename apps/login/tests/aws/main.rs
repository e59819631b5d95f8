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

use std::time::Duration;

use support::{Answer, Visitor};

/// Asks again while the answer is 503: on a busy machine Redis may take longer than the application waits.
async fn ask(
    visitor: &mut Visitor,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    form: &str,
) -> Answer {
    for _ in 0..100 {
        let answer = visitor.ask(method, path, headers, form).await;
        if answer.status != 503 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{method} {path} is 503 all the time");
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
