//! What the rogues take for equal, for live and for an end.

use std::collections::BTreeMap;

use cloakroom_core::{EndReason, Loaded, SessionId, Timestamp, store::TOMBSTONE_TTL};

use super::Rogue;
use crate::reference::{Entry, current, tombstone};

pub(super) type Entries = BTreeMap<SessionId, Entry>;

/// Before every session's end: at this moment nothing has expired.
pub(super) const LONG_AGO: Timestamp = Timestamp::from_millis(i64::MIN);

/// What is there, expired or not.
pub(super) fn unswept(entries: &Entries, id: &SessionId) -> Loaded {
    current(entries.get(id), LONG_AGO)
}

/// Bytes as a text column compares them: without case and outer blanks.
pub(super) fn as_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_ascii_lowercase()
}

/// Whether a rogue's `replace` takes `base` for the stored bytes.
pub(super) fn takes(rogue: Rogue, stored: &[u8], base: &[u8]) -> bool {
    match rogue {
        Rogue::ReplaceIgnoresBase => true,
        Rogue::ReplaceComparesText => as_text(stored) == as_text(base),
        _ => stored == base,
    }
}

/// `end` in one step.
pub(super) fn bury(
    rogue: Rogue,
    entries: &mut Entries,
    id: &SessionId,
    reason: EndReason,
    now: Timestamp,
) -> bool {
    let before = current(entries.get(id), now);
    let was_live = match rogue {
        Rogue::EndCountsExpired => matches!(unswept(entries, id), Loaded::Live(_)),
        _ => matches!(before, Loaded::Live(_)),
    };
    let stands = match (rogue, &before) {
        (Rogue::FirstReasonStays, Loaded::Ended(_)) => true,
        (Rogue::LastReasonStays, _) => false,
        (_, Loaded::Ended(said)) => *said == EndReason::Destroyed || reason == EndReason::Rotated,
        _ => false,
    };
    let mut stone = tombstone(reason, now);
    if let Entry::Tombstone { until, .. } = &mut stone {
        match rogue {
            Rogue::TombstoneStays => *until = now.saturating_add(TOMBSTONE_TTL * 1000),
            Rogue::TombstoneInheritsTime => {
                *until = entries.get(id).map_or(*until, Entry::until);
            }
            _ => {}
        }
    }
    match rogue {
        _ if stands => {}
        Rogue::EndLeavesNothing => {
            entries.remove(id);
        }
        Rogue::EndNeedsLive if !was_live => {}
        _ => {
            entries.insert(id.clone(), stone);
        }
    }
    was_live
}
