//! What of a step is compared, field by field.

use std::collections::BTreeMap;

use cloakroom::core::json::RawObject;

use crate::{client::Response, differential::presented, resp::Entry};

/// How a session stands in one world after a step.
pub type Stored = Option<Entry>;

/// What one world answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Fields of the response, by name.
    pub fields: BTreeMap<&'static str, String>,
    /// The id that the browser was given.
    pub given: Option<String>,
    /// The cookie was removed.
    pub removed: bool,
}

impl Answer {
    /// Reads a response to a request that presented `presented`.
    #[must_use]
    pub fn of(response: &Response, name: &str, presented: Option<&str>) -> Self {
        let ours = format!("{name}=");
        let header = response
            .set_cookies()
            .into_iter()
            .find(|header| header.starts_with(&ours));
        let mut fields = BTreeMap::from([
            ("status", response.status.as_u16().to_string()),
            ("body", body(&response.body)),
            ("type", text(response, "content-type")),
            ("handler's header", text(response, "x-colour")),
        ]);
        let mut answer = Self {
            fields: BTreeMap::new(),
            given: None,
            removed: false,
        };
        let Some(header) = header else {
            fields.insert("cookie", "none".to_owned());
            answer.fields = fields;
            return answer;
        };
        let (pair, attributes) = header.split_once(';').unwrap_or((&header, ""));
        let mut rest = Vec::new();
        let mut expires = "none";
        for attribute in attributes.split(';').map(str::trim) {
            match attribute.strip_prefix("Expires=") {
                Some(date) => expires = date,
                None => rest.push(attribute),
            }
        }
        let id = crate::client::id_of(pair);
        let kind = match &id {
            None => "removed",
            Some(id) if presented == Some(id) => "same",
            Some(_) => "new",
        };
        fields.insert("cookie", kind.to_owned());
        answer.removed = id.is_none();
        if let Some(id) = id {
            fields.insert("attributes", rest.join("; "));
            fields.insert("Expires", expires.to_owned());
            fields.insert("escapes", escapes(pair, &id));
            answer.given = Some(id);
        }
        answer.fields = fields;
        answer
    }
}

/// Errors before the handler have a body of their own on each side; the status tells.
fn body(text: &str) -> String {
    match serde_json::from_str::<crate::ask::Answer>(text) {
        Ok(answer) if answer.error.is_none() => text.to_owned(),
        _ if text.is_empty() => String::new(),
        _ => "no handler".to_owned(),
    }
}

fn text(response: &Response, header: &str) -> String {
    let value = response.headers.get(header);
    value.map_or_else(String::new, |v| {
        String::from_utf8_lossy(v.as_bytes()).into_owned()
    })
}

/// Whether the cookie's value is escaped as `encodeURIComponent` does.
fn escapes(pair: &str, id: &str) -> String {
    let wire = pair.split_once('=').map_or("", |(_, wire)| wire);
    let mac = percent_encoding::percent_decode_str(wire).decode_utf8_lossy();
    let mac = mac.rsplit_once('.').map_or("", |(_, mac)| mac).to_owned();
    let expected = presented::encode(&format!("s:{id}.{mac}"));
    let good = wire == expected && mac.len() == 43;
    if good {
        "as encodeURIComponent".to_owned()
    } else {
        format!("{wire}, not {expected}")
    }
}

/// What a stored value says, field by field.
#[must_use]
pub fn value_fields(entry: &Entry) -> BTreeMap<&'static str, String> {
    let mut fields = BTreeMap::new();
    let Ok(mut object) = RawObject::parse(&entry.value, usize::MAX) else {
        let text = String::from_utf8_lossy(&entry.value).into_owned();
        return BTreeMap::from([("value", text)]);
    };
    let cookie = object
        .get("cookie")
        .and_then(|cookie| RawObject::from_raw(&cookie, usize::MAX));
    if let Some(mut cookie) = cookie {
        let expires = cookie.get("expires");
        let text = expires.as_ref().map_or("absent", |raw| raw.as_str());
        fields.insert("stored expires", text.trim_matches('"').to_owned());
        if expires.is_some() {
            cookie.set("expires", cloakroom::core::json::Raw::null());
        }
        fields.insert("stored cookie", cookie.to_raw().as_str().to_owned());
        // Its place counts, its content was compared.
        object.set("cookie", cloakroom::core::json::Raw::null());
    }
    fields.insert("data", object.to_raw().as_str().to_owned());
    fields
}

/// The lifetime in a stored value, and its `expires`, in milliseconds.
#[must_use]
pub fn times(entry: &Entry) -> (Option<i64>, Option<i64>) {
    let read = || {
        let object = RawObject::parse(&entry.value, usize::MAX).ok()?;
        let cookie = RawObject::from_raw(&object.get("cookie")?, usize::MAX)?;
        let lifetime = cookie.get("originalMaxAge").and_then(|raw| raw.read().ok());
        let expires: Option<String> = cookie.get("expires").and_then(|raw| raw.read().ok());
        let expires = expires.and_then(|text| cloakroom::Timestamp::parse_iso(&text));
        Some((lifetime, expires.map(cloakroom::Timestamp::as_millis)))
    };
    read().unwrap_or((None, None))
}

/// A field that is not the same in both worlds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub field: &'static str,
    /// In world A.
    pub node: String,
    /// In world B.
    pub ours: String,
}

/// Compares two sets of fields; a field that one of them lacks is left out, since another field says why.
#[must_use]
pub fn differences(
    node: &BTreeMap<&'static str, String>,
    ours: &BTreeMap<&'static str, String>,
) -> Vec<Difference> {
    let both = node.iter().filter_map(|(field, node)| {
        let ours = ours.get(field)?;
        (node != ours).then(|| Difference {
            field,
            node: node.clone(),
            ours: ours.clone(),
        })
    });
    both.collect()
}

/// Compares one session as it stands in both worlds. `slack` is how many milliseconds may have passed between the two
/// writes; connect-redis rounds up to whole seconds.
#[must_use]
pub fn stored(node: &Stored, ours: &Stored, slack: i64) -> Vec<Difference> {
    let word = |stored: &Stored| if stored.is_some() { "live" } else { "missing" }.to_owned();
    let (Some(a), Some(b)) = (node, ours) else {
        if node.is_some() == ours.is_some() {
            return Vec::new();
        }
        return vec![Difference {
            field: "session",
            node: word(node),
            ours: word(ours),
        }];
    };
    let mut found = differences(&value_fields(a), &value_fields(b));
    let same_time = match (a.pttl, b.pttl) {
        (None, None) => true,
        (Some(a), Some(b)) => (-slack..=1000 + slack).contains(&(a - b)),
        _ => false,
    };
    if !same_time {
        let shown =
            |left: Option<i64>| left.map_or("no end".to_owned(), |left| format!("{left} ms"));
        found.push(Difference {
            field: "time to live",
            node: shown(a.pttl),
            ours: shown(b.pttl),
        });
    }
    found
}
