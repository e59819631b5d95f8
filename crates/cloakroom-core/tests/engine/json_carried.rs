//! What one request does not change goes back to the byte, through a whole view, plan and write.

use cloakroom_core::{Policy, json::Raw};

use crate::common::{NOW, planned, record, secs, stored, view_of, written};

/// Each value stands in a session in which another name is changed, removed and added.
#[test]
fn untouched_values_survive_a_change_of_another_name_to_the_byte() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let deep_objects = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    let policy = Policy::express();
    for (what, value) in [
        ("empty array", "[]"),
        ("empty object", "{}"),
        ("2^53 + 1", "9007199254740993"),
        ("float", "1.0"),
        ("negative zero", "-0"),
        ("escaped slash", r#""\/""#),
        ("escaped letter", r#""\u0041""#),
        ("lone high surrogate", r#""\ud83d""#),
        ("lone low surrogate", r#"["\udE00x"]"#),
        ("line separators", "\"\u{2028}\u{2029}\""),
        ("raw UTF-8", r#""日本 🔑""#),
        ("number beyond f64", "1e400"),
        ("long fraction", "0.1000000000000000055511151231257827"),
        ("inner white space", "[1 , 2,\t3]"),
        ("name twice", r#"{"a":1,"a":2}"#),
        ("depth 200", &deep),
        ("depth 200 of objects", &deep_objects),
        ("integer-like names", r#"{"10":1,"2":2}"#),
    ] {
        let text = stored(Some(60), NOW, &format!(r#","keep":{value},"n":1,"x":0"#));
        let mut view = view_of(&text, secs(60));
        view.insert("n", &2, &policy).unwrap();
        view.remove("x", &policy).unwrap();
        view.insert("new", "v", &policy).unwrap();
        let plan = planned(&view, &policy);
        let expected = stored(
            Some(60),
            NOW,
            &format!(r#","keep":{value},"n":2,"new":"v""#),
        );
        assert_eq!(written(&plan).value, expected, "{what}");
        let kept = view.get_raw("keep");
        assert_eq!(kept.as_ref().map(Raw::as_str), Some(value), "{what}");
    }
}

#[test]
fn names_are_carried_as_they_were_written() {
    let policy = Policy::express();
    let names = r#","\u0061":1,"\ud83d":2,"a\/b":3,"":4,"10":5,"日":6"#;
    let mut view = view_of(&stored(Some(60), NOW, names), secs(60));
    for (name, value) in [("a", 1), ("a/b", 3), ("", 4), ("10", 5), ("日", 6)] {
        assert_eq!(view.get::<u8>(name).unwrap(), Some(value), "{name}");
    }
    view.insert("a", &7, &policy).unwrap();
    let expected = stored(
        Some(60),
        NOW,
        &names
            .replace(r#"a":1"#, r#"a":7"#)
            .replace(r#"61":1"#, r#"61":7"#),
    );
    assert_eq!(written(&planned(&view, &policy)).value, expected);
}

/// JavaScript puts integer-like names first, so `cookie` is not always the first name.
#[test]
fn cookie_stays_where_it_stands_and_keeps_what_is_not_ours() {
    let policy = Policy::express();
    let text = r#"{"2":1,"cookie":{"future":[1.0],"originalMaxAge":60000,"expires":"2025-11-25T21:19:38.229Z","path":"/app"},"n":1}"#;
    let mut view = view_of(text, secs(60));
    view.insert("n", &2, &policy).unwrap();
    let expected = text
        .replace("2025-11-25T21:19:38.229Z", "2025-11-25T21:20:38.229Z")
        .replace(r#""n":1"#, r#""n":2"#);
    assert_eq!(written(&planned(&view, &policy)).value, expected);
}

#[test]
fn our_metadata_are_one_name_with_what_others_put_there_carried_along() {
    let policy = Policy::express();
    let meta = r#","__ck":{"ends":1764105638229,"later":[1.0],"owner":"ada","signedIn":1764105578229},"n":1"#;
    let text = stored(Some(60), NOW, meta);
    let stored_record = record(&text);
    assert_eq!(stored_record.ends(), Some(NOW.saturating_add(secs(60))));
    assert_eq!(stored_record.identity().owner.as_deref(), Some("ada"));
    assert_eq!(stored_record.identity().signed_in, Some(NOW));
    assert_eq!(
        stored_record.data().count(),
        1,
        "no data of the application"
    );

    let mut view = view_of(&text, secs(60));
    view.clear().unwrap();
    let expected = text.replace(r#","n":1"#, "");
    assert_eq!(written(&planned(&view, &policy)).value, expected);

    let mut plain = record(&text);
    plain.set_ends(None);
    plain.set_identity(&cloakroom_core::record::Identity::default());
    assert!(plain.get("__ck").is_some(), "what is not ours stays");
    let mut ours = record(&text.replace(r#""later":[1.0],"#, ""));
    ours.set_ends(None);
    ours.set_identity(&cloakroom_core::record::Identity::default());
    assert!(
        ours.get("__ck").is_none(),
        "a plain session looks like express's"
    );
}
