//! Raw JSON text: objects whose values are carried as text and decoded only when asked for.
//!
//! JSON that JavaScript writes is not always JSON that Rust reads into values: lone surrogates, nesting beyond 127,
//! numbers that lose digits. Text that is only carried along loses nothing.

mod object;
mod scan;

use std::{borrow::Cow, fmt, str};

use bytes::Bytes;

pub(crate) use object::EntryOf;
pub use object::RawObject;

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

    /// How deep arrays and objects are nested in it: 0 for a number, 1 for `[]`.
    #[must_use]
    pub fn depth(&self) -> usize {
        depth_of(&self.0)
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

/// Names, decoded, and values, as text, of the object that `text` is, in order; of a name that stands twice, both. `None` for
/// every other value. A name that cannot be read is left out.
pub(crate) fn entries_of(text: &[u8], mut each: impl FnMut(&[u8], &[u8])) -> Option<()> {
    scan::pairs(text, |pair| {
        let (name, value) = (&text[pair.name], &text[pair.value]);
        if pair.is_plain {
            each(&name[1..name.len() - 1], value);
        } else if let Some(name) = str::from_utf8(name).ok().and_then(text_of) {
            each(name.as_bytes(), value);
        }
    })
}

/// How deep arrays and objects are nested in JSON text.
pub(crate) fn depth_of(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in outside_strings(text) {
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

/// An integer of JSON text, as serde_json reads it; `None` for every other value.
pub(crate) fn integer_of(text: &[u8]) -> Option<i64> {
    match digits_of(text) {
        Some(number) => i64::try_from(number).ok(),
        None => serde_json::from_slice(text).ok(),
    }
}

/// A number of a few digits and nothing else, which nobody reads in more than one way: all of it is below 10^15. `None` says
/// nothing.
pub(crate) fn digits_of(text: &[u8]) -> Option<u64> {
    if !(1..=15).contains(&text.len()) {
        return None;
    }
    text.iter().try_fold(0, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| number * 10 + u64::from(digit))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn integers_are_read_as_serde_json_reads_them() {
        for text in [
            "0",
            "7",
            "-7",
            "-0",
            "1764105578229",
            "999999999999999",
            "1000000000000000",
            "9223372036854775807",
            "9223372036854775808",
            "1.0",
            "1e3",
            "\"1\"",
            "null",
            "",
            "/",
            ":",
        ] {
            let expected: Option<i64> = serde_json::from_str(text).ok();
            assert_eq!(integer_of(text.as_bytes()), expected, "{text}");
        }
    }
}
