//! Sessions in an owner index: what they remember, when they are claimed, whose they become.

use std::{net::IpAddr, time::Duration};

use cloakroom_core::{
    Lifetime, Policy, SessionId, Timestamp,
    plan::{Plan, StoreOp, Write, plan},
    record::{Identity, Limits, OwnLifetime, Record, StoredAttributes},
    session::{Existing, NewReason, View},
    usage::{Client, MAX_USER_AGENT_LEN, Usage},
};

const NOW: Timestamp = Timestamp::from_millis(1_764_105_578_229);
const MINUTE: Duration = Duration::from_secs(60);

fn after(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

fn id(byte: u8) -> SessionId {
    SessionId::from_random([byte; 24])
}

fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.lifetime = Lifetime::idle(MINUTE);
    policy.owners = true;
    policy
}

fn written(plan: &Plan) -> &Write {
    match &plan.store {
        StoreOp::Create(write) | StoreOp::Replace(write) | StoreOp::Rotate { write, .. } => write,
        other => panic!("nothing is written: {other:?}"),
    }
}

fn signed_in(policy: &Policy) -> Record {
    let record = Record::new(policy.lifetime.own(), &StoredAttributes::default());
    let mut view = View::new(NewReason::NoTicket, id(1), record);
    view.sign_in("anna", policy, NOW).unwrap();
    view.stamp_sign_in(NOW);
    written(&plan(&view, policy, NOW)).record.clone()
}

fn existing(record: &Record, left: Duration) -> View {
    let existing = Existing {
        id: id(1),
        base: record.to_bytes(),
        remaining: Some(left),
        resign: false,
    };
    View::existing(existing, record.clone(), id(2))
}

/// Table: what a use asks of the index, at so many seconds after the sign-in of a session of a minute. Kept for two
/// minutes from the sign-in on.
#[test]
fn a_claim_is_made_again_when_half_of_the_lifetime_has_passed() {
    for exclusive in [false, true] {
        let mut policy = policy();
        policy.exclusive = exclusive;
        let record = signed_in(&policy);
        for (at, claimed) in [
            (0, None),
            (29, None),
            (30, None),
            (31, Some(false)),
            (59, Some(false)),
            // Only with renewals that nobody wrote down: the claim does not reach as far as the session would.
            (61, Some(true)),
            (200, Some(true)),
        ] {
            let view = existing(&record, MINUTE);
            let planned = plan(&view, &policy, after(at));
            let claim = match &planned.store {
                StoreOp::Replace(write) => write.claim.clone(),
                StoreOp::Renew { .. } | StoreOp::None => None,
                other => panic!("{other:?}"),
            };
            let first = claim.as_ref().map(|claim| claim.first);
            assert_eq!(first, claimed, "at {at}, exclusive: {exclusive}");
            assert!(!planned.essential);
            if let Some(claim) = claim {
                assert_eq!((claim.owner.as_str(), claim.keep), ("anna", MINUTE * 2));
                let kept = written(&planned).record.usage().kept;
                assert_eq!(kept, Some(after(at + 120)));
            }
        }
    }
}

#[test]
fn with_an_absolute_lifetime_the_claim_is_kept_until_its_end() {
    let mut policy = policy();
    policy.lifetime = Lifetime::idle(MINUTE).absolute(MINUTE * 10);
    policy.exclusive = true;
    let record = signed_in(&policy);
    assert_eq!(record.usage().kept, Some(after(600)));
    for at in [0, 31, 300, 570, 599] {
        let view = existing(&record, MINUTE.min(Duration::from_secs(600 - at)));
        let planned = plan(&view, &policy, after(at));
        assert!(!matches!(planned.store, StoreOp::Replace(_)), "at {at}");
    }
    // A longer one of its own is a longer claim, before the write.
    let mut view = existing(&record, MINUTE);
    let month = Lifetime::idle(MINUTE * 10_000).absolute(MINUTE * 50_000);
    view.remember(month, &policy, after(10)).unwrap();
    let planned = plan(&view, &policy, after(10));
    let claim = written(&planned).claim.clone().unwrap();
    assert!(claim.first);
    assert_eq!(claim.keep, MINUTE * 50_000);
}

#[test]
fn without_an_index_nothing_is_claimed_and_nothing_remembered() {
    let mut policy = policy();
    policy.owners = false;
    let record = signed_in(&policy);
    assert_eq!(record.usage(), Usage::default());
    let millis = NOW.as_millis();
    let meta = record.get("__ck").unwrap().as_str().to_owned();
    assert_eq!(meta, format!(r#"{{"owner":"anna","signedIn":{millis}}}"#));
    let view = existing(&record, MINUTE);
    assert!(matches!(
        plan(&view, &policy, NOW).store,
        StoreOp::Renew { .. }
    ));
}

#[test]
fn a_rotation_is_claimed_and_a_session_of_nobody_is_not() {
    let policy = policy();
    let mut view = existing(&signed_in(&policy), MINUTE);
    view.rotate().unwrap();
    let planned = plan(&view, &policy, NOW);
    assert!(
        written(&planned)
            .claim
            .as_ref()
            .is_some_and(|claim| claim.first)
    );
    view.regenerate(&policy, &StoredAttributes::default())
        .unwrap();
    let planned = plan(&view, &policy, NOW);
    assert_eq!(written(&planned).claim, None);
    assert!(written(&planned).record.get("__ck").is_none());
}

#[test]
fn facts_are_plain_text_cut_at_a_character() {
    let address: IpAddr = "::ffff:198.51.100.7".parse().unwrap();
    let wide = "花".repeat(200);
    for (given, kept) in [
        ("Phone/1 (x; y)", Some("Phone/1 (x; y)".to_owned())),
        ("a\u{1b}[31mb\r\n\t\u{85}c\0", Some("a[31mbc".to_owned())),
        (" \u{7f} ", None),
        ("", None),
        (wide.as_str(), Some("花".repeat(MAX_USER_AGENT_LEN / 3))),
    ] {
        let client = Client::new(Some(given.as_bytes()), Some(address));
        assert_eq!(client.user_agent, kept, "{given:?}");
        assert_eq!(client.address.as_deref(), Some("198.51.100.7"));
        let shown = format!("{client:?}");
        assert!(
            !shown.contains("198") && !shown.contains("Phone"),
            "{shown}"
        );
    }
    assert!(Client::new(Some(b"\xff\xfe"), None).user_agent.is_some());
}

/// What stands there as an address is shown to people: an address, or nothing.
#[test]
fn an_address_that_is_none_counts_as_absent() {
    for (stored, read) in [
        ("198.51.100.7", Some("198.51.100.7")),
        ("2001:DB8:0::7", Some("2001:db8::7")),
        ("<script>alert(1)</script>", None),
        ("198.51.100.7 (proxy)", None),
        ("localhost", None),
        ("", None),
    ] {
        let mut record = signed_in(&policy());
        record.set_usage(&Usage {
            client: Client {
                address: Some(stored.into()),
                user_agent: None,
            },
            ..Usage::default()
        });
        let address = record.usage().client.address;
        assert_eq!(address.as_deref(), read, "{stored}");
    }
}

#[test]
fn facts_that_do_not_fit_are_left_out_and_the_session_is_saved() {
    let mut policy = policy();
    let mut view = existing(&signed_in(&policy), MINUTE);
    view.set_client(Client::new(Some("x".repeat(256).as_bytes()), None));
    view.insert("n", &1, &policy).unwrap();
    let size = signed_in(&policy).to_bytes().len() + 100;
    policy.limits = Limits::default().with_bytes(size);
    let planned = plan(&view, &policy, after(1));
    let write = written(&planned);
    assert!(write.value.len() <= size);
    assert!(
        Record::parse(&write.value, &policy.limits)
            .unwrap()
            .is_some()
    );
    assert_eq!(write.record.usage().client.user_agent, None);
}

/// The last use: when the value was written, or when the session was renewed, where its own lifetime tells.
#[test]
fn the_last_use_follows_from_what_is_left() {
    let policy = policy();
    let mut record = signed_in(&policy);
    let now = after(50);
    let seconds = Duration::from_secs;
    let last = |record: &Record, left| record.usage().last_seen(record, left, now);
    assert_eq!(last(&record, Some(seconds(10))), Some(NOW), "never renewed");
    assert_eq!(last(&record, Some(seconds(35))), Some(after(25)));
    assert_eq!(last(&record, Some(seconds(60))), Some(now));
    // More than its own lifetime, or no end: somebody else's renewal tells nothing.
    assert_eq!(last(&record, Some(seconds(61))), Some(NOW));
    assert_eq!(last(&record, None), Some(NOW));
    record.set_ends(Some(after(80)));
    assert_eq!(
        last(&record, Some(seconds(30))),
        Some(NOW),
        "cut by the end"
    );
    assert_eq!(last(&record, Some(seconds(29))), Some(after(19)));
    record.set_lifetime(OwnLifetime::Browser);
    assert_eq!(last(&record, Some(seconds(29))), Some(NOW));
}

#[test]
fn an_adoption_is_written_as_housekeeping_and_keeps_the_id() {
    let policy = policy();
    let record = Record::new(policy.lifetime.own(), &StoredAttributes::default());
    let identity = Identity::new("anna", Some(NOW));
    let mut view = existing(&record, MINUTE);
    view.adopt(&identity, &policy).unwrap();
    assert_eq!(view.identity(), identity);
    let planned = plan(&view, &policy, after(1));
    assert!(!planned.essential);
    let write = written(&planned);
    assert_eq!((&write.id, write.record.identity()), (&id(1), identity));
    assert!(write.claim.as_ref().is_some_and(|claim| claim.first));
    // A peer's sign-out takes everything away that was remembered.
    let mut view = existing(&write.record, MINUTE);
    view.adopt(&Identity::default(), &policy).unwrap();
    let planned = plan(&view, &policy, after(2));
    assert_eq!(written(&planned).claim, None);
    assert!(written(&planned).record.get("__ck").is_none());
}
