//! Where the names and values of a JSON object begin and end.
//!
//! A session is read by every request and most of its names by none, so finding the pieces is all that is done for them. This
//! accepts and refuses what serde_json does (RFC 8259, lone surrogates included), which a test holds it to; it takes a third
//! of the time because it makes nothing of what it sees. Nesting costs memory and no stack.

use std::ops::Range;

use crate::ascii::eight;

/// Where a name and its value stand.
pub(super) struct Pair {
    /// The name, quotes included.
    pub(super) name: Range<usize>,
    /// The name has no escapes.
    pub(super) is_plain: bool,
    /// The value.
    pub(super) value: Range<usize>,
}

/// Finds the pairs of the object that `text` is, in order, those that stand twice included. `None` if it is no JSON object;
/// what was found until then means nothing. Whether `text` is UTF-8 is not looked at.
pub(super) fn pairs(text: &[u8], mut found: impl FnMut(Pair)) -> Option<()> {
    let mut open = Open::default();
    let (start, brace) = next(text, 0)?;
    let (mut at, mut byte) = next(text, start + 1)?;
    if brace != b'{' {
        return None;
    }
    if byte != b'}' {
        loop {
            let name = at;
            let plain = plain(text, after_quote(at, byte)?)?;
            let is_plain = *text.get(plain)? == b'"';
            let name_end = if is_plain {
                plain + 1
            } else {
                escaped(text, plain)?
            };
            let (start, first) = colon(text, name_end)?;
            let end = value(text, start, first, &mut open)?;
            found(Pair {
                name: name..name_end,
                is_plain,
                value: start..end,
            });
            (at, byte) = next(text, end)?;
            match byte {
                b',' => (at, byte) = next(text, at + 1)?,
                b'}' => break,
                _ => return None,
            }
        }
    }
    next(text, at + 1).is_none().then_some(())
}

// Where each of these is done, or `None`: places are handed on rather than kept, so that they stay in a register, together with
// the byte that stands there.

/// The next byte that is no white space.
#[inline(always)]
fn next(text: &[u8], at: usize) -> Option<(usize, u8)> {
    let byte = *text.get(at)?;
    if byte > b' ' {
        Some((at, byte))
    } else {
        next_after_space(text, at)
    }
}

#[inline(never)]
fn next_after_space(text: &[u8], mut at: usize) -> Option<(usize, u8)> {
    while let b' ' | b'\n' | b'\t' | b'\r' = *text.get(at)? {
        at += 1;
    }
    Some((at, *text.get(at)?))
}

#[inline(always)]
fn after_quote(at: usize, byte: u8) -> Option<usize> {
    (byte == b'"').then_some(at + 1)
}

/// After a colon and the white space around it.
#[inline(always)]
fn colon(text: &[u8], at: usize) -> Option<(usize, u8)> {
    let (at, byte) = next(text, at)?;
    if byte == b':' {
        next(text, at + 1)
    } else {
        None
    }
}

/// After a value that begins here, arrays and objects with all that is in them. Nothing is `open` before and after.
fn value(text: &[u8], mut at: usize, mut byte: u8, open: &mut Open) -> Option<usize> {
    loop {
        at = match byte {
            b'"' => string(text, at + 1)?,
            b'{' => {
                (at, byte) = next(text, at + 1)?;
                if byte != b'}' {
                    open.push(true);
                    (at, byte) = name(text, at, byte)?;
                    continue;
                }
                at + 1
            }
            b'[' => {
                (at, byte) = next(text, at + 1)?;
                if byte != b']' {
                    open.push(false);
                    continue;
                }
                at + 1
            }
            b't' => word(text, at, b"true")?,
            b'f' => word(text, at, b"false")?,
            b'n' => word(text, at, b"null")?,
            _ => number(text, at)?,
        };
        loop {
            let Some(is_object) = open.last() else {
                return Some(at);
            };
            (at, byte) = next(text, at)?;
            match byte {
                b',' => {
                    (at, byte) = next(text, at + 1)?;
                    if is_object {
                        (at, byte) = name(text, at, byte)?;
                    }
                    break;
                }
                b'}' if is_object => open.pop(),
                b']' if !is_object => open.pop(),
                _ => return None,
            }
            at += 1;
        }
    }
}

/// After a name inside of a value and its colon: where its value begins.
#[inline(always)]
fn name(text: &[u8], at: usize, byte: u8) -> Option<(usize, u8)> {
    colon(text, string(text, after_quote(at, byte)?)?)
}

/// After a string, whose opening quote stands before.
#[inline(always)]
fn string(text: &[u8], at: usize) -> Option<usize> {
    let at = plain(text, at)?;
    if *text.get(at)? == b'"' {
        Some(at + 1)
    } else {
        escaped(text, at)
    }
}

/// The same for a string in which something else than plain text begins here.
#[inline(never)]
fn escaped(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = match *text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => plain(text, escape(text, at)?)?,
            _ => return None,
        };
    }
}

/// Goes to what is more than a part of a string: its end, an escape, or a control character, which may not stand there.
/// Eight bytes at a time: a search for single bytes by the processor's widest registers costs more than it saves, since
/// most strings are short.
#[inline(always)]
fn plain(text: &[u8], mut at: usize) -> Option<usize> {
    while let Some(eight) = text.get(at..)?.first_chunk() {
        let ends = ends_plain(u64::from_le_bytes(*eight));
        if ends != 0 {
            return Some(at + (ends.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let rest = text.get(at..)?;
    let end = rest
        .iter()
        .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')?;
    Some(at + end)
}

fn escape(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at + 1..)?;
    let long = match rest.first()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
        b'u' if rest.get(1..5)?.iter().all(u8::is_ascii_hexdigit) => 6,
        _ => return None,
    };
    Some(at + long)
}

fn word(text: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    let is_there = text.get(at..)?.starts_with(word);
    is_there.then_some(at + word.len())
}

fn number(text: &[u8], mut at: usize) -> Option<usize> {
    if text.get(at) == Some(&b'-') {
        at += 1;
    }
    at = match text.get(at)? {
        b'0' => at + 1,
        _ => digits(text, at)?,
    };
    if text.get(at) == Some(&b'.') {
        at = digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = text.get(at) {
            at += 1;
        }
        at = digits(text, at)?;
    }
    // Also `01`: what follows a number is looked at by whoever asked for it, and a digit is nothing that may.
    Some(at)
}

fn digits(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    (at > start).then_some(at)
}

/// The arrays and objects that the scanner is in: a bit for each, set for an object.
#[derive(Default)]
struct Open {
    depth: usize,
    /// The innermost, the last of them lowest.
    bits: u64,
    /// Those around them, 64 in each.
    outer: Vec<u64>,
}

impl Open {
    fn last(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.bits & 1 == 1)
    }

    fn push(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(is_object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.bits = self.outer.pop().unwrap_or_default();
        }
    }
}

/// Among eight bytes, marks in its highest bit the first one that is below 0x20, a quote or a backslash. Bits above that one
/// mean nothing: subtracting borrows from there. (Hacker's Delight, 6-1.)
const fn ends_plain(word: u64) -> u64 {
    let quote = word ^ eight(b'"');
    let escape = word ^ eight(b'\\');
    let ends = (quote.wrapping_sub(eight(1)) & !quote)
        | (escape.wrapping_sub(eight(1)) & !escape)
        | (word.wrapping_sub(eight(0x20)) & !word);
    ends & eight(0x80)
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use proptest::prelude::*;
    use serde::{
        Deserializer as _,
        de::{MapAccess, Visitor},
    };
    use serde_json::value::RawValue;

    use super::*;

    struct Pairs;

    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(&'de RawValue, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }

    /// What serde_json makes of it.
    fn by_serde(text: &str) -> Option<Vec<(String, String)>> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let pairs = reader.deserialize_map(Pairs).ok()?;
        reader.end().ok()?;
        let pairs = pairs.into_iter();
        let text = |raw: &RawValue| raw.get().to_owned();
        Some(
            pairs
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        )
    }

    fn ours(text: &str) -> Option<Vec<(String, String)>> {
        let mut found = Vec::new();
        let cut = |place: Range<usize>| text[place].to_owned();
        pairs(text.as_bytes(), |pair| {
            let name = cut(pair.name);
            assert_eq!(pair.is_plain, !name.contains('\\'), "{name}");
            found.push((name, cut(pair.value)));
        })?;
        Some(found)
    }

    #[test]
    fn it_reads_what_serde_json_reads() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500));
        let mixed = |depth| {
            let nested = (0..depth).fold("1".to_owned(), |inner, n| match n % 3 {
                0 => format!("[{inner}]"),
                1 => format!("{{\"n\":{inner}}}"),
                _ => format!("[{inner},2]"),
            });
            format!("{{\"a\":{nested}}}")
        };
        for text in [
            "{}",
            " { } ",
            "{\"a\":1}",
            "{\"a\" : [ ] , \"b\":{ } }\n",
            "{\"a\":1,}",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":-}",
            "{\"a\":-0}",
            "{\"a\":1.}",
            "{\"a\":1.5e+7}",
            "{\"a\":1e}",
            "{\"a\":.5}",
            "{\"a\":+1}",
            "{\"a\":1e400}",
            "{\"a\":tru}",
            "{\"a\":true}",
            "{\"a\":truex}",
            "{\"a\":nul",
            "{\"a\":\"\\ud83d\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\u{1}\"}",
            "{\"a\":\"\u{7f}日本\"}",
            "{\"a\":\"",
            "{\"a\":\"\\",
            "{\"a\":\"\\u12",
            "{\"\\u0061\":1,\"a\":2}",
            "{\"a\":[1,2,{\"b\":[{}]}],\"c\":null}",
            "{\"a\":[1,]}",
            "{\"a\":[1 2]}",
            "{\"a\":{\"b\"}}",
            "{\"a\":[}",
            "{\"a\":{]}",
            "[]",
            "null",
            "",
            "{",
            "}",
            "{} x",
            "{}{}",
            "\u{feff}{}",
            &deep,
            &mixed(63),
            &mixed(64),
            &mixed(65),
            &mixed(66),
            &mixed(126),
            &mixed(127).replace("]]", "]}"),
            &mixed(100).replacen("}", "]", 1),
        ] {
            assert_eq!(ours(text), by_serde(text), "{text:?}");
        }
    }

    #[test]
    fn the_first_byte_that_ends_plain_text_is_found_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let ends = byte < 0x20 || byte == b'"' || byte == b'\\';
            for neighbour in [0x20, 0x21, b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                for place in 0..8 {
                    let mut bytes = [neighbour; 8];
                    bytes[place] = byte;
                    let found = ends_plain(u64::from_le_bytes(bytes));
                    let expected = if ends { place as u32 } else { 8 };
                    assert_eq!(found.trailing_zeros() / 8, expected, "{bytes:?}");
                }
            }
        }
    }

    /// Texts that are JSON, or nearly.
    fn nearly_json() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("{"),
            Just("}"),
            Just("["),
            Just("]"),
            Just(","),
            Just(":"),
            Just("\""),
            Just("\\"),
            Just("\\u00"),
            Just("\\ud8"),
            Just("\"a\""),
            Just("\"a\":"),
            Just("0"),
            Just("1"),
            Just("-"),
            Just("."),
            Just("e"),
            Just("E+"),
            Just("true"),
            Just("false"),
            Just("null"),
            Just("t"),
            Just(" "),
            Just("\n"),
            Just("\t"),
            Just("\u{1}"),
            Just("é"),
        ];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    /// Values that are JSON, with white space.
    fn value() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just("\"\\\"x\\\\\"".to_owned()),
            any::<f64>().prop_map(|n| serde_json::to_string(&n).unwrap()),
            any::<i64>().prop_map(|n| n.to_string()),
            any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        ];
        leaf.prop_recursive(6, 64, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5)
                    .prop_map(|all| format!("[ {} ]", all.join(" ,"))),
                prop::collection::vec(("[a-c]{0,2}", inner), 0..5).prop_map(|all| {
                    let all: Vec<_> = all
                        .iter()
                        .map(|(name, value)| format!("\"{name}\" : {value}"))
                        .collect();
                    format!("{{{}}}", all.join(", "))
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn it_agrees_with_serde_json_on_what_is_nearly_json(inner in nearly_json()) {
            for text in [inner.clone(), format!("{{\"a\":{inner}}}"), format!("{{{inner}}}")] {
                prop_assert_eq!(ours(&text), by_serde(&text), "{:?}", text);
            }
        }

        #[test]
        fn it_agrees_with_serde_json_on_json_and_on_what_is_cut_off(text in value(), cut in any::<prop::sample::Index>()) {
            prop_assert_eq!(ours(&text), by_serde(&text));
            let text = format!("{{\"a\":{text},\"b\":{text}}}");
            prop_assert_eq!(ours(&text), by_serde(&text));
            let mut end = cut.index(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            prop_assert_eq!(ours(&text[..end]), by_serde(&text[..end]));
        }
    }
}
