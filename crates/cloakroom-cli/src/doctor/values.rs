//! What lies under the prefix: sessions that Node reads as we do, and nothing else.

use cloakroom::{core::record::check_name, redis::RedisStore};

use super::finding::Finding;
use crate::{
    clock::now,
    failure::Failure,
    format::{count, sessions},
    prefixes,
    progress::Progress,
    sessions::{Content, Scope, Seen, Walk},
    store::Opened,
};

/// Prefixes that are mixed up, and keys that are no strings.
pub(super) async fn prefixes(opened: &Opened) -> Result<Vec<Finding>, Failure> {
    let prefix = opened.prefix();
    let others = prefixes::look(opened).await?;
    let mut findings = Vec::new();
    if let Opened::Redis(store) = opened {
        // In a SQLite file the prefix is a column of its own, and none is within another.
        if prefix.is_empty() {
            let advice = "give the sessions a prefix of their own, `sess:` for instance: every key of the database is taken for a session";
            findings.push(Finding::warning("prefix", "it is empty", advice));
        } else if let Some(other) = others.clash(store).await? {
            let advice = "end each prefix with a colon and let none begin with another: the shorter one lists and counts the other's sessions. Ids with colons in them look the same, and are no harm";
            findings.push(Finding::warning(
                "prefix",
                format!("`{prefix}` and `{other}` begin alike"),
                advice,
            ));
        }
        findings.extend(strangers(store).await?);
    }
    if findings.is_empty() {
        let what = match others.shown() {
            None => format!("`{prefix}`, with no others seen beside it"),
            Some(others) => format!("`{prefix}`, beside {others}"),
        };
        findings.push(Finding::ok("prefix", what));
    }
    Ok(findings)
}

/// Types that no session has.
const TYPES: [&str; 5] = ["hash", "list", "set", "zset", "stream"];

/// So many steps of a scan for each of them.
const STEPS: usize = 8;

async fn strangers(store: &RedisStore) -> Result<Option<Finding>, Failure> {
    let pattern = store.key_pattern();
    for kind in TYPES {
        let mut cursor = "0".to_owned();
        for _ in 0..STEPS {
            let command = [
                "SCAN", &cursor, "MATCH", &pattern, "COUNT", "500", "TYPE", kind,
            ];
            let reply = store.ask(&command).await?;
            let [next, keys] = reply.items() else {
                return Ok(None);
            };
            if !keys.items().is_empty() {
                let what = format!("under the prefix there is a key of the type {kind}");
                let advice = "another program uses the same prefix: give each its own. Such a key is no session and is left alone";
                return Ok(Some(Finding::warning("strangers", what, advice)));
            }
            cursor = next.as_str().unwrap_or("0").to_owned();
            if cursor == "0" {
                break;
            }
        }
    }
    Ok(None)
}

/// What was seen in a sample.
#[derive(Debug, Default)]
struct Sample {
    sessions: u64,
    /// Neither express nor we can load it.
    unreadable: u64,
    /// Express says "no session" to it.
    nothing: u64,
    /// Names that express drops when it loads a session.
    dropped: u64,
    /// Integers that Node rounds.
    rounded: u64,
    /// `cookie.expires` is past although the session lives: Node's own `save()` then deletes it.
    stale: u64,
    /// No end at all.
    endless: u64,
}

impl Sample {
    fn add(&mut self, seen: &Seen) {
        self.sessions += 1;
        self.endless += u64::from(seen.remaining.is_none());
        let record = match &seen.content {
            Content::Read(facts) => &facts.record,
            Content::Nothing => {
                self.nothing += 1;
                return;
            }
            Content::Unreadable(_) => {
                self.unreadable += 1;
                return;
            }
        };
        self.stale += u64::from(record.expires().is_some_and(|expires| expires <= now()));
        let mut values = record.data();
        self.dropped += u64::from(
            record
                .data()
                .any(|(name, _)| check_name(&name, false).is_err()),
        );
        self.rounded += u64::from(values.any(|(_, raw)| raw.has_unsafe_integer()));
    }

    fn findings(&self) -> Vec<Finding> {
        let of = format!("of {} looked at", sessions(self.sessions));
        let mut findings = Vec::new();
        let mut warn = |number: u64, what: &str, advice: &'static str| {
            if number > 0 {
                let what = format!("{} {of} {what}", count(number));
                findings.push(Finding::warning("values", what, advice));
            }
        };
        warn(
            self.unreadable,
            "cannot be read, by express neither",
            "express answers 500 to these visitors until they end, and this library begins a new session: another program writes under this prefix, or a deployment of a Node service wrote another format",
        );
        warn(
            self.nothing,
            "say that they are no session",
            "they cost memory until they end; connect-redis 6.1 wrote such values for destroyed sessions",
        );
        warn(
            self.dropped,
            "have names that express drops when it loads them",
            "rename what is stored as `id`, `save` or another member of express's session object, or keep Node away and declare the store exclusive",
        );
        warn(
            self.rounded,
            "hold integers beyond 2^53 - 1, which Node rounds",
            "store them as text",
        );
        warn(
            self.stale,
            "live on although their `cookie.expires` is past",
            "a Node service that calls `req.session.save()` deletes these sessions at once; let it leave saving to the middleware",
        );
        warn(
            self.endless,
            "have no end",
            "they stay until they are revoked: turn `disableTTL` of connect-redis off",
        );
        if findings.is_empty() {
            let what = format!(
                "{} looked at, all of them readable by express and by this library",
                sessions(self.sessions)
            );
            findings.push(Finding::ok("values", what));
        }
        findings
    }
}

/// Looks into some sessions.
pub(super) async fn sample(opened: &Opened, most: u32) -> Result<Vec<Finding>, Failure> {
    let mut sample = Sample::default();
    let mut walk = Walk::standing(Scope::of(opened), Progress::shown());
    while sample.sessions < u64::from(most)
        && let Some(seen) = walk.next().await?
    {
        sample.add(&seen);
    }
    drop(walk);
    Ok(sample.findings())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cloakroom::{SessionId, core::store::Stored};

    use super::*;
    use crate::doctor::finding::Level;

    #[test]
    fn values_that_hurt_a_node_peer_are_counted() {
        for (value, remaining, says) in [
            (r#"{"cookie":{}}"#, Some(1), "readable by express"),
            ("hunter2", Some(1), "cannot be read"),
            ("TOMBSTONE", Some(1), "no session"),
            (r#"{"cookie":{},"save":1}"#, Some(1), "drops"),
            (r#"{"cookie":{},"n":9007199254740993}"#, Some(1), "rounds"),
            (
                r#"{"cookie":{"expires":"2020-01-01T00:00:00.000Z"}}"#,
                Some(1),
                "`cookie.expires` is past",
            ),
            (r#"{"cookie":{}}"#, None, "no end"),
        ] {
            let mut sample = Sample::default();
            let remaining = remaining.map(Duration::from_secs);
            let stored = Stored {
                value: value.into(),
                remaining,
            };
            let id = SessionId::parse("a").unwrap();
            sample.add(&Seen::new(id, &stored, now(), None));
            let found = sample.findings();
            assert_eq!(found.len(), 1, "{value}: {found:?}");
            assert!(found[0].what.contains(says), "{value}: {found:?}");
            assert_eq!(found[0].level == Level::Ok, says == "readable by express");
            assert!(!found[0].what.contains("hunter2"));
        }
    }
}
