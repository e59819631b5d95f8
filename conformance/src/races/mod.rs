//! Random interleavings of a few requests on one session, and afterwards every acknowledged change is accounted for.
//!
//! Several servers share one Redis: instances of ours in this process, each with a connection and layers of its own;
//! processes of ours; and an express-session server, which writes blindly. Two to four requests start together on one
//! session. When all are answered, Redis is looked at without any code of ours in between. See [`account`] for the laws.
//!
//! The seed decides what is asked of whom; who comes first is left to the scheduler, so the same seed need not fail again.

pub mod account;
pub mod actors;
pub mod conflicts;

use std::{path::Path, sync::Arc};

use serde_json::Value;
use tokio::sync::Semaphore;

use crate::{
    ask::{Ask, Options},
    children::{Peer, RedisServer, Server},
    client::{Call, Client, Response},
    differential::presented,
    ours::{Ours, on_redis},
    races::{
        account::Tally,
        actors::{Actor, By, Done},
    },
    resp::Redis,
    rng::Rng,
};

/// Instances of ours in this process.
const INSTANCES: usize = 3;

/// Processes of ours beside this one.
const PROCESSES: usize = 2;

/// How many interleavings are under way at once.
const LANES: u64 = 16;

/// How much is to be done.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The seed.
    pub seed: u64,
    /// How many interleavings.
    pub interleavings: u64,
}

/// One lane's connections.
struct Lane {
    instances: Vec<Ours>,
    processes: Vec<Client>,
    node: Client,
    redis: Redis,
    options: Options,
}

/// Runs interleavings; `program` is one that serves with `serve <redis>`, for the processes of ours.
///
/// # Panics
///
/// If the processes cannot be started.
pub async fn run(program: &Path, settings: &Settings) -> Tally {
    let redis = RedisServer::start().await;
    let url = redis.url(0);
    let node = Server::node(Peer::Today, &url).await;
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        processes.push(Server::ours(program, &url).await);
    }
    let instances: Vec<Ours> = (0..INSTANCES)
        .map(|_| Ours::new(on_redis(url.clone())))
        .collect();
    let mut rng = Rng::new(settings.seed);
    let left = Arc::new(Semaphore::new(
        usize::try_from(settings.interleavings).unwrap_or(0),
    ));
    let mut tasks = Vec::new();
    for number in 0..LANES {
        let lane = Lane {
            instances: instances.clone(),
            processes: processes.iter().map(Server::client).collect(),
            node: node.client(),
            redis: redis.connect(0).await,
            options: Options::default().with_prefix("r:").with_max_age(600_000),
        };
        tasks.push(tokio::spawn(run_lane(
            lane,
            number,
            rng.split(),
            Arc::clone(&left),
        )));
    }
    let mut tally = Tally::default();
    for task in tasks {
        match task.await {
            Ok(part) => tally.add(part),
            Err(error) => panic!("a lane ended early: {error}"),
        }
    }
    tally
}

async fn run_lane(mut lane: Lane, number: u64, mut rng: Rng, left: Arc<Semaphore>) -> Tally {
    let mut tally = Tally::default();
    let mut count = 0_u64;
    while let Ok(permit) = left.try_acquire() {
        permit.forget();
        count += 1;
        let seed = rng.bits();
        let id = format!("lane{number}-{count}-{seed:016x}");
        lane.interleave(&mut Rng::new(seed), &id, &mut tally).await;
        if !tally.violations.is_empty() {
            // The others stop as well: one violation is enough to read.
            left.forget_permits(usize::MAX >> 4);
            break;
        }
    }
    tally
}

impl Lane {
    async fn interleave(&mut self, rng: &mut Rng, id: &str, tally: &mut Tally) {
        let key = format!("r:{id}");
        let value = account::first_value();
        self.redis
            .call(&["SET", &key, &value, "PX", "600000"])
            .await;
        let actors = actors::draw(rng, INSTANCES, PROCESSES);
        let cookie = presented::cookie("connect.sid", id, "keyboard cat");
        let calls = actors.iter().map(|actor| Call {
            cookies: vec![cookie.clone()],
            ..Call::get(Ask {
                options: self.options.clone(),
                ops: Value::Array(actor.ops()),
                now: None,
            })
        });
        let calls: Vec<Call> = calls.collect();
        let done = self.all_at_once(&actors, &calls).await;
        tally.requests += done.len() as u64;
        let after = self.look(id, &done).await;
        account::account(&done, &after, tally);
        let mut keys = vec!["DEL".to_owned()];
        keys.extend(after.iter().flat_map(|seen| {
            let key = format!("r:{}", seen.id);
            [format!("ck:t:{{{key}}}"), key]
        }));
        self.redis.call(&keys).await;
    }

    /// Starts all requests together and waits for all responses.
    async fn all_at_once(&mut self, actors: &[Actor], calls: &[Call]) -> Vec<Done> {
        let mut tasks = Vec::new();
        for (actor, call) in actors.iter().zip(calls) {
            let (actor, call) = (actor.clone(), call.clone());
            let instance = match actor.by {
                By::Instance(index) => Some(self.instances[index].clone()),
                _ => None,
            };
            let port = match actor.by {
                By::Instance(_) => 0,
                By::Process(index) => self.processes[index].port(),
                By::Node => self.node.port(),
            };
            tasks.push(tokio::spawn(async move {
                for _ in 0..actor.start_after {
                    tokio::task::yield_now().await;
                }
                let response = match instance {
                    Some(instance) => in_process(&instance, &call).await,
                    None => over_http(port, &call).await,
                };
                Done::of(actor, &response)
            }));
        }
        let mut all = Vec::new();
        for task in tasks {
            match task.await {
                Ok(done) => all.push(done),
                Err(error) => panic!("a request ended early: {error}"),
            }
        }
        all
    }

    /// What Redis holds of the session and of all those that the responses gave.
    async fn look(&mut self, id: &str, done: &[Done]) -> Vec<account::Seen> {
        let mut ids = vec![id.to_owned()];
        for given in done.iter().filter_map(|done| done.given.as_ref()) {
            if !ids.contains(given) {
                ids.push(given.clone());
            }
        }
        let mut seen = Vec::new();
        for id in ids {
            let key = format!("r:{id}");
            let value = self.redis.get(&key).await;
            let tomb = self.redis.get(&format!("ck:t:{{{key}}}")).await.is_some();
            seen.push(account::Seen { id, value, tomb });
        }
        // What an end has left under a blind write is refused when we are asked, whoever asks.
        if seen[0].tomb && seen[0].value.is_some() {
            let cookie = presented::cookie("connect.sid", id, "keyboard cat");
            let ask = Ask {
                options: self.options.clone(),
                ops: serde_json::json!([["read"]]),
                now: None,
            };
            let call = Call::get(ask).cookie(cookie);
            let response = in_process(&self.instances[0], &call).await;
            assert_eq!(
                response.last(),
                serde_json::json!([]),
                "a session that has ended is shown"
            );
        }
        seen
    }
}

/// Asks a server of this process, without a network in between.
async fn in_process(ours: &Ours, call: &Call) -> Response {
    let mut request = http::Request::builder()
        .method(&call.method)
        .uri(&call.path);
    request = request.header(crate::ask::HEADER, call.ask.to_header());
    for cookie in &call.cookies {
        request = request.header(http::header::COOKIE, cookie);
    }
    let request = match request.body(axum::body::Body::empty()) {
        Ok(request) => request,
        Err(error) => panic!("no request: {error}"),
    };
    let (parts, body) = ours.answer(request).await.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    Response {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

thread_local! {
    /// Connections that are at rest, by port: opening one for each request would run out of ports.
    static AT_REST: std::cell::RefCell<std::collections::HashMap<u16, Vec<Client>>> = std::cell::RefCell::default();
}

async fn over_http(port: u16, call: &Call) -> Response {
    let at_rest = AT_REST.with_borrow_mut(|clients| clients.entry(port).or_default().pop());
    let mut client = at_rest.unwrap_or_else(|| Client::new(port));
    match client.send(call).await {
        Ok(response) => {
            AT_REST.with_borrow_mut(|clients| clients.entry(port).or_default().push(client));
            response
        }
        Err(error) => panic!("no response: {error}"),
    }
}
