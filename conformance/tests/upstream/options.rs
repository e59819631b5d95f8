//! Sections F to O: what the options do.

use cloakroom_conformance::ask::Options;
use serde_json::{Value, json};

use crate::{attributes, both, helper, is_silent};

fn auto(secure: Option<Value>, same_site: Option<&str>, proxy: bool) -> Options {
    let mut options = Options {
        proxy: Some(proxy),
        ..helper()
    };
    options.cookie.secure = secure;
    options.cookie.same_site = same_site.map(|word| json!(word));
    options
}

both!(
    s043_secure_auto_over_tls,
    auto(Some(json!("auto")), None, true),
    |b| {
        b.proto = Some("https".to_owned());
        assert!(
            attributes(&b.ask(json!([["inc", "n"]])).await).contains("Secure"),
            "{:?}",
            b.side
        );
    }
);

both!(
    s044_secure_auto_without_a_trusted_proxy,
    auto(Some(json!("auto")), None, false),
    |b| {
        b.proto = Some("https".to_owned());
        assert!(
            !attributes(&b.ask(json!([["inc", "n"]])).await).contains("Secure"),
            "{:?}",
            b.side
        );
    }
);

both!(
    s050_s052_s053_s057_same_site_auto_in_the_clear,
    auto(None, Some("auto"), false),
    |b| {
        for proto in [None, Some("https".to_owned())] {
            b.cookie = None;
            b.proto = proto;
            let attributes = attributes(&b.ask(json!([["inc", "n"]])).await);
            assert!(
                attributes.ends_with("SameSite=Lax"),
                "{:?} {attributes}",
                b.side
            );
        }
    }
);

both!(
    s049_s051_s054_same_site_auto_over_tls,
    auto(Some(json!("auto")), Some("auto"), true),
    |b| {
        b.proto = Some("https".to_owned());
        let attributes = attributes(&b.ask(json!([["inc", "n"]])).await);
        assert!(
            attributes.ends_with("Secure; SameSite=None"),
            "{:?} {attributes}",
            b.side
        );
    }
);

both!(
    s055_both_auto_in_the_clear,
    auto(Some(json!("auto")), Some("auto"), true),
    |b| {
        b.proto = Some("http".to_owned());
        let attributes = attributes(&b.ask(json!([["inc", "n"]])).await);
        assert!(
            attributes.ends_with("HttpOnly; SameSite=Lax"),
            "{:?} {attributes}",
            b.side
        );
    }
);

both!(
    s058_s059_secure_and_same_site_auto,
    auto(Some(json!(true)), Some("auto"), true),
    |b| {
        b.proto = Some("https".to_owned());
        let attributes = attributes(&b.ask(json!([["inc", "n"]])).await);
        assert!(
            attributes.ends_with("Secure; SameSite=None"),
            "{:?} {attributes}",
            b.side
        );
        (b.proto, b.cookie) = (None, None);
        assert!(is_silent(&b.ask(json!([["inc", "n"]])).await));
    }
);

/// A deliberate difference: browsers drop `SameSite=None` without `Secure`.
#[tokio::test]
async fn s056_same_site_auto_on_a_cookie_that_is_not_secure() {
    use cloakroom_conformance::stage::{Browser, Side};
    for side in Side::BOTH {
        let mut b = Browser::open(side, auto(Some(json!(false)), Some("auto"), true)).await;
        b.proto = Some("https".to_owned());
        let attributes = attributes(&b.ask(json!([["inc", "n"]])).await);
        let expected = if side == Side::Ours {
            "SameSite=Lax"
        } else {
            "SameSite=None"
        };
        assert!(
            attributes.ends_with(expected) && !attributes.contains("Secure"),
            "{attributes}"
        );
    }
}

both!(s061_an_id_has_24_random_bytes, helper(), |b| {
    let id = b.ask(json!([["read"]])).await.id().unwrap();
    assert_eq!(id.len(), 32);
    assert!(
        id.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    );
});

both!(s065_s067_the_name_is_connect_sid, helper(), |b| {
    let response = b.ask(json!([["read"]])).await;
    assert!(response.set_cookies()[0].starts_with("connect.sid="));
});

both!(
    s066_s068_the_name_can_be_another,
    Options {
        name: Some("session_id".to_owned()),
        ..helper()
    },
    |b| {
        let response = b.ask(json!([["inc", "n"]])).await;
        assert!(response.set_cookies()[0].starts_with("session_id="));
        assert_eq!(b.ask(json!([["inc", "n"]])).await.last(), json!(2));
    }
);

both!(
    s069_without_rolling_an_unchanged_session_is_not_sent_again,
    helper(),
    |b| {
        b.ask(json!([["set", "user", "\"bob\""]])).await;
        let response = b.ask(json!([["read"]])).await;
        assert!(is_silent(&response));
        assert_eq!(response.last(), json!([["user", "\"bob\""]]));
    }
);

both!(
    s070_rolling_sends_it,
    Options {
        rolling: true,
        ..helper()
    },
    |b| {
        b.ask(json!([["set", "user", "\"bob\""]])).await;
        assert!(!is_silent(&b.ask(json!([["read"]])).await));
    }
);

fn rolling(save_uninitialized: bool) -> Options {
    Options {
        rolling: true,
        save_uninitialized,
        ..helper()
    }
}

both!(
    s071_rolling_makes_no_session_of_nothing,
    rolling(false),
    |b| {
        assert!(is_silent(&b.ask(json!([["read"]])).await));
        assert!(b.stored().await.is_empty());
    }
);

both!(s072_rolling_with_save_uninitialized, rolling(true), |b| {
    assert!(!is_silent(&b.ask(json!([["read"]])).await));
    assert_eq!(b.stored().await.len(), 1);
});

both!(s073_rolling_with_data, rolling(false), |b| {
    assert!(!is_silent(&b.ask(json!([["set", "a", "1"]])).await));
    assert_eq!(b.stored().await.len(), 1);
});

both!(
    s074_s075_resave_writes_an_unchanged_session,
    helper(),
    |b| {
        b.ask(json!([["set", "a", "1"]])).await;
        let before = b.text().await;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        b.ask(json!([["read"]])).await;
        assert_ne!(b.text().await, before, "{:?}: the stored end moves", b.side);
    }
);

both!(
    s076_without_resave_it_is_not_written,
    Options {
        resave: false,
        ..helper()
    },
    |b| {
        b.ask(json!([["set", "a", "1"]])).await;
        let before = b.text().await;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        b.ask(json!([["read"]])).await;
        assert_eq!(b.text().await, before, "{:?}", b.side);
    }
);

both!(
    s077_without_resave_a_changed_one_is_written,
    Options {
        resave: false,
        ..helper()
    },
    |b| {
        b.ask(json!([["set", "user", "1"]])).await;
        b.ask(json!([["read"]])).await;
        b.ask(json!([["set", "user", "2"]])).await;
        assert!(b.text().await.contains("\"user\":2"));
    }
);

both!(
    s078_a_change_inside_of_a_value_counts,
    Options {
        resave: false,
        ..helper()
    },
    |b| {
        b.ask(json!([["set", "user", "{\"cookie\":1}"]])).await;
        b.ask(json!([["set", "user", "{\"cookie\":2}"]])).await;
        assert!(b.text().await.contains("\"user\":{\"cookie\":2}"));
    }
);

both!(
    s080_s081_save_uninitialized_saves_and_sends,
    helper(),
    |b| {
        assert!(!is_silent(&b.ask(json!([["read"]])).await));
        assert_eq!(b.stored().await.len(), 1);
    }
);

both!(
    s082_s085_without_it_nothing_is_saved_sent_or_touched,
    Options {
        save_uninitialized: false,
        ..helper()
    },
    |b| {
        assert!(is_silent(&b.ask(json!([["read"]])).await));
        assert!(b.stored().await.is_empty());
    }
);

both!(
    s083_without_it_data_are_saved,
    Options {
        save_uninitialized: false,
        ..helper()
    },
    |b| {
        assert!(!is_silent(&b.ask(json!([["set", "a", "1"]])).await));
        assert_eq!(b.stored().await.len(), 1);
    }
);

both!(s087_a_secret_signs_and_verifies, helper(), |b| {
    b.ask(json!([["inc", "n"]])).await;
    assert_eq!(b.ask(json!([["inc", "n"]])).await.last(), json!(2));
});

both!(
    s089_s090_s091_the_first_secret_signs_and_all_verify,
    helper(),
    |b| {
        b.options.secret = vec!["one".to_owned(), "two".to_owned()];
        b.ask(json!([["inc", "n"]])).await;
        let cookie = b.cookie.clone();
        b.options.secret = vec!["two".to_owned()];
        assert_eq!(
            b.ask(json!([["inc", "n"]])).await.last(),
            json!(1),
            "signed with the first"
        );
        b.cookie = cookie;
        b.options.secret = vec!["three".to_owned(), "one".to_owned()];
        assert_eq!(
            b.ask(json!([["inc", "n"]])).await.last(),
            json!(2),
            "verified by any"
        );
    }
);

both!(s093_unset_keeps, helper(), |b| {
    b.ask(json!([["set", "a", "1"]])).await;
    b.ask(json!([["set", "a", "2"], ["unset"]])).await;
    assert!(b.text().await.contains("\"a\":1"), "{:?}", b.side);
});

both!(
    s094_unset_destroys,
    Options {
        unset: Some("destroy".to_owned()),
        ..helper()
    },
    |b| {
        b.ask(json!([["set", "a", "1"]])).await;
        b.ask(json!([["unset"]])).await;
        assert!(b.stored().await.is_empty(), "{:?}", b.side);
    }
);

both!(
    s095_a_new_session_that_is_destroyed_leaves_nothing,
    Options {
        unset: Some("destroy".to_owned()),
        ..helper()
    },
    |b| {
        assert!(is_silent(&b.ask(json!([["destroy"]])).await));
        assert!(b.stored().await.is_empty(), "{:?}", b.side);
    }
);
