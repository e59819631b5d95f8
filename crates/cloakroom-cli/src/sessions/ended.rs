//! What became of the sessions that were to end, whether all of it went well or not.

use serde_json::json;

use crate::{failure::Failure, format, output::Output};

/// The count so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    /// These lived.
    pub(super) live: u64,
    /// These had ended meanwhile.
    pub(super) over: u64,
    /// Whether a revocation stands: an application ends what it concerns when it is presented.
    pub(super) revoked: bool,
}

impl Ended {
    /// One session was ended.
    pub(super) fn add(&mut self, lived: bool) {
        if lived {
            self.live += 1;
        } else {
            self.over += 1;
        }
    }

    /// Says what was done, also before a failure: whoever runs the command again must know.
    pub(super) fn report(
        self,
        outcome: Result<(), Failure>,
        json: bool,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let whole = outcome.is_ok();
        if whole || self != Self::default() {
            output.line(if json {
                self.to_json(whole)
            } else {
                self.words(whole)
            })?;
            output.flush()?;
        }
        outcome
    }

    fn to_json(self, whole: bool) -> String {
        let mut object = json!({"ended": self.live, "alreadyOver": self.over});
        if !whole {
            object["complete"] = false.into();
            object["revoked"] = self.revoked.into();
        }
        object.to_string()
    }

    fn words(self, whole: bool) -> String {
        let over = match self.over {
            0 => String::new(),
            over => format!("; {} had ended meanwhile", format::count(over)),
        };
        let done = format!("Ended {}{over}.", format::sessions(self.live));
        match (whole, self.revoked) {
            (true, _) => done,
            (false, true) => format!(
                "{done} The revocation stands, so the others end when they are presented to an application that knows it; run \
                 the command again to end them in the store."
            ),
            (false, false) => format!("{done} There may be others: run the command again."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_said_whether_it_was_all_or_not() {
        let mut ended = Ended::default();
        for lived in [true, false, true] {
            ended.add(lived);
        }
        assert_eq!(
            ended.words(true),
            "Ended 2 sessions; 1 had ended meanwhile."
        );
        assert_eq!(ended.to_json(true), r#"{"ended":2,"alreadyOver":1}"#);
        assert!(ended.words(false).contains("run the command again"));
        assert!(!ended.words(false).contains("revocation"));
        ended.revoked = true;
        assert!(ended.words(false).contains("The revocation stands"));
        assert_eq!(
            ended.to_json(false),
            r#"{"ended":2,"alreadyOver":1,"complete":false,"revoked":true}"#
        );
    }
}
