//! Visitors without a live session: nothing is stored for them without need, and an ended id never gets a cookie that
//! could replace a newer one.

use cloakroom_core::{
    EndReason, Policy, Unset,
    plan::{CookieOp, StoreOp},
    session::{NewReason, View},
};

use crate::common::{NOW, fresh_id, new_view, planned, policy_with, short};

type Act = fn(&mut View, &Policy);

const NOTHING: Act = |_, _| {};
const INSERT: Act = |view, policy| view.insert("n", &1, policy).unwrap();
const SIGN_IN: Act = |view, policy| view.sign_in("ada", policy, NOW).unwrap();
const ROTATE: Act = |view, _| view.rotate().unwrap();
const DESTROY: Act = |view, _| view.destroy();
const UNSET: Act = |view, _| view.unset();

const NO_TICKET: NewReason = NewReason::NoTicket;
const UNKNOWN: NewReason = NewReason::Unknown;
const UNREADABLE: NewReason = NewReason::Unreadable;
const DESTROYED: NewReason = NewReason::Ended(EndReason::Destroyed);
const ROTATED: NewReason = NewReason::Ended(EndReason::Rotated);

fn policy(save_uninitialized: bool) -> Policy {
    policy_with(Policy::default(), |p| {
        p.save_uninitialized = save_uninitialized;
    })
}

#[test]
fn r09_r10_r11_what_becomes_of_a_request_without_a_live_session() {
    // Reason, act, plan, plan with `save_uninitialized`.
    for (reason, what, act, lazy, eager) in [
        (NO_TICKET, "nothing", NOTHING, "- -", "create SC"),
        (UNKNOWN, "nothing", NOTHING, "- -", "create SC"),
        (UNREADABLE, "nothing", NOTHING, "- -", "create SC"),
        (DESTROYED, "nothing", NOTHING, "- -", "- -"),
        (ROTATED, "nothing", NOTHING, "- -", "- -"),
        (NO_TICKET, "rotate", ROTATE, "- -", "create SC"),
        (DESTROYED, "rotate", ROTATE, "- -", "- -"),
        (ROTATED, "rotate", ROTATE, "- -", "- -"),
        (NO_TICKET, "insert", INSERT, "create SC", "create SC"),
        (UNKNOWN, "insert", INSERT, "create SC", "create SC"),
        (UNREADABLE, "insert", INSERT, "create SC", "create SC"),
        (DESTROYED, "insert", INSERT, "create SC", "create SC"),
        (ROTATED, "insert", INSERT, "- - dropped", "- - dropped"),
        (NO_TICKET, "sign in", SIGN_IN, "create SC", "create SC"),
        (UNKNOWN, "sign in", SIGN_IN, "create SC", "create SC"),
        (UNREADABLE, "sign in", SIGN_IN, "create SC", "create SC"),
        (DESTROYED, "sign in", SIGN_IN, "create SC", "create SC"),
        (ROTATED, "sign in", SIGN_IN, "create SC", "create SC"),
        (NO_TICKET, "destroy", DESTROY, "- -", "- -"),
        (UNKNOWN, "destroy", DESTROY, "- clear", "- clear"),
        (UNREADABLE, "destroy", DESTROY, "- clear", "- clear"),
        (DESTROYED, "destroy", DESTROY, "- -", "- -"),
        (ROTATED, "destroy", DESTROY, "- -", "- -"),
        (UNKNOWN, "unset", UNSET, "- clear", "- clear"),
        (DESTROYED, "unset", UNSET, "- -", "- -"),
        (ROTATED, "unset", UNSET, "- -", "- -"),
    ] {
        for (save_uninitialized, expected) in [(false, lazy), (true, eager)] {
            let policy = policy(save_uninitialized);
            let mut view = new_view(reason, &policy);
            act(&mut view, &policy);
            let plan = planned(&view, &policy);
            assert_eq!(
                short(&plan),
                expected,
                "{reason:?}, {what}, {save_uninitialized}"
            );
        }
    }
}

#[test]
fn r03_whatever_is_created_has_the_fresh_id_and_no_other() {
    for reason in [NO_TICKET, UNKNOWN, UNREADABLE, DESTROYED, ROTATED] {
        let policy = policy(true);
        let mut view = new_view(reason, &policy);
        SIGN_IN(&mut view, &policy);
        let plan = planned(&view, &policy);
        assert!(matches!(&plan.store, StoreOp::Create(write) if write.id == fresh_id()));
        assert!(matches!(&plan.cookie, CookieOp::Set { id, .. } if *id == fresh_id()));
        assert!(plan.essential);
    }
}

/// expressjs/session#212: bots and health checks must not fill the store.
#[test]
fn a_thousand_visitors_without_a_cookie_cost_no_store_operation() {
    let policy = Policy::default();
    let plans = (0..1000).map(|_| planned(&new_view(NO_TICKET, &policy), &policy));
    let operations =
        plans.filter(|plan| plan.store != StoreOp::None || plan.cookie != CookieOp::Keep);
    assert_eq!(operations.count(), 0);
}

#[test]
fn a_change_that_is_taken_back_leaves_nothing_to_store() {
    let policy = Policy::default();
    let mut view = new_view(NO_TICKET, &policy);
    view.insert("n", &1, &policy).unwrap();
    view.remove("n", &policy).unwrap();
    assert_eq!(short(&planned(&view, &policy)), "- -");
}

#[test]
fn unset_without_a_stored_session_clears_no_cookie_where_unset_keeps() {
    let policy = policy_with(Policy::default(), |p| p.unset = Unset::Keep);
    let mut view = new_view(UNKNOWN, &policy);
    view.unset();
    assert_eq!(short(&planned(&view, &policy)), "- -");
}
