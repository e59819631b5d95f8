//! Raw JSON text: objects whose values are carried as text and decoded only when asked for.
//!
//! JSON that JavaScript writes is not always JSON that Rust reads into values: lone surrogates, nesting beyond 127,
//! numbers that lose digits. Text that is only carried along loses nothing.

mod scan;

use std::{borrow::Cow, collections::HashMap, fmt, str};

use bytes::Bytes;

use crate::{Error, ErrorKind};

/// The largest integer that JavaScript's numbers hold exactly (`Number.MAX_SAFE_INTEGER`), as text.
const MAX_SAFE_INTEGER: &str = "9007199254740991";

/// One JSON value as text, valid JSON and UTF-8, without white space around it. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw(Bytes);

impl Raw {
    /// Writes `value` as JSON.
    ///
    /// # Errors
    ///
    /// serde_json's, if it cannot write the value, for instance a map whose keys are not strings.
    pub fn of<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_vec(value).map(|text| Self(text.into()))
    }

    /// JSON `null`.
    #[must_use]
    pub const fn null() -> Self {
        Self(Bytes::from_static(b"null"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text's length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: every JSON value has text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the text as a `T`.
    ///
    /// # Errors
    ///
    /// serde_json's, when the text is not a `T`.
    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }

    /// The text of a JSON string, decoded; `None` for every other value.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        text_of(self.as_str())
    }

    /// Names, decoded, and values, as text, of the object that this is, in order; of a name that stands twice, both. `None`
    /// for every other value. A name that cannot be read is left out.
    pub(crate) fn entries(&self, mut each: impl FnMut(&str, &str)) -> Option<()> {
        let text = self.as_str();
        for (name, value) in scan::pairs(text, usize::MAX)? {
            if let Some(name) = text_of(&text[name]) {
                each(&name, &text[value]);
            }
        }
        Some(())
    }

    /// How deep arrays and objects are nested in it: 0 for a number, 1 for `[]`.
    #[must_use]
    pub fn depth(&self) -> usize {
        let (mut depth, mut deepest) = (0_usize, 0);
        for byte in outside_strings(&self.0) {
            match byte {
                b'[' | b'{' => {
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        deepest
    }

    /// Whether it holds, at any depth, an integer that JavaScript would round (beyond 2^53 - 1 either way).
    #[must_use]
    pub fn has_unsafe_integer(&self) -> bool {
        let mut digits = 0;
        let mut number = String::new();
        let mut plain = true;
        for byte in outside_strings(&self.0).chain([b',']) {
            match byte {
                b'0'..=b'9' => {
                    digits += 1;
                    number.push(char::from(byte));
                }
                b'.' | b'e' | b'E' | b'+' if digits > 0 => plain = false,
                b'-' => {}
                _ => {
                    if plain && digits > 0 && is_unsafe(&number) {
                        return true;
                    }
                    digits = 0;
                    plain = true;
                    number.clear();
                }
            }
        }
        false
    }
}

/// The text of a JSON string, decoded; `None` for every other value.
pub(crate) fn text_of(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(value).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

fn is_unsafe(digits: &str) -> bool {
    let longer = digits.len() > MAX_SAFE_INTEGER.len();
    longer || (digits.len() == MAX_SAFE_INTEGER.len() && digits > MAX_SAFE_INTEGER)
}

/// The bytes of JSON text that are not inside strings.
fn outside_strings(text: &[u8]) -> impl Iterator<Item = u8> {
    let (mut inside, mut escaped) = (false, false);
    text.iter().copied().filter(move |&byte| {
        if !inside {
            inside = byte == b'"';
            return !inside;
        }
        if escaped {
            escaped = false;
        } else if byte == b'\\' {
            escaped = true;
        } else if byte == b'"' {
            inside = false;
        }
        false
    })
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.0.len())
    }
}

/// A JSON object in the order of its text, names and values as raw text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawObject {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// The name as JSON text, quotes and escapes included.
    name: Raw,
    value: Raw,
    /// The name has no escapes.
    is_plain: bool,
}

impl Entry {
    fn is_named(&self, name: &str) -> bool {
        let text = &self.name.0[..];
        if self.is_plain {
            text.len() == name.len() + 2 && text[1..].starts_with(name.as_bytes())
        } else {
            self.name.text().is_some_and(|text| text == name)
        }
    }

    fn new(name: Raw, value: Raw) -> Self {
        let is_plain = !name.0.contains(&b'\\');
        Self {
            name,
            value,
            is_plain,
        }
    }
}

impl RawObject {
    /// An object without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Reads an object; names and values share the memory of `source`. A name that stands twice counts once, with its
    /// last value at its first place, as `JSON.parse` has it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] for anything that is not a JSON object in UTF-8, [`ErrorKind::TooLarge`] for more than
    /// `max_names` names.
    pub fn parse(source: &Bytes, max_names: usize) -> Result<Self, Error> {
        let corrupt = |what: &str| {
            Error::new(
                ErrorKind::Corrupt,
                format!("the stored session is {what}, not a JSON object"),
            )
        };
        let text = str::from_utf8(source).map_err(|_| corrupt("not UTF-8"))?;
        let pairs = scan::pairs(text, max_names).ok_or_else(|| corrupt("not readable"))?;
        if pairs.len() > max_names {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the stored session has more than {max_names} names"),
            ));
        }
        let mut object = Self {
            entries: Vec::with_capacity(pairs.len() + 1),
        };
        let mut places = Places::for_names(pairs.len());
        for (name, value) in pairs {
            let value = Raw(source.slice(value));
            let place = places.of(&text[name.clone()], &object.entries);
            match object.entries.get_mut(place) {
                Some(entry) => entry.value = value,
                None => object
                    .entries
                    .push(Entry::new(Raw(source.slice(name)), value)),
            }
        }
        Ok(object)
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Raw> {
        let entry = self.entries.iter().rev().find(|entry| entry.is_named(name));
        entry.map(|entry| &entry.value)
    }

    /// Gives `name` a value, in place if it is there and last if it is new.
    pub fn set(&mut self, name: &str, value: Raw) {
        match self
            .entries
            .iter_mut()
            .rev()
            .find(|entry| entry.is_named(name))
        {
            Some(entry) => entry.value = value,
            None => self.entries.push(Entry::new(quoted(name), value)),
        }
    }

    /// Gives `name` a value, first if it is new.
    pub fn set_first(&mut self, name: &str, value: Raw) {
        if self.get(name).is_some() {
            self.set(name, value);
        } else {
            let name = quoted(name);
            self.entries.insert(0, Entry::new(name, value));
        }
    }

    /// Takes `name` away and says what it was.
    pub fn remove(&mut self, name: &str) -> Option<Raw> {
        let mut removed = None;
        self.entries.retain_mut(|entry| {
            let hit = entry.is_named(name);
            if hit {
                removed = Some(entry.value.clone());
            }
            !hit
        });
        removed
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The names that can be read, in order, with their values. A name with a lone surrogate is carried along and not
    /// listed.
    pub fn iter(&self) -> impl Iterator<Item = (String, &Raw)> {
        self.entries
            .iter()
            .filter_map(|entry| Some((entry.name.text()?.into_owned(), &entry.value)))
    }

    /// Names as JSON strings and values, in order.
    pub(crate) fn raw_entries(&self) -> impl Iterator<Item = (&Raw, &Raw)> {
        self.entries.iter().map(|entry| (&entry.name, &entry.value))
    }

    /// The length of [`RawObject::to_bytes`].
    #[must_use]
    pub fn byte_len(&self) -> usize {
        let entries = self.entries.iter();
        let inner: usize = entries.map(|e| e.name.len() + e.value.len() + 2).sum();
        // Braces, and one comma less than there are entries.
        inner.saturating_sub(1) + 2
    }

    /// The object as JSON text, names and values to the byte as they came.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut text = Vec::with_capacity(self.byte_len());
        text.push(b'{');
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            text.extend_from_slice(&entry.name.0);
            text.push(b':');
            text.extend_from_slice(&entry.value.0);
        }
        text.push(b'}');
        text.into()
    }

    /// The object as one raw value.
    #[must_use]
    pub fn to_raw(&self) -> Raw {
        Raw(self.to_bytes())
    }

    /// Reads a raw value as an object; `None` if it is another kind of value.
    #[must_use]
    pub fn from_raw(raw: &Raw, max_names: usize) -> Option<Self> {
        Self::parse(&raw.0, max_names).ok()
    }
}

/// Up to so many names are looked through; more are found by hash: `cookie` may have as many as fit into its bytes.
const FEW: usize = 16;

/// Where a name of an object that is being read has its place.
struct Places<'a>(Option<HashMap<&'a str, usize>>);

impl<'a> Places<'a> {
    fn for_names(names: usize) -> Self {
        Self((names > FEW).then(|| HashMap::with_capacity(names)))
    }

    /// The place of a name, written as JSON; behind `entries` if it is new.
    fn of(&mut self, name: &'a str, entries: &[Entry]) -> usize {
        match &mut self.0 {
            Some(places) => *places.entry(name).or_insert(entries.len()),
            None => entries
                .iter()
                .position(|entry| entry.name.0 == name.as_bytes())
                .unwrap_or(entries.len()),
        }
    }
}

fn quoted(name: &str) -> Raw {
    // Writing a string as JSON cannot fail.
    Raw::of(name).unwrap_or_else(|_| Raw::null())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> RawObject {
        RawObject::parse(&Bytes::copy_from_slice(text.as_bytes()), 100).unwrap()
    }

    #[test]
    fn what_is_not_changed_goes_back_byte_for_byte() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        let text = format!(
            r#"{{"a":[],"b":1.0,"c":9007199254740993,"d":"\/","e":"\ud83d","f":{deep},"g":1e400,"\ud83d":1,"日":"本"}}"#
        );
        let mut object = object(&text);
        assert_eq!(object.to_bytes(), text);
        object.set("b", Raw::of(&2).unwrap());
        assert_eq!(object.to_bytes(), text.replace("1.0", "2"));
        assert_eq!(object.get("f").unwrap().depth(), 200);
        assert_eq!(object.get("日").unwrap().as_str(), "\"本\"");
    }

    #[test]
    fn names_are_compared_decoded() {
        let object = object(r#"{"\u0061":1}"#);
        assert_eq!(object.get("a").unwrap().as_str(), "1");
    }

    #[test]
    fn a_name_that_stands_twice_has_its_last_value_as_json_parse_has_it() {
        let object = object(r#"{"a":1,"b":2,"a":3}"#);
        assert_eq!(object.to_bytes(), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn what_is_no_object_is_corrupt() {
        for text in [
            "",
            "null",
            "[]",
            "5",
            "\"s\"",
            "{bad",
            "{} x",
            "TOMBSTONE",
            "{\"a\":1,}",
        ] {
            let error =
                RawObject::parse(&Bytes::copy_from_slice(text.as_bytes()), 100).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
        }
        let error = RawObject::parse(&Bytes::from_static(b"{\"a\":\"\xff\"}"), 100).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let error = RawObject::parse(&Bytes::from_static(b"{\"a\":1,\"b\":2}"), 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn integers_that_javascript_rounds_are_found_at_any_depth() {
        for (text, expected) in [
            ("9007199254740991", false),
            ("-9007199254740991", false),
            ("9007199254740992", true),
            ("-9007199254740993", true),
            ("[1,{\"a\":18446744073709551615}]", true),
            ("\"18446744073709551615\"", false),
            ("{\"18446744073709551615\":1}", false),
            ("9007199254740993.5", false),
            ("1e300", false),
            ("[1,2,3]", false),
        ] {
            let raw = Raw(Bytes::copy_from_slice(text.as_bytes()));
            assert_eq!(raw.has_unsafe_integer(), expected, "{text}");
        }
    }
}
