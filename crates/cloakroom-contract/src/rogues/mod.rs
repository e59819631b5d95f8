//! Stores that break the law, one way each: the tests of the tests.
//!
//! Each is the reference store with one bug, most of them after one that somebody shipped. A rogue names the cases
//! that must catch it; a case that no rogue names stands in [`WITHOUT_ROGUE`] with the reason. Where a bug shows only in
//! a race, the rogue waits in the middle, so that the race is there every time.

mod cached;
mod optional;
mod owners;
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
    /// What was loaded stays at hand, whatever happens to it.
    CachedForEver => ["cached::it_answers_as_load_does", "cached::what_is_over_is_not_at_hand"];
    /// What was loaded stays at hand until this handle changes it.
    CachedByHandle => ["cached::changes_of_other_handles_are_seen"];
    /// `cached` finds an expired session that was not swept yet.
    CachedExpired => ["cached::what_is_over_is_not_at_hand"];
    /// `cached` tells the revision of the last time that somebody loaded.
    CachedRevision => ["cached::it_answers_with_the_revision"];
    /// `renew_all` answers for the whole as its first session.
    RenewAllAnswersOnce => ["expiry::renewals_together_have_answers_of_their_own"];
    /// `renew_all` begins with the last one.
    RenewAllBackwards => ["expiry::renewals_together_have_answers_of_their_own"];
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
    LongTimesRefused => [
        "expiry::long_ttls_are_cut_and_never_refused",
        "owners::claims_take_the_longest_time",
    ];
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
        "owners::an_outage_is_an_error_and_never_an_answer",
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
    /// A claim is made only where the session exists already: a crash in between hides a live session.
    ClaimNeedsSession => [
        "owners::a_claim_stands_before_its_session_exists",
        "owners::a_sign_in_beside_a_revocation_is_before_or_after",
    ];
    /// A claim made again gets a new time: ZADD without NX.
    ClaimAgainMoves => [
        "owners::a_claim_made_again_keeps_its_time_and_place",
        "owners::random_sequences_agree_with_the_model",
    ];
    /// A claim made again for less is kept for less.
    ClaimAgainShortens => ["owners::a_claim_made_again_never_shortens_its_time"];
    /// The index forgets what its claims were to be kept for: better-auth#10992.
    ClaimKeptForAMinute => ["owners::a_claim_is_kept_for_its_time"];
    /// A claim made again is taken away and put back.
    ClaimInPieces => ["owners::a_dropped_claim_is_before_or_after"];
    /// A claim has its time first and is written then: a revocation in between does not find it.
    ClaimIsWrittenLate => ["owners::a_sign_in_beside_a_revocation_is_before_or_after"];
    /// The times are the clock's, and two sign-ins of one millisecond are one.
    ClaimsByAppClock => [
        "owners::times_are_strictly_increasing",
        "owners::claims_are_listed_oldest_first",
    ];
    /// The next time is read first and written then.
    TimesInTwoSteps => ["owners::times_are_strictly_increasing_in_parallel"];
    /// Each handle has a block of times, as sequences with a cache have.
    TimesInBlocks => ["owners::times_agree_with_the_order_of_calls"];
    /// The limit counts without the one that comes.
    LimitLetsOneMore => [
        "owners::the_limit_names_the_oldest_beyond_it",
        "owners::random_sequences_agree_with_the_model",
    ];
    /// Who claims again may be told to go.
    LimitNamesClaimed => ["owners::the_limit_never_names_the_claimed_one"];
    /// The limit is counted first and the claim made then: all of many are within it.
    LimitInTwoSteps => ["owners::parallel_claims_with_a_limit_leave_the_newest"];
    /// The listing is in the order of the ids.
    OwnedByIds => ["owners::claims_are_listed_oldest_first"];
    /// The listing has a first page and no second.
    OwnedIsAPage => ["owners::thousands_of_claims_are_listed_and_released"];
    /// The listing has the time of a clock that is a day ahead.
    OwnedByAnotherClock => ["owners::a_listing_tells_the_time"];
    /// The listing has the time of the store's start.
    OwnedWithoutTime => ["owners::a_listing_tells_the_time"];
    /// Each handle remembers its first listing.
    OwnedIsCached => ["owners::a_change_is_seen_from_every_handle"];
    /// The listing throws away what is over on its way.
    OwnedWrites => ["owners::reading_works_where_writing_does_not"];
    /// A release of one is a release of all.
    ReleaseTakesAll => [
        "owners::release_takes_away_what_it_names",
        "owners::random_sequences_agree_with_the_model",
    ];
    /// A release takes away one after the other.
    ReleaseInPieces => ["owners::a_dropped_release_is_before_or_after"];
    /// A release ends the sessions.
    ReleaseEndsSessions => ["owners::it_leaves_sessions_alone"];
    /// Owners are compared as a text column does: without case and outer blanks.
    OwnersAsText => ["owners::owners_of_any_bytes_stay_apart"];
    /// All namespaces have one index.
    IndexOneNamespace => ["owners::its_own_namespace_alone"];
    /// The index's key is the namespace's name and the owner, with nothing in between.
    IndexJoinedKeys => ["owners::nested_namespaces_stay_apart"];
    /// A revocation of one is a revocation of all.
    RevokeIsForAll => ["owners::a_revocation_concerns_its_owner_alone"];
    /// The time is known first, and the revision told then.
    RevokeInPieces => ["owners::a_dropped_revocation_is_before_or_after"];
    /// The revision is told first: who asks in between remembers the old answer under the new revision.
    RevokeTellsFirst => ["owners::the_revision_is_never_ahead_of_what_it_counts"];
    /// Revocations are forgotten after a day.
    RevocationLapses => ["owners::a_revocation_stands_for_its_time"];
    /// Only the owner's own revocation counts.
    RevokedAtIgnoresEverybody => ["owners::a_revocation_of_everybody_concerns_everybody"];
    /// Everybody's revocation counts only where the owner has none.
    RevokedAtPrefersOwner => [
        "owners::the_later_revocation_counts",
        "owners::random_sequences_agree_with_the_model",
    ];
    /// Whoever has no session in the index cannot be revoked.
    RevokedAtNeedsClaims => [
        "owners::a_revocation_concerns_its_owner_alone",
        "owners::a_revocation_of_everybody_concerns_everybody",
    ];
    /// The revision is one of two.
    RevisionToggles => ["owners::the_revision_changes_with_each_revocation"];
    /// A revocation of everybody changes no revision.
    RevisionOfOwnersAlone => ["owners::the_revision_changes_with_each_revocation"];
    /// Each sign-in is a new revision.
    RevisionCountsClaims => ["owners::the_revision_changes_with_nothing_else"];
    /// The load with a revision knows no tombstones.
    RevisionHidesTombstones => ["owners::load_with_revision_answers_as_load"];
    /// Claims and revocations were in memory only.
    ReopenLosesOwners => ["owners::claims_and_revocations_survive"];
}

/// The cases that no rogue shows to work, with the reason.
pub const WITHOUT_ROGUE: &[(&str, &str)] = &[
    ("durability::acknowledged_survives_a_killed_process", KILLED),
    ("owners::acknowledged_survives_a_killed_process", KILLED),
];

const KILLED: &str = "the rogues live in this process's memory and cannot outlive a killed one; tests/killed_process.rs \
                      has a store in a file that acknowledges before it writes";

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
            let store = Arc::new(store);
            Handle::full(store.clone()).with_owner_index(store)
        }))
    }
}
