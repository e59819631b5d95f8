//! The tests of the tests: every rogue is caught by its own cases, and every case catches a rogue.

use std::sync::Arc;

use cloakroom_contract::{
    Case, Outcome, cases, find,
    rogues::{Rogue, WITHOUT_ROGUE},
    run_all,
};
use tokio::sync::Semaphore;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_rogue_is_caught_by_its_own_cases() {
    // A race that shares its threads with a hundred others has too few rounds to show anything.
    let few = Arc::new(Semaphore::new(8));
    let runs = Rogue::ALL.iter().flat_map(|rogue| {
        let (cases, few) = (rogue.caught_by().iter(), few.clone());
        cases.map(move |name| {
            let few = few.clone();
            tokio::spawn(async move {
                let _turn = few.acquire_owned().await;
                run(*rogue, name).await
            })
        })
    });
    let mut slipped = Vec::new();
    for run in runs.collect::<Vec<_>>() {
        let (rogue, case, outcome) = run.await.unwrap();
        if !outcome.is_failed() {
            slipped.push(format!("{rogue:?} slips through {case}: {outcome:?}"));
        }
    }
    assert!(slipped.is_empty(), "{}", slipped.join("\n"));
}

async fn run(rogue: Rogue, name: &'static str) -> (Rogue, &'static str, Outcome) {
    let case = find(name).unwrap_or_else(|| panic!("{rogue:?} names {name}, which is no case"));
    (rogue, name, case.run(&rogue).await)
}

#[test]
fn every_case_catches_a_rogue_or_says_why_not() {
    let caught: Vec<&str> = Rogue::ALL
        .iter()
        .flat_map(|rogue| rogue.caught_by())
        .copied()
        .collect();
    for name in cases().iter().map(Case::name) {
        let excused = WITHOUT_ROGUE.iter().any(|(case, _)| *case == name);
        let catches = caught.contains(&name);
        assert!(catches || excused, "no rogue shows that {name} can fail");
        assert!(!(catches && excused), "{name} needs no excuse");
    }
    for (name, _) in WITHOUT_ROGUE {
        assert!(find(name).is_some(), "{name} is no case");
    }
}

/// A rogue has one bug: what is not about it, it does right. A case that every rogue fails would show nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rogue_breaks_the_law_in_one_way() {
    for rogue in [
        Rogue::ReplaceUpserts,
        Rogue::EndLeavesNothing,
        Rogue::ScanByOffset,
        Rogue::OutageIsMissing,
    ] {
        let report = run_all(&rogue).await;
        let failed: Vec<_> = report.failed().map(|(name, _)| name).collect();
        assert!(!report.is_ok());
        assert!(
            failed.len() * 2 < report.outcomes().len(),
            "{rogue:?} fails {failed:?}"
        );
        for name in rogue.caught_by() {
            assert!(failed.contains(name), "{rogue:?} passes {name}");
        }
    }
}
