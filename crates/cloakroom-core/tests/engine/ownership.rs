//! Whose a session is while a request is under way: sign-ins that are taken back, and sessions that go on past a
//! revocation.

use cloakroom_core::{
    ErrorKind, Lifetime, Policy, Timestamp,
    merge::{Resolver, rebase},
    plan::StoreOp,
    record::Identity,
    session::{Existing, View},
    store::Stored,
    usage::Usage,
};

use crate::common::{
    NOW, after, attributes, bytes, fresh_id, idle, old_id, planned, policy_with, record, secs,
    short, stored, view_of, written,
};

pub(crate) fn policy() -> Policy {
    policy_with(idle(60), |policy| {
        policy.lifetime = Lifetime::idle(secs(60)).absolute(secs(600));
        policy.owners = true;
    })
}

/// A minute ago.
pub(crate) const EARLIER: Timestamp = Timestamp::from_millis(NOW.as_millis() - 60_000);
/// The end that anna's session has.
const ENDS: Timestamp = Timestamp::from_millis(NOW.as_millis() + 5000);

/// anna's session, with a name of its own.
pub(crate) fn annas() -> String {
    let (ends, at) = (ENDS.as_millis(), EARLIER.as_millis());
    let meta = format!(
        r#","cart":1,"__ck":{{"owner":"anna","signedIn":{at},"ends":{ends},"created":{at},"kept":{ends}}}"#
    );
    stored(Some(60), EARLIER, &meta)
}

/// A session of a peer that says of nobody whose it is.
pub(crate) fn peers(data: &str) -> String {
    stored(Some(60), EARLIER, data)
}

fn theirs(value: &str) -> Stored {
    Stored {
        value: bytes(value),
        remaining: Some(secs(60)),
    }
}

pub(crate) fn rebased(view: &mut View, value: &str) -> Result<(), ErrorKind> {
    rebase(view, theirs(value), &policy(), &Resolver::ours()).map_err(|error| error.kind())
}

#[test]
fn a_sign_in_that_is_taken_back_leaves_what_was_there() {
    for again in [false, true] {
        let policy = policy();
        let mut view = view_of(&annas(), secs(60));
        let before = record(&annas());
        view.insert("n", &1, &policy).unwrap();
        view.sign_in("berta", &policy, NOW).unwrap();
        if again {
            view.sign_in("carla", &policy, NOW).unwrap();
        }
        view.withdraw_sign_in(&policy);
        assert!(!view.signs_in() && !view.is_rotated() && view.is_modified());
        assert_eq!(*view.id(), old_id());
        let plan = planned(&view, &policy);
        assert!(matches!(plan.store, StoreOp::Replace(_)));
        let record = &written(&plan).record;
        assert_eq!(record.identity(), before.identity());
        assert_eq!(record.ends(), before.ends());
        assert_eq!(record.usage().created, before.usage().created);
    }
}

/// Another writer has changed the session while somebody else signed in to it.
#[test]
fn what_a_session_remembers_of_its_use_is_not_the_new_owners() {
    let policy = policy();
    let changed = annas().replacen(r#""cart":1"#, r#""cart":2"#, 1);
    let mut view = view_of(&annas(), secs(60));
    view.sign_in("berta", &policy, NOW).unwrap();
    rebased(&mut view, &changed).unwrap();
    let plan = planned(&view, &policy);
    let usage = written(&plan).record.usage();
    assert_eq!(usage.created, Some(NOW), "not since anna's first sign-in");
    // The same where the sign-in comes while a commit of this request is under way.
    let mut view = view_of(&annas(), secs(60));
    view.insert("n", &1, &policy).unwrap();
    let snapshot = view.clone();
    view.sign_in("berta", &policy, NOW).unwrap();
    let write = written(&planned(&snapshot, &policy)).clone();
    let existing = Existing {
        id: write.id,
        base: write.value,
        remaining: Some(write.ttl),
        resign: false,
    };
    view.committed(&snapshot, existing, write.record, fresh_id(), &policy);
    let plan = planned(&view, &policy);
    let record = &written(&plan).record;
    assert_eq!(record.identity().owner.as_deref(), Some("berta"));
    assert_eq!(record.usage().created, Some(NOW));
}

/// What was begun anew before the sign-in is nobody's, under a new id; the session from before must not lose its data.
#[test]
fn a_sign_in_after_a_regeneration_that_is_taken_back_leaves_a_new_session_of_nobody() {
    let policy = policy();
    let mut view = view_of(&annas(), secs(60));
    view.regenerate(&policy, &attributes()).unwrap();
    view.insert("tried", &true, &policy).unwrap();
    view.sign_in("berta", &policy, NOW).unwrap();
    view.withdraw_sign_in(&policy);
    assert_eq!(view.identity(), Identity::default());
    assert_eq!(*view.id(), fresh_id());
    let plan = planned(&view, &policy);
    assert_eq!(short(&plan), "rotate SC");
    let record = &written(&plan).record;
    assert_eq!(record.identity(), Identity::default());
    assert_eq!(record.usage(), Usage::default());
    assert_eq!(record.ends(), Some(after(secs(600))), "not anna's end");
    let names: Vec<String> = record.data().map(|(name, _)| name).collect();
    assert_eq!(names, ["tried"]);
}

#[test]
fn a_rotation_that_was_asked_for_stays_when_the_sign_in_is_taken_back() {
    for rotate_first in [true, false] {
        let policy = policy();
        let mut view = view_of(&annas(), secs(60));
        if rotate_first {
            view.rotate().unwrap();
        }
        view.sign_in("berta", &policy, NOW).unwrap();
        if !rotate_first {
            view.rotate().unwrap();
        }
        view.withdraw_sign_in(&policy);
        assert_eq!(short(&planned(&view, &policy)), "rotate SC");
        assert_eq!(view.identity().owner.as_deref(), Some("anna"));
    }
}

#[test]
fn a_lifetime_that_was_asked_for_stays_when_the_sign_in_is_taken_back() {
    let policy = policy();
    let mut view = view_of(&annas(), secs(60));
    let month = Lifetime::idle(secs(3600)).absolute(secs(86_400));
    view.remember(month, &policy, NOW).unwrap();
    view.sign_in("berta", &policy, NOW).unwrap();
    view.withdraw_sign_in(&policy);
    let plan = planned(&view, &policy);
    assert_eq!(written(&plan).record.ends(), Some(after(secs(86_400))));
}

#[test]
fn an_adopted_session_is_adopted_again_when_the_sign_in_is_taken_back() {
    for conflict in [false, true] {
        let policy = policy();
        let mut view = view_of(&peers(r#","user":"anna""#), secs(60));
        let anna = Identity::new("anna", Some(EARLIER));
        assert!(view.adopt(&anna, &policy).unwrap());
        view.sign_in("berta", &policy, NOW).unwrap();
        if conflict {
            rebased(&mut view, &peers(r#","user":"anna","n":1"#)).unwrap();
            assert!(
                !view.adopt(&anna, &policy).unwrap(),
                "berta's for the moment"
            );
        }
        view.withdraw_sign_in(&policy);
        assert_eq!(view.identity(), anna);
        let plan = planned(&view, &policy);
        assert_eq!(*view.id(), old_id());
        let claim = written(&plan).claim.clone().unwrap();
        assert!(claim.owner == "anna" && claim.first);
    }
}

#[test]
fn names_are_put_back_as_they_were() {
    let policy = policy();
    let mut view = view_of(&peers(r#","user":"anna","n":1"#), secs(60));
    view.insert("user", "berta", &policy).unwrap();
    view.insert("admin", &true, &policy).unwrap();
    view.insert("n", &2, &policy).unwrap();
    let names = ["user", "admin", "absent"].map(str::to_owned);
    assert!(view.put_back(&names));
    assert!(!view.put_back(&names), "nothing is left to put back");
    let plan = planned(&view, &policy);
    let record = &written(&plan).record;
    let data: Vec<_> = record
        .data()
        .map(|(n, raw)| (n, raw.as_str().to_owned()))
        .collect();
    let expected = [("user", r#""anna""#), ("n", "2")];
    assert_eq!(
        data,
        expected.map(|(n, raw)| (n.to_owned(), raw.to_owned()))
    );
    // Begun anew, it has none of the old names.
    view.regenerate(&policy, &attributes()).unwrap();
    view.insert("user", "berta", &policy).unwrap();
    assert!(view.put_back(&names));
    assert!(view.names().is_empty());
}

/// R31: ending the others is no authentication. A session that has gone on past a revocation is no fresher, and ends when
/// it would have.
#[test]
fn r31_a_session_that_goes_on_past_a_revocation_keeps_its_end_and_its_authentication() {
    let policy = policy();
    let mut value = annas();
    for round in 1..4 {
        let mut view = view_of(&value, secs(60));
        view.carry_sign_in(&policy, NOW).unwrap();
        let claimed = after(secs(round));
        view.stamp_sign_in(claimed);
        let plan = planned(&view, &policy);
        let StoreOp::Rotate { write, grant, .. } = &plan.store else {
            panic!("{plan:?}");
        };
        assert!(*grant, "the revocation ends the old one");
        let identity = write.record.identity();
        assert_eq!(identity.owner.as_deref(), Some("anna"));
        assert_eq!(identity.signed_in, Some(claimed));
        assert_eq!(identity.authenticated, Some(EARLIER));
        assert_eq!(write.record.ends(), Some(ENDS));
        let meta = write.record.get("__ck").unwrap().as_str().to_owned();
        let written_down = format!(r#""authenticated":{}"#, EARLIER.as_millis());
        assert!(meta.contains(&written_down), "{meta}");
        value = String::from_utf8(write.value.to_vec()).unwrap();
    }
    // A real one is one again, and says it once.
    let mut view = view_of(&value, secs(60));
    view.sign_in("anna", &policy, NOW).unwrap();
    view.stamp_sign_in(after(secs(9)));
    let plan = planned(&view, &policy);
    let record = &written(&plan).record;
    assert_eq!(record.identity().authenticated, Some(after(secs(9))));
    assert_eq!(record.ends(), Some(after(secs(600))));
    let meta = record.get("__ck").unwrap().as_str().to_owned();
    assert!(!meta.contains("authenticated"), "{meta}");
}

/// A time that is not known stays unknown, or the session would be fresh by ending the others.
#[test]
fn r31_an_authentication_at_an_unknown_time_stays_unknown() {
    let policy = policy();
    let value = stored(Some(60), NOW, r#","__ck":{"owner":"anna"}"#);
    let mut view = view_of(&value, secs(60));
    view.carry_sign_in(&policy, NOW).unwrap();
    view.stamp_sign_in(NOW);
    let plan = planned(&view, &policy);
    let written = &written(&plan).value;
    let identity = record(std::str::from_utf8(written).unwrap()).identity();
    assert_eq!(identity.signed_in, Some(NOW));
    assert_eq!(identity.authenticated, None);
}

#[test]
fn a_session_goes_on_past_a_revocation_with_what_others_have_changed() {
    let policy = policy();
    let mut view = view_of(&annas(), secs(60));
    view.carry_sign_in(&policy, NOW).unwrap();
    let ends = after(secs(86_400));
    let (old, new) = (ENDS.as_millis(), ends.as_millis());
    let remembered = annas().replacen(&format!(r#""ends":{old}"#), &format!(r#""ends":{new}"#), 1);
    rebased(&mut view, &remembered).unwrap();
    let plan = planned(&view, &policy);
    assert_eq!(written(&plan).record.ends(), Some(ends));
    let identity = written(&plan).record.identity();
    assert_eq!(identity.authenticated, Some(EARLIER));
    assert_eq!(identity.signed_in, Some(NOW));
}

#[test]
fn what_goes_on_past_a_revocation_must_be_somebodys_and_live() {
    let policy = policy();
    let mut view = view_of(&peers(""), secs(60));
    let refused = view.carry_sign_in(&policy, NOW).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotSignedIn);
    let mut view = view_of(&annas(), secs(60));
    view.destroy();
    let refused = view.carry_sign_in(&policy, NOW).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Gone);
    // With a sign-in of this request there is nothing to carry over.
    let mut view = view_of(&annas(), secs(60));
    view.sign_in("anna", &policy, NOW).unwrap();
    view.carry_sign_in(&policy, after(secs(1))).unwrap();
    let identity = view.identity();
    assert_eq!(identity, Identity::new("anna", Some(NOW)));
}
