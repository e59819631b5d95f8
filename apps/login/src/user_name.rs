//! The user name: how a form's text becomes a value, and how a value becomes text, both as the article's
//! Node application does it.
//!
//! A Node service may share the session, so the stored name can be any JSON: what a browser sends us is a string or
//! an array of strings, and anything else is shown as JavaScript would turn it into text.

use cloakroom::{OwnerProbe, Session, core::owner_index::MAX_OWNER_LEN};
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// The top-level name in the session.
pub(crate) const KEY: &str = "userName";

/// The longest user name as text, in bytes of UTF-8: as long as an owner of sessions may be.
pub(crate) const MAX_BYTES: usize = MAX_OWNER_LEN;

/// The most entries of an array; `qs`, which reads forms for express, stops there as well.
pub(crate) const MAX_ENTRIES: usize = 20;

/// The user name is longer than [`MAX_BYTES`] or has more entries than [`MAX_ENTRIES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// The name that a session is logged in under, as text. `None` if nobody is logged in.
#[must_use]
pub(crate) fn of(session: &Session) -> Option<String> {
    match session.get::<Value>(KEY) {
        Ok(value) => value.filter(is_truthy).map(|value| to_text(&value)),
        // Node can store what is no Unicode text, such as half of a surrogate pair. Whoever has such a name is logged
        // in all the same, and must be able to log out.
        Err(_) => Some(char::REPLACEMENT_CHARACTER.to_string()),
    }
}

/// Whose a stored session is, by the same name: a Node service that shares the sessions signs in and out by it.
#[must_use]
pub(crate) fn owner(session: &OwnerProbe<'_>) -> Option<String> {
    let name = session.get::<Value>(KEY).filter(is_truthy)?;
    Some(to_text(&name))
}

/// Finds `userName` in a query string or form body: `userName=a` is a string; `userName[]=a`, `userName[0]=a` or a
/// repeated `userName=a` make an array. `None` if it is missing or empty.
///
/// # Errors
/// [`TooLong`].
pub(crate) fn from_form(form: &str) -> Result<Option<Value>, TooLong> {
    let mut entries = Vec::new();
    let mut array = false;
    for pair in form.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name);
        let Some(index) = name.strip_prefix(KEY) else {
            continue;
        };
        if !index.is_empty() && !is_index(index) {
            continue;
        }
        array |= !index.is_empty();
        entries.push(decode(value));
        if entries.len() > MAX_ENTRIES {
            return Err(TooLong);
        }
    }
    // As the text that an array becomes: with a comma between two entries.
    let commas = entries.len().saturating_sub(1);
    if commas + entries.iter().map(String::len).sum::<usize>() > MAX_BYTES {
        return Err(TooLong);
    }
    if entries.iter().all(String::is_empty) {
        return Ok(None);
    }
    let mut values: Vec<Value> = entries.into_iter().map(Value::String).collect();
    if !array && values.len() == 1 {
        return Ok(values.pop());
    }
    Ok(Some(Value::Array(values)))
}

/// `[]` or `[12]`.
fn is_index(text: &str) -> bool {
    text.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `+` is a space; a text whose percent signs do not decode to UTF-8 stays as it is, as with `qs`.
fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    let well_formed = text.split('%').skip(1).all(|rest| {
        rest.as_bytes()
            .get(..2)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if !well_formed {
        return text;
    }
    match percent_decode_str(&text).decode_utf8() {
        Ok(decoded) => decoded.into_owned(),
        Err(_) => text,
    }
}

/// Whether JavaScript's `if (userName)` holds: who has such a value is logged in.
#[must_use]
pub(crate) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64().is_none_or(|number| number != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// The value as JavaScript's `String(value)` gives it: an array's entries are joined by commas.
#[must_use]
pub(crate) fn to_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(entries) => {
            let entry = |value: &Value| match value {
                Value::Null => String::new(),
                value => to_text(value),
            };
            entries.iter().map(entry).collect::<Vec<_>>().join(",")
        }
        Value::Object(_) => "[object Object]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_are_read_as_express_reads_them() {
        let cases = [
            ("userName=%E8%8A%B1%E5%AD%90", json!("\u{82b1}\u{5b50}")),
            ("userName=a+b%2Bc", json!("a b+c")),
            ("x=1&userName=a", json!("a")),
            ("userName=a&userName=b", json!(["a", "b"])),
            ("userName[]=a&userName[]=b", json!(["a", "b"])),
            ("userName%5B%5D=a", json!(["a"])),
            ("userName[0]=a&userName[1]=", json!(["a", ""])),
            ("userName=a=b", json!("a=b")),
            ("userName=100%", json!("100%")),
            ("userName=%FF", json!("%FF")),
            ("userName=%é", json!("%é")),
            ("userName=%ED%A0%80+x", json!("%ED%A0%80 x")),
            ("userName=a%00b", json!("a\0b")),
            ("user%4eame=a", json!("a")),
        ];
        for (form, expected) in cases {
            assert_eq!(from_form(form), Ok(Some(expected)), "{form}");
        }
    }

    #[test]
    fn missing_and_empty_are_none() {
        for form in [
            "",
            "&",
            "=",
            "userName",
            "userName=",
            "userName[]=",
            "userName=&userName=",
            "username=a",
            "userName2=a",
            "userName[x]=a",
            "userName[=a",
            "userName]=a",
        ] {
            assert_eq!(from_form(form), Ok(None), "{form}");
        }
    }

    #[test]
    fn long_ones_are_refused_at_the_limit() {
        let form = |count: usize| format!("userName={}", "a".repeat(count));
        assert!(from_form(&form(MAX_BYTES)).is_ok());
        assert_eq!(from_form(&form(MAX_BYTES + 1)), Err(TooLong));
        let entries = |count: usize| vec!["userName[]=a"; count].join("&");
        assert!(from_form(&entries(MAX_ENTRIES)).is_ok());
        assert_eq!(from_form(&entries(MAX_ENTRIES + 1)), Err(TooLong));
    }

    #[test]
    fn what_node_may_have_stored_is_shown_as_javascript_shows_it() {
        let cases = [
            (json!("x"), true, "x"),
            (json!(""), false, ""),
            (json!(["a", "b"]), true, "a,b"),
            (json!([]), true, ""),
            (
                json!(["a", null, ["b", 1], {}]),
                true,
                "a,,b,1,[object Object]",
            ),
            (json!({"a": 1}), true, "[object Object]"),
            (json!(null), false, "null"),
            (json!(true), true, "true"),
            (json!(false), false, "false"),
            (json!(0), false, "0"),
            (json!(-0.0), false, "-0.0"),
            (json!(42), true, "42"),
        ];
        for (value, truthy, text) in cases {
            assert_eq!(is_truthy(&value), truthy, "{value}");
            assert_eq!(to_text(&value), text, "{value}");
        }
    }
}
