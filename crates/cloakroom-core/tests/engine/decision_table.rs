//! Saving, renewing and the cookie, held against what express-session 1.19 was measured to do.

use cloakroom_core::{
    Lifetime, Policy, Unset,
    policy::BROWSER_SESSION_TTL,
    session::{NewReason, View},
};

use crate::common::{NOW, new_view, planned, policy_with, secs, short, stored, view_of};

/// 64 measured rows: session, change, options, then the store operation and whether there was a Set-Cookie.
const MEASURED: &str = include_str!("../fixtures/express-decision-table.tsv");

/// No row differs, so there is no list of exceptions here.
#[test]
fn all_64_rows_that_express_session_was_measured_to_have() {
    let mut rows = 0;
    for row in MEASURED.lines() {
        let columns: Vec<&str> = row.split('\t').collect();
        let [
            session,
            change,
            resave,
            uninitialized,
            rolling,
            max_age,
            store,
            cookie,
        ] = columns[..]
        else {
            panic!("not eight columns: {row}")
        };
        let on = |column: &str| column.ends_with("=1");
        let persistent = on(max_age);
        let policy = policy_with(options(on(resave), on(uninitialized), on(rolling)), |p| {
            p.lifetime = if persistent {
                Lifetime::idle(secs(60))
            } else {
                Lifetime::browser_session(BROWSER_SESSION_TTL)
            }
        });
        let (age, remaining) = if persistent {
            (Some(60), secs(60))
        } else {
            (None, BROWSER_SESSION_TTL)
        };
        let mut view = match session {
            "new" => new_view(NewReason::NoTicket, &policy),
            _ => view_of(&stored(age, NOW, ""), remaining),
        };
        if change == "mod" {
            view.insert("n", &1, &policy).unwrap();
        }
        let plan = planned(&view, &policy);
        let store = match (session, store) {
            ("new", "set") => "create",
            (_, "set") => "replace",
            (_, "touch") => "renew",
            _ => "-",
        };
        let cookie = if cookie == "SC" { "SC" } else { "-" };
        assert_eq!(short(&plan), format!("{store} {cookie}"), "{row}");
        rows += 1;
    }
    assert_eq!(rows, 64);
}

fn options(resave: bool, save_uninitialized: bool, rolling: bool) -> Policy {
    let mut policy = Policy::express();
    policy.resave = resave;
    policy.save_uninitialized = save_uninitialized;
    policy.rolling = rolling;
    policy
}

/// The rows that the 64 leave out, with express's answer where ours differs.
#[test]
fn the_measured_rows_for_ended_and_regenerated_sessions() {
    type Act = fn(&mut View);
    let regenerate: Act = |view| view.rotate().unwrap();
    let unset: Act = View::unset;
    let destroy: Act = View::destroy;
    for (what, act, keep, expected) in [
        (
            "regenerated, untouched",
            regenerate,
            Unset::Keep,
            "rotate SC",
        ),
        ("unset, keep", unset, Unset::Keep, "- -"),
        // express destroys and leaves the cookie in the browser (Q9, expressjs/session#241).
        ("unset, destroy", unset, Unset::Destroy, "end clear"),
        ("destroyed, keep", destroy, Unset::Keep, "end clear"),
        ("destroyed, destroy", destroy, Unset::Destroy, "end clear"),
    ] {
        for flags in 0..8_u8 {
            let policy = policy_with(options(flags & 1 > 0, flags & 2 > 0, flags & 4 > 0), |p| {
                p.unset = keep;
            });
            let mut view = view_of(&stored(None, NOW, ""), BROWSER_SESSION_TTL);
            view.insert("n", &1, &policy).unwrap();
            act(&mut view);
            assert_eq!(short(&planned(&view, &policy)), expected, "{what}, {flags}");
        }
    }
}
