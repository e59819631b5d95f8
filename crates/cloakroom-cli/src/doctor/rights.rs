//! Whether the user of the store may do what the store does. SECURITY.md has the same list.

use cloakroom::{
    SessionId,
    redis::{KeyNames, RedisStore, Reply},
};

use super::finding::Finding;
use crate::failure::Failure;

/// A key that no session has: the id is not random.
const PROBE: &str = "cloakroom-doctor";

/// How long what was written for a try stays, should it not be deleted again.
const MILLIS: &str = "1000";

/// The hash of no script: a server that may run it says that it does not know it.
const NO_SCRIPT: &str = "0000000000000000000000000000000000000000";

/// A command that the store sends, with a key of a session or of a tombstone.
struct Need {
    command: Vec<String>,
    writes: bool,
    /// What does not work without it.
    what_for: &'static str,
}

fn needs(keys: &KeyNames) -> Vec<Need> {
    let need = |words: &[&str], writes, what_for| Need {
        command: words.iter().map(|&word| word.to_owned()).collect(),
        writes,
        what_for,
    };
    let (session, tombstone) = (keys.session.as_str(), keys.tombstone.as_str());
    vec![
        need(&["GET", session], false, "reading sessions"),
        need(
            &["GET", tombstone],
            false,
            "seeing that a session was ended",
        ),
        need(&["MGET", session, tombstone], false, "reading sessions"),
        need(&["PTTL", session], false, "reading sessions"),
        need(
            &["EXISTS", tombstone],
            false,
            "seeing that a session was ended",
        ),
        need(
            &["SCAN", "0", "COUNT", "1"],
            false,
            "listing sessions, and this program",
        ),
        need(
            &["EVAL", "return 1", "1", session],
            true,
            "making and changing sessions",
        ),
        need(
            &["EVALSHA", NO_SCRIPT, "1", session],
            true,
            "making and changing sessions",
        ),
        need(
            &["SET", session, "", "PX", MILLIS],
            true,
            "changing sessions",
        ),
        need(&["PEXPIRE", session, MILLIS], true, "renewing sessions"),
        need(
            &["SET", tombstone, "destroyed", "PX", MILLIS],
            true,
            "ending sessions",
        ),
        need(&["DEL", session], true, "ending sessions"),
        need(&["DEL", tombstone], true, "tidying up after this try"),
    ]
}

/// What the owner index needs beside that. An application that does not sign out everywhere needs none of it.
fn needs_of_index(keys: &KeyNames) -> Vec<Need> {
    let need = |words: &[&str], writes| Need {
        command: words.iter().map(|&word| word.to_owned()).collect(),
        writes,
        what_for: "the owner index",
    };
    let (claims, revocation) = (keys.claims.as_str(), keys.revocation.as_str());
    vec![
        need(&["TIME"], false),
        need(&["GET", revocation], false),
        need(&["ZRANGE", claims, "0", "0"], false),
        need(&["ZCARD", claims], false),
        need(&["ZSCORE", claims, PROBE], false),
        need(&["ZADD", claims, "XX", "0", PROBE], true),
        need(&["ZREM", claims, PROBE], true),
    ]
}

/// What the server says to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    May,
    MayNot,
    /// It may, but not at present: a replica, a full server.
    NotNow,
    Unknown,
}

/// What is missing of some needs.
#[derive(Debug, Default)]
struct Missing {
    lacks: Vec<String>,
    not_now: usize,
    unknown: usize,
}

/// Asks with `ACL DRYRUN`, which does nothing, and tries where that is not allowed.
pub(super) async fn look(store: &RedisStore, read_only: bool) -> Result<Vec<Finding>, Failure> {
    let user = store.ask(&["ACL", "WHOAMI"]).await?;
    let user = user.as_str();
    let Some(keys) = keys(store) else {
        return Ok(vec![Finding::note("rights", "not looked at")]);
    };
    let missing = missing(store, user, needs(&keys), read_only).await?;
    let of_index = self::missing(store, user, needs_of_index(&keys), read_only).await?;
    Ok(judge(&missing, &of_index))
}

/// The keys of a session and of an owner that there are not.
fn keys(store: &RedisStore) -> Option<KeyNames> {
    Some(store.key_names(&SessionId::parse(PROBE)?, PROBE))
}

async fn missing(
    store: &RedisStore,
    user: Option<&str>,
    needs: Vec<Need>,
    read_only: bool,
) -> Result<Missing, Failure> {
    let mut missing = Missing::default();
    for need in needs {
        let dry = match user {
            Some(user) => dry_run(store, user, &need).await?,
            None => Verdict::Unknown,
        };
        let verdict = match dry {
            Verdict::Unknown if need.writes && read_only => Verdict::Unknown,
            Verdict::Unknown => tried(&store.ask(&need.command).await?),
            known => known,
        };
        match verdict {
            Verdict::May => {}
            Verdict::MayNot => missing.lacks.push(lack(&need)),
            Verdict::NotNow => missing.not_now += 1,
            Verdict::Unknown => missing.unknown += 1,
        }
    }
    Ok(missing)
}

async fn dry_run(store: &RedisStore, user: &str, need: &Need) -> Result<Verdict, Failure> {
    let mut command = vec!["ACL", "DRYRUN", user];
    command.extend(need.command.iter().map(String::as_str));
    Ok(match store.ask(&command).await? {
        Reply::Text(text) if text == b"OK" => Verdict::May,
        Reply::Text(_) => Verdict::MayNot,
        _ => Verdict::Unknown,
    })
}

fn tried(reply: &Reply) -> Verdict {
    match reply {
        Reply::Refused(code) => match code.as_str() {
            "NOPERM" => Verdict::MayNot,
            // The script is not known, so it was looked for.
            "NOSCRIPT" => Verdict::May,
            "READONLY" | "OOM" | "MISCONF" | "NOREPLICAS" | "LOADING" | "BUSY" => Verdict::NotNow,
            // The command does not exist here, or was renamed.
            _ => Verdict::MayNot,
        },
        _ => Verdict::May,
    }
}

fn lack(need: &Need) -> String {
    let command = need.command.first().map_or("", String::as_str);
    let side = need.command.iter().any(|word| word.starts_with("ck:"));
    let keys = if side { " on `ck:*`" } else { "" };
    format!("{command}{keys} ({})", need.what_for)
}

fn judge(store: &Missing, index: &Missing) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !store.lacks.is_empty() {
        let what = format!("not allowed: {}", store.lacks.join(", "));
        let advice = "let the user do this on the keys `PREFIX*` and `ck:*`; SECURITY.md has the whole line for `ACL SETUSER`";
        findings.push(Finding::error("rights", what, advice));
    }
    if !index.lacks.is_empty() {
        let what = format!(
            "not allowed for signing out everywhere: {}",
            index.lacks.join(", ")
        );
        let advice = "where the application has an owner index, let the user do this on the keys `ck:*`; see SECURITY.md";
        findings.push(Finding::warning("rights", what, advice));
    }
    if store.not_now + index.not_now > 0 {
        let advice = "see the findings above: a replica, a full server, or one that cannot write to its disk";
        findings.push(Finding::error(
            "writing",
            "allowed, and refused at present",
            advice,
        ));
    }
    let unknown = store.unknown + index.unknown;
    if unknown > 0 {
        let what = format!("{unknown} are not known, because of --read-only");
        findings.push(Finding::note("rights", what));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            "rights",
            "everything that the store does is allowed, scripts and the owner index among it",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Level;

    #[test]
    fn a_refusal_is_told_apart_from_a_server_that_cannot_at_present() {
        let refused = |code: &str| tried(&Reply::Refused(code.to_owned()));
        assert_eq!(refused("NOPERM"), Verdict::MayNot);
        assert_eq!(refused("ERR"), Verdict::MayNot);
        assert_eq!(refused("NOSCRIPT"), Verdict::May);
        assert_eq!(refused("READONLY"), Verdict::NotNow);
        assert_eq!(tried(&Reply::Nil), Verdict::May);
    }

    fn store(prefix: &str) -> RedisStore {
        let builder = RedisStore::builder("redis://localhost");
        builder.prefix(prefix).connect_lazy().unwrap()
    }

    #[test]
    fn what_is_missing_is_named_with_what_it_is_for() {
        let list = needs(&keys(&store("sess:")).unwrap());
        let lacks: Vec<_> = list.iter().map(lack).collect();
        assert!(
            lacks.contains(&"SET on `ck:*` (ending sessions)".to_owned()),
            "{lacks:?}"
        );
        let missing = |lacks: &[String], not_now| Missing {
            lacks: lacks.to_vec(),
            not_now,
            unknown: 0,
        };
        let none = Missing::default();
        let found = judge(&missing(&lacks[..1], 0), &none);
        assert_eq!((found.len(), found[0].level), (1, Level::Error));
        assert!(found[0].what.contains("GET (reading sessions)"));
        assert_eq!(
            judge(&none, &missing(&lacks[..1], 0))[0].level,
            Level::Warning
        );
        assert_eq!(judge(&none, &none)[0].level, Level::Ok);
        assert_eq!(judge(&missing(&[], 1), &none)[0].check, "writing");
    }
}
