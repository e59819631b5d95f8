//! One express-session server, one of ours, and the two worlds that they serve.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    ask::{Ask, Options},
    children::{Peer, RedisServer, Server},
    client::{Call, Client},
    differential::{
        Sequence, Step,
        compare::{self, Answer, Difference},
        differences::Differences,
        facts::Facts,
    },
    ours::{Ours, on_redis},
    resp::{Entry, Redis},
};

/// When every sequence begins: 2026-11-26T08:00:00Z.
const START: i64 = 1_795_680_000_000;

/// How near to the end of a session's time the clocks never stop, since Redis' clock goes on by itself.
const GUARD: i64 = 3000;

/// How often a sequence is run for which the machine is too slow.
const RUNS: u32 = 20;

/// The processes.
#[derive(Debug)]
pub struct Lane {
    peer: Peer,
    redis: Redis,
    node: Client,
    ours: Client,
    server: Ours,
    _node: Server,
}

/// How a sequence went.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Steps done.
    pub steps: u64,
    /// Of them, how many express-session answered in both worlds.
    pub by_node: u64,
    /// The deliberate differences that were seen.
    pub seen: Vec<String>,
    /// What differs and should not.
    pub failure: Option<String>,
}

/// One world's browser and sessions.
#[derive(Debug)]
struct World {
    prefix: &'static str,
    /// What the browser holds.
    current: Option<String>,
    /// What it was ever given.
    given: Vec<Given>,
}

#[derive(Clone, Debug)]
struct Given {
    id: String,
    /// The options that held when it was.
    options: usize,
    /// How our server has ended it.
    ended: Option<&'static str>,
    poisoned: bool,
}

impl World {
    fn new(prefix: &'static str) -> Self {
        Self {
            prefix,
            current: None,
            given: Vec::new(),
        }
    }

    fn index(&self, id: Option<&String>) -> Option<usize> {
        self.given.iter().position(|given| Some(&given.id) == id)
    }

    fn take(&mut self, answer: &Answer, options: usize) {
        if answer.removed {
            self.current = None;
        }
        if let Some(id) = &answer.given {
            if self.index(Some(id)).is_none() {
                self.given.push(Given {
                    id: id.clone(),
                    options,
                    ended: None,
                    poisoned: false,
                });
            }
            self.current = Some(id.clone());
        }
    }

    /// The `Cookie` headers of a step, and the id that they present.
    fn cookies(&self, step: &Step, options: &Options) -> (Vec<String>, Option<String>) {
        let given: Vec<String> = self.given.iter().map(|given| given.id.clone()).collect();
        step.cookie.headers(
            options.cookie_name(),
            &options.secret,
            &given,
            self.current.as_deref(),
        )
    }
}

type Dump = BTreeMap<String, Entry>;

impl Lane {
    /// Starts the processes over a database of their own.
    ///
    /// # Panics
    ///
    /// If they do not start.
    pub async fn start(redis: &RedisServer, database: u32, peer: Peer) -> Self {
        let node = Server::node(peer, &redis.url(database)).await;
        let server = Ours::new(on_redis(redis.url(database)));
        let port = match server.serve_apart().await {
            Ok(port) => port,
            Err(error) => panic!("our server does not start: {error}"),
        };
        Self {
            peer,
            redis: redis.connect(database).await,
            ours: Client::new(port),
            server,
            node: node.client(),
            _node: node,
        }
    }

    /// Whom it is held against.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Runs a sequence in an empty database.
    ///
    /// The clocks of a sequence stand still between its steps, and Redis' own does not. Where that alone came as far as to the
    /// nearest end of a session's time, because the machine had other things to do, a difference says nothing and the sequence
    /// is run again.
    pub async fn run(&mut self, sequence: &Sequence, differences: &Differences) -> Outcome {
        let mut runs = 1;
        loop {
            let started = Instant::now();
            let mut outcome = self.run_once(sequence, differences).await;
            let in_time = started.elapsed().as_millis() < u128::from(GUARD.unsigned_abs()) / 2;
            let Some(failure) = &mut outcome.failure else {
                return outcome;
            };
            if in_time {
                return outcome;
            }
            if runs == RUNS {
                *failure += "  this machine was too slow for the sequence in each of its runs\n";
                return outcome;
            }
            runs += 1;
        }
    }

    async fn run_once(&mut self, sequence: &Sequence, differences: &Differences) -> Outcome {
        let mut outcome = Outcome::default();
        let mut now = START;
        let mut worlds = (World::new("a:"), World::new("b:"));
        let mut slack = 250;
        self.redis.call(&["FLUSHDB"]).await;
        for (index, step) in sequence.steps.iter().enumerate() {
            let started = Instant::now();
            let (found, facts) = self
                .step(sequence, step, &mut worlds, &mut now, slack)
                .await;
            slack += i64::try_from(started.elapsed().as_millis()).unwrap_or(0);
            outcome.steps += 1;
            outcome.by_node += u64::from(step.by_node);
            let mut diverged = false;
            let mut seen = BTreeSet::new();
            for difference in &found {
                let Some(entry) = differences.explain(difference, &facts) else {
                    outcome.failure = Some(describe(index, difference, &found, &facts));
                    return outcome;
                };
                seen.insert(entry.id.clone());
                diverged |= entry.diverges;
            }
            outcome.seen.extend(seen);
            if diverged {
                worlds = (World::new("a:"), World::new("b:"));
                self.redis.call(&["FLUSHDB"]).await;
            }
        }
        outcome
    }

    async fn step(
        &mut self,
        sequence: &Sequence,
        step: &Step,
        worlds: &mut (World, World),
        now: &mut i64,
        slack: i64,
    ) -> (Vec<Difference>, Facts) {
        let started = Instant::now();
        *now += self.pass(step.pass).await;
        let options = &sequence.options[step.options];
        if let Some(poison) = &step.poison {
            self.poison(worlds, poison).await;
        }
        let before = (self.redis.dump("a:").await, self.redis.dump("b:").await);
        let presented_before = worlds.1.cookies(step, options).1;
        let (node, node_id) = self.ask(&worlds.0, step, options, true, *now).await;
        let (ours, ours_id) = self.ask(&worlds.1, step, options, step.by_node, *now).await;

        let mut facts = Facts::of_request(sequence, step);
        let entry_of = |dump: &Dump, prefix: &str, id: Option<&String>| {
            id.and_then(|id| dump.get(&format!("{prefix}{id}")).cloned())
        };
        let node_before = entry_of(&before.0, "a:", node_id.as_ref());
        let ours_before = entry_of(&before.1, "b:", ours_id.as_ref());
        facts.add_session(node_before.as_ref(), *now);
        if let (Some(a), Some(b)) = (&node_before, &ours_before) {
            facts.add(
                "expires differed before",
                compare::times(a).1 != compare::times(b).1,
            );
        }
        if let Some(known) = worlds.1.index(presented_before.as_ref()) {
            let known = &worlds.1.given[known];
            facts.add(
                format!("presents {}", known.ended.unwrap_or("live")),
                known.ended.is_some(),
            );
            facts.add("options have changed", known.options != step.options);
            facts.add("poisoned", known.poisoned);
        }

        let mut found = compare::differences(&node.fields, &ours.fields);
        worlds.0.take(&node, step.options);
        worlds.1.take(&ours, step.options);
        let touched = [
            (
                worlds.0.index(node_id.as_ref()),
                worlds.1.index(ours_id.as_ref()),
            ),
            (
                worlds.0.index(node.given.as_ref()),
                worlds.1.index(ours.given.as_ref()),
            ),
        ];
        self.settle(step).await;
        let after = (self.redis.dump("a:").await, self.redis.dump("b:").await);
        // What one server stored some time before the other.
        let slack = slack + i64::try_from(started.elapsed().as_millis()).unwrap_or(0);
        found.extend(stored_differences(
            worlds, &touched, &after.0, &after.1, slack,
        ));
        let is_gone = ours_before.is_some() && entry_of(&after.1, "b:", ours_id.as_ref()).is_none();
        if is_gone
            && !step.by_node
            && let Some(index) = worlds.1.index(ours_id.as_ref())
        {
            worlds.1.given[index].ended = Some(how(step, options));
        }
        (found, facts)
    }

    /// Lets time pass, but not to a moment at which a session is about to end.
    async fn pass(&mut self, wanted: u64) -> i64 {
        if wanted == 0 {
            return 0;
        }
        let mut time = i64::try_from(wanted).unwrap_or(i64::MAX);
        let all = self.redis.dump("").await;
        let ends: Vec<i64> = all.values().filter_map(|entry| entry.pttl).collect();
        while ends.iter().any(|left| (left - time).abs() < GUARD) {
            time += GUARD;
        }
        let duration = Duration::from_millis(time.unsigned_abs());
        self.redis.pass(duration).await;
        time
    }

    async fn poison(&mut self, worlds: &mut (World, World), text: &str) {
        for world in [&mut worlds.0, &mut worlds.1] {
            let Some(id) = world.current.clone() else {
                continue;
            };
            let key = format!("{}{id}", world.prefix);
            self.redis.call(&["SET", &key, text, "XX", "KEEPTTL"]).await;
            if let Some(index) = world.index(Some(&id)) {
                world.given[index].poisoned = true;
            }
        }
    }

    async fn ask(
        &mut self,
        world: &World,
        step: &Step,
        options: &Options,
        by_node: bool,
        now: i64,
    ) -> (Answer, Option<String>) {
        let (cookies, presented) = world.cookies(step, options);
        let call = Call {
            method: step.method.parse().unwrap_or(http::Method::GET),
            path: step.path.clone(),
            cookies,
            forwarded_proto: step.proto.clone(),
            ..Call::get(Ask {
                options: options.with_prefix(world.prefix),
                ops: Value::Array(step.ops.clone()),
                now: Some(now),
            })
        };
        let client = if by_node {
            &mut self.node
        } else {
            &mut self.ours
        };
        let response = match client.send(&call).await {
            Ok(response) => response,
            Err(error) => panic!("no response to {call:?}: {error}"),
        };
        (
            Answer::of(&response, options.cookie_name(), presented.as_deref()),
            presented,
        )
    }

    /// Waits for what our server does beside its responses.
    async fn settle(&mut self, step: &Step) {
        if !step.by_node {
            self.server.settled().await;
        }
    }
}

fn stored_differences(
    worlds: &(World, World),
    touched: &[(Option<usize>, Option<usize>)],
    node: &Dump,
    ours: &Dump,
    slack: i64,
) -> Vec<Difference> {
    let mut found = Vec::new();
    for (index, (a, b)) in worlds.0.given.iter().zip(&worlds.1.given).enumerate() {
        let a = node.get(&format!("a:{}", a.id)).cloned();
        let b = ours.get(&format!("b:{}", b.id)).cloned();
        let is_touched = touched.contains(&(Some(index), Some(index)));
        let differences = compare::stored(&a, &b, slack);
        found.extend(
            differences
                .into_iter()
                .filter(|difference| is_touched || difference.field == "session"),
        );
    }
    // What nobody can come back to.
    let (a, b) = (strays(node, &worlds.0), strays(ours, &worlds.1));
    if a != b {
        found.push(Difference {
            field: "strays",
            node: a.to_string(),
            ours: b.to_string(),
        });
    }
    found
}

fn strays(dump: &Dump, world: &World) -> usize {
    let known = |key: &String| {
        let id = key.strip_prefix(world.prefix).map(str::to_owned);
        world.index(id.as_ref()).is_some()
    };
    dump.keys().filter(|key| !known(key)).count()
}

/// How our server has ended the session that a step presented.
fn how(step: &Step, options: &Options) -> &'static str {
    let has = |name: &str| step.ops.iter().any(|op| op[0] == name);
    let destroys = options.unset.as_deref() == Some("destroy") || has("regenerate");
    if has("destroy") || has("unset") && destroys {
        "destroyed"
    } else {
        "rotated"
    }
}

fn describe(index: usize, first: &Difference, all: &[Difference], facts: &Facts) -> String {
    let mut text = format!("step {index}: {} differs\n", first.field);
    for Difference { field, node, ours } in all {
        text += &format!("  {field}\n    express {node}\n    ours    {ours}\n");
    }
    text + &format!("  facts: {}\n", facts.words())
}
