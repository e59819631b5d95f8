//! Stores that break the law, one way each: the tests of the tests.
//!
//! Each is the reference store with one bug, most of them after one that somebody shipped. A rogue names the cases
//! that must catch it; a case that no rogue names stands in [`WITHOUT_ROGUE`] with the reason. Where a bug shows only in
//! a race, the rogue waits in the middle, so that the race is there every time.

mod optional;
mod retire;
mod rules;
mod store;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use cloakroom_core::Error;

use crate::{Handle, Opened, StoreFactory, reference};

pub use store::RogueStore;

macro_rules! rogues {
    ($($(#[doc = $story:literal])+ $name:ident => [$($case:literal),+ $(,)?];)+) => {
        /// A way to break the law.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rogue {
            $($(#[doc = $story])+ $name,)+
        }

        impl Rogue {
            /// Every rogue.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The cases that must catch this rogue. Others may catch it too.
            #[must_use]
            pub fn caught_by(self) -> &'static [&'static str] {
                match self {
                    $(Self::$name => &[$($case),+],)+
                }
            }
        }
    };
}

rogues! {
    /// `load` takes the session away, as GETDEL does.
    LoadConsumes => ["basic::what_is_created_is_loaded"];
    /// `create` overwrites a live session.
    CreateOverwrites => ["basic::create_refuses_a_live_id", "rotation::a_taken_target_is_refused"];
    /// `create` makes an ended session live again.
    CreateOverTombstone => ["rotation::create_never_revives"];
    /// `create` finds an expired session that was not swept yet, and refuses.
    CreateTripsOverExpired => ["expiry::an_expired_id_can_be_created_again"];
    /// `create` looks first and writes then.
    CreateInTwoSteps => [
        "races::of_many_creators_one_wins",
        "races::end_against_create_leaves_nothing_live",
    ];
    /// `create` claims the id first and fills in the bytes then.
    CreateInPieces => ["cancel::a_dropped_create_is_before_or_after"];
    /// `create` under a tombstone keeps the session for when the tombstone is gone.
    CreateHides => ["expiry::a_tombstone_stands_for_its_time_and_no_longer"];
    /// `replace` makes a session where there is none: connect-redis' SET, and most `save` methods.
    ReplaceUpserts => [
        "basic::replace_of_missing_is_gone_and_writes_nothing",
        "basic::replace_after_end_is_gone",
        "races::end_against_replace_leaves_nothing_live",
        "races::retire_against_replace_loses_no_write",
        "races::rotation_against_replace_takes_the_write_along",
        "model::random_sequences_agree_with_the_model",
    ];
    /// `replace` takes whatever base: the last writer wins.
    ReplaceIgnoresBase => [
        "basic::a_stale_base_is_answered_with_the_current_value",
        "races::of_many_replacers_one_wins",
    ];
    /// `replace` compares as a text column does: without case and outer blanks.
    ReplaceComparesText => ["basic::replace_compares_every_byte"];
    /// `replace` reads, compares and writes in two steps: GET, then SET.
    ReplaceInTwoSteps => [
        "races::of_many_replacers_one_wins",
        "races::increments_by_replace_all_count",
        "races::end_against_replace_leaves_nothing_live",
        "races::retire_against_replace_loses_no_write",
        "races::rotation_against_replace_takes_the_write_along",
        "races::histories_are_linearizable",
    ];
    /// `replace` writes the bytes first and the time to live then.
    ReplaceInPieces => ["cancel::a_dropped_replace_is_before_or_after"];
    /// `replace` keeps the old time to live, as SET with KEEPTTL does.
    ReplaceKeepsTime => ["expiry::replace_sets_a_new_time"];
    /// `replace` finds an expired session that was not swept yet.
    ReplaceRevives => ["expiry::replace_never_revives"];
    /// `replace` renews although it refuses.
    RefusedReplaceRenews => ["expiry::a_refused_replace_leaves_the_time_alone"];
    /// `renew` writes the bytes that this handle loaded last.
    RenewWritesBack => ["basic::renew_never_changes_the_bytes"];
    /// `renew` finds an expired session that was not swept yet.
    RenewRevives => ["expiry::renew_never_revives"];
    /// `renew` keeps the longer of two times, as EXPIRE with GT does.
    RenewNeverShortens => ["expiry::renew_shortens_and_lengthens"];
    /// `renew` reads the session and writes it with a new time: GET, then SETEX.
    RenewInTwoSteps => [
        "races::end_against_renew_leaves_nothing_live",
        "races::retire_against_renew_leaves_nothing_live",
        "races::renew_against_replace_keeps_the_new_bytes",
    ];
    /// `renew` takes the session away and puts it back.
    RenewInPieces => ["cancel::a_dropped_renew_is_before_or_after"];
    /// `end` deletes and leaves no tombstone.
    EndLeavesNothing => [
        "basic::missing_is_missing",
        "basic::replace_after_end_is_gone",
        "rotation::create_never_revives",
        "races::end_against_create_leaves_nothing_live",
    ];
    /// `end` leaves a tombstone only where a session was live.
    EndNeedsLive => ["basic::missing_is_missing"];
    /// `end` answers true whatever it found.
    EndIsAlwaysTrue => ["basic::end_says_whether_the_session_was_live"];
    /// `end` takes an expired session that was not swept yet for a live one.
    EndCountsExpired => ["expiry::end_after_expiry_is_false_and_final"];
    /// `end` looks first and writes then.
    EndInTwoSteps => [
        "races::of_many_enders_one_finds_it_live",
        "races::retire_against_end_leaves_it_destroyed",
    ];
    /// `end` deletes the session first and leaves the tombstone then.
    EndInPieces => ["cancel::a_dropped_end_is_before_or_after"];
    /// `retire` is `end`, whatever the base and whether there is a session.
    RetireIsEnd => [
        "retire::of_missing_is_gone_and_leaves_nothing",
        "retire::after_expiry_is_gone_and_leaves_nothing",
        "retire::a_stale_base_is_answered_with_the_current_value",
        "retire::it_ends_nothing_in_other_namespaces",
        "model::random_sequences_agree_with_the_model",
    ];
    /// `retire` ends a live session by whatever base: what others wrote after it was read is lost with the old id.
    RetireIgnoresBase => [
        "retire::a_stale_base_is_answered_with_the_current_value",
        "retire::every_byte_is_compared",
        "races::retire_against_replace_loses_no_write",
        "races::rotation_against_replace_takes_the_write_along",
        "races::increments_before_a_rotation_all_count",
        "model::random_sequences_agree_with_the_model",
    ];
    /// `retire` compares as a text column does: without case and outer blanks.
    RetireComparesText => ["retire::every_byte_is_compared"];
    /// `retire` compares the length and the first page of the bytes.
    RetireComparesHead => ["retire::long_values_are_compared_to_the_end"];
    /// `retire` compares with the bytes that this handle loaded last.
    RetireComparesSeen => ["retire::it_is_seen_from_every_handle"];
    /// `retire` takes a renewed session for a changed one: the version is the row's, not the bytes'.
    RetireCountsRenewals => [
        "retire::a_renewal_is_no_change",
        "races::retire_against_renew_leaves_nothing_live",
    ];
    /// `retire` compares first and ends then: GET, then DEL.
    RetireInTwoSteps => [
        "races::of_many_retirers_one_wins",
        "races::of_two_rotations_one_wins",
        "races::retire_against_replace_loses_no_write",
        "races::retire_against_end_leaves_it_destroyed",
        "races::rotation_against_replace_takes_the_write_along",
        "races::increments_before_a_rotation_all_count",
        "races::histories_are_linearizable",
    ];
    /// `retire` deletes the session first and leaves the tombstone then.
    RetireInPieces => ["cancel::a_dropped_retire_is_before_or_after"];
    /// `retire` deletes and leaves no tombstone.
    RetireLeavesNothing => [
        "retire::the_right_base_ends_it_as_rotated",
        "retire::nothing_brings_it_back",
        "rotation::the_old_id_ends_and_the_new_one_is_live",
        "rotation::a_chain_of_rotations_ends_all_before",
        "sweep::it_spares_tombstones_until_their_time",
        "durability::tombstones_survive",
    ];
    /// `retire` leaves the tombstone of a sign-out: the rotating tab's other requests are told that they are anonymous.
    RetireSaysDestroyed => [
        "retire::the_right_base_ends_it_as_rotated",
        "rotation::the_old_id_ends_and_the_new_one_is_live",
        "model::random_sequences_agree_with_the_model",
    ];
    /// `retire` after a sign-out makes it look like a rotation.
    RetireDowngrades => [
        "retire::after_end_is_gone_and_keeps_the_reason",
        "races::retire_against_end_leaves_it_destroyed",
        "model::random_sequences_agree_with_the_model",
    ];
    /// `retire` of an ended session gives the tombstone a new time.
    RetireRestartsTombstone => ["retire::after_end_leaves_the_tombstones_time_alone"];
    /// `retire` leaves a mark for `load` alone; the session is there for everything else.
    RetireIsSoft => [
        "retire::nothing_brings_it_back",
        "rotation::the_old_id_ends_and_the_new_one_is_live",
        "scan::it_lists_exactly_the_live_sessions",
    ];
    /// `retire` finds an expired session that was not swept yet.
    RetireCountsExpired => ["retire::after_expiry_is_gone_and_leaves_nothing"];
    /// `retire` answers a stale base with what this handle loaded last.
    RetireAnswersStale => ["retire::a_stale_base_is_answered_with_the_current_value"];
    /// `retire` renews although it refuses.
    RefusedRetireRenews => ["retire::a_refused_retire_leaves_the_time_alone"];
    /// The tombstone of `retire` inherits the session's time to live.
    RetireTombstoneInheritsTime => [
        "retire::its_tombstone_outlives_the_session",
        "retire::its_tombstone_stands_for_its_time_and_no_longer",
    ];
    /// The tombstone of `retire` stands for ever.
    RetireTombstoneStays => ["retire::its_tombstone_stands_for_its_time_and_no_longer"];
    /// `retire` ends the session of this id in every namespace.
    RetireInAllNamespaces => ["retire::it_ends_nothing_in_other_namespaces"];
    /// In an outage `retire` says that the session is gone: the new session is thrown away with the sign-in.
    RetireOutageIsGone => ["faults::an_outage_is_an_error_and_never_an_answer"];
    /// What cannot be written is gone to `retire`.
    RetireReadOnlyIsGone => ["faults::reading_works_where_writing_does_not"];
    /// Retired sessions are back when the store is opened again.
    RetireIsNotWritten => ["durability::tombstones_survive"];
    /// The tombstone inherits the session's time to live.
    TombstoneInheritsTime => [
        "expiry::a_tombstone_stands_longer_than_the_session_would_have_lived",
    ];
    /// The tombstone stands for ever.
    TombstoneStays => ["expiry::a_tombstone_stands_for_its_time_and_no_longer"];
    /// The first reason stays, whatever comes later.
    FirstReasonStays => ["rotation::destroyed_replaces_rotated"];
    /// The last reason stays, whatever was before.
    LastReasonStays => ["rotation::rotated_never_replaces_destroyed"];
    /// Sessions are served until they are swept.
    ExpiredUntilSwept => ["expiry::expired_is_missing_before_any_sweep"];
    /// A time to live of zero is none: better-auth#10992.
    ZeroIsForEver => ["expiry::zero_ttl_is_over_at_once"];
    /// Times to live in whole seconds, rounded down: EXPIRE and SETEX.
    SecondsRoundedDown => ["expiry::milliseconds_count"];
    /// Times to live in whole seconds, rounded up.
    SecondsRoundedUp => ["expiry::milliseconds_count"];
    /// Times to live in 32 bits of milliseconds.
    TimesOverflow => ["expiry::long_ttls_are_cut_and_never_refused"];
    /// Long times to live are an error.
    LongTimesRefused => ["expiry::long_ttls_are_cut_and_never_refused"];
    /// `remaining` is what the session was given once, not what is left.
    RemainingStandsStill => ["expiry::remaining_is_never_more_than_the_ttl"];
    /// Ids without case: a column with the usual collation.
    IdsWithoutCase => ["basic::ids_of_the_whole_grammar_stay_apart"];
    /// All namespaces are one.
    OneNamespace => ["basic::namespaces_are_isolated"];
    /// The key is the namespace's name and the id, with nothing in between.
    JoinedKeys => ["basic::nested_namespaces_are_isolated"];
    /// Each handle has a cache that nobody tells of others' changes: the built-in one of redis 1.8.1 under a race.
    StaleCache => ["basic::a_change_is_seen_from_every_handle"];
    /// The bytes go through a string, and what is not UTF-8 is replaced.
    LossyText => ["wire::any_bytes_come_back"];
    /// A column of 64 KiB cuts what is longer.
    CutValues => ["wire::long_values_come_back"];
    /// The value is parsed and written anew by something that knows JSON nearly: `[]` is `{}`, `1.0` is `1`.
    RewrittenJson => ["wire::express_values_come_back"];
    /// An outage looks like "no session": harbor#23290, axum_session, Django's cache backend.
    OutageIsMissing => [
        "faults::an_outage_is_an_error_and_never_an_answer",
        "faults::an_outage_is_an_error_for_sweep_and_scan",
    ];
    /// An outage is an error that says that trying again is of no use.
    OutageIsForGood => ["faults::an_outage_is_an_error_and_never_an_answer"];
    /// After one outage the handle stays broken.
    OutageStays => ["faults::it_recovers_without_being_opened_again"];
    /// `load` renews on the way, so it fails where nothing can be written: aspnetcore#38046.
    LoadWrites => ["faults::reading_works_where_writing_does_not"];
    /// What cannot be written is taken for gone.
    ReadOnlyIsGone => ["faults::reading_works_where_writing_does_not"];
    /// Opening the store again gives every session a new hour, expired ones too.
    ReopenRestartsTime => [
        "durability::live_sessions_survive",
        "durability::expired_sessions_stay_expired",
    ];
    /// Tombstones were in memory only.
    ReopenLosesTombstones => ["durability::tombstones_survive"];
    /// The sweeper's clock is an hour fast: a database in another time zone.
    SweepInAnotherZone => ["sweep::it_deletes_only_what_is_over"];
    /// The sweeper knows no limit.
    SweepWithoutLimit => ["sweep::it_is_bounded_and_comes_to_an_end"];
    /// The sweeper takes tombstones for rubbish.
    SweepTakesTombstones => ["sweep::it_spares_tombstones_until_their_time"];
    /// A page begins one behind the one where it should.
    ScanSkips => ["scan::it_lists_exactly_the_live_sessions"];
    /// A page has all sessions, whatever the limit: KEYS.
    ScanKnowsNoLimit => ["scan::it_lists_exactly_the_live_sessions"];
    /// The listing has expired sessions that were not swept yet.
    ScanListsExpired => ["scan::it_lists_exactly_the_live_sessions"];
    /// The listing does not say how long sessions live.
    ScanWithoutTime => ["scan::it_says_how_long_each_session_lives"];
    /// The cursor is an offset: what ends on an earlier page moves the others forward.
    ScanByOffset => ["scan::it_is_complete_under_concurrent_writes"];
    /// The listing has other namespaces' sessions.
    ScanOfAllNamespaces => ["scan::it_lists_its_own_namespace_alone"];
    /// The listing trusts its cursors.
    ScanPanics => ["scan::a_foreign_cursor_does_no_harm"];
}

/// The cases that no rogue shows to work, with the reason.
pub const WITHOUT_ROGUE: &[(&str, &str)] = &[(
    "durability::acknowledged_survives_a_killed_process",
    "the rogues live in this process's memory and cannot outlive a killed one; tests/killed_process.rs has a store in a \
     file that acknowledges before it writes",
)];

#[async_trait]
impl StoreFactory for Rogue {
    async fn open(&self) -> Result<Opened, Error> {
        let rogue = *self;
        let open_before = Arc::new(AtomicBool::new(false));
        Ok(reference::opened_as(move |inner| {
            let first = !inner.is_sibling() && !open_before.swap(true, Ordering::SeqCst);
            let store = RogueStore::new(rogue, inner);
            if !first {
                store.reopened();
            }
            Handle::full(Arc::new(store))
        }))
    }
}
