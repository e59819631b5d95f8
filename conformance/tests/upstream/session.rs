//! Sections Q and R: the session's own calls.

use cloakroom_conformance::{
    ask::Options,
    gate::Gate,
    stage::{Browser, Side, in_the_end},
};
use serde_json::json;

use crate::{both, helper, is_silent};

both!(
    s101_the_cookie_comes_with_a_change,
    Options {
        resave: false,
        ..helper()
    },
    |b| {
        assert!(!is_silent(&b.ask(json!([["inc", "n"]])).await));
        assert!(is_silent(&b.ask(json!([["read"]])).await));
        assert!(!is_silent(&b.ask(json!([["inc", "n"]])).await));
    }
);

/// A deliberate difference: express-session leaves the cookie in the browser.
#[tokio::test]
async fn s105_destroy_ends_the_session() {
    for side in Side::BOTH {
        let mut b = Browser::open(side, helper()).await;
        b.ask(json!([["inc", "n"]])).await;
        let response = b.ask(json!([["destroy"], ["read"]])).await;
        assert_eq!(response.last(), json!("none"));
        assert!(b.stored().await.is_empty());
        assert_eq!(is_silent(&response), side != Side::Ours);
        assert_eq!(b.cookie.is_none(), side == Side::Ours);
    }
}

both!(
    s106_regenerate_gives_another_id_and_no_data,
    helper(),
    |b| {
        b.ask(json!([["set", "a", "1"]])).await;
        let id = b.id().unwrap();
        let response = b.ask(json!([["regenerate"], ["read"]])).await;
        assert_eq!(response.last(), json!([]));
        assert_ne!(response.id().unwrap(), id);
        assert_eq!(
            b.stored().await.len(),
            1,
            "{:?}: the old one is gone",
            b.side
        );
    }
);

both!(
    s107_reload_sees_what_another_request_has_written,
    Options {
        resave: false,
        ..helper()
    },
    |b| {
        b.ask(json!([["set", "a", "1"]])).await;
        let gate = Gate::new().await;
        let slow = b.call(json!([gate.hold(), ["reload"], ["read"]]));
        let mut other = Browser::open(b.side, b.options.clone()).await;
        other.options = b.options.clone();
        let (slow, _) = tokio::join!(
            other.send(&slow),
            gate.meanwhile(async { b.ask(json!([["set", "a", "2"]])).await })
        );
        assert_eq!(slow.last(), json!([["a", "2"]]), "{:?}", b.side);
    }
);

both!(
    s108_s109_reload_of_what_is_not_there_is_an_error,
    helper(),
    |b| {
        b.ask(json!([["inc", "n"]])).await;
        for _ in 0..20 {
            let id = b.id().unwrap();
            let key = b.key(&id);
            let gate = Gate::new().await;
            let call = b.call(json!([gate.hold(), ["reload"]]));
            let mut redis = cloakroom_conformance::stage::Browser::open(b.side, helper()).await;
            let (response, _) = tokio::join!(
                b.send(&call),
                gate.meanwhile(async { redis.redis().call(&["DEL", &key]).await })
            );
            assert_eq!(response.status, 500, "{:?}", b.side);
            assert_eq!(response.last(), json!("failed"));
            b.ask(json!([["inc", "n"]])).await;
        }
    }
);

both!(
    s110_save_is_done_when_it_says_so,
    Options {
        save_uninitialized: false,
        ..helper()
    },
    |b| {
        let response = b
            .ask(json!([["set", "a", "1"], ["save"], ["reload"], ["read"]]))
            .await;
        assert_eq!(response.last(), json!([["a", "1"]]));
    }
);

/// In a Redis of its own, where nobody else writes.
#[tokio::test]
async fn s111_s112_s113_what_was_saved_is_not_saved_again() {
    use cloakroom_conformance::{
        ask::Ask,
        children::{Peer, RedisServer, Server},
        client::{Call, Client},
        ours::{Ours, on_redis},
    };
    let server = RedisServer::start().await;
    let node = Server::node(Peer::Today, &server.url(0)).await;
    let ours = Ours::new(on_redis(server.url(0))).serve().await.unwrap();
    let mut redis = server.connect(0).await;
    for port in [node.port(), ours] {
        let mut client = Client::new(port);
        for (ops, save_uninitialized) in [
            (json!([["inc", "n"], ["save"]]), true),
            (json!([["reload"], ["save"]]), true),
            (json!([["inc", "n"], ["save"]]), false),
        ] {
            let options = Options {
                save_uninitialized,
                ..helper()
            };
            let ask = |ops| Ask {
                options: options.clone(),
                ops,
                now: None,
            };
            let first = client.send(&Call::get(ask(json!([["inc", "n"]])))).await;
            let cookie = first.unwrap().cookie().unwrap();
            redis.call(&["CONFIG", "RESETSTAT"]).await;
            let second = Call::get(ask(ops.clone())).cookie(cookie);
            assert_eq!(client.send(&second).await.unwrap().status, 200);
            let info = redis.call(&["INFO", "commandstats"]).await.text();
            let info = String::from_utf8_lossy(&info.unwrap()).into_owned();
            let sets = info.lines().find(|line| line.starts_with("cmdstat_set:"));
            let once = sets.is_some_and(|sets| sets.contains("calls=1,"));
            assert!(once, "{port} {ops}: {sets:?}");
        }
    }
}

both!(
    s114_use_renews_the_time_to_live,
    Options {
        resave: false,
        ..helper()
    },
    |b| {
        b.ask(json!([["inc", "n"]])).await;
        let id = b.id().unwrap();
        let key = b.key(&id);
        b.redis().call(&["PEXPIRE", &key, "20000"]).await;
        b.ask(json!([["touch"]])).await;
        let renewed = async || (30_000..=60_000).contains(&b.redis().pttl(&key).await);
        in_the_end("a full time to live", renewed).await;
    }
);
