//! When a session is renewed and when its cookie is sent again.

use std::time::Duration;

use cloakroom_core::{
    Lifetime, Policy, Timestamp,
    plan::{CookieOp, StoreOp, plan, plan_after},
    policy::BROWSER_SESSION_TTL,
    record::OwnLifetime,
    session::NewReason,
};

use crate::common::{
    NOW, after, bytes, cookie_expires, fresh_id, idle, new_view, old_id, planned, policy_with,
    record, secs, short, stored, view_of, view_to_resign, written,
};

/// expressjs/session#2: what `rolling` means for both kinds of cookie, used and changed.
#[test]
fn rolling_and_lifetimes_in_all_combinations() {
    for (rolling, max_age, changed, expected, expires) in [
        (false, None, false, "renew -", None),
        (false, None, true, "replace -", None),
        (false, Some(60), false, "renew -", None),
        (false, Some(60), true, "replace SC", Some(after(secs(60)))),
        (true, None, false, "renew SC", None),
        (true, None, true, "replace SC", None),
        (true, Some(60), false, "renew SC", Some(after(secs(60)))),
        (true, Some(60), true, "replace SC", Some(after(secs(60)))),
    ] {
        let mut policy = idle(1800);
        policy.rolling = rolling;
        let mut view = view_of(&stored(max_age, NOW, ""), secs(40));
        if changed {
            view.insert("n", &1, &policy).unwrap();
        }
        let plan = planned(&view, &policy);
        let row = format!("rolling {rolling}, {max_age:?}, changed {changed}");
        assert_eq!(short(&plan), expected, "{row}");
        if plan.cookie != CookieOp::Keep {
            assert_eq!(cookie_expires(&plan), expires, "{row}");
        }
        let ttl = max_age.map_or(BROWSER_SESSION_TTL, secs);
        assert_eq!(plan.store.ttl(), Some(ttl), "R13: {row}");
    }
}

/// R17, expressjs/session#291: polling reads the session and never extends it.
#[test]
fn r17_a_silent_poll_never_extends_a_session() {
    let policy = policy_with(Policy::default(), |p| {
        p.resave = true;
        p.lifetime = Lifetime::idle(secs(60)).absolute(secs(600));
    });
    // With an end, without one, and with an `expires` that is long stale.
    let meta = format!(
        r#","n":1,"__ck":{{"ends":{}}}"#,
        after(secs(600)).as_millis()
    );
    for text in [
        stored(Some(60), NOW, &meta),
        stored(Some(60), NOW, r#","n":1"#),
        stored(Some(60), Timestamp::UNIX_EPOCH, r#","n":1"#),
        stored(None, NOW, r#","n":1"#),
    ] {
        for remaining in [secs(59), secs(30), Duration::from_millis(1)] {
            let mut view = view_of(&text, remaining);
            view.skip_renewal();
            assert_eq!(view.get::<u8>("n").unwrap(), Some(1));
            assert_eq!(short(&planned(&view, &policy)), "- -", "{text}");
            assert_eq!(view.expires_in(&policy, NOW), Some(remaining));

            view.insert("n", &2, &policy).unwrap();
            let plan = planned(&view, &policy);
            assert_eq!(short(&plan), "replace -", "{text}");
            assert_eq!(plan.store.ttl(), Some(remaining), "{text}");
            let write = written(&plan);
            let persistent = write.record.lifetime() != Some(OwnLifetime::Browser);
            assert_eq!(write.record.expires(), persistent.then(|| after(remaining)));
        }
    }
}

/// Rotating is no use of the session either; signing in is a fresh grant, and a new lifetime is asked for expressly.
#[test]
fn r17_a_silent_rotation_extends_nothing_and_a_sign_in_does() {
    let policy = idle(60);
    let mut silent = view_of(&stored(Some(60), NOW, ""), secs(20));
    silent.skip_renewal();
    let (mut rotated, mut signed_in, mut longer) = (silent.clone(), silent.clone(), silent);
    rotated.rotate().unwrap();
    signed_in.sign_in("ada", &policy, NOW).unwrap();
    longer.set_lifetime(OwnLifetime::Idle(secs(90))).unwrap();
    for (view, expected, ttl) in [
        (rotated, "rotate SC", secs(20)),
        (signed_in, "rotate SC", secs(60)),
        (longer, "replace SC", secs(90)),
    ] {
        let plan = planned(&view, &policy);
        assert_eq!(
            (short(&plan).as_str(), plan.store.ttl()),
            (expected, Some(ttl))
        );
        assert_eq!(cookie_expires(&plan), Some(after(ttl)));
        assert_eq!(written(&plan).record.expires(), Some(after(ttl)));
    }
}

/// expressjs/session#891: a hundred requests in a second are one renewal at most.
#[test]
fn renew_after_saves_writes_and_the_session_lives_on() {
    let mut policy = idle(60);
    policy.renew_after = 0.1;
    let text = stored(Some(60), NOW, "");
    let mut ends = after(secs(60));
    let mut renewals = Vec::new();
    for step in 0..1200_u64 {
        let now = after(Duration::from_millis(step * 10));
        let plan = plan(&view_of(&text, ends.saturating_since(now)), &policy, now);
        if let StoreOp::Renew { ttl, .. } = plan.store {
            ends = now.saturating_add(ttl);
            renewals.push(step * 10);
            assert_ne!(
                plan.cookie,
                CookieOp::Keep,
                "rolling sends it with a renewal"
            );
        } else {
            assert_eq!(short(&plan), "- -");
        }
    }
    assert_eq!(renewals, [6000], "ms; 12,000 ms would be the next");
}

#[test]
fn renew_after_bounds() {
    for (share, remaining, expected) in [
        (0.0, Some(secs(60)), "renew SC"),
        (0.5, Some(secs(31)), "- -"),
        (0.5, Some(secs(30)), "renew SC"),
        (1.0, Some(secs(1)), "- -"),
        (1.0, Some(Duration::ZERO), "renew SC"),
        (1.0, Some(secs(61)), "renew SC"),
        (1.0, None, "renew SC"),
        // Not valid, refused by `validate`, and no reason to panic all the same.
        (f64::NAN, Some(secs(30)), "- -"),
        (-1.0, Some(secs(60)), "renew SC"),
        (f64::INFINITY, Some(secs(30)), "- -"),
        (1e300, Some(secs(30)), "- -"),
    ] {
        let mut policy = idle(60);
        policy.renew_after = share;
        let plan = planned(&view_of(&stored(Some(60), NOW, ""), remaining), &policy);
        assert_eq!(short(&plan), expected, "{share}, {remaining:?}");
    }
}

/// connect-redis#259: after half of the lifetime the date in the value is written anew, for Node's sake alone.
#[test]
fn a_stale_expires_is_rewritten_unless_the_store_is_exclusive() {
    for (age, exclusive, expected) in [
        (0, false, "renew SC"),
        (29, false, "renew SC"),
        (31, false, "replace SC"),
        (59, false, "replace SC"),
        (600, false, "replace SC"),
        (31, true, "renew SC"),
        (600, true, "renew SC"),
    ] {
        let mut policy = idle(60);
        policy.exclusive = exclusive;
        let now = after(secs(age));
        let view = view_of(&stored(Some(60), NOW, r#","n":1.0"#), secs(30));
        let plan = plan(&view, &policy, now);
        assert_eq!(short(&plan), expected, "{age} s, exclusive {exclusive}");
        assert!(!plan.essential, "housekeeping");
        if expected.starts_with("replace") {
            let fresh = stored(Some(60), now, r#","n":1.0"#);
            assert_eq!(written(&plan).value, bytes(&fresh));
        }
    }
}

/// connect-redis#259 as it was reported: used without a change for long, then a Node peer calls `save()`. It computes
/// the time to live from `cookie.expires` and deletes the session if that is not positive.
#[test]
fn a_node_peers_save_never_deletes_a_session_that_was_only_renewed() {
    let policy = idle(60);
    let mut text = stored(Some(60), NOW, r#","n":1"#);
    for step in 1..50 {
        let now = after(secs(step * 29));
        let node_ttl = record(&text).expires().unwrap().saturating_since(now);
        assert!(node_ttl > Duration::ZERO, "at {} s", step * 29);
        let plan = plan(&view_of(&text, secs(31)), &policy, now);
        if let StoreOp::Replace(write) = plan.store {
            text = String::from_utf8(write.value.to_vec()).unwrap();
        }
    }
}

/// Q6 and R36: a secret's rotation is finished by use, for cookies with and without `Expires`, changed or not.
#[test]
fn r36_a_ticket_of_an_old_secret_is_sent_again() {
    for (max_age, rolling) in [
        (None, false),
        (None, true),
        (Some(60), false),
        (Some(60), true),
    ] {
        let mut policy = idle(60);
        policy.rolling = rolling;
        let text = stored(max_age, NOW, "");
        let mut view = view_to_resign(&text, secs(30));
        let mut silent = view.clone();
        silent.skip_renewal();
        assert_eq!(short(&planned(&view, &policy)), "renew SC");
        assert_eq!(short(&planned(&silent, &policy)), "- SC");
        let end = max_age.map(|_| after(secs(30)));
        assert_eq!(
            cookie_expires(&planned(&silent, &policy)),
            end,
            "not extended"
        );
        view.insert("n", &1, &policy).unwrap();
        let plan = planned(&view, &policy);
        assert_eq!(short(&plan), "replace SC");
        assert_eq!(cookie_expires(&plan), max_age.map(|age| after(secs(age))));
        assert!(matches!(&plan.cookie, CookieOp::Set { id, .. } if *id == old_id()));
        view.rotate().unwrap();
        let plan = planned(&view, &policy);
        assert!(matches!(&plan.cookie, CookieOp::Set { id, .. } if *id == fresh_id()));
        view.destroy();
        assert_eq!(short(&planned(&view, &policy)), "end clear");
    }
}

#[test]
fn expires_in_says_what_the_plan_will_do() {
    for flags in 0..64_u8 {
        let on = |bit: u8| flags & (1 << bit) != 0;
        let mut policy = idle(60);
        policy.resave = on(0);
        policy.save_uninitialized = on(1);
        policy.renew_after = if on(2) { 1.0 } else { 0.0 };
        let mut view = if on(3) {
            new_view(NewReason::NoTicket, &policy)
        } else {
            view_of(&stored(Some(60), NOW, ""), secs(40))
        };
        if on(4) {
            view.insert("n", &1, &policy).unwrap();
        }
        if on(5) {
            view.skip_renewal();
        }
        let untouched = (!on(3)).then(|| secs(40));
        let expected = planned(&view, &policy).store.ttl().or(untouched);
        assert_eq!(view.expires_in(&policy, NOW), expected, "{flags:06b}");
        view.destroy();
        assert_eq!(view.expires_in(&policy, NOW), None, "{flags:06b}");
    }
    let policy = idle(60);
    let mut view = view_of(&stored(Some(60), NOW, ""), None);
    view.skip_renewal();
    assert_eq!(view.expires_in(&policy, NOW), None, "without an end");
}

#[test]
fn planning_for_time_that_has_passed_is_planning_when_it_has() {
    let policy = policy_with(idle(60), |p| p.renew_after = 0.5);
    for remaining in [None, Some(secs(40)), Some(secs(600))] {
        for (silent, changed) in [(false, false), (true, false), (true, true), (false, true)] {
            let mut view = view_of(&stored(Some(60), NOW, ""), remaining);
            if silent {
                view.skip_renewal();
            }
            if changed {
                view.insert("n", &1, &policy).unwrap();
            }
            for passed in [0, 1, 9, 10, 11, 39, 41, 601].map(secs) {
                let mut later = view.clone();
                later.pass(passed);
                let expected = plan(&later, &policy, NOW);
                let planned = plan_after(&view, passed, &policy, NOW);
                assert_eq!(planned, expected, "{remaining:?} {passed:?}");
            }
        }
    }
    // And it makes a difference.
    let view = view_of(&stored(Some(60), NOW, ""), secs(40));
    assert_eq!(short(&plan(&view, &policy, NOW)), "- -");
    let later = plan_after(&view, secs(11), &policy, NOW);
    assert_eq!(short(&later), "renew SC");
}
