//! What Redis' `INFO` says: how often each command was called, memory, the process.

use std::collections::BTreeMap;

/// How often each command was called, by its name in lower case; from `INFO commandstats`. Calls made by scripts count too.
#[must_use]
pub fn parse_calls(info: &str) -> BTreeMap<String, u64> {
    let calls = info.lines().filter_map(|line| {
        let (name, fields) = line.trim().strip_prefix("cmdstat_")?.split_once(':')?;
        let calls = fields.split(',').find_map(|f| f.strip_prefix("calls="))?;
        Some((name.to_owned(), calls.parse().ok()?))
    });
    calls.collect()
}

/// The calls between two readings, without those that readings are made of (`INFO`, and what a new connection says of
/// itself), and without commands that were not called.
#[must_use]
pub fn difference(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    let grown = after.iter().filter_map(|(name, calls)| {
        let grown = calls.saturating_sub(before.get(name).copied().unwrap_or(0));
        let reading = name == "info" || name.starts_with("client|");
        (grown > 0 && !reading).then(|| (name.clone(), grown))
    });
    grown.collect()
}

/// A number of `INFO`, by its name.
#[must_use]
pub fn number(info: &str, name: &str) -> Option<u64> {
    info.lines().find_map(|line| {
        let (key, value) = line.trim().split_once(':')?;
        (key == name).then(|| value.parse().ok())?
    })
}

/// A text of `INFO`, by its name.
#[must_use]
pub fn text<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| {
        let (key, value) = line.trim().split_once(':')?;
        (key == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Commandstats\r\n\
        cmdstat_get:calls=21,usec=175,usec_per_call=8.33,rejected_calls=0,failed_calls=0\r\n\
        cmdstat_config|get:calls=1,usec=9,usec_per_call=9.00,rejected_calls=0,failed_calls=0\r\n\
        cmdstat_info:calls=3,usec=90,usec_per_call=30.00,rejected_calls=0,failed_calls=0\r\n";

    #[test]
    fn calls_are_counted_by_command() {
        let calls = parse_calls(INFO);
        assert_eq!(calls.get("get"), Some(&21));
        assert_eq!(calls.get("config|get"), Some(&1));
        assert_eq!(calls.len(), 3);
        assert!(parse_calls("cmdstat_x:usec=1\nnonsense").is_empty());
    }

    #[test]
    fn the_difference_leaves_out_what_reading_costs() {
        let before = BTreeMap::from([("get".into(), 5), ("info".into(), 1), ("set".into(), 2)]);
        let after = BTreeMap::from([
            ("get".into(), 21),
            ("info".into(), 2),
            ("set".into(), 2),
            ("pexpire".into(), 4),
            ("client|setinfo".into(), 2),
        ]);
        let expected = BTreeMap::from([("get".to_owned(), 16), ("pexpire".to_owned(), 4)]);
        assert_eq!(difference(&before, &after), expected);
    }

    #[test]
    fn numbers_and_texts_are_found_by_their_whole_name() {
        let info = "# Server\r\nredis_version:7.0.15\r\nprocess_id:77\r\nused_memory_peak:9\r\nused_memory:8\r\n";
        assert_eq!(number(info, "process_id"), Some(77));
        assert_eq!(number(info, "used_memory"), Some(8));
        assert_eq!(number(info, "redis_version"), None);
        assert_eq!(text(info, "redis_version"), Some("7.0.15"));
        assert_eq!(text(info, "redis"), None);
    }
}
