//! Under which prefixes there is something: whoever finds nothing has often the wrong one.

use std::collections::BTreeSet;

use cloakroom::redis::{RedisStore, Reply};

use crate::{clock::now, failure::Failure, store::Opened};

/// At how many keys a server is asked to look, in steps.
const STEPS: usize = 20;

/// The keys of a step.
const STEP: &str = "250";

/// More are not told.
const MOST: usize = 5;

/// Other prefixes than the store's. On a server it is a sample: some thousand keys are looked at.
pub(crate) async fn others(opened: &Opened) -> Result<BTreeSet<String>, Failure> {
    let mut found = match opened {
        Opened::Redis(store) => on_server(store).await?,
        Opened::Sqlite { file, .. } => in_file(file)?,
    };
    found.remove(opened.prefix());
    Ok(found.into_iter().take(MOST).collect())
}

async fn on_server(store: &RedisStore) -> Result<BTreeSet<String>, Failure> {
    let mut found = BTreeSet::new();
    let mut cursor = "0".to_owned();
    for _ in 0..STEPS {
        let page = store.ask(&["SCAN", &cursor, "COUNT", STEP]).await?;
        let [next, keys] = page.items() else { break };
        let keys = keys.items().iter().filter_map(Reply::as_str);
        found.extend(keys.filter_map(prefix_of).map(str::to_owned));
        cursor = next.as_str().unwrap_or("0").to_owned();
        if cursor == "0" {
            break;
        }
    }
    Ok(found)
}

/// What stands before the last colon, with the colon. What this library keeps for itself is no session.
pub(crate) fn prefix_of(key: &str) -> Option<&str> {
    let end = key.rfind(':')?;
    let prefix = key.get(..=end)?;
    (!prefix.starts_with("ck:")).then_some(prefix)
}

fn in_file(file: &rusqlite::Connection) -> Result<BTreeSet<String>, Failure> {
    let mut statement = file
        .prepare(
            "SELECT DISTINCT prefix FROM sessions WHERE ended IS NULL AND expires > ?1 LIMIT 20",
        )
        .map_err(|error| Failure::sqlite(&error))?;
    let rows = statement.query_map([now().as_millis()], |row| row.get(0));
    rows.and_then(Iterator::collect)
        .map_err(|error| Failure::sqlite(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_with_the_last_colon() {
        for (key, prefix) in [
            ("sess:abc", Some("sess:")),
            ("app:sess:abc", Some("app:sess:")),
            ("counter", None),
            ("ck:t:{sess:abc}", None),
            ("", None),
        ] {
            assert_eq!(prefix_of(key), prefix, "{key}");
        }
    }
}
