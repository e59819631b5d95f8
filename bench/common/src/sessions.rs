//! The prepared sessions: whose they are, what is in them, how long they live.
//!
//! The n-th session is the same in each program and each run, so nothing has to be passed on but a number.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Who is logged in, in all of them.
pub const USER: &str = "花子";

/// How long a session lives without use: long enough that none ends, and none is half over, while it is measured.
pub const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The one secret that signs the cookies. Some of the measured crates want 64 bytes.
pub const SECRET: &str = "for-measuring-alone-and-known-to-everyone-sixty-four-bytes-or-more";

/// The id of the n-th session, as 24 bytes that look random and are not.
#[must_use]
pub fn id_bytes(n: u64) -> [u8; 24] {
    let mut bytes = [0; 24];
    let mut state = n;
    for part in bytes.chunks_exact_mut(8) {
        // SplitMix64: neighbours have nothing in common, as with real ids.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        part.copy_from_slice(&z.to_le_bytes());
    }
    bytes
}

/// The id of the n-th session as express writes one: 32 characters.
#[must_use]
pub fn id_text(n: u64) -> String {
    URL_SAFE_NO_PAD.encode(id_bytes(n))
}

/// What is in a session: names and their values as JSON, so many that a value of connect-redis has about `bytes` bytes
/// with them. `userName` and `visits` are always there.
#[must_use]
pub fn data(bytes: usize) -> Vec<(String, String)> {
    /// What connect-redis' value has beside the lists.
    const AROUND: usize = 133;
    const ITEM: &str = r#"{"sku":"A-4711","qty":2}"#;
    let mut data = vec![
        ("userName".to_owned(), format!(r#""{USER}""#)),
        ("visits".to_owned(), "1".to_owned()),
    ];
    let left = bytes.saturating_sub(AROUND);
    // As a shop would have it: up to ten lists, and not one name for each item.
    let lists = (left / 100).min(10);
    for number in 0..lists {
        let name = format!("list{number}");
        let items = (left / lists).saturating_sub(name.len() + 6) / (ITEM.len() + 1);
        let value = format!("[{}]", vec![ITEM; items.max(1)].join(","));
        data.push((name, value));
    }
    data
}

/// The value that express-session and connect-redis keep for such a session; `expires` as `toISOString` writes it.
#[must_use]
pub fn value(bytes: usize, expires: &str) -> String {
    let millis = LIFETIME.as_millis();
    let mut text = format!(
        r#"{{"cookie":{{"originalMaxAge":{millis},"expires":"{expires}","httpOnly":true,"path":"/"}}"#
    );
    for (name, json) in data(bytes) {
        text.push_str(&format!(r#","{name}":{json}"#));
    }
    text.push('}');
    text
}

/// Such a value whose `expires` never comes, for what measures without a clock.
#[must_use]
pub fn session(bytes: usize) -> String {
    value(bytes, "2099-01-01T00:00:00.000Z")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn values_are_of_about_their_size() {
        for bytes in [300, 4_096, 65_536] {
            let length = session(bytes).len();
            assert!(length.abs_diff(bytes) <= bytes / 10, "{bytes}: {length}");
        }
    }

    #[test]
    fn ids_are_of_one_length_and_differ() {
        let ids: BTreeSet<_> = (0..1000).map(id_text).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 32));
        assert_eq!(id_text(7), id_text(7));
    }
}
