//! Under which prefixes there is something: whoever finds nothing has often the wrong one.

use std::collections::BTreeMap;

use cloakroom::{
    core::record::Record,
    redis::{RedisStore, Reply},
};

use crate::{clock::now, failure::Failure, output::plain, sessions::limits, store::Opened};

/// At how many keys a server is asked to look, in steps.
const STEPS: usize = 20;

/// The keys of a step.
const STEP: &str = "250";

/// More are not shown.
const MOST_SHOWN: usize = 5;

/// Into so many values it is looked at most, to see whether they are sessions.
const MOST_TRIED: usize = 20;

/// Other prefixes than the store's, each with a key below it where they were found by keys.
#[derive(Debug, Default)]
pub(crate) struct Prefixes(BTreeMap<String, String>);

/// What else there is. On a server it is a sample: some thousand keys are looked at.
pub(crate) async fn look(opened: &Opened) -> Result<Prefixes, Failure> {
    match opened {
        Opened::Redis(store) => on_server(store).await,
        Opened::Sqlite { file, prefix, .. } => in_file(file, prefix),
    }
}

impl Prefixes {
    /// The first of them for people; `None` without any.
    pub(crate) fn shown(&self) -> Option<String> {
        let shown: Vec<_> = self.0.keys().take(MOST_SHOWN).collect();
        let mut text = shown
            .iter()
            .map(|prefix| format!("`{}`", plain(prefix)))
            .collect::<Vec<_>>()
            .join(", ");
        if self.0.len() > shown.len() {
            text += " and others";
        }
        (!shown.is_empty()).then_some(text)
    }

    /// One that begins as the store's own does, so that the store lists what is below it, or one with sessions the other way
    /// round. What may not be read has none.
    pub(crate) async fn clash(&self, store: &RedisStore) -> Result<Option<&str>, Failure> {
        let own = store.prefix();
        if let Some(within) = self.0.keys().find(|other| other.starts_with(own)) {
            return Ok(Some(within));
        }
        let around = self.0.iter().filter(|(other, _)| own.starts_with(*other));
        for (other, key) in around.take(MOST_TRIED) {
            let reply = store.ask(&["GET", key]).await?;
            let value = reply.as_str().unwrap_or_default().to_owned();
            if matches!(Record::parse(&value.into(), &limits()), Ok(Some(_))) {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }
}

async fn on_server(store: &RedisStore) -> Result<Prefixes, Failure> {
    let mut found = BTreeMap::new();
    let mut cursor = "0".to_owned();
    for _ in 0..STEPS {
        let page = store.ask(&["SCAN", &cursor, "COUNT", STEP]).await?;
        let [next, keys] = page.items() else { break };
        for key in keys.items().iter().filter_map(Reply::as_str) {
            if let Some(prefix) = prefix_of(key, store.prefix()) {
                found
                    .entry(prefix.to_owned())
                    .or_insert_with(|| key.to_owned());
            }
        }
        cursor = next.as_str().unwrap_or("0").to_owned();
        if cursor == "0" {
            break;
        }
    }
    Ok(Prefixes(found))
}

/// The prefix of a key, which is not the store's `own`: the words with their colons before what may be an id, which is nobody's to
/// see. A key below the own prefix is a session of the store, unless there are words in its id. What this library keeps for
/// itself is no session.
fn prefix_of<'k>(key: &'k str, own: &str) -> Option<&'k str> {
    if key.starts_with("ck:") {
        return None;
    }
    let from = if key.starts_with(own) { own.len() } else { 0 };
    let mut end = from;
    while let Some((word, _)) = key.get(end..)?.split_once(':') {
        if !is_word(word) {
            break;
        }
        end += word.len() + 1;
    }
    (end > from).then(|| key.get(..end)).flatten()
}

/// Whether it is a name that somebody gave, and no id, number or text of a visitor: short, with a letter, and with two digits
/// at most. An id of express or of this library is longer.
fn is_word(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (1..=20).contains(&text.len())
        && digits <= 2
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.{}".contains(&byte))
}

/// In a file the prefix is a column of its own.
fn in_file(file: &rusqlite::Connection, own: &str) -> Result<Prefixes, Failure> {
    let mut statement = file
        .prepare(
            "SELECT DISTINCT prefix FROM sessions WHERE ended IS NULL AND expires > ?1 AND prefix <> ?2 LIMIT 20",
        )
        .map_err(|error| Failure::sqlite(&error))?;
    let rows = statement.query_map((now().as_millis(), own), |row| {
        Ok((row.get(0)?, String::new()))
    });
    rows.and_then(Iterator::collect)
        .map(Prefixes)
        .map_err(|error| Failure::sqlite(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_words_and_never_an_id() {
        for (key, own, prefix) in [
            ("sess:abc", "sid:", Some("sess:")),
            ("app:sess:abc", "sid:", Some("app:sess:")),
            ("app-2:{sess}:abc", "sid:", Some("app-2:{sess}:")),
            ("counter", "sid:", None),
            ("ck:t:{sess:abc}", "sid:", None),
            ("", "sid:", None),
            // Below the store's own prefix there are its sessions, wherever that prefix ends.
            ("sess:abc", "sess:", None),
            ("app:s-abc", "app:s-", None),
            ("sess:admin:abc", "sess:", Some("sess:admin:")),
            ("sess:Wn1xPVWzOX8dIzL2cTqV4DiJqHXrqYpS:x", "sess:", None),
            ("sess:1234:x", "sess:", None),
            // The last colon may stand behind an id, or in the middle of one.
            (
                "cache:Wn1xPVWzOX8dIzL2cTqV4DiJqHXrqYpS:hits",
                "sess:",
                Some("cache:"),
            ),
            ("user:1234:cart", "sess:", Some("user:")),
            ("0b8e3f1c-9d41-4f0e-b8a1-6f2d8a7c5e90:x", "sess:", None),
            ("mail:hanako@example.org:x", "sess:", Some("mail:")),
            ("a\x1b[31m:x", "sess:", None),
            ("a:花子:x", "sess:", Some("a:")),
            ("app:sess:abc", "", Some("app:sess:")),
        ] {
            assert_eq!(prefix_of(key, own), prefix, "{key}");
        }
    }

    #[test]
    fn a_few_are_shown_and_none_moves_the_cursor() {
        let prefixes = |names: &[&str]| {
            let pairs = names.iter().map(|name| ((*name).to_owned(), String::new()));
            Prefixes(pairs.collect()).shown()
        };
        assert_eq!(prefixes(&[]), None);
        assert_eq!(
            prefixes(&["a\x1b[m:", "b:"]).unwrap(),
            "`a\u{fffd}[m:`, `b:`"
        );
        assert_eq!(
            prefixes(&["a:", "b:", "c:", "d:", "e:", "f:"]).unwrap(),
            "`a:`, `b:`, `c:`, `d:`, `e:` and others"
        );
    }
}
