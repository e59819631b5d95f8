//! The text of names and values.

use std::ops::Range;

use crate::json::Raw;

/// JSON text: a place in the source, or the number of what came later. Four bytes for each number, since every request makes
/// some, and who keeps sessions at hand keeps many.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Read { start: u32, len: u32 },
    Given(u32),
}

/// How long a source can be.
pub(super) const LONGEST: usize = u32::MAX as usize;

/// A place or a length up to [`LONGEST`], or the number of a name or value.
pub(super) fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Piece {
    pub(super) fn read(place: &Range<usize>) -> Self {
        Self::Read {
            start: number(place.start),
            len: number(place.len()),
        }
    }

    pub(super) fn given(raw: Raw, given: &mut Vec<Raw>) -> Self {
        let next = number(given.len());
        given.push(raw);
        Self::Given(next)
    }

    /// Of what came later.
    pub(super) fn number(self) -> Option<u32> {
        match self {
            Self::Read { .. } => None,
            Self::Given(number) => Some(number),
        }
    }
}

/// Where the text of pieces stands.
#[derive(Clone, Copy)]
pub(super) struct Texts<'a> {
    pub(super) source: &'a [u8],
    pub(super) given: &'a [Raw],
}

impl<'a> Texts<'a> {
    pub(super) fn of(self, piece: Piece) -> &'a [u8] {
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
