//! Bytes: sets of them, looked up and not searched, and the search for one of them.

/// For each byte, whether it is an ASCII letter, a digit or one of `others`.
pub(crate) const fn alphanumeric_or(others: &[u8]) -> [bool; 256] {
    let mut set = [false; 256];
    let mut byte = 0;
    while byte < set.len() {
        set[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut other = 0;
    while other < others.len() {
        set[others[other] as usize] = true;
        other += 1;
    }
    set
}

/// The same byte eight times.
pub(crate) const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Where `byte` stands first. Eight bytes are looked at at a time, which is enough for headers: what finds them 32 at a time
/// takes longer to begin.
pub(crate) fn find(text: &[u8], byte: u8) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = text.get(at..)?.first_chunk() {
        let differs = u64::from_le_bytes(*word) ^ eight(byte);
        // A byte that is zero, marked in its highest bit; above the first one, the marks mean nothing.
        let zeros = differs.wrapping_sub(eight(1)) & !differs & eight(0x80);
        if zeros != 0 {
            return Some(at + (zeros.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let rest = text.get(at..)?.iter();
    Some(at + rest.copied().position(|other| other == byte)?)
}

/// What stands between the places of `byte`: one piece more than there are places.
pub(crate) fn split(text: &[u8], byte: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (piece, after) = match find(text, byte) {
            Some(at) => (text.get(..at)?, text.get(at + 1..)),
            None => (text, None),
        };
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_are_those_of_the_library(
            text in prop::collection::vec(prop_oneof![Just(b';'), Just(b':'), Just(b'<'), any::<u8>()], 0..40),
        ) {
            let expected: Vec<_> = text.split(|&byte| byte == b';').collect();
            prop_assert_eq!(split(&text, b';').collect::<Vec<_>>(), expected);
            for byte in [0, 1, 0x7f, 0x80, 0xff, b'%'] {
                let expected = text.iter().position(|&other| other == byte);
                prop_assert_eq!(find(&text, byte), expected);
            }
        }
    }

    #[test]
    fn a_set_has_letters_digits_and_the_others() {
        let set = alphanumeric_or(b"-_");
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            assert_eq!(set[usize::from(byte)], expected, "{byte}");
        }
    }
}
