//! A short run of the races.

use std::path::Path;

use cloakroom_conformance::races::{self, Settings, account::Tally};

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
    assert_eq!(tally.shortcoming(), None);
}

/// More than 200 and 1,000 of 2,000.
#[test]
fn a_run_in_which_hardly_anything_met_is_no_success() {
    let tally = |with_node, accounted| Tally {
        interleavings: 2000,
        with_node,
        accounted,
        ..Tally::default()
    };
    assert_eq!(tally(201, 1001).shortcoming(), None);
    assert!(tally(200, 1001).shortcoming().is_some());
    assert!(tally(201, 1000).shortcoming().is_some());
    assert_eq!(Tally::default().shortcoming(), None);
}
