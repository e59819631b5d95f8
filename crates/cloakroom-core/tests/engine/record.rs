//! The stored value: what express accepts, what it does not, and how new values look.

use std::time::Duration;

use cloakroom_core::{
    ErrorKind, Timestamp,
    record::{Limits, OwnLifetime, Record, StoredAttributes, check_name, check_value},
};

use crate::common::{NOW, attributes, bytes, raw, record, secs};

#[derive(Debug, PartialEq)]
enum Found {
    None,
    Session,
    Corrupt,
}

/// What was measured with express-session 1.19 and connect-redis 9 (regression list 19): no session, a session, or a
/// request that fails for ever. The last is a fresh session here.
#[test]
fn poison_values_are_told_apart_as_express_tells_them_apart() {
    use Found::{Corrupt, None, Session};
    for (text, expected) in [
        ("", None),
        ("null", None),
        (r#""""#, None),
        // connect-redis 6.1.0 and 6.1.2 wrote this for a destroyed session.
        ("TOMBSTONE", None),
        ("{bad", Corrupt),
        ("{}", Corrupt),
        ("[]", Corrupt),
        ("5", Corrupt),
        (r#""str""#, Corrupt),
        (r#"{"n":5}"#, Corrupt),
        (r#"{"cookie":null}"#, Corrupt),
        (r#"{"cookie":"x"}"#, Corrupt),
        (r#"{"cookie":{"maxAge":"x"}}"#, Corrupt),
        (r#"{"cookie":{"maxAge":true}}"#, Corrupt),
        (r#"{"cookie":{"maxAge":{}}}"#, Corrupt),
        (r#"{"cookie":{"maxAge":[1]}}"#, Corrupt),
        (r#"{"cookie":{"maxAge":60000}}"#, Session),
        (r#"{"cookie":{"maxAge":null}}"#, Session),
        (r#"{"cookie":{"maxAge":""}}"#, Session),
        (r#"{"cookie":{}}"#, Session),
        (r#"{"cookie":{"expires":"garbage"}}"#, Session),
        (
            r#"{"cookie":{"expires":"1970-01-01T00:00:00.000Z"}}"#,
            Session,
        ),
        (r#"{"cookie":{"expires":1764105578229}}"#, Session),
        (r#" { "cookie" : { } , "n" : 1 } "#, Session),
        (r#"{"n":1,"cookie":{},"lastModified":17}"#, Session),
    ] {
        let found = match Record::parse(&bytes(text), &Limits::default()) {
            Ok(Some(_)) => Session,
            Ok(Option::None) => None,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
                Corrupt
            }
        };
        assert_eq!(found, expected, "{text}");
    }
}

/// Real output of connect-redis 9 with express-session 1.19.
#[test]
fn values_that_express_wrote_go_back_byte_for_byte() {
    let date = "2026-11-25T22:23:53.352Z";
    let (hour, minute) = (OwnLifetime::Idle(secs(3600)), OwnLifetime::Idle(secs(60)));
    for (text, lifetime) in [
        (
            r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"user":{"id":7,"name":"Zoë"}}"#,
            OwnLifetime::Browser,
        ),
        (
            r#"{"cookie":{"originalMaxAge":3600000,"expires":"2026-11-25T22:23:53.352Z","httpOnly":true,"path":"/"},"n":1}"#,
            hour,
        ),
        (
            r#"{"cookie":{"originalMaxAge":3600000,"expires":"2026-11-25T22:23:53.352Z","secure":false,"httpOnly":true,"path":"/","sameSite":"lax"},"n":1}"#,
            hour,
        ),
        (
            r#"{"cookie":{"originalMaxAge":60000,"partitioned":true,"priority":"high","expires":"2026-11-25T22:23:53.352Z","secure":false,"httpOnly":false,"path":"/","sameSite":true}}"#,
            minute,
        ),
        (
            r#"{"cookie":{"originalMaxAge":false,"expires":false,"httpOnly":true,"path":"/"}}"#,
            OwnLifetime::Browser,
        ),
        (
            r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"domain":"example.com","path":"/"}}"#,
            OwnLifetime::Browser,
        ),
    ] {
        let mut record = record(text);
        assert_eq!(record.to_bytes(), text);
        assert_eq!(record.lifetime(), Some(lifetime));
        let expires =
            matches!(lifetime, OwnLifetime::Idle(_)).then(|| Timestamp::parse_iso(date).unwrap());
        assert_eq!(record.expires(), expires);
        // Another date changes the date alone.
        if expires.is_some() {
            record.set_expires(Some(NOW));
            assert_eq!(record.to_bytes(), text.replace(date, &NOW.to_string()));
        }
    }
}

#[test]
fn new_values_have_expresss_keys_in_expresss_order() {
    let all = || {
        let mut all = attributes();
        all.partitioned = Some(true);
        all.priority = Some("high".into());
        all.secure = Some(false);
        all.domain = Some("example.com".into());
        all.same_site = Some("lax".into());
        all
    };
    let with = |change: fn(&mut StoredAttributes)| {
        let mut changed = attributes();
        change(&mut changed);
        changed
    };
    let idle = OwnLifetime::Idle(Duration::from_millis(60_000));
    for (lifetime, attributes, expected) in [
        (
            OwnLifetime::Browser,
            attributes(),
            r#""originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/""#,
        ),
        (
            idle,
            attributes(),
            r#""originalMaxAge":60000,"expires":null,"httpOnly":true,"path":"/""#,
        ),
        (
            idle,
            all(),
            r#""originalMaxAge":60000,"partitioned":true,"priority":"high","expires":null,"secure":false,"httpOnly":true,"domain":"example.com","path":"/","sameSite":"lax""#,
        ),
        (
            idle,
            with(|a| a.secure = Some(true)),
            r#""originalMaxAge":60000,"expires":null,"secure":true,"httpOnly":true,"path":"/""#,
        ),
        (
            idle,
            with(|a| a.http_only = false),
            r#""originalMaxAge":60000,"expires":null,"httpOnly":false,"path":"/""#,
        ),
    ] {
        let mut record = Record::new(lifetime, &attributes);
        assert_eq!(record.to_bytes(), format!("{{\"cookie\":{{{expected}}}}}"));
        // Every later write keeps the order.
        record.set_expires(Some(NOW));
        record.set_lifetime(lifetime);
        let dated = expected.replace(r#""expires":null"#, &format!(r#""expires":"{NOW}""#));
        assert_eq!(record.to_bytes(), format!("{{\"cookie\":{{{dated}}}}}"));
    }
}

#[test]
fn reserved_names_are_refused_one_by_one_with_the_reason() {
    for (name, always) in [
        ("cookie", true),
        ("__ck", true),
        ("id", false),
        ("req", false),
        ("save", false),
        ("reload", false),
        ("touch", false),
        ("destroy", false),
        ("regenerate", false),
        ("resetMaxAge", false),
        ("constructor", false),
        ("toString", false),
        ("toLocaleString", false),
        ("valueOf", false),
        ("hasOwnProperty", false),
        ("isPrototypeOf", false),
        ("propertyIsEnumerable", false),
        ("__proto__", false),
        ("__defineGetter__", false),
        ("__defineSetter__", false),
        ("__lookupGetter__", false),
        ("__lookupSetter__", false),
    ] {
        let error = check_name(name, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}");
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        assert_eq!(check_name(name, true).is_err(), always, "{name}, exclusive");
    }
    for name in [
        "",
        "Id",
        "cookies",
        "日本",
        "user.id",
        "__CK",
        "0",
        "prototype",
    ] {
        assert!(check_name(name, false).is_ok(), "{name}");
    }
}

#[test]
fn integers_that_node_would_round_are_refused_unless_exclusive() {
    let limits = Limits::default();
    for (text, refused) in [
        ("9007199254740991", false),
        ("9007199254740992", true),
        ("[{\"a\":-9007199254740993}]", true),
        ("\"9007199254740993\"", false),
        ("1e300", false),
    ] {
        let value = raw(text);
        let checked = check_value("n", &value, &limits, false);
        assert_eq!(checked.is_err(), refused, "{text}");
        if let Err(error) = checked {
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains("`n`"), "{error}");
            assert!(!error.to_string().contains("900719"), "R29: {error}");
        }
        assert!(check_value("n", &value, &limits, true).is_ok(), "{text}");
    }
}
