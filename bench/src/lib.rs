//! What the benchmarks share: sessions of a known size, ids, secrets. And `bench/run`: the programs that it measures
//! ([`target`]), and what measures them ([`harness`]).
//!
//! `cargo bench -p cloakroom-bench` runs them all; `benches/pure.rs` needs no runtime, `benches/layer.rs` measures a whole
//! request on the memory store, `benches/sqlite.rs` the embedded store. Compare figures of one machine and one run only.

pub mod harness;
pub mod target;

use bytes::Bytes;
use cloakroom::{Error, Secrets, SessionId, core::id::ID_BYTES};

/// The sizes that are measured, with a name for each.
pub const SIZES: [(&str, usize); 2] = [("300 B", 300), ("10 KB", 10_000)];

/// A stored session of about `bytes` bytes, as a shop would have it: a user, a token, and lists of items in up to ten
/// names.
#[must_use]
pub fn session(bytes: usize) -> Bytes {
    let mut text = String::from(
        r#"{"cookie":{"originalMaxAge":1800000,"expires":"2099-01-01T00:00:00.000Z","httpOnly":true,"path":"/"},"user":{"id":7,"name":"花子"},"csrf":"b1946ac92492d2347c6235b4d2611184","visits":1"#,
    );
    let left = bytes.saturating_sub(text.len());
    let lists = (left / 100).clamp(1, 10);
    let item = r#"{"sku":"A-4711","qty":2}"#;
    for name in 0..lists {
        let head = format!(r#","list{name}":["#);
        let items = (left / lists).saturating_sub(head.len()) / (item.len() + 1);
        text.push_str(&head);
        text.push_str(&vec![item; items.max(1)].join(","));
        text.push(']');
    }
    text.push('}');
    text.into()
}

/// The one secret of the benchmarks.
///
/// # Errors
///
/// None is known to occur.
pub fn secrets() -> Result<Secrets, Error> {
    Secrets::new(["a secret of a good length, for measuring alone"])
}

/// A fresh id.
#[must_use]
pub fn id() -> SessionId {
    let mut bytes = [0; ID_BYTES];
    // Zeros would do for measuring.
    let _ = getrandom::fill(&mut bytes);
    SessionId::from_random(bytes)
}

#[cfg(test)]
mod tests {
    use cloakroom::{Limits, core::record::Record};

    use super::*;

    #[test]
    fn sessions_are_readable_and_of_about_their_size() {
        for (name, size) in SIZES {
            let value = session(size);
            assert!(
                value.len().abs_diff(size) <= size / 20,
                "{name}: {}",
                value.len()
            );
            let record = Record::parse(&value, &Limits::default()).unwrap().unwrap();
            assert_eq!(record.to_bytes(), value, "{name}");
        }
    }
}
