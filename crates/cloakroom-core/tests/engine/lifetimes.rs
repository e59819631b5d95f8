//! How long a session lives: its own lifetime, the idle and the absolute one, and what the browser is told.

use std::time::Duration;

use cloakroom_core::{
    Lifetime, Policy, Timestamp,
    plan::{Plan, StoreOp, plan},
    policy::{BROWSER_SESSION_TTL, MAX_COOKIE_AGE},
    record::{OwnLifetime, Record},
    session::{NewReason, View},
};

use crate::common::{
    DAY, NOW, after, cookie_expires, idle, new_view, planned, policy_with, record, secs, short,
    stored, view_of, written,
};

fn ttl(plan: &Plan) -> Duration {
    plan.store.ttl().expect("a time to live")
}

/// A 30-day "remember me" is not cut to the policy's half hour, and a 5-minute kiosk session is not stretched to it.
#[test]
fn a_record_keeps_its_own_lifetime_when_it_is_renewed() {
    let policy = idle(1800);
    let half_hour = secs(1800);
    for (original_max_age, expected, persistent) in [
        ("2592000000", DAY * 30, true),
        ("300000", secs(300), true),
        ("300000.7", secs(300), true),
        ("1e3", secs(1), true),
        ("null", BROWSER_SESSION_TTL, false),
        ("false", BROWSER_SESSION_TTL, false),
        // Nothing usable: the policy's.
        ("0", half_hour, true),
        ("0.5", half_hour, true),
        ("-5", half_hour, true),
        ("\"60000\"", half_hour, true),
        ("[]", half_hour, true),
    ] {
        let text =
            format!(r#"{{"cookie":{{"originalMaxAge":{original_max_age},"expires":null}}}}"#);
        let plan = planned(&view_of(&text, Duration::from_secs(1)), &policy);
        assert_eq!(ttl(&plan), expected, "{original_max_age}");
        let expires = persistent.then(|| after(expected));
        assert_eq!(cookie_expires(&plan), expires, "{original_max_age}");
    }
    let absent = r#"{"cookie":{"path":"/"}}"#;
    let plan = planned(&view_of(absent, secs(1)), &policy);
    assert_eq!(ttl(&plan), half_hour, "absent");
}

/// What stands in `cookie.expires` is no reason to think a session dead (connect-redis' touch leaves it stale).
#[test]
fn r16_expires_in_the_value_never_decides_about_life() {
    let policy = idle(60);
    let past = format!("\"{}\"", Timestamp::UNIX_EPOCH);
    for expires in ["null", "false", "\"soon\"", "1764105578229", "{}", &past] {
        let text = format!(
            r#"{{"cookie":{{"originalMaxAge":60000,"expires":{expires},"path":"/"}},"n":1}}"#
        );
        let plan = planned(&view_of(&text, secs(30)), &policy);
        assert_eq!(short(&plan), "replace SC", "{expires}");
        let write = written(&plan);
        assert_eq!(write.ttl, secs(60), "{expires}");
        assert_eq!(write.record.expires(), Some(after(secs(60))), "{expires}");
        assert_eq!(write.record.get("n").unwrap().as_str(), "1");
    }
}

/// Regression list 16, connect-redis#92: only the lifetime is changed, and it lasts.
#[test]
fn remember_me_persists_without_any_other_change() {
    let policy = Policy::express();
    let mut view = view_of(&stored(None, NOW, r#","n":1"#), BROWSER_SESSION_TTL);
    view.set_lifetime(OwnLifetime::Idle(DAY * 30)).unwrap();
    let plan = planned(&view, &policy);
    assert_eq!(short(&plan), "replace SC");
    assert!(plan.essential);
    assert_eq!(ttl(&plan), DAY * 30);
    assert_eq!(cookie_expires(&plan), Some(after(DAY * 30)));
    let text = String::from_utf8(written(&plan).value.to_vec()).unwrap();
    assert!(text.contains(r#""originalMaxAge":2592000000"#), "{text}");

    let next = plan_at(&view_of(&text, DAY * 29), &policy, DAY);
    assert_eq!(
        ttl(&next),
        DAY * 30,
        "the next plain request renews it whole"
    );
}

/// And back again: a shared computer after all.
#[test]
fn a_persistent_session_can_become_a_browser_session() {
    let policy = idle(60);
    let mut view = view_of(&stored(Some(60), NOW, ""), secs(60));
    view.set_lifetime(OwnLifetime::Browser).unwrap();
    let plan = planned(&view, &policy);
    assert_eq!(
        (short(&plan).as_str(), ttl(&plan)),
        ("replace SC", BROWSER_SESSION_TTL)
    );
    assert_eq!(cookie_expires(&plan), None);
    assert_eq!(written(&plan).record.expires(), None);
}

fn plan_at(view: &View, policy: &Policy, later: Duration) -> Plan {
    plan(view, policy, after(later))
}

/// expressjs/session#557: idle 2 s, absolute 5 s, a request each second: over at 5 s, and never promised longer.
#[test]
fn r13_r14_r15_a_busy_session_ends_at_its_absolute_end() {
    let policy = policy_with(Policy::default(), |p| {
        p.lifetime = Lifetime::idle(secs(2)).absolute(secs(5));
    });
    let mut view = new_view(NewReason::NoTicket, &policy);
    view.insert("n", &1, &policy).unwrap();
    let created = planned(&view, &policy);
    let mut text = String::from_utf8(written(&created).value.to_vec()).unwrap();
    let mut ends = after(ttl(&created));
    let mut seen = vec![ttl(&created).as_secs()];
    for second in 1..8 {
        let now = after(secs(second));
        if ends <= now {
            break;
        }
        assert!(!policy.is_over(&record(&text), now));
        let plan = plan_at(
            &view_of(&text, ends.saturating_since(now)),
            &policy,
            secs(second),
        );
        if let StoreOp::Replace(write) = &plan.store {
            text = String::from_utf8(write.value.to_vec()).unwrap();
        }
        ends = now.saturating_add(ttl(&plan));
        assert!(cookie_expires(&plan) <= Some(after(secs(5))));
        seen.push(ttl(&plan).as_secs());
    }
    assert_eq!(seen, [2, 2, 2, 2, 1]);
    assert_eq!(ends, after(secs(5)));
    assert!(policy.is_over(&record(&text), ends));
}

/// A Node peer renews by the lifetime alone; the next request of ours takes the time back that it gave too much.
#[test]
fn r15_a_longer_time_to_live_than_is_left_is_cut() {
    let policy = policy_with(Policy::default(), |p| {
        p.lifetime = Lifetime::idle(secs(60)).absolute(secs(600));
        p.renew_after = 1.0;
    });
    let ends = after(secs(20)).as_millis();
    let text = stored(Some(60), NOW, &format!(r#","__ck":{{"ends":{ends}}}"#));
    for remaining in [Some(secs(60)), Some(DAY), None] {
        let mut view = view_of(&text, remaining);
        assert_eq!(ttl(&planned(&view, &policy)), secs(20), "{remaining:?}");
        view.skip_renewal();
        view.insert("n", &1, &policy).unwrap();
        let silent = planned(&view, &policy);
        assert_eq!(ttl(&silent), secs(20), "silent, {remaining:?}");
        assert_eq!(cookie_expires_or(&silent), None);
        assert_eq!(written(&silent).record.expires(), Some(after(secs(20))));
    }
}

fn cookie_expires_or(plan: &Plan) -> Option<Timestamp> {
    match plan.cookie {
        cloakroom_core::plan::CookieOp::Set { expires, .. } => expires,
        _ => None,
    }
}

/// One from a Node peer, or from before the option was set, gets its absolute end at its next use.
#[test]
fn r14_a_record_without_an_absolute_end_gets_one() {
    let policy = policy_with(Policy::default(), |p| {
        p.lifetime = Lifetime::idle(secs(60)).absolute(secs(600));
    });
    let view = view_of(&stored(Some(60), NOW, r#","n":1"#), secs(60));
    let plan = planned(&view, &policy);
    assert_eq!(short(&plan), "replace SC");
    assert!(!plan.essential, "housekeeping");
    assert_eq!(written(&plan).record.ends(), Some(after(secs(600))));
}

#[test]
fn r08_signing_in_begins_the_absolute_lifetime_anew_and_rotating_does_not() {
    let policy = policy_with(Policy::default(), |p| {
        p.lifetime = Lifetime::idle(secs(60)).absolute(secs(600));
    });
    let ends = after(secs(30));
    let meta = format!(r#","__ck":{{"ends":{}}}"#, ends.as_millis());
    let mut rotated = view_of(&stored(Some(60), NOW, &meta), secs(30));
    let mut signed_in = rotated.clone();
    rotated.rotate().unwrap();
    signed_in.sign_in("ada", &policy, NOW).unwrap();
    for (view, expected, grant) in [(rotated, ends, false), (signed_in, after(secs(600)), true)] {
        let plan = planned(&view, &policy);
        assert_eq!(written(&plan).record.ends(), Some(expected));
        assert!(
            matches!(&plan.store, StoreOp::Rotate { old, grant: g, write }
            if *old == crate::common::old_id() && *g == grant && write.id == crate::common::fresh_id())
        );
    }
}

#[test]
fn r23_the_browser_is_asked_for_400_days_at_most_and_the_store_for_all() {
    let years = DAY * 3650;
    let policy = policy_with(Policy::default(), |p| p.lifetime = Lifetime::idle(years));
    let mut view = new_view(NewReason::NoTicket, &policy);
    view.insert("n", &1, &policy).unwrap();
    let plan = planned(&view, &policy);
    assert_eq!(cookie_expires(&plan), Some(after(MAX_COOKIE_AGE)));
    assert_eq!(ttl(&plan), years);
    assert_eq!(written(&plan).record.expires(), Some(after(years)));
}

/// No lifetime, however long, panics or makes each request a write for the sake of a date that cannot be written.
#[test]
fn lifetimes_beyond_what_dates_can_say_are_kept() {
    for lifetime in [Duration::MAX, Duration::from_millis(1_000_000_000_000_000)] {
        let policy = policy_with(Policy::default(), |p| {
            p.lifetime = Lifetime::idle(lifetime);
            p.renew_after = 1.0;
        });
        assert!(policy.validate().is_ok());
        let mut view = new_view(NewReason::NoTicket, &policy);
        view.insert("n", &1, &policy).unwrap();
        let plan = planned(&view, &policy);
        let text = String::from_utf8(written(&plan).value.to_vec()).unwrap();
        let again = planned(&view_of(&text, ttl(&plan)), &policy);
        assert_eq!(short(&again), "- -", "{text}");
    }
    let expanded =
        r#"{"cookie":{"originalMaxAge":1000000000000000,"expires":"+033715-08-22T23:17:59.305Z"}}"#;
    assert!(matches!(
        Record::lifetime(&record(expanded)),
        Some(OwnLifetime::Idle(_))
    ));
}
