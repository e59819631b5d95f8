//! What a third party gets to see: passed, failed with how, skipped with why; whatever the store does.

use std::{future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom_contract::{
    Capability, Handle, Opened, Outcome, StoreFactory, cases, find, rogues::Rogue, run_all,
};
use cloakroom_core::{
    Created, EndReason, Error, ErrorKind, Loaded, Replaced, Retired, SessionId, Store,
};

/// What a hopeless store does.
#[derive(Clone, Copy, Debug)]
enum Hopeless {
    Panics,
    Hangs,
    Fails,
}

impl Hopeless {
    async fn answer<T>(self) -> Result<T, Error> {
        match self {
            Self::Panics => panic!("nobody expects this"),
            Self::Hangs => pending().await,
            Self::Fails => Err(Error::new(ErrorKind::Unavailable, "no server")),
        }
    }
}

#[async_trait]
impl Store for Hopeless {
    async fn load(&self, _: &SessionId) -> Result<Loaded, Error> {
        self.answer().await
    }

    async fn create(&self, _: &SessionId, _: Bytes, _: Duration) -> Result<Created, Error> {
        self.answer().await
    }

    async fn replace(
        &self,
        _: &SessionId,
        _: &Bytes,
        _: Bytes,
        _: Duration,
    ) -> Result<Replaced, Error> {
        self.answer().await
    }

    async fn renew(&self, _: &SessionId, _: Duration) -> Result<bool, Error> {
        self.answer().await
    }

    async fn end(&self, _: &SessionId, _: EndReason) -> Result<bool, Error> {
        self.answer().await
    }

    async fn retire(&self, _: &SessionId, _: &Bytes) -> Result<Retired, Error> {
        self.answer().await
    }
}

#[async_trait]
impl StoreFactory for Hopeless {
    async fn open(&self) -> Result<Opened, Error> {
        let handle = Handle::new(Arc::new(*self));
        Ok(Opened::new(handle).without(Capability::Scan, "it lists nothing by design"))
    }
}

struct Unopened;

#[async_trait]
impl StoreFactory for Unopened {
    async fn open(&self) -> Result<Opened, Error> {
        Err(Error::new(
            ErrorKind::Unavailable,
            "no server at this address",
        ))
    }
}

#[tokio::test(start_paused = true)]
async fn every_way_to_be_hopeless_is_a_failure_and_not_the_end() {
    for (store, said) in [
        (Hopeless::Panics, "nobody expects this"),
        (Hopeless::Hangs, "did not answer within"),
        (Hopeless::Fails, "no server"),
    ] {
        let report = run_all(&store).await;
        assert_eq!(report.outcomes().len(), cases().len());
        for (case, outcome) in report.outcomes() {
            match outcome {
                Outcome::Skipped(_) => {}
                // There the caller is the test's own task, whose panic tokio reports.
                Outcome::Failed(message) if case.name().starts_with("races::") => {
                    assert!(!message.is_empty());
                }
                // A dropped call that never gets on leaves the store as before: the law has no word on it but the
                // deadline of the next call.
                Outcome::Failed(message) => assert!(message.contains(said), "{case:?}: {message}"),
                passed => panic!("{case:?} of {store:?}: {passed:?}"),
            }
        }
        assert!(!report.is_ok());
    }
}

#[tokio::test]
async fn a_store_that_does_not_open_fails_every_case() {
    let report = run_all(&Unopened).await;
    assert_eq!(report.failed().count(), cases().len());
    let (_, message) = report.failed().next().unwrap();
    assert!(message.contains("no server at this address"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn the_table_names_each_case_with_what_came_of_it() {
    let report = run_all(&Hopeless::Fails).await;
    let table = report.to_string();
    let rows = table.lines().filter(|line| !line.starts_with(' '));
    assert_eq!(rows.count(), cases().len() + 1);
    for (case, outcome) in report.outcomes() {
        let line = table.lines().find(|line| line.contains(case.name()));
        let line = line.unwrap_or_else(|| panic!("{case:?} is not in the table"));
        match outcome {
            Outcome::Failed(message) => {
                assert!(line.starts_with("FAILED"), "{line}");
                assert!(line.contains(message.lines().next().unwrap()), "{line}");
            }
            Outcome::Skipped(reason) => {
                assert!(line.starts_with("skipped"), "{line}");
                assert!(line.contains(reason), "{line}");
            }
            _ => assert!(line.starts_with("passed"), "{line}"),
        }
    }
    // The factory's own reason, and one of the kit's.
    assert!(table.contains("it lists nothing by design"), "{table}");
    assert!(table.contains("it has no Sweep"), "{table}");
    let last = table.lines().last().unwrap();
    let skipped = report.skipped().count();
    assert!(last.ends_with(&format!("{skipped} skipped")), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sequence_is_short_and_names_its_seed() {
    let case = find("model::random_sequences_agree_with_the_model").unwrap();
    let Outcome::Failed(message) = case.run(&Rogue::FirstReasonStays).await else {
        panic!("the rogue slips through");
    };
    assert!(message.contains("with the seed "), "{message}");
    // Two ends show it, or create, retire and end; of up to 39 steps shrinking leaves one or two more, by the seed.
    let steps = message.lines().skip(1).count();
    assert!(steps <= 5, "{message}");
}
