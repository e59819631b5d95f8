//! Bugs that people have reported elsewhere and that concern Redis or Node, on a real Redis with real peers. The table
//! `regressions.tsv` says which test shows which.

use std::time::Duration;

use cloakroom_conformance::{
    ask::{Ask, Options},
    children::{Peer, RedisServer, Server},
    client::{Call, Client, Response},
    gate::Gate,
    ours::{Ours, on_redis},
    resp::Redis,
    rng::Rng,
    stage::{Browser, Side, in_the_end, settle},
};
use serde_json::{Value, json};

fn minute() -> Options {
    Options::default().with_max_age(60_000)
}

/// A session with data, its cookie held by as many browsers as asked for.
async fn browsers(count: usize) -> Vec<Browser> {
    let mut first = Browser::open(Side::Ours, minute()).await;
    first
        .ask(json!([["set", "a", "1"], ["set", "b", "1"]]))
        .await;
    let mut all = Vec::new();
    for _ in 1..count {
        let mut other = Browser::open(Side::Ours, minute()).await;
        (other.options, other.cookie) = (first.options.clone(), first.cookie.clone());
        all.push(other);
    }
    all.insert(0, first);
    all
}

#[tokio::test]
async fn r_parallel_requests_that_add_different_names_both_count() {
    let mut all = browsers(2).await;
    let (slow, fast) = all.split_at_mut(1);
    let gate = Gate::new().await;
    let (slow_answer, fast_answer) = tokio::join!(
        slow[0].ask(json!([gate.hold(), ["set", "slow", "1"]])),
        gate.meanwhile(async { fast[0].ask(json!([["set", "fast", "1"]])).await })
    );
    assert!(slow_answer.status == 200 && fast_answer.status == 200);
    let text = slow[0].text().await;
    assert!(
        text.contains("\"slow\":1") && text.contains("\"fast\":1"),
        "{text}"
    );
}

#[tokio::test]
async fn r_a_deletion_beside_an_addition_sticks() {
    let mut all = browsers(2).await;
    let (slow, fast) = all.split_at_mut(1);
    let gate = Gate::new().await;
    tokio::join!(
        slow[0].ask(json!([gate.hold(), ["set", "c", "1"]])),
        gate.meanwhile(async { fast[0].ask(json!([["delete", "a"]])).await })
    );
    let text = slow[0].text().await;
    assert!(
        text.contains("\"c\":1") && !text.contains("\"a\":"),
        "{text}"
    );
}

/// Of many parallel increments all count.
#[tokio::test]
async fn r_fifty_parallel_increments_are_fifty() {
    let mut all = browsers(50).await;
    let calls = all
        .iter_mut()
        .map(|browser| browser.ask(json!([["inc", "n"]])));
    let statuses: Vec<u16> = futures(calls).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert!(all[0].text().await.contains("\"n\":50"));
}

async fn futures(calls: impl Iterator<Item = impl Future<Output = Response>>) -> Vec<u16> {
    let mut pending: Vec<_> = calls.map(Box::pin).collect();
    let mut done = vec![0; pending.len()];
    std::future::poll_fn(|context| {
        for (call, done) in pending.iter_mut().zip(&mut done) {
            if *done == 0
                && let std::task::Poll::Ready(response) = call.as_mut().poll(context)
            {
                *done = response.status.as_u16();
            }
        }
        if done.contains(&0) {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    done
}

/// A thousand schedules of a request that changes the session and one that ends it.
#[tokio::test]
async fn r_a_sign_out_during_a_slow_request_lasts() {
    let mut rng = Rng::new(632);
    let mut all = browsers(2).await;
    for _ in 0..1000 {
        let (one, other) = all.split_at_mut(1);
        one[0].cookie = None;
        one[0].ask(json!([["set", "user", "1"]])).await;
        let held = one[0].cookie.clone();
        other[0].cookie.clone_from(&held);
        let (before, within) = (rng.below(6), rng.below(12));
        let slow = json!([["read"], ["yield", within], ["set", "late", "1"]]);
        let out = json!([["yield", before], ["destroy"]]);
        let (_, ended) = tokio::join!(one[0].ask(slow), other[0].ask(out));
        assert_eq!(ended.status, 200);
        other[0].cookie = held;
        let id = other[0].id().unwrap();
        assert!(!other[0].stored().await.contains_key(&id));
        assert_eq!(other[0].ask(json!([["read"]])).await.last(), json!([]));
    }
}

/// Whoever signs in as somebody else takes nothing along of a request that is still under way.
#[tokio::test]
async fn r_a_sign_in_as_somebody_else_during_a_slow_request() {
    let mut all = browsers(2).await;
    let (slow, other) = all.split_at_mut(1);
    let gate = Gate::new().await;
    let (slow, signed_in) = tokio::join!(
        slow[0].ask(json!([
            gate.hold(),
            ["set", "secret", "\"of the first\""],
            ["save"]
        ])),
        gate.meanwhile(async { other[0].ask(json!([["signIn", "another"]])).await })
    );
    assert_eq!(slow.status, 500, "the handler wanted certainty");
    assert_eq!(signed_in.status, 200);
    assert!(!other[0].text().await.contains("secret"));
}

#[tokio::test]
async fn r_a_read_beside_a_sign_out_brings_nothing_back() {
    for rolling in [false, true] {
        let mut all = browsers(2).await;
        all.iter_mut().for_each(|b| b.options.rolling = rolling);
        let (slow, other) = all.split_at_mut(1);
        let gate = Gate::new().await;
        // Longer than a request that races with the sign-out on the network alone.
        let ops = json!([["read"], gate.hold(), ["sleep", 30]]);
        let (read, _) = tokio::join!(
            slow[0].ask(ops),
            gate.meanwhile(async { other[0].ask(json!([["destroy"]])).await })
        );
        settle().await;
        assert!(read.set_cookies().is_empty(), "the dead id is not sent");
        assert!(slow[0].stored().await.is_empty());
    }
}

/// Node's `touch` and our renewal of a session that was deleted meanwhile.
#[tokio::test]
async fn r_a_renewal_creates_no_key() {
    for side in Side::BOTH {
        let mut all = browsers(1).await;
        let b = &mut all[0];
        b.side = side;
        let key = b.key(&b.id().unwrap());
        let gate = Gate::new().await;
        let call = b.call(json!([["read"], gate.hold()]));
        let mut redis = Browser::open(side, minute()).await;
        tokio::join!(
            b.send(&call),
            gate.meanwhile(async { redis.redis().call(&["DEL", &key]).await })
        );
        settle().await;
        assert!(b.stored().await.is_empty(), "{side:?}");
    }
}

/// A Node peer that has read the session before a sign-out here writes it back: ours refuse it.
#[tokio::test]
async fn r_what_node_brings_back_is_refused() {
    for peer in Peer::ALL {
        let mut all = browsers(2).await;
        let (slow, other) = all.split_at_mut(1);
        slow[0].side = Side::Node(peer);
        let held = other[0].cookie.clone();
        let gate = Gate::new().await;
        tokio::join!(
            slow[0].ask(json!([gate.hold(), ["set", "late", "1"]])),
            gate.meanwhile(async { other[0].ask(json!([["destroy"]])).await })
        );
        assert_eq!(other[0].stored().await.len(), 1, "{peer:?} wrote blindly");
        other[0].cookie = held;
        let here = other[0].ask(json!([["read"]])).await;
        assert_eq!(here.last(), json!([]), "{peer:?}");
        let gone = async || other[0].stored().await.is_empty();
        in_the_end(&format!("{peer:?}: gone again"), gone).await;
    }
}

/// Both rotate at once: one brings a new id and that id lives; the other brings none.
#[tokio::test]
async fn r_two_parallel_rotations_leave_the_browser_with_a_live_session() {
    for _ in 0..50 {
        let mut all = browsers(2).await;
        let (one, other) = all.split_at_mut(1);
        let rotate = || json!([["yield", 3], ["rotate"]]);
        let (a, b) = tokio::join!(one[0].ask(rotate()), other[0].ask(rotate()));
        let given: Vec<String> = [a, b].iter().filter_map(Response::id).collect();
        assert_eq!(given.len(), 1, "{given:?}");
        assert!(one[0].stored().await.contains_key(&given[0]));
    }
}

/// A server of each side with a clock and a Redis of their own, for tests in which time passes.
struct Alone {
    redis: Redis,
    node: Client,
    ours: Client,
    server: Ours,
    now: i64,
    _processes: (RedisServer, Server),
}

impl Alone {
    async fn start(peer: Peer) -> Self {
        let server = RedisServer::start().await;
        let node = Server::node(peer, &server.url(0)).await;
        let ours = Ours::new(on_redis(server.url(0)));
        let port = ours.serve().await.unwrap();
        Self {
            redis: server.connect(0).await,
            node: node.client(),
            ours: Client::new(port),
            server: ours,
            now: 1_795_680_000_000,
            _processes: (server, node),
        }
    }

    async fn pass(&mut self, seconds: u64) {
        // A renewal may be under way beside the last response.
        self.server.settled().await;
        self.now += i64::try_from(seconds * 1000).unwrap();
        self.redis.pass(Duration::from_secs(seconds)).await;
    }

    async fn ask(&mut self, here: bool, cookie: Option<&str>, ops: Value) -> Response {
        let mut call = Call::get(Ask {
            options: minute(),
            ops,
            now: Some(self.now),
        });
        call.cookies.extend(cookie.map(str::to_owned));
        let client = if here { &mut self.ours } else { &mut self.node };
        client.send(&call).await.unwrap()
    }
}

/// Used on our side for longer than the lifetime, then a handler of Node calls `save()`.
#[tokio::test]
async fn r_a_session_that_was_only_used_survives_nodes_save() {
    for peer in Peer::ALL {
        for (here, survives) in [(true, true), (false, false)] {
            let mut alone = Alone::start(peer).await;
            let first = alone.ask(here, None, json!([["set", "a", "1"]])).await;
            let cookie = first.cookie().unwrap();
            for _ in 0..4 {
                alone.pass(25).await;
                let used = alone.ask(here, Some(&cookie), json!([["read"]])).await;
                assert_eq!(used.last(), json!([["a", "1"]]), "{peer:?}");
            }
            alone.ask(false, Some(&cookie), json!([["save"]])).await;
            let after = alone.ask(false, Some(&cookie), json!([["read"]])).await;
            let lives = after.last() == json!([["a", "1"]]);
            // Used by Node alone it is deleted: that is tj/connect-redis#259, still there.
            assert_eq!(lives, survives, "{peer:?}, used by us: {here}");
        }
    }
}

#[tokio::test]
async fn r_a_save_after_regenerate_writes_once() {
    let mut alone = Alone::start(Peer::Today).await;
    for (here, writes) in [(true, 1), (false, 2)] {
        let first = alone.ask(here, None, json!([["set", "a", "1"]])).await;
        let cookie = first.cookie().unwrap();
        alone.redis.call(&["CONFIG", "RESETSTAT"]).await;
        let ops = json!([["regenerate"], ["set", "b", "1"], ["save"]]);
        let second = alone.ask(here, Some(&cookie), ops).await;
        let info = alone.redis.call(&["INFO", "commandstats"]).await.text();
        let info = String::from_utf8_lossy(&info.unwrap()).into_owned();
        let sets = info.lines().find(|line| line.starts_with("cmdstat_set:"));
        // Ours sets the tombstone of the old id besides.
        let expected = format!("calls={},", writes + i64::from(here));
        assert!(sets.unwrap().contains(&expected), "{here} {sets:?}");
        assert!(second.id().is_some());
    }
}

/// A key of another type is no session for anybody; ours says so without asking the visitor to come back for ever.
#[tokio::test]
async fn r_a_key_of_another_type_is_no_session() {
    let mut b = Browser::open(Side::Ours, minute()).await;
    let key = b.key("listed");
    b.redis().call(&["RPUSH", &key, "x"]).await;
    b.hold("listed");
    let here = b.ask(json!([["read"], ["set", "a", "1"]])).await;
    assert_eq!(here.status, 200);
    assert_ne!(here.id().unwrap(), "listed");
}

/// A connection that is lost is no missing session.
#[tokio::test]
async fn r_an_error_of_redis_is_not_a_missing_session() {
    let mut alone = Alone::start(Peer::Today).await;
    let first = alone.ask(true, None, json!([["set", "a", "1"]])).await;
    let cookie = first.cookie().unwrap();
    alone
        .redis
        .call(&["CONFIG", "SET", "requirepass", "nobody knows"])
        .await;
    let kill = ["CLIENT", "KILL", "SKIPME", "yes", "TYPE", "normal"];
    alone.redis.call(&kill).await;
    let answer = alone.ask(true, Some(&cookie), json!([["read"]])).await;
    assert_eq!(answer.status, 503);
    assert!(answer.set_cookies().is_empty());
    alone
        .redis
        .call(&["CONFIG", "SET", "requirepass", ""])
        .await;
    for _ in 0..1200 {
        let again = alone.ask(true, Some(&cookie), json!([["read"]])).await;
        if again.status == 200 {
            assert_eq!(again.last(), json!([["a", "1"]]));
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it does not come back");
}

/// Node destroys the session without a trace while somebody signs in here, and another request of Node writes it back:
/// the id from before the sign-in stays dead.
#[tokio::test]
async fn r_the_id_from_before_a_sign_in_stays_dead() {
    let mut all = browsers(2).await;
    let (slow, other) = all.split_at_mut(1);
    let old = other[0].id().unwrap();
    let value = other[0].text().await;
    other[0].side = Side::Node(Peer::Today);
    let gate = Gate::new().await;
    let (signed_in, _) = tokio::join!(
        slow[0].ask(json!([gate.hold(), ["signIn", "hanako"]])),
        gate.meanwhile(async { other[0].ask(json!([["destroy"]])).await })
    );
    assert_ne!(signed_in.id().unwrap(), old);
    other[0].put(&old, &value, 60_000).await;
    other[0].hold(&old);
    let here = other[0].ask_of(Side::Ours, json!([["read"]])).await;
    assert_eq!(here.last(), json!([]));
}
