//! Metrics through the [`metrics`] facade and spans through [`tracing`]. Neither ever holds an id, a ticket, a secret or a
//! value. The spans `session_load` and `session_commit` (level debug; where the store is asked, and where something is written or waited
//! for) show the id's [fingerprint](cloakroom_core::SessionId::fingerprint).
//!
//! | metric | kind | labels | counts |
//! |---|---|---|---|
//! | `cloakroom_loads_total` | counter | `outcome`: `live`, `missing`, `ended`, `revoked`, `unreadable`, `error` | sessions asked of the store |
//! | `cloakroom_commits_total` | counter | `operation`: `create`, `replace`, `rotate`, `end`; `outcome`: `done`, `gone`, `error` | commits |
//! | `cloakroom_conflicts_total` | counter | | compare-and-set rounds that another request won |
//! | `cloakroom_renewals_total` | counter | `outcome`: `done`, `gone`, `error`, `dropped` | new times to live |
//! | `cloakroom_failures_total` | counter | `kind` of the error | store calls that failed |
//! | `cloakroom_unknown_ids_total` | counter | | tickets of ours whose session the store does not know |
//! | `cloakroom_bad_tickets_total` | counter | `reason` | cookies of our name that do not verify |
//! | `cloakroom_lost_changes_total` | counter | `reason`: `ended`, `uncommitted`, `insecure` | changes that could not be saved |
//! | `cloakroom_revocations_total` | counter | `scope`: `session`, `owner`, `everybody` | sessions revoked by somebody |
//! | `cloakroom_evictions_total` | counter | `outcome`: `evicted`, `refused` | sessions ended, and sign-ins refused, for the owner's limit |
//! | `cloakroom_adoptions_total` | counter | `outcome`: `adopted`, `moved`, `released` | sessions whose data told of another owner |
//! | `cloakroom_store_seconds` | histogram | `operation` | duration of the store's calls; renewals that are made together are one, and what the store has at hand is none |

use std::time::Duration;

use cloakroom_core::Error;

/// A metric whose label's value is known when this is compiled, for what every request counts: such a key is made once, any
/// other is made and hashed anew each time.
macro_rules! known {
    ($kind:ident, $name:literal, $label:literal => $value:expr, [$($known:literal),+]) => {
        match $value {
            $($known => metrics::$kind!($name, $label => $known),)+
            other => metrics::$kind!($name, $label => other),
        }
    };
}

pub(crate) fn load(outcome: &'static str) {
    known!(counter, "cloakroom_loads_total", "outcome" => outcome, ["live"]).increment(1);
}

pub(crate) fn commit(operation: &'static str, outcome: &'static str) {
    metrics::counter!("cloakroom_commits_total", "operation" => operation, "outcome" => outcome)
        .increment(1);
}

pub(crate) fn conflict() {
    metrics::counter!("cloakroom_conflicts_total").increment(1);
}

pub(crate) fn renewal(outcome: &'static str) {
    known!(counter, "cloakroom_renewals_total", "outcome" => outcome, ["done"]).increment(1);
}

pub(crate) fn unknown_id() {
    metrics::counter!("cloakroom_unknown_ids_total").increment(1);
}

pub(crate) fn bad_ticket(reason: &'static str) {
    metrics::counter!("cloakroom_bad_tickets_total", "reason" => reason).increment(1);
}

pub(crate) fn lost(reason: &'static str) {
    metrics::counter!("cloakroom_lost_changes_total", "reason" => reason).increment(1);
}

pub(crate) fn revocation(scope: &'static str) {
    metrics::counter!("cloakroom_revocations_total", "scope" => scope).increment(1);
}

pub(crate) fn eviction(outcome: &'static str) {
    metrics::counter!("cloakroom_evictions_total", "outcome" => outcome).increment(1);
}

pub(crate) fn adoption(outcome: &'static str) {
    metrics::counter!("cloakroom_adoptions_total", "outcome" => outcome).increment(1);
}

pub(crate) fn store_call(operation: &'static str, took: Duration, error: Option<&Error>) {
    known!(histogram, "cloakroom_store_seconds", "operation" => operation, ["load", "renew", "replace"])
        .record(took);
    if let Some(error) = error {
        store_failure(operation, error);
    }
}

pub(crate) fn store_failure(operation: &'static str, error: &Error) {
    metrics::counter!("cloakroom_failures_total", "kind" => error.kind().as_str()).increment(1);
    tracing::warn!(operation, kind = %error.kind(), %error, "the session store failed");
}
