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
    /// What came later.
    given: Vec<Raw>,
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

/// JSON text: a place in the source, or the number of what came later. Four bytes for each number, since every request makes
/// some, and who keeps sessions at hand keeps many.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Read { start: u32, len: u32 },
    Given(u32),
}

/// How long a source can be.
const LONGEST: usize = u32::MAX as usize;

/// A place or a length up to [`LONGEST`], or the number of a name or value.
fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Piece {
    fn read(place: &Range<usize>) -> Self {
        Self::Read {
            start: number(place.start),
            len: number(place.len()),
        }
    }

    fn given(raw: Raw, given: &mut Vec<Raw>) -> Self {
        let next = number(given.len());
        given.push(raw);
        Self::Given(next)
    }

    /// Of what came later.
    fn number(self) -> Option<u32> {
        match self {
            Self::Read { .. } => None,
            Self::Given(number) => Some(number),
        }
    }
}

/// Where the text of pieces stands.
#[derive(Clone, Copy)]
struct Texts<'a> {
    source: &'a [u8],
    given: &'a [Raw],
}

impl<'a> Texts<'a> {
    fn of(self, piece: Piece) -> &'a [u8] {
        match piece {
            Piece::Read { start, len } => {
                let start = start as usize;
                let end = start.saturating_add(len as usize);
                self.source.get(start..end).unwrap_or_default()
            }
            Piece::Given(number) => self.given.get(number as usize).map_or(b"", |raw| &raw.0),
        }
    }
}

impl Entry {
    fn new(name: &str, value: Raw, given: &mut Vec<Raw>) -> Self {
        // Writing a string as JSON cannot fail.
        let name = Raw::of(name).unwrap_or_else(|_| Raw::null());
        Self {
            is_plain: !name.0.contains(&b'\\'),
            name: Piece::given(name, given),
            value: Piece::given(value, given),
        }
    }

    fn is_named(&self, name: &str, texts: Texts<'_>) -> bool {
        let text = texts.of(self.name);
        if self.is_plain {
            let inner = || text.get(1..=name.len());
            text.len() == name.len() + 2 && inner() == Some(name.as_bytes())
        } else {
            decoded(text).is_some_and(|text| text == name)
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
        self.object.texts().of(self.entry.name)
    }

    /// The value's text.
    pub(crate) fn value(self) -> &'a [u8] {
        self.object.texts().of(self.entry.value)
    }

    /// The value.
    pub(crate) fn raw(self) -> Raw {
        match self.entry.value {
            Piece::Read { .. } => Raw(self.object.source.slice_ref(self.value())),
            Piece::Given(number) => {
                let raw = self.object.given.get(number as usize);
                raw.map_or_else(Raw::null, Raw::clone)
            }
        }
    }
}

impl RawObject {
    /// An object without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            source: Bytes::new(),
            given: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Reads an object; names and values share the memory of `source`. A name that stands twice counts once, with its
    /// last value at its first place, as `JSON.parse` has it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] for anything that is not a JSON object in UTF-8, [`ErrorKind::TooLarge`] for more than
    /// `max_names` names or 4 GiB.
    pub fn parse(source: &Bytes, max_names: usize) -> Result<Self, Error> {
        str::from_utf8(source).map_err(|_| corrupt("not UTF-8"))?;
        Self::read(source.clone(), max_names)
    }

    /// The same for what is UTF-8 for certain.
    fn read(source: Bytes, max_names: usize) -> Result<Self, Error> {
        let text = &source[..];
        if text.len() > LONGEST {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the stored session has more than {LONGEST} bytes"),
            ));
        }
        let mut entries = Vec::with_capacity(USUAL);
        let mut places = Places::new(text);
        let mut names = 0;
        scan::pairs(text, |pair| {
            names += 1;
            if names > max_names {
                return;
            }
            let (name, value) = (Piece::read(&pair.name), Piece::read(&pair.value));
            let place = places.of(name, &entries);
            match entries.get_mut(place) {
                Some(Entry { value: last, .. }) => *last = value,
                None => entries.push(Entry {
                    name,
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
        Ok(Self {
            source,
            given: Vec::new(),
            entries,
        })
    }

    fn texts(&self) -> Texts<'_> {
        Texts {
            source: &self.source,
            given: &self.given,
        }
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
        let entry = self.entries.get(self.place(name)?)?;
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
        let place = self.place(name);
        let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) else {
            self.entries.push(Entry::new(name, value, &mut self.given));
            return;
        };
        let given = match entry.value {
            Piece::Given(number) => self.given.get_mut(number as usize),
            Piece::Read { .. } => None,
        };
        match given {
            Some(given) => *given = value,
            None => entry.value = Piece::given(value, &mut self.given),
        }
    }

    /// Gives `name` a value, first if it is new.
    pub fn set_first(&mut self, name: &str, value: Raw) {
        if self.place(name).is_some() {
            self.set(name, value);
        } else {
            let entry = Entry::new(name, value, &mut self.given);
            self.entries.insert(0, entry);
        }
    }

    /// Takes `name` away and says what it was.
    pub fn remove(&mut self, name: &str) -> Option<Raw> {
        let removed = self.get(name)?;
        while let Some(place) = self.place(name) {
            let Entry { name, value, .. } = self.entries.remove(place);
            let mut given = [name, value].map(Piece::number);
            // The highest first: what takes its place is none of the two.
            given.sort_unstable_by(|a, b| b.cmp(a));
            given
                .into_iter()
                .flatten()
                .for_each(|free| self.forget(free));
        }
        Some(removed)
    }

    /// Where `name` stands last.
    fn place(&self, name: &str) -> Option<usize> {
        let texts = self.texts();
        let mut entries = self.entries.iter();
        entries.rposition(|entry| entry.is_named(name, texts))
    }

    /// Gives back the memory of a piece that no entry has any more.
    fn forget(&mut self, free: u32) {
        if self.given.len() <= free as usize {
            return;
        }
        self.given.swap_remove(free as usize);
        // The last one has taken its place.
        let last = Piece::Given(number(self.given.len()));
        for entry in &mut self.entries {
            for piece in [&mut entry.name, &mut entry.value] {
                if *piece == last {
                    *piece = Piece::Given(free);
                }
            }
        }
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
    texts: Texts<'a>,
    hashed: Option<HashMap<&'a [u8], usize>>,
}

impl<'a> Places<'a> {
    fn new(source: &'a [u8]) -> Self {
        let given = &[];
        Self {
            texts: Texts { source, given },
            hashed: None,
        }
    }

    /// The place of a name, written as JSON; behind `entries` if it is new.
    fn of(&mut self, name: Piece, entries: &[Entry]) -> usize {
        let texts = self.texts;
        let name = texts.of(name);
        if entries.len() >= FEW && self.hashed.is_none() {
            let names = entries.iter().map(|entry| texts.of(entry.name));
            self.hashed = Some(names.zip(0..).collect());
        }
        match &mut self.hashed {
            Some(hashed) => *hashed.entry(name).or_insert(entries.len()),
            None => entries
                .iter()
                .position(|entry| texts.of(entry.name) == name)
                .unwrap_or(entries.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        /// Whatever is set and removed in whatever order, and nothing is kept that no name has.
        #[test]
        fn names_keep_their_own_values(
            steps in prop::collection::vec((0..3_u8, "[a-e]|\"", any::<u16>()), 0..40),
        ) {
            let mut object = object(r#"{"a":-1,"\u0062":-2,"b":-3,"x":-4}"#);
            let mut model = vec![("a", -1), ("b", -2), ("b", -3), ("x", -4)]
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<Vec<_>>();
            for (step, name, value) in steps {
                let value = i32::from(value);
                let raw = Raw::of(&value).unwrap();
                let place = model.iter().rposition(|(other, _)| *other == name);
                match (step, place) {
                    (0, _) => {
                        let removed = object.remove(&name).map(|raw| raw.as_str().to_owned());
                        prop_assert_eq!(removed, place.map(|place| model[place].1.to_string()));
                        model.retain(|(other, _)| *other != name);
                    }
                    (1, None) => {
                        object.set_first(&name, raw);
                        model.insert(0, (name, value));
                    }
                    (_, None) => {
                        object.set(&name, raw);
                        model.push((name, value));
                    }
                    (_, Some(place)) => {
                        object.set(&name, raw);
                        model[place].1 = value;
                    }
                }
                let all: Vec<_> = object
                    .iter()
                    .map(|(name, value)| (name, value.as_str().parse::<i32>().unwrap()))
                    .collect();
                prop_assert_eq!(&all, &model);
                prop_assert!(object.given.len() <= 2 * object.entries.len());
            }
        }
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
