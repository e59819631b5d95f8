//! The `Cookie` header in, as the npm package `cookie` 0.7 reads it.

use std::borrow::Cow;

use crate::ascii::{find, split};

/// The pairs of one `Cookie` header in their order, repeated names included.
///
/// Pairs are separated by `;` and nothing else: a comma is part of the value. The first `=` ends the name. Spaces and
/// tabs around name and value are dropped, then one pair of double quotes around the value. A piece without `=` is no
/// pair, and neither is one that is not UTF-8; the others are not affected. Names are compared as they are, upper case
/// and lower case being different.
pub fn pairs(header: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    split(header, b';').filter_map(Pair::parse)
}

/// Those of one name.
pub(crate) fn named<'a>(header: &'a [u8], name: &str) -> impl Iterator<Item = Pair<'a>> {
    let is_named = move |piece: &&[u8]| {
        let equals = find(piece, b'=').and_then(|equals| piece.get(..equals));
        equals.is_some_and(|found| trim_bytes(found) == name.as_bytes())
    };
    // Only those are looked at any further.
    split(header, b';').filter(is_named).filter_map(Pair::parse)
}

/// One `name=value` of a `Cookie` header.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    name: &'a str,
    raw: &'a str,
}

impl<'a> Pair<'a> {
    fn parse(piece: &'a [u8]) -> Option<Self> {
        let (name, value) = str::from_utf8(piece).ok()?.split_once('=')?;
        Some(Self {
            name: trim(name),
            raw: unquote(trim(value)),
        })
    }

    /// The name; empty if there is nothing in front of the `=`.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The value as it was sent, without its quotes.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// The value with its percent escapes decoded as JavaScript's `decodeURIComponent` does; as it was sent if one of
    /// the escapes is malformed or the bytes are not UTF-8. A `+` is a plus sign.
    #[must_use]
    pub fn value(&self) -> Cow<'a, str> {
        if find(self.raw.as_bytes(), b'%').is_none() {
            return Cow::Borrowed(self.raw);
        }
        decode(self.raw).map_or(Cow::Borrowed(self.raw), Cow::Owned)
    }

    /// The same, decoded into a buffer that is as long as [`raw`](Self::raw).
    pub(crate) fn value_in<'b>(&self, buffer: &'b mut [u8]) -> &'b str
    where
        'a: 'b,
    {
        let decoded = decode_into(self.raw, buffer).and_then(|length| buffer.get(..length));
        decoded
            .and_then(|decoded| str::from_utf8(decoded).ok())
            .unwrap_or(self.raw)
    }
}

/// Values may be tickets: only the name is shown.
impl std::fmt::Debug for Pair<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn trim_bytes(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// A lone quote counts as both its own opening and its closing one: that is how `cookie` 0.7 sees it.
fn unquote(text: &str) -> &str {
    match text.strip_prefix('"') {
        Some("") => "",
        Some(rest) => rest.strip_suffix('"').unwrap_or(text),
        None => text,
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = vec![0; text.len()];
    let length = decode_into(text, &mut bytes)?;
    bytes.truncate(length);
    String::from_utf8(bytes).ok()
}

/// The decoded bytes, which are no more than there are in `text`, and how many they are. All or nothing: `percent_encoding`
/// would leave a malformed escape in place and decode the others.
fn decode_into(text: &str, bytes: &mut [u8]) -> Option<usize> {
    let mut length = 0;
    let mut put = |run: &[u8]| {
        let end = length + run.len();
        bytes.get_mut(length..end)?.copy_from_slice(run);
        length = end;
        Some(())
    };
    let mut pieces = split(text.as_bytes(), b'%');
    put(pieces.next()?)?;
    for piece in pieces {
        let (&[high, low], rest) = piece.split_first_chunk()?;
        put(&[16 * hex_digit(high)? + hex_digit(low)?])?;
        put(rest)?;
    }
    Some(length)
}

fn hex_digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(header: &str) -> String {
        let pair = pairs(header.as_bytes()).next().unwrap();
        let mut buffer = vec![0; pair.raw().len()];
        assert_eq!(pair.value_in(&mut buffer), pair.value(), "{header}");
        pair.value().into()
    }

    #[test]
    fn escapes_are_decoded_all_or_none() {
        assert_eq!(value("a=%41%c3%A9"), "Aé");
        for kept in [
            "%",
            "%4",
            "%4g",
            "%41%",
            "%ff",
            "%C0%80",
            "%ED%A0%80",
            "%41é%C3",
        ] {
            assert_eq!(value(&format!("a={kept}")), kept);
        }
    }

    #[test]
    fn quotes_come_off_once_and_in_pairs() {
        for (sent, read) in [
            ("\"a\"", "a"),
            (" \" a \" ", " a "),
            ("\"\"a\"\"", "\"a\""),
            ("\"", ""),
            ("\"\"", ""),
            ("a\"", "a\""),
            ("\"%41\"", "A"),
        ] {
            assert_eq!(value(&format!("a={sent}")), read, "{sent}");
        }
    }

    #[test]
    fn a_pair_that_is_not_utf8_is_passed_over_alone() {
        let read: Vec<_> = pairs(b"a=1; b=\xff; \xfe=c; d=2")
            .map(|pair| pair.name())
            .collect();
        assert_eq!(read, ["a", "d"]);
        assert_eq!(pairs(b"").count(), 0);
        assert_eq!(pairs(b";;;").count(), 0);
    }

    #[test]
    fn r29_debug_shows_the_name_alone() {
        let shown = format!("{:?}", pairs(b"sid=hunter2").next().unwrap());
        assert!(
            shown.contains("sid") && !shown.contains("hunter2"),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn the_pairs_of_a_name_are_those_of_all_that_have_it(
            pieces in prop::collection::vec("[ab \\t]{0,3}=?[ab=\"% ]{0,4}", 0..6),
            strange in prop::collection::vec(any::<u8>(), 0..3),
            place in any::<prop::sample::Index>(),
        ) {
            let mut header = pieces.join(";").into_bytes();
            let place = place.index(header.len() + 1);
            header.splice(place..place, strange);
            for name in ["", "a", "b", "ab", " "] {
                let all = pairs(&header).filter(|pair| pair.name() == name);
                let expected: Vec<_> = all.map(|pair| pair.raw()).collect();
                let found: Vec<_> = named(&header, name).map(|pair| pair.raw()).collect();
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn decoding_into_a_buffer_is_decoding(raw in "[%0-9a-fA-Fgé]{0,30}") {
            value(&format!("a={raw}"));
        }
    }
}
