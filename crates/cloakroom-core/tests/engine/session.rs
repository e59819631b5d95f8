//! A view refuses what cannot be kept and is unchanged then.

use std::collections::BTreeMap;

use cloakroom_core::{
    Error, ErrorKind, Policy,
    id::FreshId,
    plan::{CookieOp, StoreOp},
    record::OwnLifetime,
    session::{NewReason, View},
};

use crate::common::{
    NOW, fresh_id, new_view, old_id, planned, policy_with, secs, short, stored, view_of,
};

fn view() -> View {
    view_of(&stored(None, NOW, r#","name":"Zoë","n":1"#), secs(60))
}

type Attempt = fn(&mut View, &Policy) -> Result<(), Error>;

#[test]
fn nothing_can_be_changed_after_the_session_was_ended_here() {
    let attempts: [(&str, Attempt); 7] = [
        ("insert", |v, p| v.insert("a", &1, p)),
        ("remove", |v, p| v.remove("n", p)),
        ("update", |v, p| v.update("n", |n: Option<u8>| n, p)),
        ("clear", |v, _| v.clear()),
        ("set_lifetime", |v, _| v.set_lifetime(OwnLifetime::Browser)),
        ("rotate", |v, _| v.rotate()),
        ("sign_in", |v, p| v.sign_in("ada", p, NOW)),
    ];
    let policy = Policy::default();
    let destroy: fn(&mut View) = View::destroy;
    for (end, act) in [("destroy", destroy), ("unset", View::unset)] {
        for (what, attempt) in attempts {
            let mut view = view();
            act(&mut view);
            let error = attempt(&mut view, &policy).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Gone, "{what} after {end}");
            assert!(!view.is_modified() && !view.is_rotated() && !view.signs_in());
            assert_eq!(view.names(), ["name", "n"], "{what} after {end}");
            assert_eq!(short(&planned(&view, &policy)), "end clear");
        }
    }
}

#[test]
fn destroying_wins_over_unset_in_either_order() {
    let policy = Policy::express();
    for acts in [[View::destroy, View::unset], [View::unset, View::destroy]] {
        let mut view = view();
        for act in acts {
            act(&mut view);
        }
        assert_eq!(short(&planned(&view, &policy)), "end clear");
    }
}

#[test]
fn what_is_refused_leaves_the_view_unchanged() {
    let attempts: [(&str, Attempt, ErrorKind); 8] = [
        (
            "reserved",
            |v, p| v.insert("cookie", &1, p),
            ErrorKind::Invalid,
        ),
        (
            "dropped",
            |v, p| v.insert("constructor", &1, p),
            ErrorKind::Invalid,
        ),
        ("remove", |v, p| v.remove("__ck", p), ErrorKind::Invalid),
        (
            "too long",
            |v, p| v.insert("n", &u64::MAX, p),
            ErrorKind::Invalid,
        ),
        (
            "no JSON",
            |v, p| v.insert("n", &BTreeMap::from([((1, 2), 3)]), p),
            ErrorKind::Type,
        ),
        (
            "other type",
            |v, p| v.update("name", |n: Option<u8>| n, p),
            ErrorKind::Type,
        ),
        (
            "rounded",
            |v, p| v.update("n", |_: Option<u64>| Some(u64::MAX), p),
            ErrorKind::Invalid,
        ),
        (
            "no time",
            |v, _| v.set_lifetime(OwnLifetime::Idle(std::time::Duration::ZERO)),
            ErrorKind::Invalid,
        ),
    ];
    let policy = Policy::default();
    for (what, attempt, kind) in attempts {
        let mut view = view();
        assert_eq!(
            attempt(&mut view, &policy).unwrap_err().kind(),
            kind,
            "{what}"
        );
        assert!(!view.is_modified(), "{what}");
        assert_eq!(view.get::<u8>("n").unwrap(), Some(1), "{what}");
        assert_eq!(view.get::<String>("name").unwrap().as_deref(), Some("Zoë"));
    }
}

#[test]
fn a_change_is_what_differs_from_the_stored_value() {
    let changes: [(&str, Attempt, bool); 9] = [
        ("nothing", |_, _| Ok(()), false),
        ("the same", |v, p| v.insert("n", &1, p), false),
        ("another", |v, p| v.insert("n", &2, p), true),
        ("removed what is not there", |v, p| v.remove("x", p), false),
        (
            "there and back",
            |v, p| v.insert("n", &2, p).and_then(|()| v.insert("n", &1, p)),
            false,
        ),
        (
            "added and removed",
            |v, p| v.insert("x", &2, p).and_then(|()| v.remove("x", p)),
            false,
        ),
        (
            "updated to itself",
            |v, p| v.update("n", |n: Option<u8>| n, p),
            false,
        ),
        (
            "updated away",
            |v, p| v.update("n", |_: Option<u8>| None, p),
            true,
        ),
        (
            "the same lifetime",
            |v, _| v.set_lifetime(OwnLifetime::Browser),
            false,
        ),
    ];
    let policy = Policy::default();
    for (what, change, expected) in changes {
        let mut view = view();
        change(&mut view, &policy).unwrap();
        assert_eq!(view.is_modified(), expected, "{what}");
        let store = if expected { "replace SC" } else { "renew SC" };
        let policy = policy_with(Policy::default(), |p| {
            p.lifetime = cloakroom_core::Lifetime::idle(secs(60));
        });
        assert_eq!(short(&planned(&view, &policy)), store, "{what}");
    }
}

#[test]
fn r08_the_id_changes_with_rotation_and_sign_in_alone() {
    let policy = Policy::default();
    let mut view = view();
    view.insert("n", &2, &policy).unwrap();
    assert_eq!(*view.id(), old_id());
    view.sign_in("ada", &policy, NOW).unwrap();
    assert_eq!(*view.id(), fresh_id());
    assert_eq!(view.identity().owner.as_deref(), Some("ada"));
    assert_eq!(view.identity().signed_in, Some(NOW));
    assert_eq!(view.names(), ["name", "n"], "the data are kept");
}

#[test]
fn r01_all_clones_of_a_view_have_the_same_fresh_id() {
    let policy = Policy::default();
    let mut view = new_view(NewReason::NoTicket, &policy);
    view.redraw(FreshId::from_random([2; 24]));
    view.insert("n", &1, &policy).unwrap();
    // Neither has been asked for it, and each writes it out for itself.
    let clone = view.clone();
    let plan = planned(&clone, &policy);
    assert!(matches!(&plan.store, StoreOp::Create(write) if write.id == fresh_id()));
    assert!(matches!(&plan.cookie, CookieOp::Set { id, .. } if *id == fresh_id()));
    assert_eq!(*view.id(), fresh_id());
    assert_eq!(*view.clone().fresh_id(), fresh_id());
    view.redraw(FreshId::from_random([3; 24]));
    assert_ne!(*view.id(), fresh_id());
    assert_eq!(*clone.id(), fresh_id());
}
