//! Each side goes on with what the other has stored: every form of value and cookie, and every kind of request.

use cloakroom_conformance::{
    ask::{Cookie, Options},
    children::Peer,
    differential::presented,
    stage::{Browser, Side, in_the_end, settle},
};
use serde_json::{Value, json};

/// Every cookie option that express-session stores, by name of the case. The article's version has no partitioned cookies
/// and no priority.
fn cookies(peer: Peer) -> Vec<Cookie> {
    let day = Some(86_400_000);
    let mut all = vec![
        Cookie::default(),
        Cookie {
            max_age: day,
            ..Cookie::default()
        },
        Cookie {
            max_age: Some(1500),
            ..Cookie::default()
        },
        Cookie {
            expires: Some(json!(false)),
            ..Cookie::default()
        },
        Cookie {
            max_age: day,
            secure: Some(json!("auto")),
            same_site: Some(json!("lax")),
            ..Cookie::default()
        },
        Cookie {
            domain: Some("example.com".to_owned()),
            ..Cookie::default()
        },
        Cookie {
            path: Some("/".to_owned()),
            http_only: Some(false),
            same_site: Some(json!("strict")),
            ..Cookie::default()
        },
        Cookie {
            secure: Some(json!(false)),
            same_site: Some(json!(true)),
            ..Cookie::default()
        },
        // Beyond the year 9999, which JavaScript writes with six digits.
        Cookie {
            max_age: Some(1_000_000_000_000_000),
            ..Cookie::default()
        },
    ];
    if peer != Peer::Article {
        all.push(Cookie {
            max_age: Some(60_000),
            partitioned: Some(true),
            priority: Some("high".to_owned()),
            ..Cookie::default()
        });
        all.push(Cookie {
            same_site: Some(json!("auto")),
            secure: Some(json!("auto")),
            ..Cookie::default()
        });
    }
    all
}

/// Data in which every JSON parser but a patient one finds something to change.
const DATA: [(&str, &str); 9] = [
    ("user", r#"{"id":7,"name":"Zoë"}"#),
    ("emoji", r#""🔑 \ud83d cut""#),
    ("list", "[[],{},null,true]"),
    ("number", "-9007199254740991"),
    ("small", "1e-7"),
    ("text", r#""\"\\/\n\u0001""#),
    ("花", "\"花子\""),
    ("10", "10"),
    ("2", "2"),
];

fn set_all() -> Value {
    DATA.iter()
        .map(|(name, text)| json!(["set", name, text]))
        .collect()
}

/// The options as our server can have them: express-session's other ways to say the same.
fn for_ours(options: &Options) -> Options {
    let mut options = options.clone();
    options.cookie.expires = None;
    if options.cookie.partitioned == Some(true) {
        options.cookie.partitioned = None;
    }
    options
}

/// The stored value without what a renewal changes.
fn without_expires(text: &str) -> String {
    let start = text.find("\"expires\":").unwrap() + "\"expires\":".len();
    let end = start + text[start..].find([',', '}']).unwrap();
    format!("{}#{}", &text[..start], &text[end..])
}

#[tokio::test]
async fn what_node_has_stored_is_read_changed_renewed_rotated_and_destroyed_here() {
    for peer in Peer::ALL {
        for cookie in cookies(peer) {
            let options = Options {
                cookie,
                ..Options::default()
            };
            let mut b = Browser::open(Side::Node(peer), options).await;
            let node_options = b.options.clone();
            let seen = b.ask(set_all()).await;
            assert_eq!(seen.status, 200, "{peer:?} {node_options:?}");
            let made = b.text().await;
            let read = b.ask(json!([["read"]])).await.last();

            b.options = for_ours(&node_options);
            assert_eq!(
                b.ask_of(Side::Ours, json!([["read"]])).await.last(),
                read,
                "{made}"
            );
            settle().await;
            assert_eq!(
                without_expires(&b.text().await),
                without_expires(&made),
                "a visit changes nothing"
            );

            b.ask(json!([["set", "rust", "1"], ["delete", "small"]]))
                .await;
            let changed = b.text().await;
            let expected = made.replace(",\"small\":1e-7", "");
            let expected = format!("{},\"rust\":1}}", &expected[..expected.len() - 1]);
            assert_eq!(
                without_expires(&changed),
                without_expires(&expected),
                "what is not changed is untouched"
            );

            b.options = node_options.clone();
            let mut back = b
                .ask_of(Side::Node(peer), json!([["read"], ["inc", "n"], ["read"]]))
                .await
                .log();
            assert!(back.pop().unwrap().to_string().contains("[\"n\",\"1\"]"));

            b.options = for_ours(&node_options);
            let old = b.id().unwrap();
            let rotated = b.ask_of(Side::Ours, json!([["rotate"], ["read"]])).await;
            assert_ne!(b.id().unwrap(), old);
            assert!(rotated.last().to_string().contains("花子"));
            assert!(!b.stored().await.contains_key(&old));

            b.options = node_options.clone();
            let again = b.ask_of(Side::Node(peer), json!([["read"]])).await;
            assert_eq!(
                again.last(),
                rotated.last(),
                "Node goes on under the new id"
            );

            b.options = for_ours(&node_options);
            let held = b.cookie.clone();
            b.ask_of(Side::Ours, json!([["destroy"]])).await;
            assert!(b.stored().await.is_empty());
            (b.options, b.cookie) = (node_options, held);
            assert_eq!(
                b.ask_of(Side::Node(peer), json!([["read"]])).await.last(),
                json!([])
            );
        }
    }
}

#[tokio::test]
async fn what_we_have_stored_is_read_changed_renewed_regenerated_and_destroyed_by_node() {
    for peer in Peer::ALL {
        for cookie in cookies(peer) {
            let options = Options {
                cookie,
                ..Options::default()
            };
            let mut b = Browser::open(Side::Ours, options).await;
            let node_options = b.options.clone();
            b.options = for_ours(&node_options);
            assert_eq!(b.ask(set_all()).await.status, 200);
            let (made, left) = (b.text().await, b.entry().await.unwrap().pttl);
            let read = b.ask(json!([["read"]])).await.last();

            b.options = node_options.clone();
            b.side = Side::Node(peer);
            assert_eq!(
                b.ask(json!([["read"]])).await.last(),
                read,
                "{peer:?} {made}"
            );
            assert_eq!(b.text().await, made, "a visit changes nothing");
            let renewed = b.entry().await.unwrap().pttl;
            let difference = renewed.unwrap() - left.unwrap();
            assert!(
                (-500..=1000).contains(&difference),
                "{made}: {left:?}, {renewed:?}"
            );

            b.ask(json!([["set", "node", "1"]])).await;
            b.options = for_ours(&node_options);
            let after = b.ask_of(Side::Ours, json!([["read"]])).await;
            assert!(after.last().to_string().contains("[\"node\",\"1\"]"));

            let old = b.id().unwrap();
            b.options = node_options.clone();
            b.ask_of(
                Side::Node(peer),
                json!([["regenerate"], ["set", "fresh", "1"]]),
            )
            .await;
            assert_ne!(b.id().unwrap(), old);
            b.options = for_ours(&node_options);
            let here = b.ask_of(Side::Ours, json!([["read"]])).await;
            assert_eq!(here.last(), json!([["fresh", "1"]]));
            b.options = node_options.clone();
            b.ask_of(Side::Node(peer), json!([["destroy"]])).await;
            b.options = for_ours(&node_options);
            let here = b.ask_of(Side::Ours, json!([["read"]])).await;
            assert_eq!(here.last(), json!([]));
        }
    }
}

/// What only another program writes: it is not Node's JSON, and it goes back to the byte where it is not changed.
#[tokio::test]
async fn foreign_json_goes_back_to_the_byte() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let text = format!(
        r#"{{"2":2,"cookie":{{"originalMaxAge":60000,"expires":"2026-11-25T21:19:38.229Z","httpOnly":true,"path":"/","x":[]}},"a":1.0,"b":9007199254740993,"c":"\/","d":"\ud83d","deep":{deep},"e":[],"f":1E400,"\u0067":0,"lastModified":5}}"#
    );
    let mut b = Browser::open(Side::Ours, Options::default().with_max_age(60_000)).await;
    b.put("foreign", &text, 60_000).await;
    b.hold("foreign");
    b.ask(json!([["set", "new", "1"]])).await;
    let expected = format!("{},\"new\":1}}", &text[..text.len() - 1]);
    assert_eq!(without_expires(&b.text().await), without_expires(&expected));
}

/// Values that are no session to express-session, and what it does with each; ours is a fresh session and the value left.
#[tokio::test]
async fn poison_values() {
    let fresh = ["null", "\"\"", ""];
    let failing = [
        "{bad",
        "{}",
        "[]",
        "5",
        "\"str\"",
        "{\"n\":5}",
        "{\"cookie\":null}",
        "{\"cookie\":\"x\"}",
        "{\"cookie\":{\"maxAge\":\"x\"}}",
        "TOMBSTONE",
    ];
    for text in fresh.iter().chain(&failing) {
        for side in [
            Side::Node(Peer::Article),
            Side::Node(Peer::Today),
            Side::Node(Peer::Ioredis5),
            Side::Ours,
        ] {
            let mut b = Browser::open(side, Options::default().with_max_age(60_000)).await;
            b.put("poison", text, 60_000).await;
            b.hold("poison");
            let response = b.ask(json!([["read"], ["set", "a", "1"]])).await;
            let fails = side != Side::Ours && failing.contains(text);
            assert_eq!(
                response.status,
                if fails { 500 } else { 200 },
                "{side:?} {text}"
            );
            if !fails {
                assert_ne!(response.id().unwrap(), "poison", "{side:?} {text}");
            }
            assert_eq!(
                b.stored().await["poison"].value,
                *text,
                "{side:?}: left alone"
            );
        }
    }
}

/// Loads on both sides: a `cookie` with nothing usable in it.
#[tokio::test]
async fn r_missing_metadata_is_handled() {
    for text in [
        "{\"cookie\":{},\"a\":1}",
        "{\"cookie\":{\"expires\":\"garbage\"},\"a\":1}",
        "{\"cookie\":{\"expires\":5},\"a\":1}",
    ] {
        for side in Side::BOTH {
            let mut b = Browser::open(side, Options::default().with_max_age(60_000)).await;
            b.put("odd", text, 30_000).await;
            b.hold("odd");
            assert_eq!(
                b.ask(json!([["read"]])).await.last(),
                json!([["a", "1"]]),
                "{side:?} {text}"
            );
            let renewed = async || b.entry().await.unwrap().pttl.unwrap() > 30_000;
            in_the_end(&format!("{side:?} {text}"), renewed).await;
        }
    }
}

/// The vectors' secrets and ids, signed by each side and read by the other.
#[tokio::test]
async fn tickets_of_one_side_are_good_on_the_other() {
    let secrets = [
        "keyboard cat",
        "hélló wörld ☃ 🔑",
        "ключ-密钥-🔐",
        &"k".repeat(100),
    ];
    for secret in secrets {
        let options = Options {
            secret: vec![secret.to_owned()],
            ..Options::default().with_max_age(60_000)
        };
        for (from, to) in [
            (Side::Ours, Side::Node(Peer::Today)),
            (Side::Node(Peer::Today), Side::Ours),
            (Side::Node(Peer::Article), Side::Ours),
        ] {
            let mut b = Browser::open(from, options.clone()).await;
            b.ask(json!([["set", "a", "1"]])).await;
            let id = b.id().unwrap();
            assert_eq!(
                b.cookie.clone().unwrap(),
                presented::cookie("connect.sid", &id, secret)
            );
            assert_eq!(
                b.ask_of(to, json!([["read"]])).await.last(),
                json!([["a", "1"]]),
                "{secret}"
            );
        }
    }
}

/// Sign-in and sign-out here leave keys beside the sessions; to Node they are not there.
#[tokio::test]
async fn r_side_keys_are_invisible_to_nodes_store() {
    for peer in Peer::ALL {
        let mut b = Browser::open(Side::Ours, Options::default().with_max_age(60_000)).await;
        b.ask(json!([["set", "a", "1"]])).await;
        b.ask(json!([["signIn", "hanako"]])).await;
        let live = b.id().unwrap();
        let mut other = Browser::open(Side::Ours, Options::default()).await;
        other.options = b.options.clone();
        other.ask(json!([["set", "b", "1"]])).await;
        other.ask(json!([["destroy"]])).await;
        let log = b
            .ask_of(Side::Node(peer), json!([["ids"], ["length"], ["all"]]))
            .await
            .log();
        assert_eq!(log, [json!([live]), json!(1), json!([live])], "{peer:?}");
        let held = b.cookie.clone();
        b.ask(json!([["clear"]])).await;
        assert!(b.stored().await.is_empty());
        b.cookie = held;
        assert_eq!(
            b.ask_of(Side::Ours, json!([["read"]])).await.last(),
            json!([])
        );
    }
}

#[tokio::test]
async fn node_carries_our_metadata_along() {
    for peer in Peer::ALL {
        let mut b = Browser::open(Side::Ours, Options::default().with_max_age(60_000)).await;
        b.ask(json!([["signIn", "花子"]])).await;
        let stamp = b.text().await;
        let stamp = &stamp[stamp.find("\"__ck\"").unwrap()..stamp.len() - 1];
        b.ask_of(Side::Node(peer), json!([["set", "a", "1"]])).await;
        assert!(b.text().await.contains(stamp), "{peer:?}");
        assert_eq!(
            b.ask_of(Side::Ours, json!([["owner"]])).await.last(),
            json!("花子")
        );
        b.ask(json!([["regenerate"], ["set", "b", "1"]])).await;
        assert_eq!(
            b.ask(json!([["owner"]])).await.last(),
            json!(null),
            "nobody is signed in to a regenerated session"
        );
    }
}

/// connect-redis' `disableTTL`: a session without an end is read, and gets one with the first use here.
#[tokio::test]
async fn a_session_without_an_end_gets_one_here() {
    let mut options = Options::default().with_max_age(60_000);
    options.store.disable_ttl = Some(true);
    let mut b = Browser::open(Side::Node(Peer::Today), options).await;
    b.ask(json!([["set", "a", "1"]])).await;
    assert_eq!(b.entry().await.unwrap().pttl, None);
    assert_eq!(
        b.ask_of(Side::Ours, json!([["read"]])).await.last(),
        json!([["a", "1"]])
    );
    let ends = async || b.entry().await.unwrap().pttl.is_some();
    in_the_end("an end", ends).await;
}

/// connect-redis rounds up to whole seconds; we keep milliseconds.
#[tokio::test]
async fn times_to_live_are_alike() {
    for (max_age, ttl, expected) in [
        (Some(1500), None, 1500),
        (Some(60_000), None, 60_000),
        (None, None, 86_400_000),
        (None, Some(1800), 1_800_000),
    ] {
        for side in Side::BOTH {
            let mut options = Options::default();
            (options.cookie.max_age, options.store.ttl) = (max_age, ttl);
            let mut b = Browser::open(side, options).await;
            b.ask(json!([["set", "a", "1"]])).await;
            let left = b.entry().await.unwrap().pttl.unwrap();
            let most = if side == Side::Ours {
                expected
            } else {
                (expected + 999) / 1000 * 1000
            };
            assert!(
                (most - 700..=most).contains(&left),
                "{side:?} {max_age:?}: {left}"
            );
        }
    }
}
