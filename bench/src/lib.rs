//! What the benchmarks share: sessions of a known size, ids, secrets. And `bench/run`: the programs that it measures
//! ([`target`]), and what measures them ([`harness`]).
//!
//! `cargo bench -p cloakroom-bench` runs them all; `benches/pure.rs` needs no runtime, `benches/layer.rs` measures a whole
//! request on the memory store, `benches/sqlite.rs` the embedded store. Compare figures of one machine and one run only.

pub mod harness;
pub mod target;

use bytes::Bytes;
use cloakroom::{Error, Secrets, SessionId, core::id::ID_BYTES};
use cloakroom_bench_common::sessions;

/// The sizes that are measured, with a name for each.
pub const SIZES: [(&str, usize); 2] = [("300 B", 300), ("10 KB", 10_000)];

/// A stored session of about so many bytes, as all measured programs have them.
#[must_use]
pub fn session(bytes: usize) -> Bytes {
    sessions::session(bytes).into()
}

/// The one secret of all that is measured.
///
/// # Errors
///
/// None is known to occur.
pub fn secrets() -> Result<Secrets, Error> {
    Secrets::new([sessions::SECRET])
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
