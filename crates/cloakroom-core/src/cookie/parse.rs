//! The `Cookie` header in, as the npm package `cookie` 0.7 reads it.

use std::borrow::Cow;

/// The pairs of one `Cookie` header in their order, repeated names included.
///
/// Pairs are separated by `;` and nothing else: a comma is part of the value. The first `=` ends the name. Spaces and
/// tabs around name and value are dropped, then one pair of double quotes around the value. A piece without `=` is no
/// pair, and neither is one that is not UTF-8; the others are not affected. Names are compared as they are, upper case
/// and lower case being different.
pub fn pairs(header: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    header.split(|&byte| byte == b';').filter_map(Pair::parse)
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
        if !self.raw.contains('%') {
            return Cow::Borrowed(self.raw);
        }
        decode(self.raw).map_or(Cow::Borrowed(self.raw), Cow::Owned)
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

/// A lone quote counts as both its own opening and its closing one: that is how `cookie` 0.7 sees it.
fn unquote(text: &str) -> &str {
    match text.strip_prefix('"') {
        Some("") => "",
        Some(rest) => rest.strip_suffix('"').unwrap_or(text),
        None => text,
    }
}

/// All or nothing: `percent_encoding` would leave a malformed escape in place and decode the others.
fn decode(text: &str) -> Option<String> {
    let mut pieces = text.as_bytes().split(|&byte| byte == b'%');
    let mut bytes = Vec::with_capacity(text.len());
    bytes.extend_from_slice(pieces.next()?);
    for piece in pieces {
        let (&[high, low], rest) = piece.split_first_chunk()?;
        bytes.push(16 * hex_digit(high)? + hex_digit(low)?);
        bytes.extend_from_slice(rest);
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(header: &str) -> String {
        pairs(header.as_bytes()).next().unwrap().value().into()
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
}
