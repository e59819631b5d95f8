//! express's `regenerate`: nothing of the stored session goes on into the new one.

use cloakroom_core::{
    Lifetime, Policy, Unset,
    merge::{Resolver, rebase},
    record::{Identity, OwnLifetime},
    session::View,
};

use crate::common::{
    NOW, attributes, bytes, fresh_id, idle, planned, policy_with, secs, short, stored, view_of,
    written,
};

fn policy() -> Policy {
    policy_with(idle(60), |policy| {
        policy.lifetime = Lifetime::idle(secs(60)).absolute(secs(600));
    })
}

/// A session of somebody's, remembered for an hour.
fn remembered() -> View {
    let data = format!(
        r#","cart":1,"__ck":{{"ends":{},"owner":"ada","signedIn":1}}"#,
        NOW.as_millis() + 5000
    );
    view_of(&stored(Some(3600), NOW, &data), secs(3600))
}

#[test]
fn r08_regenerate_leaves_no_data_no_owner_and_no_lifetime() {
    let policy = policy();
    let mut view = remembered();
    view.insert("before", &1, &policy).unwrap();
    view.regenerate(&policy, &attributes()).unwrap();
    view.insert("after", &2, &policy).unwrap();
    assert_eq!(*view.id(), fresh_id());
    let plan = planned(&view, &policy);
    assert_eq!(short(&plan), "rotate SC");
    let record = &written(&plan).record;
    let names: Vec<String> = record.data().map(|(name, _)| name).collect();
    assert_eq!(names, ["after"]);
    assert_eq!(record.identity(), Identity::default());
    assert_eq!(record.lifetime(), Some(OwnLifetime::Idle(secs(60))));
    assert_eq!(record.ends(), Some(NOW.saturating_add(secs(600))));
}

#[test]
fn r08_what_others_commit_meanwhile_ends_with_the_old_session() {
    let policy = policy();
    let mut view = remembered();
    view.regenerate(&policy, &attributes()).unwrap();
    view.insert("after", &2, &policy).unwrap();
    let theirs = cloakroom_core::Stored {
        value: bytes(&stored(
            Some(60),
            NOW,
            r#","cart":2,"more":3,"__ck":{"owner":"ada","signedIn":1}"#,
        )),
        remaining: Some(secs(60)),
    };
    rebase(&mut view, theirs, &policy, &Resolver::ours()).unwrap();
    let plan = planned(&view, &policy);
    let record = &written(&plan).record;
    let names: Vec<String> = record.data().map(|(name, _)| name).collect();
    assert_eq!(names, ["after"]);
}

/// express destroys the old session at once; `req.session = null` afterwards leaves nothing, whatever `unset` says.
#[test]
fn a_regenerated_session_that_is_unset_ends() {
    for unset in [Unset::Keep, Unset::Destroy] {
        let policy = policy_with(policy(), |policy| policy.unset = unset);
        let mut view = remembered();
        view.regenerate(&policy, &attributes()).unwrap();
        view.unset();
        assert_eq!(short(&planned(&view, &policy)), "end clear");
    }
}
