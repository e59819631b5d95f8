//! Sections A to E: what becomes of a request.

use cloakroom_conformance::{ask::Options, differential::presented};
use serde_json::{Value, json};

use crate::{attributes, both, expires, helper, is_silent};

both!(s005_a_first_request_makes_a_session, helper(), |b| {
    let first = b.ask(json!([["read"]])).await;
    assert!(
        first.cookie().unwrap().starts_with("connect.sid=s%3A"),
        "{:?}",
        b.side
    );
    assert_eq!(b.stored().await.len(), 1);
});

both!(
    s006_s100_the_cookie_brings_the_session_back,
    helper(),
    |b| {
        assert_eq!(b.ask(json!([["inc", "count"]])).await.last(), json!(1));
        let id = b.id();
        assert_eq!(b.ask(json!([["inc", "count"]])).await.last(), json!(2));
        assert_eq!(b.id(), id);
        assert!(b.text().await.contains("\"count\":2"));
    }
);

both!(s009_each_visitor_has_a_session, helper(), |b| {
    b.ask(json!([["inc", "n"]])).await;
    b.cookie = None;
    b.ask(json!([["inc", "n"]])).await;
    assert_eq!(b.stored().await.len(), 2);
});

both!(
    s013_a_stored_name_that_the_api_has_does_no_harm,
    helper(),
    |b| {
        b.put(
            "x",
            r#"{"cookie":{"originalMaxAge":60000,"expires":null},"save":"nope","a":1}"#,
            60_000,
        )
        .await;
        b.hold("x");
        let response = b.ask(json!([["set", "b", "2"]])).await;
        assert_eq!(response.status, 200);
        assert!(b.text().await.contains("\"b\":2"));
    }
);

both!(s014_only_data_are_listed, helper(), |b| {
    let response = b
        .ask(json!([
            ["set", "test1", "1"],
            ["set", "test2", "\"b\""],
            ["read"]
        ]))
        .await;
    assert_eq!(response.last(), json!([["test1", "1"], ["test2", "\"b\""]]));
});

both!(
    s016_rolling_sends_a_later_end,
    Options {
        rolling: true,
        ..helper()
    },
    |b| {
        let first = expires(&b.ask(json!([["inc", "n"]])).await).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        let second = expires(&b.ask(json!([["sleep", 20], ["inc", "n"]])).await).unwrap();
        assert!(second > first, "{:?}", b.side);
    }
);

both!(
    s017_s018_s019_s020_the_session_is_saved_when_the_response_has_ended,
    helper(),
    |b| {
        for ops in [
            json!([["inc", "n"]]),
            json!([["inc", "n"], ["status", 204]]),
        ] {
            b.ask(ops).await;
            assert!(b.text().await.contains("\"n\":"));
            b.cookie = None;
        }
        let mut head = b.call(json!([["inc", "n"]]));
        head.method = http::Method::HEAD;
        b.send(&head).await;
        assert!(b.text().await.contains("\"n\":1"));
    }
);

both!(
    s021_the_stored_end_is_the_cookies,
    Options {
        rolling: true,
        ..helper()
    },
    |b| {
        let mut ends = Vec::new();
        for _ in 0..2 {
            let sent = expires(&b.ask(json!([["inc", "n"]])).await).unwrap();
            let stored: Value = serde_json::from_str(&b.text().await).unwrap();
            let stored = stored["cookie"]["expires"].as_str().unwrap().to_owned();
            let moment = cloakroom::Timestamp::parse_iso(&stored)
                .unwrap()
                .as_millis();
            assert_eq!(moment.div_euclid(1000), sent, "{:?}", b.side);
            ends.push(moment);
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        }
        assert!(ends[1] > ends[0], "{:?}", b.side);
    }
);

both!(s022_s023_an_unknown_id_gets_another_one, helper(), |b| {
    b.hold("nobody-has-this");
    let response = b.ask(json!([["read"], ["inc", "n"]])).await;
    assert_eq!(response.log()[0], json!([]));
    assert_ne!(response.id().unwrap(), "nobody-has-this");
});

both!(
    s024_s025_what_is_not_signed_gets_another_id,
    helper(),
    |b| {
        b.ask(json!([["set", "user", "1"]])).await;
        let (good, id) = (b.cookie.clone().unwrap(), b.id().unwrap());
        let tampered = good.replacen("s%3A", "s%3Ax", 1);
        for bad in [format!("connect.sid={id}"), tampered] {
            b.cookie = Some(bad);
            let response = b.ask(json!([["read"]])).await;
            assert_eq!(response.last(), json!([]));
            assert_ne!(response.id().unwrap(), id);
        }
    }
);

both!(s026_s027_s028_an_expired_session_is_none, helper(), |b| {
    b.ask(json!([["set", "user", "1"]])).await;
    let id = b.id().unwrap();
    let key = b.key(&id);
    b.redis().call(&["PEXPIRE", &key, "1"]).await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let response = b.ask(json!([["read"]])).await;
    assert_eq!(response.last(), json!([]));
    assert_ne!(response.id().unwrap(), id);
    assert!(!b.stored().await.contains_key(&id));
});

/// A deliberate difference: express-session answers 500 for as long as the value is there.
#[tokio::test]
async fn s029_a_stored_session_without_a_cookie() {
    use cloakroom_conformance::stage::{Browser, Side};
    for side in Side::BOTH {
        let mut b = Browser::open(side, helper()).await;
        b.put("x", r#"{"user":1}"#, 60_000).await;
        b.hold("x");
        let response = b.ask(json!([["read"]])).await;
        let expected = if side == Side::Ours { 200 } else { 500 };
        assert_eq!(response.status, expected);
        let text = b.stored().await["x"].value.clone();
        assert_eq!(text, r#"{"user":1}"#, "left alone");
    }
}

fn secure(proxy: Option<bool>) -> Options {
    let mut options = Options { proxy, ..helper() };
    options.cookie.secure = Some(json!(true));
    options
}

both!(
    s030_s031_s032_s125_s126_a_trusted_proxy_says_whether_it_is_tls,
    secure(Some(true)),
    |b| {
        for (proto, set) in [
            (Some("https"), true),
            (Some("https,http"), true),
            (Some("http"), false),
            (None, false),
        ] {
            b.cookie = None;
            b.proto = proto.map(str::to_owned);
            let response = b.ask(json!([["inc", "n"]])).await;
            assert_eq!(response.status, 200);
            assert_eq!(!is_silent(&response), set, "{:?} {proto:?}", b.side);
            if set {
                assert!(attributes(&response).contains("Secure"));
            }
        }
    }
);

both!(
    s033_a_proxy_that_is_not_trusted_is_not_heard,
    secure(Some(false)),
    |b| {
        b.proto = Some("https".to_owned());
        assert!(
            is_silent(&b.ask(json!([["inc", "n"]])).await),
            "{:?}",
            b.side
        );
    }
);

both!(
    s035_without_a_word_a_proxy_is_not_trusted,
    secure(None),
    |b| {
        b.proto = Some("https".to_owned());
        assert!(
            is_silent(&b.ask(json!([["inc", "n"]])).await),
            "{:?}",
            b.side
        );
    }
);

fn below(path: &str) -> Options {
    let mut options = helper();
    options.cookie.path = Some(path.to_owned());
    options
}

both!(
    s037_s038_s039_s040_the_cookies_path_decides,
    below("/foo/bar"),
    |b| {
        for (path, host, set) in [
            ("/", "localhost", false),
            ("/", "http://foo/bar", false),
            ("/foo/bar", "localhost", true),
            ("/foo/bar/baz", "localhost", true),
        ] {
            (b.path, b.host, b.cookie) = (path.to_owned(), host.to_owned(), None);
            let response = b.ask(json!([["read"]])).await;
            assert_eq!(!is_silent(&response), set, "{:?} {path} {host}", b.side);
        }
    }
);

both!(
    the_cookie_of_another_application_is_left_alone,
    helper(),
    |b| {
        b.cookie = Some(format!(
            "other=1; {}",
            presented::cookie("connect.sid", "x", "stranger")
        ));
        assert_eq!(b.ask(json!([["read"]])).await.status, 200);
    }
);
