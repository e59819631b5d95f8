//! R29: no id, owner or value in what `Debug` and errors show.

use std::fmt::Debug;

use cloakroom_core::{
    Policy,
    merge::Resolver,
    plan::plan,
    session::{NewReason, View},
    store::{Replaced, Stored},
};

use crate::common::{NOW, bytes, fresh_id, new_view, old_id, raw, record, secs, stored, view_of};

const VALUE: &str = "hunter2";
const OWNER: &str = "ada@example.com";

fn check(what: &str, shown: &str) {
    let (old, fresh) = (old_id(), fresh_id());
    // A byte string may be shown as a list of numbers.
    let numbers = "104, 117, 110";
    for secret in [VALUE, OWNER, old.as_str(), fresh.as_str(), numbers] {
        assert!(!shown.contains(secret), "{what} shows `{secret}`: {shown}");
    }
}

fn shown(what: &str, value: &dyn Debug) {
    check(what, &format!("{value:?}"));
    check(what, &format!("{value:#?}"));
}

fn full(mut view: View, policy: &Policy) -> View {
    view.insert("a", VALUE, policy).unwrap();
    view.update("b", |_: Option<String>| Some(VALUE.to_owned()), policy)
        .unwrap();
    view
}

#[test]
fn r29_debug_shows_no_id_no_owner_and_no_value() {
    let policy = Policy::default();
    let data = format!(r#","n":"{VALUE}","__ck":{{"owner":"{OWNER}"}}"#);
    let text = stored(Some(60), NOW, &data);
    let value = Stored {
        value: bytes(&text),
        remaining: Some(secs(60)),
    };
    shown("stored", &value);
    shown("replaced", &Replaced::Changed(value));
    shown("record", &record(&text));
    shown("object", record(&text).object());
    shown("raw", &raw(&format!("\"{VALUE}\"")));
    shown("identity", &record(&text).identity());
    shown("resolver", &Resolver::default());

    let existing = full(view_of(&text, secs(60)), &policy);
    let (mut rotated, mut signed_in, mut ended) =
        (existing.clone(), existing.clone(), existing.clone());
    rotated.rotate().unwrap();
    signed_in.sign_in(OWNER, &policy, NOW).unwrap();
    ended.destroy();
    let new = full(new_view(NewReason::NoTicket, &policy), &policy);
    let renewed = view_of(&text, secs(60));
    for (what, view) in [
        ("existing", existing),
        ("rotated", rotated),
        ("signed in", signed_in),
        ("ended", ended),
        ("new", new),
        ("renewed", renewed),
    ] {
        shown(what, &view);
        shown(what, view.origin());
        shown(what, &plan(&view, &policy, NOW));
    }
}

#[test]
fn r29_errors_name_the_name_and_show_no_value() {
    let policy = Policy::default();
    let text = stored(
        None,
        NOW,
        &format!(r#","secret":"{VALUE}","list":["{VALUE}"]"#),
    );
    let mut view = view_of(&text, secs(60));
    for (name, error) in [
        ("secret", view.get::<u32>("secret").unwrap_err()),
        ("list", view.get::<Vec<bool>>("list").unwrap_err()),
        (
            "secret",
            view.update("secret", |n: Option<u8>| n, &policy)
                .unwrap_err(),
        ),
    ] {
        assert_eq!(error.kind(), cloakroom_core::ErrorKind::Type);
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        check(name, &format!("{error} {error:?} {error:#?}"));
    }
    for poison in [
        format!("{{\"{VALUE}\""),
        format!("\"{VALUE}\""),
        format!("{{\"{VALUE}\":1}}"),
    ] {
        let error =
            cloakroom_core::record::Record::parse(&bytes(&poison), &policy.limits).unwrap_err();
        check("parse", &format!("{error} {error:?}"));
    }
}
