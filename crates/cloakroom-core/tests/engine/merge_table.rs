//! The merge when another request committed first, case by case.

use cloakroom_core::{
    ErrorKind, Lifetime, Policy, Stored,
    merge::{Resolver, rebase},
    record::OwnLifetime,
    session::View,
};

use crate::common::{
    DAY, NOW, after, bytes, planned, policy_with, record, secs, short, stored, view_of, written,
};

fn policy() -> Policy {
    policy_with(Policy::default(), |p| p.lifetime = Lifetime::idle(secs(60)))
}

fn plain(data: &str) -> String {
    stored(Some(60), NOW, data)
}

fn theirs(text: &str) -> Stored {
    Stored {
        value: bytes(text),
        remaining: Some(secs(50)),
    }
}

/// The view's value after the merge with `text` and what is left to do for it.
fn merged(view: &mut View, text: &str, resolver: &Resolver) -> String {
    rebase(view, theirs(text), &policy(), resolver).unwrap();
    data_of(view)
}

fn data_of(view: &View) -> String {
    let data = view.names().into_iter().map(|name| {
        let value = view.get_raw(&name).unwrap().as_str().to_owned();
        format!("{name}={value}")
    });
    data.collect::<Vec<_>>().join(" ")
}

type Act = fn(&mut View, &Policy);

#[test]
fn each_name_takes_the_change_that_was_made() {
    let nothing: Act = |_, _| {};
    let set_2: Act = |v, p| v.insert("a", &2, p).unwrap();
    let set_x: Act = |v, p| v.insert("x", &9, p).unwrap();
    let remove: Act = |v, p| v.remove("a", p).unwrap();
    let clear: Act = |v, _| v.clear().unwrap();
    let add_10: Act = |v, p| {
        let add = |n: Option<u32>| Some(n.unwrap_or(0) + 10);
        v.update("a", add, p).unwrap();
    };
    let set_then_add: Act = |v, p| {
        v.insert("a", &2, p).unwrap();
        v.update("a", |n: Option<u32>| n.map(|n| n + 10), p)
            .unwrap();
    };
    let add_twice: Act = |v, p| {
        for _ in 0..2 {
            v.update("a", |n: Option<u32>| n.map(|n| n + 10), p)
                .unwrap();
        }
    };
    let add_then_set: Act = |v, p| {
        v.update("a", |n: Option<u32>| n.map(|n| n + 10), p)
            .unwrap();
        v.insert("a", &2, p).unwrap();
    };
    let take: Act = |v, p| v.update("a", |_: Option<u32>| None, p).unwrap();
    // Ours, their data, what comes of it, and what with a resolver for theirs.
    for (what, act, text, ours, resolved) in [
        ("only they changed", nothing, r#","a":5"#, "a=5", "a=5"),
        ("only they removed", nothing, r#","b":1"#, "b=1", "b=1"),
        (
            "only we changed",
            set_2,
            r#","a":1,"b":1"#,
            "a=2 b=1",
            "a=2 b=1",
        ),
        ("only we removed", remove, r#","a":1,"b":1"#, "b=1", "b=1"),
        // connect-redis#75, two requests and two names.
        (
            "both added another",
            set_x,
            r#","a":1,"y":7"#,
            "a=1 y=7 x=9",
            "a=1 y=7 x=9",
        ),
        // redis-rack#53: a deletion sticks, from either side.
        ("we added, they removed", set_x, "", "x=9", "x=9"),
        (
            "we removed, they added",
            remove,
            r#","a":1,"y":7"#,
            "y=7",
            "y=7",
        ),
        ("both removed", remove, "", "", ""),
        ("both the same", set_2, r#","a":2"#, "a=2", "a=2"),
        ("both changed", set_2, r#","a":5"#, "a=2", "a=5"),
        ("we changed, they removed", set_2, "", "a=2", ""),
        ("we removed, they changed", remove, r#","a":5"#, "", "a=5"),
        (
            "cleared, they added",
            clear,
            r#","a":1,"y":7"#,
            "y=7",
            "y=7",
        ),
        ("cleared, they changed", clear, r#","a":5"#, "", "a=5"),
        ("updated", add_10, r#","a":5"#, "a=15", "a=15"),
        ("updated, they removed", add_10, "", "a=10", "a=10"),
        ("updated twice", add_twice, r#","a":5"#, "a=25", "a=25"),
        (
            "set, then updated",
            set_then_add,
            r#","a":5"#,
            "a=12",
            "a=5",
        ),
        ("updated, then set", add_then_set, r#","a":5"#, "a=2", "a=5"),
        ("updated away", take, r#","a":5"#, "", ""),
    ] {
        for (resolver, expected) in [(Resolver::ours(), ours), (Resolver::theirs(), resolved)] {
            let mut view = view_of(&plain(r#","a":1"#), secs(60));
            act(&mut view, &policy());
            let found = merged(&mut view, &plain(text), &resolver);
            assert_eq!(found, expected, "{what}, {resolver:?}");
            let changed = expected != data_of(&view_of(&plain(text), secs(50)));
            assert_eq!(view.is_modified(), changed, "{what}: still to be written?");
        }
    }
}

#[test]
fn the_resolver_gets_name_base_ours_and_theirs() {
    let resolver = Resolver::new(|name, base, ours, theirs| {
        let text = [base, ours, theirs].map(|raw| raw.map_or("-", |raw| raw.as_str()));
        cloakroom_core::json::Raw::of(&format!("{name}:{}", text.join("/"))).ok()
    });
    let mut view = view_of(&plain(r#","a":1"#), secs(60));
    view.insert("a", &2, &policy()).unwrap();
    view.insert("new", &3, &policy()).unwrap();
    let found = merged(&mut view, &plain(r#","new":4"#), &resolver);
    assert_eq!(found, r#"new="new:-/3/4" a="a:1/2/-""#);
}

/// Who loses twice merges twice: the second time what the first made is ours, and the first theirs is the base.
#[test]
fn a_second_conflict_is_merged_upon_the_first() {
    let mut view = view_of(&plain(r#","n":0,"mine":0,"gone":1"#), secs(60));
    view.update("n", |n: Option<u32>| n.map(|n| n + 1), &policy())
        .unwrap();
    view.insert("mine", &1, &policy()).unwrap();
    view.remove("gone", &policy()).unwrap();
    let first = merged(
        &mut view,
        &plain(r#","n":5,"mine":0,"gone":1,"t":1"#),
        &Resolver::ours(),
    );
    assert_eq!(first, "n=6 mine=1 t=1");
    let second = merged(
        &mut view,
        &plain(r#","n":7,"mine":0,"gone":1,"u":2"#),
        &Resolver::ours(),
    );
    assert_eq!(second, "n=8 mine=1 u=2");
    let write = planned(&view, &policy());
    assert_eq!(written(&write).value, plain(r#","n":8,"mine":1,"u":2"#));
}

/// CVE-2025-46336 and the slow request that meets another's login: nothing of ours belongs there.
#[test]
fn somebody_else_signed_in_is_a_conflict_and_the_view_is_unchanged() {
    let ada = r#","n":1,"__ck":{"owner":"ada","signedIn":1}"#;
    for (what, base, current, conflict) in [
        ("signed in", r#","n":1"#, ada, true),
        ("signed out", ada, r#","n":1"#, true),
        (
            "another owner",
            ada,
            r#","n":1,"__ck":{"owner":"bob","signedIn":1}"#,
            true,
        ),
        (
            "again",
            ada,
            r#","n":1,"__ck":{"owner":"ada","signedIn":2}"#,
            true,
        ),
        (
            "the same",
            ada,
            r#","n":5,"__ck":{"signedIn":1,"owner":"ada","ends":9}"#,
            false,
        ),
    ] {
        let mut view = view_of(&plain(base), secs(60));
        view.insert("x", &1, &policy()).unwrap();
        let before = planned(&view, &policy());
        let rebased = rebase(
            &mut view,
            theirs(&plain(current)),
            &policy(),
            &Resolver::ours(),
        );
        assert_eq!(rebased.is_err(), conflict, "{what}");
        if let Err(error) = rebased {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{what}");
            assert_eq!(planned(&view, &policy()), before, "{what}");
        }
    }
}

#[test]
fn what_cannot_be_merged_is_an_error_and_the_view_is_unchanged() {
    let limited = policy_with(policy(), |p| p.limits = policy().limits.with_names(3));
    for (text, policy, kind) in [
        ("{bad".to_owned(), policy(), ErrorKind::Corrupt),
        ("TOMBSTONE".to_owned(), policy(), ErrorKind::Corrupt),
        (String::new(), policy(), ErrorKind::Corrupt),
        (r#"{"n":1}"#.to_owned(), policy(), ErrorKind::Corrupt),
        (plain(r#","n":"one""#), policy(), ErrorKind::Type),
        (
            plain(r#","n":9007199254740991"#),
            policy(),
            ErrorKind::Invalid,
        ),
        (
            plain(r#","a":1,"b":1"#),
            limited.clone(),
            ErrorKind::TooLarge,
        ),
        (plain(r#","a":1,"b":1,"c":1"#), limited, ErrorKind::TooLarge),
    ] {
        let mut view = view_of(&plain(r#","n":1"#), secs(60));
        view.update("n", |n: Option<u64>| Some(n.unwrap_or(0) + 1), &policy)
            .unwrap();
        let before = planned(&view, &policy);
        let error = rebase(&mut view, theirs(&text), &policy, &Resolver::ours()).unwrap_err();
        assert_eq!(error.kind(), kind, "{text}: {error}");
        assert_eq!(planned(&view, &policy), before, "{text}");
    }
}

/// A Node peer loads, changes a name of its own and writes all back as JavaScript writes it: other bytes, same names.
#[test]
fn a_node_peers_blind_rewrite_is_merged_like_any_other_change() {
    let base = r#"{"cookie":{"originalMaxAge":60000,"expires":"2025-11-25T21:19:38.229Z","httpOnly":true,"path":"/"},"f":1.0,"slash":"\/","n":1,"__ck":{"owner":"ada","signedIn":1}}"#;
    let node = r#"{"7":1,"cookie":{"originalMaxAge":59999,"expires":"2025-11-25T21:20:00.000Z","httpOnly":true,"path":"/"},"f":1,"slash":"/","n":1,"__ck":{"owner":"ada","signedIn":1},"lastModified":17}"#;
    let mut view = view_of(base, secs(60));
    view.insert("n", &2, &policy()).unwrap();
    view.insert("m", &3, &policy()).unwrap();
    merged(&mut view, node, &Resolver::ours());
    let expected = node
        .replace("2025-11-25T21:20:00.000Z", "2025-11-25T21:20:38.228Z")
        .replace(r#""n":1"#, r#""n":2"#)
        .replace("17}", r#"17,"m":3}"#);
    assert_eq!(written(&planned(&view, &policy())).value, expected);
}

#[test]
fn a_lifetime_changed_here_stays_changed_and_one_changed_there_too() {
    let thirty = OwnLifetime::Idle(DAY * 30);
    let mut ours = view_of(&plain(""), secs(60));
    ours.set_lifetime(thirty).unwrap();
    merged(&mut ours, &plain(r#","n":1"#), &Resolver::ours());
    let mut theirs = view_of(&plain(""), secs(60));
    theirs.insert("n", &1, &policy()).unwrap();
    merged(
        &mut theirs,
        &stored(Some(30 * 86_400), NOW, ""),
        &Resolver::ours(),
    );
    for view in [ours, theirs] {
        let plan = planned(&view, &policy());
        assert_eq!(short(&plan), "replace SC");
        let write = written(&plan);
        assert_eq!(
            (write.ttl, write.record.lifetime()),
            (DAY * 30, Some(thirty))
        );
        assert_eq!(write.record.expires(), Some(after(DAY * 30)));
        assert_eq!(write.record.get("n").unwrap().as_str(), "1");
    }
}

/// A sign-in that loses the race to retire the old session keeps its stamp and what the other request committed.
#[test]
fn r08_a_sign_in_merges_what_was_committed_meanwhile() {
    let mut policy = policy();
    policy.lifetime = policy.lifetime.absolute(secs(600));
    let ends = after(secs(5)).as_millis();
    let mut view = view_of(&plain(r#","cart":1"#), secs(60));
    view.sign_in("ada", &policy, NOW).unwrap();
    let current = plain(&format!(r#","cart":2,"__ck":{{"ends":{ends}}}"#));
    rebase(&mut view, theirs(&current), &policy, &Resolver::ours()).unwrap();
    let plan = planned(&view, &policy);
    assert_eq!(short(&plan), "rotate SC");
    let record = &written(&plan).record;
    assert_eq!(record.get("cart").unwrap().as_str(), "2");
    assert_eq!(record.identity().owner.as_deref(), Some("ada"));
    assert_eq!(record.ends(), Some(after(secs(600))));
}

/// connect-redis#346 and #348: a merge there made `expires` no date and the time to live NaN, and sessions were deleted.
#[test]
fn after_a_merge_expires_is_a_date_and_the_time_to_live_is_positive() {
    let date = |at| format!("\"{at}\"");
    let dates = [
        date(after(secs(30))),
        date(after(DAY)),
        date(cloakroom_core::Timestamp::UNIX_EPOCH),
        "\"garbage\"".to_owned(),
        "null".to_owned(),
        "false".to_owned(),
        "17".to_owned(),
        "[]".to_owned(),
        "{\"a\":1}".to_owned(),
    ];
    let text = |expires: &str, n: u8| {
        format!(r#"{{"cookie":{{"originalMaxAge":60000,"expires":{expires},"path":"/"}},"n":{n}}}"#)
    };
    for ours in &dates {
        for current in &dates {
            for silent in [false, true] {
                let mut view = view_of(&text(ours, 1), secs(60));
                view.insert("x", &1, &policy()).unwrap();
                if silent {
                    view.skip_renewal();
                }
                merged(&mut view, &text(current, 2), &Resolver::ours());
                let plan = planned(&view, &policy());
                let write = written(&plan);
                let expected = if silent { secs(50) } else { secs(60) };
                assert_eq!(write.ttl, expected, "{ours}, {current}");
                let read = record(std::str::from_utf8(&write.value).unwrap());
                assert_eq!(read.expires(), Some(after(expected)), "{ours}, {current}");
            }
        }
    }
}

#[test]
fn of_two_dates_the_later_is_kept_until_the_plan_writes_its_own() {
    let (early, late) = (after(secs(10)), after(secs(70)));
    for (ours, current) in [(early, late), (late, early)] {
        let text = |at: cloakroom_core::Timestamp| stored(Some(0), at, r#","n":1"#);
        let mut view = view_of(&text(ours), secs(60));
        merged(&mut view, &text(current), &Resolver::ours());
        let cookie = view.get_raw("cookie").unwrap();
        let cookie = cookie.as_str();
        assert!(cookie.contains(&late.to_string()), "{cookie}");
    }
}

#[test]
fn a_new_view_has_nothing_to_merge() {
    let mut view = crate::common::new_view(cloakroom_core::session::NewReason::NoTicket, &policy());
    view.insert("n", &1, &policy()).unwrap();
    let before = record(std::str::from_utf8(&written(&planned(&view, &policy())).value).unwrap());
    rebase(
        &mut view,
        theirs(&plain(r#","n":2"#)),
        &policy(),
        &Resolver::ours(),
    )
    .unwrap();
    assert_eq!(written(&planned(&view, &policy())).record, before);
}
