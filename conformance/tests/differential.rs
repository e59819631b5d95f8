//! The differential runner: a short run, and that it finds what is wrong.

use cloakroom_conformance::{
    children::{Peer, RedisServer},
    differential::{
        self, Report, Sequence, Settings, Step, compare::Difference, differences::Differences,
        facts::Facts, lane::Lane, presented::Presented, shrink,
    },
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_run_finds_no_difference_that_is_in_no_list() {
    let redis = RedisServer::start().await;
    let settings = Settings {
        seed: 20_261_126,
        steps: 1500,
    };
    let report = differential::run(&redis, &settings).await;
    if let Some(failure) = report.failure {
        panic!(
            "{}\n{}",
            failure.what,
            serde_json::to_string(&failure.sequence).unwrap()
        );
    }
    assert!(report.steps >= 1500, "{report:?}");
    assert_eq!(report.shortcoming(), None);
}

/// More than 100 of 1,500.
#[test]
fn a_run_in_which_hardly_anything_was_handed_over_is_no_success() {
    let report = |by_node| Report {
        steps: 1500,
        by_node,
        ..Report::default()
    };
    assert!(report(100).shortcoming().is_some());
    assert_eq!(report(101).shortcoming(), None);
    assert_eq!(Report::default().shortcoming(), None);
}

fn step(ops: &serde_json::Value) -> Step {
    Step {
        by_node: false,
        options: 0,
        pass: 0,
        poison: None,
        method: "GET".to_owned(),
        path: "/".to_owned(),
        proto: None,
        cookie: Presented::Current,
        ops: ops.as_array().unwrap().clone(),
    }
}

/// With an empty list, the first deliberate difference is a failure; the sequence shrinks to what shows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_no_list_is_found_and_made_short() {
    let redis = RedisServer::start().await;
    let mut lane = Lane::start(&redis, 1, Peer::Today).await;
    let read = || step(&json!([["read"], ["set", "b", "2"]]));
    let sequence = Sequence {
        peer: Peer::Today,
        options: vec![cloakroom_conformance::ask::Options::default().with_max_age(600_000)],
        steps: vec![
            step(&json!([["set", "a", "1"]])),
            read(),
            read(),
            step(&json!([["inc", "n"], ["destroy"]])),
            read(),
        ],
    };
    let known = Differences::load();
    assert_eq!(lane.run(&sequence, &known).await.failure, None);
    let none = Differences::none();
    let first = lane.run(&sequence, &none).await.failure.unwrap();
    let (short, what) = shrink::shrink(&mut lane, sequence, &first, &none).await;
    assert!(
        what.contains("express none") && what.contains("ours    removed"),
        "{what}"
    );
    assert_eq!(short.steps.len(), 2, "{short:?}");
    assert_eq!(
        short.steps[1].ops,
        json!([["destroy"]]).as_array().unwrap().clone()
    );
}

#[test]
fn a_difference_counts_as_deliberate_only_under_its_facts_and_with_its_values() {
    let known = Differences::load();
    let difference = |node: &str, ours: &str| Difference {
        field: "cookie",
        node: node.to_owned(),
        ours: ours.to_owned(),
    };
    let mut facts = Facts::default();
    assert!(
        known
            .explain(&difference("none", "removed"), &facts)
            .is_none()
    );
    facts.add("ends", true);
    facts.add("by ours", true);
    let explained = known.explain(&difference("none", "removed"), &facts);
    assert_eq!(explained.unwrap().id, "destroy-clears-the-cookie");
    assert!(known.explain(&difference("none", "new"), &facts).is_none());
}
