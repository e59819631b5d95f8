//! A JSON object whose names and values are places in the text that it was read from.

use std::{borrow::Cow, collections::HashMap, fmt, str};

use bytes::Bytes;

use super::{Raw, scan, text_of};
use crate::{Error, ErrorKind};

mod piece;

use piece::{LONGEST, Piece, Texts, number};

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
mod tests;
