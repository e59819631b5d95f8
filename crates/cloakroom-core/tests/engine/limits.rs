//! R42: byte, depth and count limits, on what is read and on what is written.

use cloakroom_core::{
    ErrorKind, Lifetime, Policy,
    plan::StoreOp,
    record::{Limits, Record},
    session::NewReason,
};

use crate::common::{NOW, bytes, new_view, planned, policy_with, raw, secs, stored, view_of};

fn too_large(text: &str, limits: Limits) -> String {
    let error = Record::parse(&bytes(text), &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    error.to_string()
}

fn many(names: usize) -> String {
    (0..names).map(|n| format!(",\"n{n}\":{n}")).collect()
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn r42_json_bombs_are_refused_when_they_are_read() {
    let limits = Limits::default();
    let ten_megabytes = stored(
        None,
        NOW,
        &format!(",\"big\":\"{}\"", "x".repeat(10_000_000)),
    );
    too_large(&ten_megabytes, limits);
    let deep = stored(None, NOW, &format!(",\"deep\":{}", nested(10_000)));
    assert!(too_large(&deep, limits).contains("`deep`"));
    too_large(&stored(None, NOW, &many(10_000)), limits);
    let cookie = format!("{{\"cookie\":{{\"a\":{}}}}}", nested(10_000));
    assert!(too_large(&cookie, limits).contains("`cookie`"));
}

/// Only the bytes limit these; reading must not compare each name with each: that would take minutes here.
#[test]
fn r42_many_names_inside_a_cookie_are_read_in_one_pass() {
    let names = many(70_000);
    let text = format!("{{\"cookie\":{{\"x\":1{names}}},\"__ck\":{{\"ends\":5}}}}");
    let record = Record::parse(&bytes(&text), &Limits::default()).unwrap();
    assert!(record.is_some_and(|record| record.ends().is_some()));
}

#[test]
fn r42_the_limits_are_the_last_values_that_fit() {
    for depth in [255, 256] {
        let text = stored(None, NOW, &format!(",\"deep\":{}", nested(depth)));
        assert!(Record::parse(&bytes(&text), &Limits::default()).is_ok());
    }
    too_large(
        &stored(None, NOW, &format!(",\"d\":{}", nested(257))),
        Limits::default(),
    );
    let text = stored(None, NOW, &many(9));
    assert!(Record::parse(&bytes(&text), &Limits::default().with_names(10)).is_ok());
    too_large(&text, Limits::default().with_names(9));
    let exact = Limits::default().with_bytes(text.len());
    assert!(Record::parse(&bytes(&text), &exact).is_ok());
    too_large(&text, Limits::default().with_bytes(text.len() - 1));
}

#[test]
fn r42_what_is_too_large_is_refused_when_it_is_written_and_the_name_told() {
    let with = |limits| policy_with(Policy::default(), |p| p.limits = limits);
    let limits = Limits::default();
    for (what, policy, value) in [
        (
            "10 MB",
            with(limits),
            format!("\"{}\"", "x".repeat(10_000_000)),
        ),
        ("depth", with(limits), nested(10_000)),
        ("depth", with(limits.with_depth(1)), "[[]]".into()),
        ("names", with(limits.with_names(3)), "1".into()),
    ] {
        let mut view = view_of(&stored(None, NOW, ",\"a\":1,\"b\":2"), secs(60));
        let error = view.insert("culprit", &json(&value), &policy).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{what}");
        assert!(error.to_string().contains("`culprit`"), "{error}");
        assert_eq!(view.names(), ["a", "b"], "{what}");
        let error = view
            .update("culprit", move |_| Some(json(&value)), &policy)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{what}");
        assert!(!view.is_modified(), "{what}");
    }
    let mut view = view_of(&stored(None, NOW, ""), secs(60));
    for owner in ["x".repeat(10_000_000), "x".repeat(1025), String::new()] {
        let error = view.sign_in(owner, &with(limits), NOW).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    let owner = "x".repeat(1024);
    let error = view.sign_in(owner, &with(limits.with_bytes(1024)), NOW);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::TooLarge);
    assert!(!view.signs_in() && !view.is_rotated());
}

fn json(text: &str) -> Box<serde_json::value::RawValue> {
    serde_json::value::RawValue::from_string(raw(text).as_str().to_owned()).unwrap()
}

/// The plan adds the date and the absolute end: what was accepted must still be readable with them.
#[test]
fn r42_what_is_accepted_can_be_read_again() {
    let policy = |limits| {
        policy_with(Policy::default(), |p| {
            p.limits = limits;
            p.lifetime = Lifetime::idle(secs(60)).absolute(secs(600));
        })
    };
    let mut last = None;
    for length in 0..400 {
        let policy = policy(Limits::default().with_bytes(300));
        let mut view = new_view(NewReason::NoTicket, &policy);
        if view.insert("n", &"x".repeat(length), &policy).is_ok() {
            last = Some(read_again(&view, &policy));
        }
    }
    assert!(
        last.is_some_and(|size| (290..=300).contains(&size)),
        "{last:?}"
    );

    for names in 1..=8 {
        let policy = policy(Limits::default().with_names(7));
        let mut view = new_view(NewReason::NoTicket, &policy);
        let fit = (0..names).all(|n| view.insert(&format!("n{n}"), &n, &policy).is_ok());
        assert_eq!(fit, names <= 5, "with `cookie` and our metadata 7: {names}");
        read_again(&view, &policy);
    }
}

fn read_again(view: &cloakroom_core::session::View, policy: &Policy) -> usize {
    let StoreOp::Create(write) = planned(view, policy).store else {
        panic!("nothing created")
    };
    assert!(
        Record::parse(&write.value, &policy.limits)
            .unwrap()
            .is_some()
    );
    write.value.len()
}
