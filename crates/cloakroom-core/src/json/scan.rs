//! Where the names and values of a JSON object begin and end.
//!
//! A session is read by every request and most of its names by none, so finding the pieces is all that is done for them. This
//! accepts and refuses what serde_json does (RFC 8259, lone surrogates included), which a test holds it to; it takes a third
//! of the time because it makes nothing of what it sees. Nesting costs memory and no stack.

use std::ops::Range;

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
/// what was found until then means nothing.
pub(super) fn pairs(text: &str, mut found: impl FnMut(Pair)) -> Option<()> {
    let mut scanner = Scanner {
        text: text.as_bytes(),
        at: 0,
        open: Vec::new(),
    };
    scanner.space();
    scanner.expect(b'{')?;
    scanner.space();
    if !scanner.skip(b'}') {
        loop {
            found(scanner.pair()?);
            scanner.space();
            if scanner.skip(b'}') {
                break;
            }
            scanner.expect(b',')?;
            scanner.space();
        }
    }
    scanner.space();
    (scanner.at == scanner.text.len()).then_some(())
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// What closes the arrays and objects that the scanner is in.
    open: Vec<u8>,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip(byte).then_some(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn pair(&mut self) -> Option<Pair> {
        let name = self.at;
        self.expect(b'"')?;
        let is_plain = self.string()?;
        let name = name..self.at;
        self.colon()?;
        let value = self.at;
        self.value()?;
        Some(Pair {
            name,
            is_plain,
            value: value..self.at,
        })
    }

    fn colon(&mut self) -> Option<()> {
        self.space();
        self.expect(b':')?;
        self.space();
        Some(())
    }

    /// A value that begins here, arrays and objects with all that is in them.
    fn value(&mut self) -> Option<()> {
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    self.string()?;
                }
                b'{' => {
                    self.at += 1;
                    self.space();
                    if !self.skip(b'}') {
                        self.open.push(b'}');
                        self.name()?;
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    self.space();
                    if !self.skip(b']') {
                        self.open.push(b']');
                        continue;
                    }
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            if self.after()? {
                return Some(());
            }
        }
    }

    /// After a value: closes what ends here. Answers whether all is closed; otherwise the next value begins here.
    fn after(&mut self) -> Option<bool> {
        while let Some(&close) = self.open.last() {
            self.space();
            if self.skip(close) {
                self.open.pop();
                continue;
            }
            self.expect(b',')?;
            self.space();
            if close == b'}' {
                self.name()?;
            }
            return Some(false);
        }
        Some(true)
    }

    /// A name inside of a value, up to where its value begins.
    fn name(&mut self) -> Option<()> {
        self.expect(b'"')?;
        self.string()?;
        self.colon()
    }

    /// The rest of a string, after its opening quote. Answers whether it has no escapes.
    fn string(&mut self) -> Option<bool> {
        let mut is_plain = true;
        loop {
            self.plain()?;
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(is_plain);
                }
                b'\\' => {
                    is_plain = false;
                    self.escape()?;
                }
                _ => return None,
            }
        }
    }

    /// Goes to what is more than a part of a string: its end, an escape, or a control character, which may not stand there.
    /// Eight bytes at a time: a search for single bytes by the processor's widest registers costs more than it saves, since
    /// most strings are short.
    fn plain(&mut self) -> Option<()> {
        while let Some(eight) = self.text.get(self.at..)?.first_chunk() {
            let ends = ends_plain(u64::from_le_bytes(*eight));
            if ends != 0 {
                self.at += (ends.trailing_zeros() / 8) as usize;
                return Some(());
            }
            self.at += 8;
        }
        let rest = self.text.get(self.at..)?;
        let end = rest
            .iter()
            .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')?;
        self.at += end;
        Some(())
    }

    fn escape(&mut self) -> Option<()> {
        let rest = self.text.get(self.at + 1..)?;
        let long = match rest.first()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' if rest.get(1..5)?.iter().all(u8::is_ascii_hexdigit) => 6,
            _ => return None,
        };
        self.at += long;
        Some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then(|| {
            self.at += word.len();
        })
    }

    fn number(&mut self) -> Option<()> {
        self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        // Also `01`: what follows a number is looked at by whoever asked for it, and a digit is nothing that may.
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

/// The same byte eight times.
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
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
        pairs(text, |pair| {
            let name = cut(pair.name);
            assert_eq!(pair.is_plain, !name.contains('\\'), "{name}");
            found.push((name, cut(pair.value)));
        })?;
        Some(found)
    }

    #[test]
    fn it_reads_what_serde_json_reads() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500));
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
