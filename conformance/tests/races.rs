//! A short run of the races.

use std::path::Path;

use cloakroom_conformance::races::{self, Settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_change_is_accounted_for() {
    let settings = Settings {
        seed: 20_261_126,
        interleavings: 2000,
    };
    let tally = races::run(Path::new(env!("CARGO_BIN_EXE_races")), &settings).await;
    assert!(
        tally.violations.is_empty(),
        "{}",
        tally.violations.join("\n")
    );
    assert_eq!(tally.interleavings, 2000);
    assert!(tally.with_node > 200 && tally.accounted > 1000, "{tally:?}");
}
