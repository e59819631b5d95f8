//! Which sessions are meant.

use std::time::Duration;

use clap::Args;
use cloakroom::Timestamp;

use super::seen::Seen;
use crate::format;

/// Filters; a session must pass all that are given.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Filters")]
pub struct Filter {
    /// Only those that were signed in longer ago than this, as `2h` or `7d`; anonymous sessions do not say when they began
    #[arg(long, value_name = "TIME", value_parser = format::duration)]
    pub older_than: Option<Duration>,
    /// Only those that were not used for this long, about: a use renews a session once a part of its lifetime has passed
    #[arg(long, value_name = "TIME", value_parser = format::duration)]
    pub idle_for: Option<Duration>,
    /// Only those that end within this time unless they are used
    #[arg(long, value_name = "TIME", value_parser = format::duration)]
    pub expires_within: Option<Duration>,
}

impl Filter {
    /// Whether all sessions pass.
    pub(crate) fn is_empty(&self) -> bool {
        self.older_than.is_none() && self.idle_for.is_none() && self.expires_within.is_none()
    }

    pub(crate) fn passes(&self, seen: &Seen, now: Timestamp) -> bool {
        let facts = seen.facts();
        let at_least = |wanted: Option<Duration>, has: Option<Duration>| {
            wanted.is_none_or(|wanted| has.is_some_and(|has| has >= wanted))
        };
        let signed_in = facts.and_then(|facts| facts.signed_in);
        at_least(
            self.older_than,
            signed_in.map(|at| now.saturating_since(at)),
        ) && at_least(self.idle_for, facts.and_then(|facts| facts.idle))
            && self
                .expires_within
                .is_none_or(|within| seen.remaining.is_some_and(|left| left <= within))
    }
}

#[cfg(test)]
mod tests {
    use cloakroom::{SessionId, core::store::Stored};

    use super::*;

    const VALUE: &str =
        r#"{"cookie":{"originalMaxAge":60000},"__ck":{"owner":"a","signedIn":1000}}"#;

    #[test]
    fn each_filter_must_be_passed_and_what_is_not_known_passes_none() {
        let seen = |value: &'static str, remaining: Option<u64>| {
            let remaining = remaining.map(Duration::from_secs);
            Seen::new(
                SessionId::parse("a").unwrap(),
                &Stored {
                    value: value.into(),
                    remaining,
                },
                Timestamp::from_millis(101_000),
                None,
            )
        };
        let seconds = |n| Some(Duration::from_secs(n));
        let now = Timestamp::from_millis(101_000);
        let passes = |filter: Filter, seen: &Seen| filter.passes(seen, now);
        let known = seen(VALUE, Some(20));
        let forever = seen("{\"cookie\":{}}", None);
        for (filter, yes) in [
            (Filter::default(), true),
            (
                Filter {
                    older_than: seconds(100),
                    ..Filter::default()
                },
                true,
            ),
            (
                Filter {
                    older_than: seconds(101),
                    ..Filter::default()
                },
                false,
            ),
            (
                Filter {
                    idle_for: seconds(40),
                    ..Filter::default()
                },
                true,
            ),
            (
                Filter {
                    idle_for: seconds(41),
                    ..Filter::default()
                },
                false,
            ),
            (
                Filter {
                    expires_within: seconds(20),
                    ..Filter::default()
                },
                true,
            ),
            (
                Filter {
                    expires_within: seconds(19),
                    ..Filter::default()
                },
                false,
            ),
            (
                Filter {
                    idle_for: seconds(40),
                    expires_within: seconds(19),
                    ..Filter::default()
                },
                false,
            ),
        ] {
            assert_eq!(passes(filter.clone(), &known), yes, "{filter:?}");
            let no_filter = filter.is_empty();
            assert_eq!(passes(filter, &forever), no_filter);
        }
    }
}
