//! A JSON object whose names and values are places in the text that it was read from.

use std::{borrow::Cow, collections::HashMap, fmt, ops::Range, str};

use bytes::Bytes;

use super::{Raw, scan, text_of};
use crate::{Error, ErrorKind};

/// A JSON object in the order of its text, names and values as raw text. Two are equal if their names and values are the
/// same text in the same order.
#[derive(Clone, Default)]
pub struct RawObject {
    /// What was read, kept as one piece of memory however many names stand in it.
    source: Bytes,
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    /// The name as JSON text, quotes and escapes included.
    name: Piece,
    value: Piece,
    /// The name has no escapes.
    is_plain: bool,
}

/// JSON text: a place in the source, or what came later.
#[derive(Clone)]
enum Piece {
    Read(Range<usize>),
    Given(Raw),
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Read(place) => place.len(),
            Self::Given(raw) => raw.len(),
        }
    }

    fn text<'a>(&'a self, source: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Read(place) => source.get(place.clone()).unwrap_or_default(),
            Self::Given(raw) => &raw.0,
        }
    }

    fn raw(&self, source: &Bytes) -> Raw {
        match self {
            Self::Read(place) => Raw(source.slice(place.clone())),
            Self::Given(raw) => raw.clone(),
        }
    }
}

impl Entry {
    fn new(name: &str, value: Raw) -> Self {
        // Writing a string as JSON cannot fail.
        let name = Raw::of(name).unwrap_or_else(|_| Raw::null());
        Self {
            is_plain: !name.0.contains(&b'\\'),
            name: Piece::Given(name),
            value: Piece::Given(value),
        }
    }

    fn is_named(&self, name: &str, source: &[u8]) -> bool {
        if self.is_plain {
            let inner = || self.name.text(source).get(1..=name.len());
            self.name.len() == name.len() + 2 && inner() == Some(name.as_bytes())
        } else {
            decoded(self.name.text(source)).is_some_and(|text| text == name)
        }
    }
}

fn decoded(name: &[u8]) -> Option<Cow<'_, str>> {
    text_of(str::from_utf8(name).ok()?)
}

/// One name with its value.
#[derive(Clone, Copy)]
pub(crate) struct EntryOf<'a> {
    object: &'a RawObject,
    entry: &'a Entry,
}

impl<'a> EntryOf<'a> {
    /// The name, if it can be read.
    pub(crate) fn name(self) -> Option<Cow<'a, str>> {
        decoded(self.name_text())
    }

    fn name_text(self) -> &'a [u8] {
        self.entry.name.text(&self.object.source)
    }

    /// The value's text.
    pub(crate) fn value(self) -> &'a [u8] {
        self.entry.value.text(&self.object.source)
    }

    /// The value.
    pub(crate) fn raw(self) -> Raw {
        self.entry.value.raw(&self.object.source)
    }
}

impl RawObject {
    /// An object without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            source: Bytes::new(),
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
        str::from_utf8(source).map_err(|_| corrupt("not UTF-8"))?;
        Self::read(source.clone(), max_names)
    }

    /// The same for what is UTF-8 for certain.
    fn read(source: Bytes, max_names: usize) -> Result<Self, Error> {
        let text = &source[..];
        let mut entries = Vec::with_capacity(USUAL);
        let mut places = Places::new(text);
        let mut names = 0;
        scan::pairs(text, |pair| {
            names += 1;
            if names > max_names {
                return;
            }
            let value = Piece::Read(pair.value);
            let place = places.of(&pair.name, &entries);
            match entries.get_mut(place) {
                Some(Entry { value: last, .. }) => *last = value,
                None => entries.push(Entry {
                    name: Piece::Read(pair.name),
                    value,
                    is_plain: pair.is_plain,
                }),
            }
        })
        .ok_or_else(|| corrupt("not readable"))?;
        if names > max_names {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the stored session has more than {max_names} names"),
            ));
        }
        Ok(Self { source, entries })
    }

    /// For how many names there is memory.
    pub(crate) fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// What so many names take beside their text, in bytes.
    pub(crate) const fn size(names: usize) -> usize {
        names * size_of::<Entry>()
    }

    fn find(&self, name: &str) -> Option<EntryOf<'_>> {
        let mut entries = self.entries.iter().rev();
        let entry = entries.find(|entry| entry.is_named(name, &self.source))?;
        Some(EntryOf {
            object: self,
            entry,
        })
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Raw> {
        self.find(name).map(EntryOf::raw)
    }

    /// The text of the value of `name`.
    pub(crate) fn value(&self, name: &str) -> Option<&[u8]> {
        self.find(name).map(EntryOf::value)
    }

    /// The text of the value of `name`, if it is a string, decoded.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        decoded(self.value(name)?)
    }

    /// Gives `name` a value, in place if it is there and last if it is new.
    pub fn set(&mut self, name: &str, value: Raw) {
        let mut entries = self.entries.iter_mut().rev();
        match entries.find(|entry| entry.is_named(name, &self.source)) {
            Some(entry) => entry.value = Piece::Given(value),
            None => self.entries.push(Entry::new(name, value)),
        }
    }

    /// Gives `name` a value, first if it is new.
    pub fn set_first(&mut self, name: &str, value: Raw) {
        if self.find(name).is_some() {
            self.set(name, value);
        } else {
            self.entries.insert(0, Entry::new(name, value));
        }
    }

    /// Takes `name` away and says what it was.
    pub fn remove(&mut self, name: &str) -> Option<Raw> {
        let removed = self.get(name)?;
        let source = &self.source;
        self.entries.retain(|entry| !entry.is_named(name, source));
        Some(removed)
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
    pub fn iter(&self) -> impl Iterator<Item = (String, Raw)> {
        let entries = self.entries();
        entries.filter_map(|entry| Some((entry.name()?.into_owned(), entry.raw())))
    }

    /// All names, also those that cannot be read, with their values, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = EntryOf<'_>> {
        self.entries.iter().map(|entry| EntryOf {
            object: self,
            entry,
        })
    }

    /// The length of [`RawObject::to_bytes`].
    #[must_use]
    pub fn byte_len(&self) -> usize {
        let inner: usize = self
            .entries()
            .map(|entry| entry.name_text().len() + entry.value().len() + 2)
            .sum();
        // Braces, and one comma less than there are entries.
        inner.saturating_sub(1) + 2
    }

    /// The object as JSON text, names and values to the byte as they came.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut text = Vec::with_capacity(self.byte_len());
        text.push(b'{');
        for (index, entry) in self.entries().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            text.extend_from_slice(entry.name_text());
            text.push(b':');
            text.extend_from_slice(entry.value());
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
        Self::read(raw.0.clone(), max_names).ok()
    }
}

impl PartialEq for RawObject {
    fn eq(&self, other: &Self) -> bool {
        let texts = |entry: EntryOf<'_>, other: EntryOf<'_>| {
            entry.name_text() == other.name_text() && entry.value() == other.value()
        };
        self.len() == other.len()
            && self
                .entries()
                .zip(other.entries())
                .all(|(entry, other)| texts(entry, other))
    }
}

impl Eq for RawObject {}

/// Names and values are the visitor's: only how many there are is shown.
impl fmt::Debug for RawObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawObject")
            .field("names", &self.len())
            .field("bytes", &self.byte_len())
            .finish()
    }
}

#[cold]
fn corrupt(what: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("the stored session is {what}, not a JSON object"),
    )
}

/// How many names most sessions have at most.
const USUAL: usize = 8;

/// Up to so many names are looked through; more are found by hash: `cookie` may have as many as fit into its bytes.
const FEW: usize = 16;

/// Where a name of an object that is being read has its place.
struct Places<'a> {
    text: &'a [u8],
    hashed: Option<HashMap<&'a [u8], usize>>,
}

impl<'a> Places<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, hashed: None }
    }

    /// The place of a name, written as JSON; behind `entries` if it is new.
    fn of(&mut self, name: &Range<usize>, entries: &[Entry]) -> usize {
        let name = &self.text[name.clone()];
        if entries.len() >= FEW && self.hashed.is_none() {
            let names = entries.iter().map(|entry| self.name_of(entry));
            self.hashed = Some(names.zip(0..).collect());
        }
        match &mut self.hashed {
            Some(hashed) => *hashed.entry(name).or_insert(entries.len()),
            None => entries
                .iter()
                .position(|entry| entry.name.len() == name.len() && self.name_of(entry) == name)
                .unwrap_or(entries.len()),
        }
    }

    /// All that is read here stands in the text.
    fn name_of(&self, entry: &Entry) -> &'a [u8] {
        match &entry.name {
            Piece::Read(place) => self.text.get(place.clone()).unwrap_or_default(),
            Piece::Given(_) => b"",
        }
    }
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
    fn names_that_stand_twice_count_once_however_many_there_are() {
        for names in [1, FEW - 1, FEW, FEW + 1, 3 * FEW] {
            let pairs = |from: usize| (0..names).map(move |n| format!("\"n{n}\":{}", from + n));
            let text = |pairs: Vec<String>| format!("{{{}}}", pairs.join(","));
            let twice = object(&text(pairs(0).chain(pairs(100)).collect()));
            assert_eq!(twice.to_bytes(), text(pairs(100).collect()), "{names}");
            assert_eq!(twice.len(), names);
        }
    }

    #[test]
    fn too_many_names_are_refused_also_where_they_are_the_same() {
        let parse =
            |text: &'static str, most| RawObject::parse(&Bytes::from_static(text.as_bytes()), most);
        assert_eq!(parse(r#"{"a":1,"a":2}"#, 2).unwrap().len(), 1);
        let error = parse(r#"{"a":1,"a":2}"#, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        // What cannot be read to its end is not known to be an object.
        let error = parse(r#"{"a":1,"a":2"#, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn what_was_read_and_what_was_given_is_the_same_if_its_text_is() {
        let read = object(r#"{ "a" : 1 , "b":[2], "c\n":"x" }"#);
        let mut given = RawObject::new();
        given.set("a", Raw::of(&1).unwrap());
        given.set("c\n", Raw::of("x").unwrap());
        assert_ne!(read, given);
        given.remove("c\n");
        given.set("b", Raw::of(&[2]).unwrap());
        assert_ne!(read, given);
        given.set("c\n", Raw::of("x").unwrap());
        assert_eq!(read, given);
        assert_eq!(read.to_bytes(), r#"{"a":1,"b":[2],"c\n":"x"}"#);
        assert_eq!(read.to_bytes(), given.to_bytes());
        assert_eq!(read.byte_len(), read.to_bytes().len());

        let mut mixed = read.clone();
        mixed.set("b", Raw::of(&3).unwrap());
        assert_ne!(mixed, read);
        assert_eq!(mixed.get("b").unwrap().as_str(), "3");
        assert_eq!(mixed.remove("a").unwrap().as_str(), "1");
        assert_eq!(mixed.get("c\n").unwrap().as_str(), "\"x\"");
        mixed.set_first("a", Raw::of(&1).unwrap());
        mixed.set("b", Raw::of(&[2]).unwrap());
        assert_eq!(mixed, read);
        // The order counts.
        let moved = mixed.remove("a").unwrap();
        mixed.set("a", moved);
        assert_ne!(mixed, read);
    }

    #[test]
    fn an_escape_in_a_name_is_no_letter_of_it() {
        let object = object(r#"{"\u0061":1,"\\u0061":2}"#);
        assert_eq!(object.get("a").unwrap().as_str(), "1");
        assert_eq!(object.get(r"\u0061").unwrap().as_str(), "2");
        assert_eq!(object.get(r"\\u0061"), None);
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
}
