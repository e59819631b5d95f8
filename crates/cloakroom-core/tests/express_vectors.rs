//! Every vector of `fixtures/express-vectors.json`, which cookie-signature 1.0.7 and cookie 0.7.2 computed.

use std::collections::BTreeMap;

use cloakroom_core::{
    CookieOptions, ErrorKind, Priority, SameSite, Secrets, Secure, Timestamp, cookie,
    keyring::Key,
    ticket::{self, Verdict},
};
use serde_json::Value;

fn vectors(section: &str, count: usize) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("fixtures/express-vectors.json")).unwrap();
    let section = all[section].as_array().unwrap().clone();
    assert_eq!(section.len(), count);
    section
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} of {vector}"))
}

fn secret(vector: &Value) -> Vec<u8> {
    let Some(hex) = vector["secret_hex"].as_str() else {
        return text(vector, "secret").as_bytes().to_vec();
    };
    (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
        .collect()
}

#[test]
fn sign() {
    for vector in vectors("sign", 11) {
        let (name, id) = (text(&vector, "name"), text(&vector, "id"));
        let (signed, wire) = (text(&vector, "signed"), text(&vector, "wire"));
        let secret = secret(&vector);
        let key = Key::new(&secret).unwrap();
        assert_eq!(ticket::sign_with(id, &key), signed);
        assert_eq!(ticket::unsign(&signed[2..], &key), Some(id));

        let options = CookieOptions::express().name(name);
        let header = options.set_cookie(signed, None, false).unwrap();
        assert_eq!(header, format!("{wire}; Path=/; HttpOnly"));
        let pair = cookie::pairs(wire.as_bytes()).next().unwrap();
        assert_eq!((pair.name(), &*pair.value()), (name, signed));

        // An application cannot have an empty secret, so the high level has no counterpart of that vector.
        let Ok(secrets) = Secrets::new([secret.clone()]) else {
            assert_eq!(secret, b"");
            continue;
        };
        assert_eq!(ticket::sign(id, &secrets), signed);
        let verdict = ticket::verify(signed, &secrets);
        if cloakroom_core::SessionId::parse(id).is_some() {
            let Verdict::Valid {
                id: read,
                needs_resign,
            } = verdict
            else {
                panic!("{id}: {verdict:?}");
            };
            assert_eq!((read.as_str(), needs_resign), (id, false));
        } else {
            assert_eq!(
                verdict,
                Verdict::Invalid(ticket::InvalidReason::BadId),
                "{id}"
            );
        }
    }
}

#[test]
fn unsign() {
    for vector in vectors("unsign", 12) {
        let key = Key::new(secret(&vector)).unwrap();
        let read = ticket::unsign(text(&vector, "input"), &key);
        assert_eq!(read, vector["result"].as_str(), "{vector}");
    }
}

#[test]
fn parse() {
    for vector in vectors("parse", 17) {
        let mut read = BTreeMap::new();
        for pair in cookie::pairs(text(&vector, "header").as_bytes()) {
            read.entry(pair.name())
                .or_insert_with(|| pair.value().into_owned());
        }
        let read = serde_json::to_value(read).unwrap();
        assert_eq!(read, vector["result"], "{vector}");
    }
}

/// A session cookie always has a path, and `SameSite=None` always goes with `Secure`; where a vector has none of these,
/// its output is expected with them in their place.
fn expected(out: &str, has_path: bool, add_secure: bool) -> String {
    let mut parts: Vec<&str> = out.split("; ").collect();
    if !has_path {
        let after = 1 + usize::from(parts.get(1).is_some_and(|part| part.starts_with("Domain=")));
        parts.insert(after, "Path=/");
    }
    if add_secure {
        let before = parts
            .iter()
            .position(|part| part.starts_with("SameSite"))
            .unwrap();
        parts.insert(before, "Secure");
    }
    parts.join("; ")
}

/// An option that our types cannot hold, so that the vector's error cannot even be asked for.
struct Unspeakable;

fn same_site(value: &Value) -> Result<Option<SameSite>, Unspeakable> {
    let word = value.as_str().map(str::to_lowercase);
    Ok(match (value, word.as_deref()) {
        (Value::Null | Value::Bool(false), _) => None,
        (Value::Bool(true), _) | (_, Some("strict")) => Some(SameSite::Strict),
        (_, Some("lax")) => Some(SameSite::Lax),
        (_, Some("none")) => Some(SameSite::None),
        // `cookie` is never handed "auto"; ours is resolved before it is written.
        _ => return Err(Unspeakable),
    })
}

fn priority(value: &Value) -> Result<Option<Priority>, Unspeakable> {
    Ok(match value.as_str().map(str::to_lowercase).as_deref() {
        None => None,
        Some("low") => Some(Priority::Low),
        Some("medium") => Some(Priority::Medium),
        Some("high") => Some(Priority::High),
        Some(_) => return Err(Unspeakable),
    })
}

fn expires(value: &Value) -> Result<Option<Timestamp>, Unspeakable> {
    Ok(match value.as_str() {
        None => None,
        // JavaScript's `new Date(NaN)`: the nearest that we have is a moment without a date.
        Some("InvalidDate") => Some(Timestamp::from_millis(i64::MAX)),
        Some(text) => Some(Timestamp::parse_iso(text).ok_or(Unspeakable)?),
    })
}

fn serialize_one(options: &Value) -> Result<Result<String, ErrorKind>, Unspeakable> {
    let same_site = same_site(&options["sameSite"])?;
    let mut ours = CookieOptions::express()
        .http_only(options["httpOnly"] == true)
        .partitioned(options["partitioned"] == true)
        .priority(priority(&options["priority"])?)
        .same_site(same_site);
    if options["secure"] == true || same_site == Some(SameSite::None) {
        ours = ours.secure(Secure::Yes);
    }
    if let Some(path) = options["path"].as_str() {
        ours = ours.path(path);
    }
    if let Some(domain) = options["domain"].as_str() {
        ours = ours.domain(domain);
    }
    let expires = expires(&options["expires"])?;
    Ok(ours
        .set_cookie("s:a.b+/", expires, true)
        .map_err(|error| error.kind()))
}

#[test]
fn serialize() {
    let mut unspeakable = Vec::new();
    for vector in vectors("serialize", 15) {
        let options = &vector["options"];
        let written = serialize_one(options);
        let Some(out) = vector["out"].as_str() else {
            match written {
                Ok(written) => {
                    let kind = written.expect_err(&vector.to_string());
                    assert!(matches!(kind, ErrorKind::Config | ErrorKind::Invalid));
                }
                Err(Unspeakable) => unspeakable.push(options.to_string()),
            }
            continue;
        };
        let has_path = options.get("path").is_some();
        let add_secure = options["sameSite"] == "NONE" && options["secure"] != true;
        let Ok(Ok(written)) = written else {
            panic!("{vector}");
        };
        assert_eq!(written, expected(out, has_path, add_secure), "{vector}");
    }
    let impossible = [
        r#"{"sameSite":"auto"}"#,
        r#"{"priority":"x"}"#,
        r#"{"expires":"2020"}"#,
    ];
    assert_eq!(unspeakable, impossible);
}
