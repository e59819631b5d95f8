//! What the tables share: a fixed time, ids, and short ways to a view and to what its plan says.

use std::time::Duration;

use bytes::Bytes;
use cloakroom_core::{
    Lifetime, Policy, SessionId, Timestamp,
    json::Raw,
    plan::{CookieOp, Plan, StoreOp, Write, plan},
    record::{Limits, Record, StoredAttributes},
    session::{Existing, NewReason, View},
};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_764_105_578_229);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn after(duration: Duration) -> Timestamp {
    NOW.saturating_add(duration)
}

/// The id of the stored session in these tests.
pub(crate) fn old_id() -> SessionId {
    SessionId::from_random([1; 24])
}

/// The id that a new or rotated session gets.
pub(crate) fn fresh_id() -> SessionId {
    SessionId::from_random([2; 24])
}

/// `base` with some options changed.
pub(crate) fn policy_with(mut base: Policy, change: impl FnOnce(&mut Policy)) -> Policy {
    change(&mut base);
    base
}

/// The default policy with an idle lifetime and no absolute one.
pub(crate) fn idle(seconds: u64) -> Policy {
    policy_with(Policy::default(), |p| {
        p.lifetime = Lifetime::idle(secs(seconds));
    })
}

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(crate) fn record(text: &str) -> Record {
    let parsed = Record::parse(&bytes(text), &Limits::default());
    parsed.unwrap().expect("a session")
}

pub(crate) fn raw(text: &str) -> Raw {
    let value: Box<serde_json::value::RawValue> = serde_json::from_str(text).unwrap();
    Raw::of(&value).unwrap()
}

pub(crate) fn attributes() -> StoredAttributes {
    StoredAttributes {
        http_only: true,
        path: "/".into(),
        ..StoredAttributes::default()
    }
}

/// A view of a session stored as `text` that lives `remaining` longer.
pub(crate) fn view_of(text: &str, remaining: impl Into<Option<Duration>>) -> View {
    let existing = Existing {
        id: old_id(),
        base: bytes(text),
        remaining: remaining.into(),
        resign: false,
    };
    View::existing(existing, record(text), fresh_id())
}

/// The same with a ticket that was signed with an old secret.
pub(crate) fn view_to_resign(text: &str, remaining: Duration) -> View {
    let existing = Existing {
        id: old_id(),
        base: bytes(text),
        remaining: Some(remaining),
        resign: true,
    };
    View::existing(existing, record(text), fresh_id())
}

pub(crate) fn new_view(reason: NewReason, policy: &Policy) -> View {
    let record = Record::new(policy.lifetime.own(), &attributes());
    View::new(reason, fresh_id(), record)
}

/// A stored session with this lifetime in seconds (`None` for a browser session) whose `expires` was written at `written`.
pub(crate) fn stored(max_age: Option<u64>, written: Timestamp, data: &str) -> String {
    let (max_age, expires) = match max_age {
        None => ("null".to_owned(), "null".to_owned()),
        Some(age) => (
            (age * 1000).to_string(),
            format!("\"{}\"", written.saturating_add(secs(age))),
        ),
    };
    format!(
        r#"{{"cookie":{{"originalMaxAge":{max_age},"expires":{expires},"httpOnly":true,"path":"/"}}{data}}}"#
    )
}

pub(crate) fn planned(view: &View, policy: &Policy) -> Plan {
    plan(view, policy, NOW)
}

/// A plan in two words, store and cookie: `create SC`, `renew -`, `end clear`; and `dropped` where changes are lost.
pub(crate) fn short(plan: &Plan) -> String {
    let store = match plan.store {
        StoreOp::None => "-",
        StoreOp::Create(_) => "create",
        StoreOp::Replace(_) => "replace",
        StoreOp::Renew { .. } => "renew",
        StoreOp::Rotate { .. } => "rotate",
        StoreOp::End { .. } => "end",
    };
    let cookie = match plan.cookie {
        CookieOp::Keep => "-",
        CookieOp::Set { .. } => "SC",
        CookieOp::Remove => "clear",
    };
    let dropped = if plan.dropped { " dropped" } else { "" };
    format!("{store} {cookie}{dropped}")
}

/// What the plan writes.
pub(crate) fn written(plan: &Plan) -> &Write {
    match &plan.store {
        StoreOp::Create(write) | StoreOp::Replace(write) | StoreOp::Rotate { write, .. } => write,
        other => panic!("writes nothing: {other:?}"),
    }
}

/// `Expires` of the cookie that the plan sets.
pub(crate) fn cookie_expires(plan: &Plan) -> Option<Timestamp> {
    match plan.cookie {
        CookieOp::Set { expires, .. } => expires,
        _ => panic!("sets no cookie: {plan:?}"),
    }
}
