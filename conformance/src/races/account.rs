//! What must hold after an interleaving, whoever came first.
//!
//! With requests to our servers alone:
//! - every acknowledged change is in the session, or in the one that it was rotated into, unless the session has ended;
//!   a change whose handler did not wait for the commit may be dropped with an id that was rotated meanwhile;
//! - acknowledged increments add up;
//! - an acknowledged sign-out leaves no live session under that id;
//! - of several rotations at once one brings a new id, and that id lives; a sign-in is a grant of its own;
//! - without a sign-out the browser is left with a session that lives;
//! - a request fails with 503 (others kept changing the session, or somebody else has signed in), or with an error where
//!   its handler waited for the commit and the session had ended; nothing else.
//!
//! An express-session server among them loses what it has not seen: it writes the session back as it was when it read it.
//! Then, and only then, changes may be missing, and they are counted. What it brings back from the dead, our servers
//! refuse. Windows that remain among our own requests are counted as well and named in [`Tally`].

use std::collections::BTreeMap;

use bytes::Bytes;
use cloakroom::core::json::RawObject;

use crate::races::actors::{Act, Done};

/// The value that every interleaving begins with.
#[must_use]
pub fn first_value() -> String {
    r#"{"cookie":{"originalMaxAge":600000,"expires":"2099-01-01T00:00:00.000Z","httpOnly":true,"path":"/"},"n":0,"w":"first","d0":0,"d1":0,"d2":0,"d3":0}"#.to_owned()
}

/// What Redis holds of an id afterwards.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The id.
    pub id: String,
    /// The value.
    pub value: Option<Bytes>,
    /// A tombstone stands.
    pub tomb: bool,
}

impl Seen {
    /// Whether our servers take it for live.
    fn is_live(&self) -> bool {
        self.value.is_some() && !self.tomb
    }

    fn get(&self, name: &str) -> Option<String> {
        let object = RawObject::parse(self.value.as_ref()?, usize::MAX).ok()?;
        object.get(name).map(|raw| raw.as_str().to_owned())
    }

    fn has(&self, done: &Done) -> bool {
        let number = done.actor.number;
        match done.actor.act {
            Act::Insert => self.get(&format!("k{number}")) == Some(number.to_string()),
            Act::Delete => self.get(&format!("d{number}")).is_none(),
            _ => true,
        }
    }
}

/// Counts over all interleavings.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Interleavings.
    pub interleavings: u64,
    /// Of them, those in which express-session took part.
    pub with_node: u64,
    /// Requests.
    pub requests: u64,
    /// Acknowledged changes that were accounted for.
    pub accounted: u64,
    /// Everything else worth counting, by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// What must not be.
    pub violations: Vec<String>,
}

impl Tally {
    /// Why a run has not tested what it is for, however well it went: express-session has hardly ever taken part, or hardly any change
    /// was acknowledged. A run of fewer than 1,000 interleavings is too short to tell.
    #[must_use]
    pub fn shortcoming(&self) -> Option<String> {
        let few =
            self.with_node * 10 <= self.interleavings || self.accounted * 2 <= self.interleavings;
        (self.interleavings >= 1000 && few).then(|| {
            format!(
                "of {} interleavings {} were with express-session, and {} changes were found again; it must be more than a tenth and \
                 more than half as many",
                self.interleavings, self.with_node, self.accounted
            )
        })
    }

    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.interleavings += other.interleavings;
        self.with_node += other.with_node;
        self.requests += other.requests;
        self.accounted += other.accounted;
        for (name, count) in other.counts {
            *self.counts.entry(name).or_default() += count;
        }
        self.violations.extend(other.violations);
    }

    fn count(&mut self, name: &'static str, times: usize) {
        *self.counts.entry(name).or_default() += times as u64;
    }
}

/// One interleaving, sorted.
struct Case<'a> {
    /// Requests that found the session.
    ours: Vec<&'a Done>,
    node: Vec<&'a Done>,
    first: &'a Seen,
    /// The sessions that rotations of it have given.
    rotated: Vec<(&'a Done, &'a Seen)>,
}

/// Holds an interleaving to the laws.
pub fn account(done: &[Done], seen: &[Seen], tally: &mut Tally) {
    tally.interleavings += 1;
    let find = |id: &str| seen.iter().find(|seen| seen.id == id);
    let Some(first) = seen.first() else { return };
    let with_node = done.iter().any(Done::is_by_node);
    tally.with_node += u64::from(with_node);
    let found = || done.iter().filter(|done| done.found);
    let case = Case {
        ours: found().filter(|done| !done.is_by_node()).collect(),
        node: found().filter(|done| done.is_by_node()).collect(),
        first,
        rotated: found()
            .filter(|done| !done.is_by_node() && done.actor.act.is_rotation())
            .filter_map(|done| Some((done, find(done.given.as_ref()?)?)))
            .filter(|(_, seen)| seen.id != first.id)
            .collect(),
    };
    let mut wrong = Vec::new();
    case.statuses(done, tally, &mut wrong);
    case.ends(tally, &mut wrong);
    case.rotations(tally, &mut wrong);
    case.changes(tally, &mut wrong);
    if !wrong.is_empty() {
        let mut text = wrong.join("\n");
        for done in done {
            text += &format!("\n  {done:?}");
        }
        for seen in seen {
            text += &format!("\n  {seen:?}");
        }
        tally.violations.push(text);
    }
}

impl Case<'_> {
    fn statuses(&self, done: &[Done], tally: &mut Tally, wrong: &mut Vec<String>) {
        for one in done.iter().filter(|done| !done.is_by_node()) {
            match (one.status.as_u16(), one.error.as_deref()) {
                (200, None) => {}
                (503, None) => tally.count(
                    "503: others kept changing the session, or another signed in",
                    1,
                ),
                (500, Some("gone")) if one.actor.certain => tally.count(
                    "an error, as the handler wanted certainty and the session had ended",
                    1,
                ),
                (500, Some("conflict")) if one.actor.certain => tally.count(
                    "an error, as the handler wanted certainty and others were first",
                    1,
                ),
                (status, error) => wrong.push(format!("an answer of {status} ({error:?})")),
            }
        }
    }

    fn ended_by_us(&self) -> bool {
        self.ours
            .iter()
            .any(|done| done.is_ok() && done.actor.act == Act::SignOut)
    }

    /// Whether express-session may have ended or overwritten the session.
    fn node_wrote(&self) -> bool {
        self.node.iter().any(|done| done.actor.act != Act::Read)
    }

    fn rotation_tried(&self) -> bool {
        self.ours.iter().any(|done| done.actor.act.is_rotation())
    }

    fn ends(&self, tally: &mut Tally, wrong: &mut Vec<String>) {
        if self.ended_by_us() {
            if self.first.is_live() {
                wrong.push("a session lives that was signed out".to_owned());
            }
            if self.first.value.is_some() {
                tally.count(
                    "express-session wrote over a session that had ended; ours refuse it",
                    1,
                );
            }
            let outlived = self
                .rotated
                .iter()
                .filter(|(done, seen)| done.actor.act != Act::SignIn && seen.is_live());
            tally.count(
                "window: a sign-out under way during a rotation ended the old id alone",
                outlived.count(),
            );
        }
        let only_node_ended = self
            .node
            .iter()
            .any(|done| done.is_ok() && matches!(done.actor.act, Act::SignOut | Act::Regenerate));
        let others_wrote = self
            .node
            .iter()
            .filter(|done| done.actor.act != Act::Read)
            .count()
            > 1;
        if only_node_ended && !others_wrote && self.first.is_live() {
            wrong.push("a session lives that express-session destroyed".to_owned());
        }
    }

    fn rotations(&self, tally: &mut Tally, wrong: &mut Vec<String>) {
        for (_, seen) in &self.rotated {
            if !seen.is_live() {
                wrong.push("the browser was given a new id that does not live".to_owned());
            }
        }
        let plain = self
            .rotated
            .iter()
            .filter(|(done, _)| done.actor.act != Act::SignIn);
        if plain.count() > 1 {
            wrong.push("two rotations of one session both brought a new id".to_owned());
        }
        let grants = self
            .rotated
            .iter()
            .filter(|(done, _)| done.actor.act == Act::SignIn);
        tally.count(
            "sign-ins beside another rotation, each with a session of its own",
            grants.count().saturating_sub(1),
        );
        if !self.rotated.is_empty() && self.first.is_live() {
            wrong.push("the old id lives beside the new one".to_owned());
        }
        if self.rotated.is_empty()
            && !self.ended_by_us()
            && !self.node_wrote()
            && !self.first.is_live()
        {
            wrong.push("nobody ended the session and it does not live".to_owned());
        }
    }

    fn changes(&self, tally: &mut Tally, wrong: &mut Vec<String>) {
        let live: Vec<&Seen> = std::iter::once(self.first)
            .chain(self.rotated.iter().map(|(_, seen)| *seen))
            .filter(|seen| seen.is_live())
            .collect();
        let emptied = self
            .rotated
            .iter()
            .any(|(done, _)| done.actor.act == Act::Regenerate);
        let changes = self
            .ours
            .iter()
            .filter(|done| done.actor.act.is_change() && done.is_ok());
        if live.is_empty() || emptied || self.ended_by_us() {
            tally.count(
                "acknowledged changes that ended with their session",
                changes.count(),
            );
            return;
        }
        let mut lost = 0;
        let mut dropped = 0;
        for done in changes.clone() {
            if live.iter().any(|seen| seen.has(done)) {
                tally.accounted += 1;
            } else if self.node_wrote() {
                lost += 1;
            } else if !done.actor.certain && self.rotation_tried() {
                dropped += 1;
            } else {
                wrong.push(format!("the change of actor {} is lost", done.actor.number));
            }
        }
        let of = |act: Act| self.ours.iter().filter(move |done| done.actor.act == act);
        let issued = of(Act::Increment).filter(|done| done.is_ok());
        let certain = issued
            .clone()
            .filter(|done| done.actor.certain || !self.rotation_tried())
            .count();
        let sum = live
            .iter()
            .filter_map(|seen| seen.get("n")?.parse::<usize>().ok())
            .max();
        let (issued, sum) = (issued.count(), sum.unwrap_or(0));
        if self.node_wrote() {
            lost += certain.saturating_sub(sum);
        } else if !(certain..=issued).contains(&sum) {
            wrong.push(format!(
                "{issued} increments, of them {certain} for certain, made {sum}"
            ));
        } else {
            dropped += issued - sum;
        }
        self.shared_name(&live, wrong);
        tally.count("changes lost under a blind write of express-session", lost);
        tally.count(
            "changes dropped with an id that was rotated meanwhile, without certainty asked for",
            dropped,
        );
    }

    /// The name that several write holds what one of them wrote.
    fn shared_name(&self, live: &[&Seen], wrong: &mut Vec<String>) {
        let writers = self
            .ours
            .iter()
            .chain(&self.node)
            .filter(|done| done.actor.act == Act::Overwrite);
        for seen in live {
            let value = seen.get("w");
            let is_first = value.as_deref() == Some("\"first\"");
            let acknowledged = self.ours.iter().any(|done| {
                done.actor.act == Act::Overwrite
                    && done.is_ok()
                    && (done.actor.certain || !self.rotation_tried())
            });
            let is_written = writers
                .clone()
                .any(|done| Some(done.actor.number.to_string()) == value);
            if !(is_written
                || is_first && (!acknowledged || self.node_wrote() || self.rotated.len() > 1))
            {
                wrong.push(format!("the shared name holds {value:?}"));
            }
        }
    }
}
