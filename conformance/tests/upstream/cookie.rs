//! Sections S to U: the cookie that the browser gets.

use cloakroom_conformance::ask::Options;
use serde_json::{Value, json};

use crate::{attributes, both, date, expires, helper, is_silent};

fn browser_session() -> Options {
    Options {
        resave: true,
        save_uninitialized: true,
        ..Options::default()
    }
}

both!(
    s116_s131_without_a_lifetime_there_is_no_end,
    browser_session(),
    |b| {
        assert_eq!(
            attributes(&b.ask(json!([["read"]])).await),
            "Path=/; HttpOnly",
            "{:?}",
            b.side
        );
    }
);

both!(
    s117_s132_s133_such_a_cookie_is_sent_once,
    browser_session(),
    |b| {
        assert!(!is_silent(&b.ask(json!([["inc", "n"]])).await));
        assert!(is_silent(&b.ask(json!([["read"]])).await));
        assert!(
            is_silent(&b.ask(json!([["inc", "n"]])).await),
            "{:?}: changed or not",
            b.side
        );
    }
);

both!(s120_cookies_of_the_handler_are_kept, helper(), |b| {
    let response = b
        .ask(json!([
            ["header", "set-cookie", "previous=cookieValue"],
            ["inc", "n"]
        ]))
        .await;
    let all = response.set_cookies();
    assert_eq!(all.len(), 2, "{:?} {all:?}", b.side);
    assert_eq!(all[0], "previous=cookieValue");
    assert!(all[1].starts_with("connect.sid="));
});

both!(
    s122_s123_s124_the_value_remembers_the_lifetime,
    helper().with_max_age(2000),
    |b| {
        for _ in 0..2 {
            b.ask(json!([["inc", "n"]])).await;
            let stored: Value = serde_json::from_str(&b.text().await).unwrap();
            let lifetime = stored["cookie"]["originalMaxAge"].as_i64().unwrap();
            // express-session computes it again from two readings of the clock and may lose a millisecond.
            assert!((1999..=2000).contains(&lifetime), "{:?} {lifetime}", b.side);
        }
    }
);

both!(
    s127_the_end_is_the_lifetime_away,
    helper().with_max_age(2000),
    |b| {
        let response = b.ask(json!([["inc", "n"]])).await;
        let away = expires(&response).unwrap() - date(&response);
        assert!((1..=2).contains(&away), "{:?} {away}", b.side);
    }
);

both!(
    s128_a_handler_can_change_it,
    helper().with_max_age(2000),
    |b| {
        let response = b.ask(json!([["maxAge", 5000], ["inc", "n"]])).await;
        let away = expires(&response).unwrap() - date(&response);
        assert!((4..=5).contains(&away), "{:?} {away}", b.side);
    }
);

both!(
    s129_beyond_32_bits,
    helper().with_max_age(3_000_000_000),
    |b| {
        let response = b.ask(json!([["inc", "n"]])).await;
        let away = expires(&response).unwrap() - date(&response);
        assert!(
            (2_999_998..=3_000_000).contains(&away),
            "{:?} {away}",
            b.side
        );
    }
);

both!(
    s134_s135_s136_partitioned_is_there_where_it_was_asked_for,
    helper(),
    |b| {
        for (partitioned, there) in [(None, false), (Some(false), false), (Some(true), true)] {
            b.options.cookie.partitioned = partitioned;
            // Browsers, and so we, take it together with Secure alone.
            b.options.cookie.secure = Some(json!(true));
            (b.options.proxy, b.proto, b.cookie) = (Some(true), Some("https".to_owned()), None);
            let response = b.ask(json!([["inc", "n"]])).await;
            assert_eq!(
                attributes(&response).contains("; Partitioned"),
                there,
                "{:?}",
                b.side
            );
        }
    }
);
