//! All cases in a row, and a table of how they came out.

use std::fmt;

use crate::{Case, Outcome, StoreFactory, cases};

/// How every case came out. Its `Display` is a table.
#[derive(Clone, Debug, Default)]
pub struct Report {
    outcomes: Vec<(Case, Outcome)>,
}

/// Runs every case, one after the other, each on a fresh store. Needs a tokio runtime with a timer; the races need
/// several threads to be worth something.
pub async fn run_all(factory: &dyn StoreFactory) -> Report {
    let mut report = Report::default();
    for case in cases() {
        let outcome = case.run(factory).await;
        report.outcomes.push((*case, outcome));
    }
    report
}

impl Report {
    /// Every case with its outcome, in the order of [`cases`].
    #[must_use]
    pub fn outcomes(&self) -> &[(Case, Outcome)] {
        &self.outcomes
    }

    /// The cases in which the store broke the law, with how.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.outcomes
            .iter()
            .filter_map(|(case, outcome)| match outcome {
                Outcome::Failed(message) => Some((case.name(), message.as_str())),
                _ => None,
            })
    }

    /// The cases that could not be run, with why.
    pub fn skipped(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.outcomes
            .iter()
            .filter_map(|(case, outcome)| match outcome {
                Outcome::Skipped(reason) => Some((case.name(), reason.as_str())),
                _ => None,
            })
    }

    /// Whether no case failed. Look at [`skipped`](Self::skipped) too: what was not run was not shown.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failed().next().is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.outcomes.iter().map(|(case, _)| case.name().len());
        let width = width.max().unwrap_or(0);
        for (case, outcome) in &self.outcomes {
            let name = case.name();
            match outcome {
                Outcome::Passed => writeln!(f, "passed   {name}")?,
                Outcome::Failed(message) => {
                    let message = message.replace('\n', "\n           ");
                    writeln!(f, "FAILED   {name:width$}  {message}")?;
                }
                Outcome::Skipped(reason) => writeln!(f, "skipped  {name:width$}  {reason}")?,
            }
        }
        let (failed, skipped) = (self.failed().count(), self.skipped().count());
        let passed = self.outcomes.len() - failed - skipped;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}
