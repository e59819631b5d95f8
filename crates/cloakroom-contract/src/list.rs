//! The one list of cases. [`cases`] and [`store_contract!`](crate::store_contract) are both made from it.

use crate::Case;

#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_case {
    ([$($callback:tt)*] $($argument:tt)*) => {
        $($callback)*! {
            [$($argument)*]
            basic {
                missing_is_missing
                what_is_created_is_loaded
                create_refuses_a_live_id
                replace_of_missing_is_gone_and_writes_nothing
                replace_after_end_is_gone
                a_stale_base_is_answered_with_the_current_value
                replace_compares_every_byte
                renew_never_changes_the_bytes
                end_says_whether_the_session_was_live
                ids_of_the_whole_grammar_stay_apart
                a_change_is_seen_from_every_handle
                namespaces_are_isolated
                nested_namespaces_are_isolated
            }
            cached {
                it_answers_as_load_does
                what_is_over_is_not_at_hand
                changes_of_other_handles_are_seen
                it_answers_with_the_revision
            }
            expiry {
                expired_is_missing_before_any_sweep
                renew_never_revives
                replace_never_revives
                an_expired_id_can_be_created_again
                end_after_expiry_is_false_and_final
                zero_ttl_is_over_at_once
                milliseconds_count
                long_ttls_are_cut_and_never_refused
                remaining_is_never_more_than_the_ttl
                renew_shortens_and_lengthens
                renewals_together_have_answers_of_their_own
                replace_sets_a_new_time
                a_refused_replace_leaves_the_time_alone
                a_tombstone_stands_longer_than_the_session_would_have_lived
                a_tombstone_stands_for_its_time_and_no_longer
            }
            races {
                of_many_creators_one_wins
                of_many_replacers_one_wins
                increments_by_replace_all_count
                end_against_replace_leaves_nothing_live
                end_against_renew_leaves_nothing_live
                end_against_create_leaves_nothing_live
                of_many_enders_one_finds_it_live
                of_two_rotations_one_wins
                of_many_retirers_one_wins
                retire_against_replace_loses_no_write
                retire_against_renew_leaves_nothing_live
                retire_against_end_leaves_it_destroyed
                rotation_against_replace_takes_the_write_along
                increments_before_a_rotation_all_count
                renew_against_replace_keeps_the_new_bytes
                histories_are_linearizable
            }
            retire {
                of_missing_is_gone_and_leaves_nothing
                the_right_base_ends_it_as_rotated
                a_stale_base_is_answered_with_the_current_value
                a_refused_retire_leaves_the_time_alone
                a_renewal_is_no_change
                every_byte_is_compared
                long_values_are_compared_to_the_end
                after_end_is_gone_and_keeps_the_reason
                after_end_leaves_the_tombstones_time_alone
                after_expiry_is_gone_and_leaves_nothing
                nothing_brings_it_back
                its_tombstone_outlives_the_session
                its_tombstone_stands_for_its_time_and_no_longer
                it_is_seen_from_every_handle
                it_ends_nothing_in_other_namespaces
            }
            rotation {
                the_old_id_ends_and_the_new_one_is_live
                a_chain_of_rotations_ends_all_before
                create_never_revives
                destroyed_replaces_rotated
                rotated_never_replaces_destroyed
                a_taken_target_is_refused
            }
            cancel {
                a_dropped_create_is_before_or_after
                a_dropped_replace_is_before_or_after
                a_dropped_renew_is_before_or_after
                a_dropped_end_is_before_or_after
                a_dropped_retire_is_before_or_after
            }
            faults {
                an_outage_is_an_error_and_never_an_answer
                an_outage_is_an_error_for_sweep_and_scan
                it_recovers_without_being_opened_again
                reading_works_where_writing_does_not
            }
            durability {
                live_sessions_survive
                expired_sessions_stay_expired
                tombstones_survive
                acknowledged_survives_a_killed_process
            }
            wire {
                any_bytes_come_back
                long_values_come_back
                express_values_come_back
            }
            sweep {
                it_deletes_only_what_is_over
                it_is_bounded_and_comes_to_an_end
                it_spares_tombstones_until_their_time
            }
            scan {
                it_lists_exactly_the_live_sessions
                it_says_how_long_each_session_lives
                it_is_complete_under_concurrent_writes
                it_lists_its_own_namespace_alone
                a_foreign_cursor_does_no_harm
            }
            model {
                random_sequences_agree_with_the_model
            }
            owners {
                claims_are_listed_oldest_first
                a_claim_stands_before_its_session_exists
                a_claim_made_again_keeps_its_time_and_place
                a_claim_made_again_never_shortens_its_time
                a_claim_is_kept_for_its_time
                claims_take_the_longest_time
                release_takes_away_what_it_names
                thousands_of_claims_are_listed_and_released
                owners_of_any_bytes_stay_apart
                its_own_namespace_alone
                nested_namespaces_stay_apart
                a_change_is_seen_from_every_handle
                the_limit_names_the_oldest_beyond_it
                the_limit_never_names_the_claimed_one
                parallel_claims_with_a_limit_leave_the_newest
                times_are_strictly_increasing
                times_are_strictly_increasing_in_parallel
                times_agree_with_the_order_of_calls
                a_listing_tells_the_time
                a_revocation_concerns_its_owner_alone
                a_revocation_of_everybody_concerns_everybody
                the_later_revocation_counts
                a_revocation_stands_for_its_time
                the_revision_changes_with_each_revocation
                the_revision_changes_with_nothing_else
                the_revision_is_never_ahead_of_what_it_counts
                it_leaves_sessions_alone
                load_with_revision_answers_as_load
                a_sign_in_beside_a_revocation_is_before_or_after
                claims_and_revocations_survive
                acknowledged_survives_a_killed_process
                an_outage_is_an_error_and_never_an_answer
                reading_works_where_writing_does_not
                a_dropped_claim_is_before_or_after
                a_dropped_release_is_before_or_after
                a_dropped_revocation_is_before_or_after
                random_sequences_agree_with_the_model
            }
        }
    };
}

macro_rules! table {
    ([] $($module:ident { $($case:ident)* })*) => {
        const CASES: &[Case] = &[$($(
            Case::new(concat!(stringify!($module), "::", stringify!($case)), |factory| {
                Box::pin($crate::cases::$module::$case(factory))
            }),
        )*)*];
    };
}

__for_each_case!([table]);

/// Every case of the contract, in the order in which [`run_all`](crate::run_all) runs them.
#[must_use]
pub fn cases() -> &'static [Case] {
    CASES
}

/// The case of this name: `find("basic::missing_is_missing")`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Case> {
    cases().iter().find(|case| case.name() == name)
}

/// Makes one test per case for the stores of a [`StoreFactory`](crate::StoreFactory): `store_contract!(MyFactory)` or
/// `store_contract!(MyFactory::new("redis://..."))`. The expression is evaluated once per test.
///
/// The tests stand in one module per part of the law, so that a listing shows `basic::missing_is_missing`; to run it on
/// two stores in one file, put each into a module of its own. Every test brings its own multi-threaded runtime.
#[macro_export]
macro_rules! store_contract {
    ($factory:expr) => {
        $crate::__for_each_case!([$crate::__tests] $factory);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ([$factory:expr] $($module:ident $cases:tt)*) => {
        $(
            mod $module {
                #[allow(unused_imports)]
                use super::*;
                $crate::__tests_of!([$factory] $module $cases);
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests_of {
    ([$factory:expr] $module:ident { $($case:ident)* }) => {
        $(
            #[test]
            fn $case() {
                $crate::test(concat!(stringify!($module), "::", stringify!($case)), &$factory);
            }
        )*
    };
}
