//! R42: sessions that a peer has filled to the limits. What is written into them of our own accord must not make them
//! unreadable, which would be their end.

use cloakroom_core::{
    ErrorKind, Lifetime, Policy,
    merge::{Resolver, rebase},
    plan::{Plan, StoreOp},
    record::{Identity, Limits, Record},
    session::View,
    store::Stored,
};

use crate::{
    common::{NOW, after, bytes, planned, policy_with, secs, short, view_of, written},
    ownership::{EARLIER, annas, peers, policy},
};

/// The policy with a limit that leaves so many bytes beside this value.
fn tight(value: &str, spare: usize) -> Policy {
    policy_with(policy(), |policy| {
        policy.limits = Limits::default().with_bytes(value.len() + spare);
    })
}

/// What the plan leaves in the store, read again.
fn left(plan: &Plan, value: &str, policy: &Policy) -> Record {
    let bytes = match &plan.store {
        StoreOp::Replace(write) | StoreOp::Rotate { write, .. } => write.value.clone(),
        StoreOp::Renew { .. } | StoreOp::None => bytes(value),
        other => panic!("neither kept nor renewed: {other:?}"),
    };
    let read = Record::parse(&bytes, &policy.limits);
    read.expect("it can be read again").expect("a session")
}

#[test]
fn r42_an_adoption_that_does_not_fit_is_not_taken() {
    for dated in [true, false] {
        let value = peers(r#","user":"anna""#);
        let found = Identity::new("anna", dated.then_some(EARLIER));
        let (mut taken, mut refused) = (0, 0);
        for spare in 0..200 {
            let policy = tight(&value, spare);
            let mut view = view_of(&value, secs(60));
            match view.adopt(&found, &policy) {
                Ok(adopts) => {
                    assert!(adopts && view.is_adopted());
                    view.stamp_adoption(NOW);
                    let read = left(&planned(&view, &policy), &value, &policy);
                    assert_eq!(read.identity(), Identity::new("anna", Some(NOW)));
                    taken += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::TooLarge);
                    assert!(error.to_string().contains("the owner"), "{error}");
                    assert!(!view.is_adopted());
                    assert_eq!(view.identity(), Identity::default());
                    let read = left(&planned(&view, &policy), &value, &policy);
                    assert_eq!(read.identity(), Identity::default());
                    refused += 1;
                }
            }
        }
        assert!(taken > 50 && refused > 50, "{taken} {refused}");
    }
}

/// Whoever has the session now is not taken for the one before.
#[test]
fn r42_a_session_whose_new_owner_does_not_fit_is_nobodys() {
    let value = annas();
    let policy = tight(&value, 0);
    let berta = Identity::new("berta".repeat(20), Some(NOW));
    let mut view = view_of(&value, secs(60));
    let refused = view.adopt(&berta, &policy).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert_eq!(view.identity(), Identity::default());
    let plan = planned(&view, &policy);
    assert_eq!(written(&plan).claim, None);
    let read = left(&plan, &value, &policy);
    assert_eq!(read.identity(), Identity::default());
    assert_eq!(read.usage().created, None, "that was anna's");
    assert!(read.get("cart").is_some());
    // To be nobody's needs no room.
    let mut view = view_of(&value, secs(60));
    assert!(view.adopt(&Identity::default(), &policy).unwrap());
    // A sign-in that is taken back leaves it as it was found.
    let mut view = view_of(&value, secs(60));
    view.adopt(&berta, &policy).unwrap_err();
    view.sign_in("c", &policy, NOW).unwrap();
    view.withdraw_sign_in(&policy);
    assert_eq!(view.identity(), Identity::default());
    left(&planned(&view, &policy), &value, &policy);
}

#[test]
fn r42_an_absolute_end_that_does_not_fit_is_left_out() {
    let value = peers("");
    let (mut with, mut without) = (0, 0);
    for spare in 0..60 {
        for rotates in [false, true] {
            let policy = tight(&value, spare);
            let mut view = view_of(&value, secs(60));
            if rotates {
                view.rotate().unwrap();
            }
            let read = left(&planned(&view, &policy), &value, &policy);
            match read.ends() {
                Some(ends) => {
                    assert_eq!(ends, after(secs(600)));
                    with += 1;
                }
                None => without += 1,
            }
        }
    }
    assert!(with > 20 && without > 20, "{with} {without}");
    // And where it is one name too many.
    let full = policy_with(policy(), |policy| {
        policy.limits = Limits::default().with_names(1);
    });
    let plan = planned(&view_of(&value, secs(60)), &full);
    assert_eq!(left(&plan, &value, &full).ends(), None);
}

/// A lifetime without a date is a peer's that did not know better; elsewhere it gets one.
#[test]
fn r42_a_date_that_does_not_fit_is_left_out() {
    let value = r#"{"cookie":{"originalMaxAge":60000,"expires":null},"n":1}"#;
    for (spare, dated) in [(0, false), (21, false), (22, true)] {
        let policy = policy_with(tight(value, spare), |policy| {
            policy.lifetime = Lifetime::idle(secs(60));
        });
        let plan = planned(&view_of(value, secs(60)), &policy);
        assert_eq!(short(&plan), "replace SC", "{spare}");
        let read = left(&plan, value, &policy);
        assert_eq!(read.expires().is_some(), dated, "{spare}");
    }
}

/// What the application asks for is refused instead: here, or where another writer has filled the session meanwhile.
#[test]
fn r42_what_was_asked_for_and_does_not_fit_is_refused() {
    type Change = fn(&mut View, &Policy) -> Result<(), cloakroom_core::Error>;
    let changes: [(&str, Change); 2] = [
        ("the owner", |view, policy| {
            view.sign_in("berta", policy, NOW)
        }),
        ("the lifetime", |view, policy| {
            let month = Lifetime::idle(secs(86_400)).absolute(secs(30 * 86_400));
            view.remember(month, policy, NOW)
        }),
    ];
    let (value, filled) = (peers(""), peers(r#","big":"0123456789""#));
    for (what, change) in changes {
        let policy = tight(&filled, 0);
        let mut view = view_of(&filled, secs(60));
        let before = view.record().clone();
        let refused = change(&mut view, &policy).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TooLarge, "{what}");
        assert!(refused.to_string().contains(what), "{refused}");
        assert!(*view.record() == before && !view.is_modified(), "{what}");

        let mut view = view_of(&value, secs(60));
        change(&mut view, &self::policy()).unwrap();
        let theirs = Stored {
            value: bytes(&filled),
            remaining: Some(secs(60)),
        };
        let refused = rebase(&mut view, theirs, &policy, &Resolver::ours()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TooLarge, "{what}");
    }
}
