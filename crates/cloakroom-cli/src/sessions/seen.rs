//! What a listing says of one session.

use std::time::Duration;

use cloakroom::{
    SessionHandle, SessionId, Timestamp,
    core::{
        json::Raw,
        record::{COOKIE, Identity, Limits, META, Record},
        store::Stored,
        usage::Usage,
    },
};
use serde_json::{Map, Value, json};

use crate::{format, output::plain};

/// A session as the store has it, read as far as it can be read.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) id: SessionId,
    pub(crate) handle: SessionHandle,
    pub(crate) bytes: u64,
    /// How long it lives without use; `None` without an end.
    pub(crate) remaining: Option<Duration>,
    pub(crate) content: Content,
}

/// What the value is.
#[derive(Debug)]
pub(crate) enum Content {
    /// A session.
    Read(Box<Facts>),
    /// One of express' ways to say "no session": an empty value, `null`, `""`, `TOMBSTONE`.
    Nothing,
    /// Nothing that express-session or this library could load; the reason, which holds no value.
    Unreadable(String),
}

/// What a readable value says.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) owner: Option<String>,
    /// Whether the owner stands in the data alone, where a peer has written it.
    pub(crate) by_data: bool,
    pub(crate) signed_in: Option<Timestamp>,
    /// The end of the absolute lifetime.
    pub(crate) ends: Option<Timestamp>,
    /// The last use, as far as the store tells.
    pub(crate) last_seen: Option<Timestamp>,
    /// For about how long it was not used.
    pub(crate) idle: Option<Duration>,
    pub(crate) usage: Usage,
    /// Whether this library's metadata are in it; express-session alone makes none.
    pub(crate) marked: bool,
    pub(crate) record: Record,
}

/// How much of a session is shown beside what is harmless.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reveal {
    pub(crate) ids: bool,
    pub(crate) values: bool,
}

/// What is read whatever an application's own limits are, since an operator wants to see what the application refuses.
pub(crate) fn limits() -> Limits {
    Limits::default()
        .with_bytes(usize::MAX)
        .with_depth(usize::MAX)
        .with_names(usize::MAX)
}

impl Seen {
    /// Reads a stored session. Its owner stands under `owner_name` in its data, if there is anybody, and else in its metadata.
    pub(crate) fn new(
        id: SessionId,
        stored: &Stored,
        now: Timestamp,
        owner_name: Option<&str>,
    ) -> Self {
        let content = match Record::parse(&stored.value, &limits()) {
            Ok(Some(record)) => {
                let facts = Facts::new(record, stored.remaining, now, owner_name);
                Content::Read(Box::new(facts))
            }
            Ok(None) => Content::Nothing,
            Err(error) => Content::Unreadable(plain(&error.to_string())),
        };
        Self {
            handle: id.handle(),
            id,
            bytes: stored.value.len() as u64,
            remaining: stored.remaining,
            content,
        }
    }

    pub(crate) fn facts(&self) -> Option<&Facts> {
        match &self.content {
            Content::Read(facts) => Some(facts),
            _ => None,
        }
    }

    pub(crate) fn owner(&self) -> Option<&str> {
        self.facts()?.owner.as_deref()
    }

    /// What stands for the session: its handle, or its id where that was asked for.
    pub(crate) fn name(&self, reveal: Reveal) -> String {
        if reveal.ids {
            self.id.as_str().to_owned()
        } else {
            self.handle.to_string()
        }
    }

    /// The names in it, or why there are none.
    pub(crate) fn summary(&self) -> String {
        match &self.content {
            Content::Read(facts) => facts.names().collect::<Vec<_>>().join(" "),
            Content::Nothing => "(no session)".to_owned(),
            Content::Unreadable(_) => "(unreadable)".to_owned(),
        }
    }

    /// One object of `--json`.
    pub(crate) fn to_json(&self, reveal: Reveal, now: Timestamp) -> Value {
        let mut object = Map::new();
        object.insert("handle".to_owned(), self.handle.to_string().into());
        if reveal.ids {
            object.insert("id".to_owned(), self.id.as_str().into());
        }
        let facts = self.facts();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("owner", json!(self.owner()));
        put("signedIn", date(facts.and_then(|facts| facts.signed_in)));
        put("created", date(facts.and_then(|facts| facts.usage.created)));
        put("lastSeen", date(facts.and_then(|facts| facts.last_seen)));
        put(
            "idleMs",
            json!(facts.and_then(|facts| facts.idle).map(millis)),
        );
        put("endsInMs", json!(self.remaining.map(millis)));
        let end = self.remaining.map(|left| now.saturating_add(left));
        put("ends", date(end));
        put("latestEnd", date(facts.and_then(|facts| facts.ends)));
        put("bytes", self.bytes.into());
        let state = match self.content {
            Content::Read(_) => "session",
            Content::Nothing => "nothing",
            Content::Unreadable(_) => "unreadable",
        };
        put("state", state.into());
        if let Content::Unreadable(reason) = &self.content {
            put("reason", reason.as_str().into());
        }
        if let Some(facts) = facts {
            put("marked", facts.marked.into());
            put("address", json!(facts.usage.client.address));
            put("userAgent", json!(facts.usage.client.user_agent));
            let data = facts.data().map(|(name, raw)| {
                let mut value = json!({"name": name, "type": kind(&raw), "bytes": raw.len()});
                if reveal.values {
                    // A text that JSON allows and this parser does not (half a surrogate pair) is given as it stands.
                    value["value"] = raw.read().unwrap_or_else(|_| raw.as_str().into());
                }
                value
            });
            put("data", data.collect());
        }
        object.into()
    }
}

impl Facts {
    fn new(
        record: Record,
        remaining: Option<Duration>,
        now: Timestamp,
        owner_name: Option<&str>,
    ) -> Self {
        let mut identity = record.identity();
        let found = owner_name.and_then(|name| owner_of(&record.get(name)?));
        let by_data = found.is_some() && found != identity.owner;
        if by_data {
            // As the library has it for `owner_from`: the peer says when it wrote the session, and not since when somebody is
            // signed in.
            identity = Identity {
                owner: found,
                signed_in: record.dated(),
                authenticated: record.dated(),
            };
        }
        let usage = record.usage();
        let last_seen = usage.last_seen(&record, remaining, now);
        Self {
            owner: identity.owner,
            by_data,
            signed_in: identity.signed_in,
            ends: record.ends(),
            last_seen,
            usage,
            idle: last_seen.map(|at| now.saturating_since(at)),
            marked: record.get(META).is_some(),
            record,
        }
    }

    /// The application's names with their values.
    pub(crate) fn data(&self) -> impl Iterator<Item = (String, Raw)> {
        self.record.data()
    }

    /// The application's names.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.data().map(|(name, _)| plain(&name))
    }

    /// The cookie's metadata, as text.
    pub(crate) fn cookie(&self) -> Option<Raw> {
        self.record.get(COOKIE)
    }
}

/// Who stands in the data: a text or a number, as JavaScript's `if` takes it for somebody.
fn owner_of(raw: &Raw) -> Option<String> {
    match raw.read().ok()? {
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        Value::Number(number) if number.as_f64() != Some(0.0) => Some(number.to_string()),
        _ => None,
    }
}

/// What a JSON value is.
pub(crate) fn kind(raw: &Raw) -> &'static str {
    match raw.as_str().as_bytes().first() {
        Some(b'"') => "string",
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

/// How long ago, for people; `-` where nobody knows.
pub(crate) fn ago(moment: Option<Timestamp>, now: Timestamp) -> String {
    moment.map_or_else(dash, |moment| format::short(now.saturating_since(moment)))
}

/// A duration for people; `-` where there is none.
pub(crate) fn time(duration: Option<Duration>) -> String {
    duration.map_or_else(dash, format::short)
}

pub(crate) fn dash() -> String {
    "-".to_owned()
}

fn date(moment: Option<Timestamp>) -> Value {
    json!(moment.and_then(Timestamp::to_iso_string))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(value: &str) -> Seen {
        let id = SessionId::parse("hunter2").unwrap();
        let stored = Stored {
            value: value.to_owned().into(),
            remaining: Some(Duration::from_secs(40)),
        };
        Seen::new(id, &stored, Timestamp::from_millis(1_795_641_578_229), None)
    }

    const SIGNED_IN: &str = r#"{"cookie":{"originalMaxAge":60000,"expires":null,"httpOnly":true,"path":"/"},"__ck":{"owner":"花子","signedIn":1795641518229},"n":[1],"s":"swordfish"}"#;

    #[test]
    fn ids_and_values_are_shown_only_where_they_are_asked_for() {
        let seen = seen(SIGNED_IN);
        let now = Timestamp::from_millis(1_795_641_578_229);
        let shown = seen.to_json(Reveal::default(), now).to_string();
        assert!(
            !shown.contains("hunter2") && !shown.contains("swordfish"),
            "{shown}"
        );
        let all = Reveal {
            ids: true,
            values: true,
        };
        let shown = seen.to_json(all, now);
        assert_eq!(shown["id"], "hunter2");
        assert_eq!(
            shown["data"][1],
            json!({"name": "s", "type": "string", "bytes": 11, "value": "swordfish"})
        );
        assert_eq!(shown["idleMs"], 20_000);
        assert_eq!(shown["owner"], "花子");
        assert_eq!(
            (&shown["state"], &shown["marked"]),
            (&json!("session"), &json!(true))
        );
        assert_eq!(seen.summary(), "n s");
        assert_eq!(ago(seen.facts().unwrap().signed_in, now), "1m00s");
    }

    /// As express-session writes a sign-in, `{"userName": ...}`, and as the login application takes it.
    #[test]
    fn an_owner_in_the_data_counts_before_the_metadata() {
        let seen = |rest: &str| {
            let value = format!(
                r#"{{"cookie":{{"originalMaxAge":60000,"expires":"1970-01-01T00:02:00.000Z"}}{rest}}}"#
            );
            let stored = Stored {
                value: value.into(),
                remaining: None,
            };
            let id = SessionId::parse("a").unwrap();
            Seen::new(id, &stored, Timestamp::UNIX_EPOCH, Some("userName"))
        };
        let meta = r#","__ck":{"owner":"花子","signedIn":7}"#;
        for (rest, owner, by_data, signed_in) in [
            (
                r#","userName":"ken""#.to_owned(),
                Some("ken"),
                true,
                Some(60_000),
            ),
            (r#","userName":7"#.to_owned(), Some("7"), true, Some(60_000)),
            (
                format!(r#","userName":"ken"{meta}"#),
                Some("ken"),
                true,
                Some(60_000),
            ),
            (
                format!(r#","userName":"花子"{meta}"#),
                Some("花子"),
                false,
                Some(7),
            ),
            (
                format!(r#","userName":""{meta}"#),
                Some("花子"),
                false,
                Some(7),
            ),
            (meta.to_owned(), Some("花子"), false, Some(7)),
            (r#","userName":0"#.to_owned(), None, false, None),
            (
                r#","userName":{"name":"ken"}"#.to_owned(),
                None,
                false,
                None,
            ),
            (r#","name":"ken""#.to_owned(), None, false, None),
        ] {
            let seen = seen(&rest);
            let facts = seen.facts().unwrap();
            assert_eq!(
                (seen.owner(), facts.by_data, facts.signed_in),
                (owner, by_data, signed_in.map(Timestamp::from_millis)),
                "{rest}"
            );
        }
    }

    #[test]
    fn what_is_no_session_is_said_without_its_value() {
        for (value, state) in [
            ("", "nothing"),
            ("null", "nothing"),
            ("hunter2", "unreadable"),
            (r#"{"a":"hunter2"}"#, "unreadable"),
        ] {
            let shown = seen(value).to_json(Reveal::default(), Timestamp::UNIX_EPOCH);
            assert_eq!(shown["state"], state);
            assert!(!shown.to_string().contains("hunter2"), "{shown}");
        }
    }
}
