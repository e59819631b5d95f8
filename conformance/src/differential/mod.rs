//! Random sequences of requests go to an express-session server and to ours, and every difference is either one of the
//! deliberate ones in `differences.json`, each with its reason, or a failure.
//!
//! There are two worlds, each with its own sessions in one Redis. In world A express-session answers everything. In world
//! B our server answers, and now and then the same express-session process does, so that each side goes on with what the
//! other has stored. Compared are the status, the body, `Set-Cookie` without id and signature, and what Redis holds: which
//! sessions live, their values and their times to live.
//!
//! Time is not waited for: both servers are told what time it is, and Redis' times to live are shortened by what has
//! passed. Where a difference leaves the two worlds unlike each other, both begin anew with an unknown visitor.

pub mod compare;
pub mod differences;
pub mod facts;
pub mod generate;
pub mod lane;
pub mod presented;
pub mod shrink;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ask::Options,
    children::{Peer, RedisServer},
    differential::{differences::Differences, lane::Lane, presented::Presented},
    rng::Rng,
};

/// A sequence of requests from one browser.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sequence {
    /// Whom our server is held against.
    pub peer: Peer,
    /// The options, and others that the operator may have changed to in between.
    pub options: Vec<Options>,
    /// The requests.
    pub steps: Vec<Step>,
}

/// A request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// In world B too, express-session answers.
    pub by_node: bool,
    /// Which of the options hold.
    pub options: usize,
    /// How much time passes before, in milliseconds.
    pub pass: u64,
    /// What somebody else writes over the session before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poison: Option<String>,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// `X-Forwarded-Proto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proto: Option<String>,
    /// The cookie.
    pub cookie: Presented,
    /// What the handler does.
    pub ops: Vec<Value>,
}

/// How much is to be done.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The seed.
    pub seed: u64,
    /// At least so many steps.
    pub steps: u64,
}

/// What a run has seen.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Requests to each world.
    pub steps: u64,
    /// Of them, how many express-session answered in world B too.
    pub by_node: u64,
    /// Sequences.
    pub sequences: u64,
    /// How often each deliberate difference was seen.
    pub seen: std::collections::BTreeMap<String, u64>,
    /// What is wrong, with the shortest sequence that shows it.
    pub failure: Option<Failure>,
}

/// A difference that is not in the list.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed of the sequence.
    pub seed: u64,
    /// The shortest sequence found that shows a difference.
    pub sequence: Sequence,
    /// What differs in it.
    pub what: String,
}

impl Report {
    /// Why a run has not tested what it is for, however well it went: express-session has answered hardly ever in world B, so nothing
    /// was handed over. A run of fewer than 1,000 requests is too short to tell.
    #[must_use]
    pub fn shortcoming(&self) -> Option<String> {
        (self.steps >= 1000 && self.by_node * 15 <= self.steps).then(|| {
            format!(
                "express-session answered {} of {} requests in world B; it must be more than one in fifteen",
                self.by_node, self.steps
            )
        })
    }

    fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.by_node += other.by_node;
        self.sequences += other.sequences;
        for (id, times) in other.seen {
            *self.seen.entry(id).or_default() += times;
        }
        if self.failure.is_none() {
            self.failure = other.failure;
        }
    }
}

/// Runs sequences against all peers at once, until there are enough steps or a failure.
///
/// # Panics
///
/// If the processes cannot be started.
pub async fn run(redis: &RedisServer, settings: &Settings) -> Report {
    let differences = Differences::load();
    let mut rng = Rng::new(settings.seed);
    let lanes = Peer::ALL.len() as u64;
    let mut tasks = Vec::new();
    for (database, peer) in (1..).zip(Peer::ALL) {
        let lane = Lane::start(redis, database, peer).await;
        let share = settings.steps.div_ceil(lanes);
        let (rng, differences) = (rng.split(), differences.clone());
        tasks.push(tokio::spawn(run_lane(lane, rng, share, differences)));
    }
    let mut report = Report::default();
    for task in tasks {
        match task.await {
            Ok(part) => report.add(part),
            Err(error) => panic!("a lane ended early: {error}"),
        }
    }
    report
}

async fn run_lane(mut lane: Lane, mut rng: Rng, steps: u64, differences: Differences) -> Report {
    let mut report = Report::default();
    while report.steps < steps {
        let seed = rng.bits();
        let sequence = generate::sequence(&mut Rng::new(seed), lane.peer());
        let outcome = lane.run(&sequence, &differences).await;
        report.steps += outcome.steps;
        report.by_node += outcome.by_node;
        report.sequences += 1;
        for id in outcome.seen {
            *report.seen.entry(id).or_default() += 1;
        }
        if let Some(first) = outcome.failure {
            let (sequence, what) = shrink::shrink(&mut lane, sequence, &first, &differences).await;
            report.failure = Some(Failure {
                seed,
                sequence,
                what,
            });
            break;
        }
    }
    report
}
