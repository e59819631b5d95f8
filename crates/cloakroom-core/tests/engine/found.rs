//! Whose a session is by the data of a peer, which two requests may find at once.

use std::time::Duration;

use cloakroom_core::{
    ErrorKind, Lifetime, Policy, Timestamp, plan::StoreOp, record::Identity, session::View,
};

use crate::{
    common::{NOW, attributes, planned, policy_with, record, secs, stored, view_of, written},
    ownership::{EARLIER, annas, policy, rebased},
};

/// Table: a request has found whose a peer's session is, and meanwhile another one has written that down, or something
/// else.
#[test]
fn of_two_that_find_whose_it_is_the_second_goes_on() {
    let by = |owner: &str, at: Timestamp| {
        format!(
            r#","n":1,"user":"{owner}","__ck":{{"owner":"{owner}","signedIn":{}}}"#,
            at.as_millis()
        )
    };
    let none = r#","n":1"#.to_owned();
    let anna = Identity::new("anna", Some(EARLIER));
    for (what, base, found, current, conflict) in [
        (
            "adopted",
            none.clone(),
            anna.clone(),
            by("anna", EARLIER),
            false,
        ),
        (
            "adopted without a date: it counts from the claim",
            none.clone(),
            Identity::new("anna", None),
            by("anna", NOW),
            false,
        ),
        (
            "moved",
            by("berta", EARLIER),
            anna.clone(),
            by("anna", NOW),
            false,
        ),
        (
            "released",
            by("berta", EARLIER),
            Identity::default(),
            none.clone(),
            false,
        ),
        (
            "somebody else's",
            none.clone(),
            anna,
            by("berta", NOW),
            true,
        ),
        (
            "released, and then somebody's",
            by("berta", EARLIER),
            Identity::default(),
            by("anna", NOW),
            true,
        ),
    ] {
        type Change = fn(&mut View, &Policy);
        let changes: [(&str, Change); 6] = [
            ("write", |view, policy| {
                view.insert("x", &1, policy).unwrap();
            }),
            ("sign in", |view, policy| {
                view.sign_in("carla", policy, NOW).unwrap();
            }),
            ("regenerate", |view, policy| {
                view.regenerate(policy, &attributes()).unwrap();
            }),
            ("rotate", |view, _| view.rotate().unwrap()),
            ("forgo", |view, _| view.forgo_adoption()),
            ("nothing", |_, _| {}),
        ];
        for (how, change) in changes {
            let policy = policy();
            let mut view = view_of(&stored(Some(60), EARLIER, &base), secs(60));
            assert!(view.adopt(&found, &policy).unwrap());
            change(&mut view, &policy);
            let rebased = rebased(&mut view, &stored(Some(60), EARLIER, &current));
            let expected = if conflict {
                Err(ErrorKind::Conflict)
            } else {
                Ok(())
            };
            assert_eq!(rebased, expected, "{what}, {how}");
        }
    }
}

#[test]
fn an_adoption_that_is_left_to_a_later_request_leaves_what_is_written_down() {
    let policy = policy();
    let base = annas();
    let mut view = view_of(&base, secs(60));
    view.insert("n", &1, &policy).unwrap();
    assert!(
        view.adopt(&Identity::new("berta", Some(NOW)), &policy)
            .unwrap()
    );
    view.forgo_adoption();
    assert!(!view.is_adopted());
    let plan = planned(&view, &policy);
    let kept = &written(&plan).record;
    assert_eq!(kept.identity(), record(&base).identity());
    assert_eq!(kept.usage().created, Some(EARLIER));
    // One that nobody changed is renewed, and no more than that.
    let mut view = view_of(&stored(Some(60), NOW, ""), secs(40));
    assert!(
        view.adopt(&Identity::new("berta", Some(NOW)), &policy)
            .unwrap()
    );
    view.stamp_adoption(EARLIER);
    assert_eq!(view.identity(), Identity::new("berta", Some(EARLIER)));
    view.forgo_adoption();
    let ttl = Duration::from_secs(60);
    let plan = planned(
        &view,
        &policy_with(policy, |p| p.lifetime = Lifetime::idle(ttl)),
    );
    assert!(matches!(plan.store, StoreOp::Renew { .. }), "{plan:?}");
}
