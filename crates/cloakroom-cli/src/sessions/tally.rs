//! What `stats` counts, in bounded memory however many sessions there are.

use std::{collections::HashMap, time::Duration};

use hdrhistogram::Histogram;

use super::seen::{Content, Seen};

/// So much memory is for owners that are counted one by one. Beyond, those with few sessions are let go again, and the others'
/// numbers are at least so many. It is enough for 150,000 with names of twenty bytes.
const OWNERS: usize = 16 * 1024 * 1024;

/// What an owner takes beside the name: the table's entry with its spare room, and what the allocator adds.
const BESIDE_NAME: usize = 88;

/// Bounds of the time that is left.
pub(crate) const BOUNDS: [(Duration, &str); 6] = [
    (Duration::from_secs(60), "1 minute"),
    (Duration::from_secs(900), "15 minutes"),
    (Duration::from_secs(3600), "1 hour"),
    (Duration::from_secs(8 * 3600), "8 hours"),
    (Duration::from_secs(86_400), "1 day"),
    (Duration::from_secs(30 * 86_400), "30 days"),
];

/// The counts.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) sessions: u64,
    pub(crate) signed_in: u64,
    /// With this library's metadata in them.
    pub(crate) marked: u64,
    /// Values that say "no session".
    pub(crate) nothing: u64,
    pub(crate) unreadable: u64,
    pub(crate) bytes: u64,
    pub(crate) sizes: Histogram<u64>,
    /// By the time that is left: up to each of the bounds, then longer, then without an end.
    pub(crate) left: [u64; BOUNDS.len() + 2],
    pub(crate) owners: Owners,
}

impl Tally {
    /// Sizes are kept with two significant digits, up to more than any store takes.
    pub(crate) fn new() -> Option<Self> {
        Some(Self {
            sessions: 0,
            signed_in: 0,
            marked: 0,
            nothing: 0,
            unreadable: 0,
            bytes: 0,
            sizes: Histogram::new_with_bounds(1, 1 << 40, 2).ok()?,
            left: [0; BOUNDS.len() + 2],
            owners: Owners::new(OWNERS),
        })
    }

    pub(crate) fn add(&mut self, seen: &Seen) {
        self.sessions += 1;
        self.bytes += seen.bytes;
        self.sizes.saturating_record(seen.bytes.max(1));
        let place = match seen.remaining {
            None => BOUNDS.len() + 1,
            Some(left) => {
                let within = BOUNDS.iter().position(|(bound, _)| left <= *bound);
                within.unwrap_or(BOUNDS.len())
            }
        };
        self.left[place] += 1;
        match &seen.content {
            Content::Nothing => self.nothing += 1,
            Content::Unreadable(_) => self.unreadable += 1,
            Content::Read(facts) => {
                self.marked += u64::from(facts.marked);
                if let Some(owner) = &facts.owner {
                    self.signed_in += 1;
                    self.owners.add(owner);
                }
            }
        }
    }

    /// A size that so many percent of the sessions do not exceed.
    pub(crate) fn percentile(&self, percent: f64) -> u64 {
        self.sizes.value_at_quantile(percent / 100.0)
    }
}

/// How many sessions owners have: those with many for certain (Misra and Gries, 1982).
#[derive(Debug)]
pub(crate) struct Owners {
    /// How many bytes they may take.
    limit: usize,
    bytes: usize,
    counts: HashMap<Box<str>, u64>,
    most: usize,
    taken: u64,
}

impl Owners {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: 0,
            counts: HashMap::new(),
            most: 0,
            taken: 0,
        }
    }

    fn add(&mut self, owner: &str) {
        if let Some(count) = self.counts.get_mut(owner) {
            *count += 1;
            return;
        }
        if self.bytes + cost(owner) <= self.limit {
            self.bytes += cost(owner);
            self.counts.insert(owner.into(), 1);
            self.most = self.most.max(self.counts.len());
            return;
        }
        self.taken += 1;
        let bytes = &mut self.bytes;
        self.counts.retain(|owner, count| {
            *count -= 1;
            if *count == 0 {
                *bytes -= cost(owner);
            }
            *count > 0
        });
    }

    /// How many owners there are; `None` if there are more than are counted one by one.
    pub(crate) fn distinct(&self) -> Option<usize> {
        (self.taken == 0).then_some(self.counts.len())
    }

    /// The most that were counted one by one at a time: where there are more, there are more than so many.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// By how much a count may be too low.
    pub(crate) fn error(&self) -> u64 {
        self.taken
    }

    /// Those with the most sessions, most first.
    pub(crate) fn top(&self, number: usize) -> Vec<(&str, u64)> {
        let mut top: Vec<_> = self
            .counts
            .iter()
            .map(|(owner, &count)| (&**owner, count))
            .collect();
        top.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        top.truncate(number);
        top
    }
}

fn cost(owner: &str) -> usize {
    owner.len() + BESIDE_NAME
}

#[cfg(test)]
mod tests {
    use cloakroom::{SessionId, Timestamp, core::store::Stored};

    use super::*;

    #[test]
    fn whoever_has_many_is_found_however_many_others_there_are() {
        let most = 10;
        let mut owners = Owners::new(most * cost("once-999"));
        for number in 0..1000 {
            owners.add("many");
            owners.add(&format!("once-{number}"));
        }
        assert_eq!(owners.distinct(), None);
        let top = owners.top(1);
        assert_eq!(top[0].0, "many");
        assert!(
            top[0].1 <= 1000 && top[0].1 + owners.error() >= 1000,
            "{top:?}"
        );
        assert!(owners.counts.len() <= most);
        assert!((1..=most).contains(&owners.most()));
    }

    /// The names' bytes count, and not their number: an owner may have a kilobyte, and in a foreign value a megabyte.
    #[test]
    fn long_names_take_no_more_memory_than_short_ones() {
        let limit = 64 * 1024;
        let mut owners = Owners::new(limit);
        for number in 0..1000 {
            owners.add("many");
            owners.add(&format!("{number}-{}", "x".repeat(number * 10)));
            owners.add(&format!("{number}-{}", "y".repeat(limit)));
            let held: usize = owners.counts.keys().map(|owner| cost(owner)).sum();
            assert_eq!(held, owners.bytes);
            assert!(held <= limit, "{held} bytes");
        }
        assert!(owners.distinct().is_none() && owners.error() > 0);
    }

    #[test]
    fn few_owners_are_counted_exactly() {
        let mut owners = Owners::new(3 * cost("a"));
        for owner in ["b", "a", "c", "b", "b", "a"] {
            owners.add(owner);
        }
        assert_eq!((owners.distinct(), owners.error()), (Some(3), 0));
        assert_eq!(owners.top(2), [("b", 3), ("a", 2)]);
    }

    #[test]
    fn every_session_is_in_one_place() {
        let mut tally = Tally::new().unwrap();
        let mut add = |value: &'static str, left: Option<u64>| {
            let remaining = left.map(Duration::from_secs);
            let stored = Stored {
                value: value.into(),
                remaining,
            };
            tally.add(&Seen::new(
                SessionId::parse("a").unwrap(),
                &stored,
                Timestamp::UNIX_EPOCH,
                None,
            ));
        };
        add(r#"{"cookie":{}}"#, Some(60));
        add(r#"{"cookie":{},"__ck":{"owner":"a"}}"#, Some(61));
        add("null", None);
        add("x", Some(99_999_999));
        assert_eq!(
            (
                tally.sessions,
                tally.signed_in,
                tally.marked,
                tally.nothing,
                tally.unreadable
            ),
            (4, 1, 1, 1, 1)
        );
        assert_eq!(tally.left, [1, 1, 0, 0, 0, 0, 1, 1]);
        assert_eq!(tally.bytes, 13 + 34 + 4 + 1);
        assert_eq!(tally.percentile(50.0), 4);
    }
}
