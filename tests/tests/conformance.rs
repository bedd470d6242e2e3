//! One suite for every store: each case runs on each of them, as a test of its own. A store that is added later needs
//! one line below; a case that is added needs its name in the list.

use delay_tests::{Fixture, Memory, Postgres, Sqlite};

mod conformance {
    pub(super) mod actions;
    pub(super) mod cancel;
    pub(super) mod checkpoints;
    pub(super) mod claim;
    pub(super) mod close;
    pub(super) mod crashes;
    pub(super) mod inspect;
    pub(super) mod leases;
    pub(super) mod names;
    pub(super) mod pull;
    pub(super) mod push;
    pub(super) mod queues;
    mod random;
    pub(super) mod retention;
    pub(super) mod settle;
    pub(super) mod signals;
    pub(super) mod worker;
}

/// The stores.
macro_rules! suite {
    ($($group:ident { $($case:ident)+ })+) => {
        on! { memory, Memory::fresh, $($group { $($case)+ })+ }
        on! { sqlite, Sqlite::fresh, $($group { $($case)+ })+ }
        on! { postgres, Postgres::fresh, $($group { $($case)+ })+ }
        on! { postgres_bare, Postgres::bare, $($group { $($case)+ })+ }
    };
}

macro_rules! on {
    ($store:ident, $fresh:path, $($group:ident { $($case:ident)+ })+) => {
        mod $store {
            use super::*;
            $(mod $group {
                use super::*;
                $(#[tokio::test]
                async fn $case() -> delay::Result<()> {
                    conformance::$group::$case(Fixture::open($fresh).await?).await
                })+
            })+
        }
    };
}

suite! {
    push {
        a_pushed_task_is_ready_with_all_that_it_was_given
        a_delay_counts_from_the_stores_time_of_adding
        a_delay_of_zero_means_now
        an_eta_is_kept_to_the_microsecond
        an_eta_that_has_passed_means_now
        a_delay_beyond_the_end_of_time_is_never_due
        adding_the_same_id_again_changes_nothing
        adding_the_id_of_a_finished_task_does_not_run_it_again
        adding_a_named_task_again_is_no_conflict_with_itself
        adding_a_finished_task_again_does_not_take_its_name_again
        adding_a_known_id_under_another_name_takes_no_name
        adding_a_known_id_is_added_though_its_name_has_gone_to_another
        the_answers_of_a_batch_are_aligned_with_its_tasks
        a_batch_of_unlike_tasks_is_there_as_it_was_given
        an_empty_batch_adds_nothing
        a_batch_of_a_thousand_is_there_whole
        a_payload_of_one_mebibyte_comes_back_whole
        an_empty_payload_comes_back_empty
        a_second_connection_sees_what_was_added
        ids_that_differ_in_their_last_byte_are_different_tasks
        an_id_added_again_stays_one_task_though_its_neighbours_went
        more_ids_of_one_millisecond_than_a_counter_of_15_bits_can_all_be_added
    }
    claim {
        a_claim_carries_all_that_the_task_was_given
        a_claimed_task_is_running_under_its_worker
        lower_priority_numbers_are_claimed_first
        a_more_urgent_task_overtakes_one_that_has_waited_for_long
        within_a_priority_the_earlier_eta_is_claimed_first
        with_equal_priority_and_eta_the_older_id_is_claimed_first
        the_order_holds_over_several_claims
        a_scheduled_task_that_is_due_does_not_overtake_by_lateness
        each_queue_gets_its_share_of_a_claim
        what_one_queue_leaves_the_others_get
        what_a_full_claim_left_the_next_one_gets
        no_queue_is_always_served_first
        urgency_in_one_queue_does_not_starve_another
        only_the_named_queues_are_served
        a_worker_of_no_queue_gets_nothing
        a_task_is_not_claimed_before_its_eta
        a_task_is_claimed_at_its_eta_without_upkeep
        a_clock_that_goes_back_makes_nothing_due
        next_tells_how_long_until_the_next_task_is_due
        next_is_nothing_without_scheduled_tasks
        next_counts_what_the_same_turn_puts_back
        a_claim_takes_no_more_than_it_wants
        a_running_task_is_not_claimed_again
        workers_that_claim_at_once_share_without_overlap
        age_counts_from_the_first_claim
    }
    settle {
        a_success_ends_the_task
        a_success_keeps_its_value
        an_empty_value_is_kept_as_one
        a_failure_keeps_its_reason
        a_cancellation_keeps_its_reason
        a_retry_waits_and_has_spent_the_attempt
        a_retry_without_a_wait_is_ready_at_once
        a_snooze_gives_the_attempt_back
        a_snooze_without_a_wait_is_ready_at_once
        a_refund_gives_the_attempt_back_and_keeps_the_place
        a_hold_says_why_and_gives_the_attempt_back
        a_held_task_is_not_claimed
        a_retried_task_runs_again_when_its_wait_is_over
        attempts_count_what_was_spent_and_epochs_each_claim
        a_success_after_a_retry_still_tells_the_last_error
        settling_twice_is_refused_the_second_time
        the_second_of_two_settlements_of_one_turn_is_refused
        the_answers_of_a_turn_are_aligned_with_its_settlements
        a_turn_settles_before_it_claims
        a_settlement_of_an_unknown_task_is_refused
        another_workers_attempt_cannot_be_settled
        an_epoch_that_was_never_claimed_is_refused
        a_waiting_task_cannot_be_settled_under_its_last_epoch
        a_large_turn_is_settled_whole
    }
    leases {
        a_turn_of_an_unknown_worker_is_refused_and_nothing_is_written
        a_beat_of_an_unknown_worker_is_refused
        a_living_workers_tasks_are_left_alone
        a_silent_workers_tasks_are_taken_back_after_the_lease
        a_rescued_task_is_claimed_under_a_higher_epoch
        a_rescued_task_keeps_its_place_in_the_queue
        only_the_silent_workers_tasks_are_taken_back
        one_beat_renews_the_lease_on_all_that_a_worker_holds
        after_a_clock_jump_nothing_is_taken_back_until_workers_have_beaten
        a_lease_that_ran_out_still_counts_until_the_tasks_were_taken_back
        after_a_rescue_every_verb_refuses_the_old_worker
        the_old_fence_is_refused_from_any_worker_and_the_newer_outcome_stands
        a_worker_that_retires_gives_back_what_it_holds
        after_it_retired_a_worker_is_unknown
        a_workers_number_is_never_used_again
        workers_are_listed_as_they_enlisted
        a_worker_whose_lease_ran_out_is_not_listed
        a_lease_without_end_can_be_renewed
    }
    crashes {
        the_first_crash_counts_for_all_that_was_claimed
        later_crashes_count_for_what_had_begun_alone
        claims_tell_how_often_processes_died_under_the_task
        a_crash_spends_no_attempt
        a_start_counts_for_its_own_attempt_only
        to_retire_is_no_crash
        a_task_is_held_after_the_last_crash_that_is_allowed
        with_one_crash_allowed_the_first_holds
        an_operators_retry_releases_a_held_task_counted_anew
    }
    cancel {
        a_ready_task_is_cancelled_at_once
        a_scheduled_task_is_cancelled_at_once
        a_held_task_is_cancelled_at_once_and_held_no_more
        a_running_task_goes_on_until_its_worker_hears_of_it
        a_worker_is_told_until_the_attempt_has_ended
        only_the_worker_that_runs_the_task_is_told
        asking_twice_is_asking_once
        an_attempt_that_was_dropped_for_it_ends_cancelled
        a_success_wins_over_a_cancel_that_came_too_late
        a_cancel_is_honoured_if_the_attempt_was_refunded
        a_cancel_is_honoured_if_the_attempt_failed_and_is_to_be_retried
        a_cancel_is_honoured_before_the_same_turn_claims_the_task_again
        a_cancel_is_honoured_if_the_attempt_was_snoozed
        a_cancel_is_honoured_if_the_worker_retired
        a_cancel_is_honoured_if_the_worker_died
        a_retry_by_an_operator_outlives_the_cancel_before_it
        a_finished_task_cannot_be_cancelled
        an_unknown_task_cannot_be_cancelled
    }
    checkpoints {
        what_a_running_attempt_leaves_is_kept
        a_later_checkpoint_takes_the_place_of_the_one_before
        nothing_removes_what_was_kept
        an_empty_checkpoint_is_one
        a_checkpoint_of_a_mebibyte_comes_back_whole
        a_task_without_one_has_none
        a_second_connection_sees_what_was_kept
        a_stale_fence_keeps_nothing
        a_waiting_task_keeps_nothing_new
        an_epoch_that_was_never_claimed_keeps_nothing
        what_was_kept_outlives_every_way_back
        what_was_kept_outlives_a_crash
        what_was_kept_outlives_a_worker_that_retires
        what_was_kept_outlives_a_hold_and_its_release
        each_end_removes_what_was_kept
        a_retry_by_an_operator_begins_anew
        a_retry_after_the_end_begins_anew
        to_delete_a_task_removes_what_was_kept
        upkeep_leaves_what_running_tasks_have_kept
        more_than_the_limit_is_refused_and_what_was_kept_stays
        a_ready_task_is_suspended_at_once
        a_suspended_task_is_released_to_its_place
        the_worker_of_a_running_task_is_asked
        a_wish_is_over_when_it_is_granted
        a_wish_outlives_a_refund
        a_wish_is_over_when_the_task_ends
        what_does_not_run_and_is_not_ready_cannot_be_suspended
    }
    names {
        a_name_is_taken_while_its_task_is_pending
        a_task_whose_name_was_taken_is_not_there
        a_scheduled_task_has_its_name_already
        a_name_stays_taken_for_the_tombstone_time_after_each_end
        a_name_stays_taken_as_long_as_the_result_is_kept
        a_task_cancelled_while_it_waits_leaves_a_tombstone_too
        a_task_cancelled_on_its_way_back_leaves_a_tombstone_too
        a_task_that_is_to_run_again_keeps_its_name
        a_rescued_task_keeps_its_name
        each_queue_has_names_of_its_own
        names_differ_by_case
        of_two_tasks_of_one_batch_with_one_name_the_first_has_it
        of_callers_at_once_one_gets_the_name
        a_tombstone_outlives_its_task
        a_name_that_was_free_again_is_taken_by_the_next
        to_delete_a_task_frees_its_name
        to_delete_a_former_holder_leaves_the_name_with_the_new_one
        to_retry_a_task_takes_its_name_again
        to_retry_a_task_takes_its_name_again_even_after_the_tombstone
        to_retry_a_task_leaves_its_name_with_another_that_has_it
    }
    actions {
        what_is_held_failed_cancelled_or_scheduled_can_be_retried
        everything_but_a_running_task_can_be_deleted
        a_deleted_task_is_not_claimed
        a_deleted_task_can_be_added_again
        the_answers_are_aligned_with_the_ids
        a_retried_task_counts_its_attempts_anew
        a_retried_task_is_not_pruned_by_its_former_end
        a_retried_task_is_claimed_once
    }
    retention {
        each_end_is_kept_for_its_own_time
        a_task_cancelled_while_it_waits_is_kept_as_long_as_any_cancelled_one
        a_kept_value_outlives_the_time_of_succeeded_tasks
        a_value_kept_for_less_stays_as_long_as_its_task
        a_retention_of_zero_removes_at_once_but_not_a_kept_value
        what_is_kept_for_ever_is_never_removed
        nothing_that_is_pending_is_ever_removed
        finished_tasks_are_removed_in_batches
        due_tasks_become_ready_in_batches
        upkeep_without_anything_to_do_says_so
    }
    inspect {
        get_is_aligned_with_the_ids
        list_gives_whole_records_in_the_order_of_ids
        pages_show_each_task_once_in_both_directions
        a_page_may_begin_beyond_an_id_that_is_gone
        a_limit_of_zero_lists_nothing
        the_largest_limit_lists_everything
        each_filter_narrows_the_choice
        an_empty_prefix_lets_everything_through
        a_prefix_may_be_any_bytes
        counts_are_per_queue_and_state
        an_empty_store_has_nothing_to_show
        ids_of_one_moment_are_listed_in_their_order_too
        ids_of_one_moment_are_each_on_one_page_whatever_order_they_came_in
    }
    signals {
        an_added_task_is_signalled
        a_scheduled_task_is_signalled_so_that_workers_set_their_alarms
        each_subscriber_is_told
        a_task_that_came_back_ready_is_signalled
        the_tasks_of_a_worker_that_retires_are_signalled
        rescued_tasks_are_signalled
        promoted_tasks_are_signalled
        a_retry_by_an_operator_is_signalled
        a_cancel_of_a_running_task_wakes_its_worker
        what_another_connection_adds_is_signalled_here
        each_way_to_finish_fires
        a_cancel_that_is_honoured_late_fires
        what_another_connection_finishes_fires_here
    }
    close {
        closing_twice_is_closing_once
        what_was_begun_before_the_close_is_done
        after_the_close_every_verb_fails
    }
    worker {
        a_task_that_is_to_be_retried_at_once_is
        a_task_that_is_snoozed_for_no_time_runs_again
        a_scheduled_task_runs_once_its_time_has_come
        a_running_task_that_is_cancelled_ends
        what_another_connection_adds_is_run
        what_nobody_can_run_is_held_with_its_bytes_and_the_reason
    }
    queues {
        a_store_has_no_configured_queues_at_first
        a_configuration_comes_back_as_it_was_applied
        applying_the_same_again_changes_nothing
        a_queue_that_is_no_longer_named_stops_and_keeps_its_tasks
        a_queue_without_a_configuration_is_not_limited
        a_rate_lets_a_bucket_go_at_once_and_then_one_after_the_other
        a_rate_holds_over_all_workers_and_connections
        workers_that_claim_at_once_share_the_tokens
        a_retry_takes_a_token_too
        a_worker_is_told_when_the_next_token_comes
        a_worker_waits_for_no_token_if_there_is_no_task
        a_limited_queue_leaves_the_others_its_share
        an_empty_limited_queue_takes_nothing_from_the_others
        limited_queues_share_what_a_claim_wants
        what_one_limited_queue_may_not_give_others_give
        no_more_run_at_once_than_may_over_all_workers
        every_way_to_end_an_attempt_makes_room
        an_attempt_that_is_settled_twice_makes_room_once
        a_worker_that_retires_or_dies_makes_room
        tasks_that_run_already_count_when_a_limit_comes
        others_are_told_when_there_is_room_again
        nothing_is_claimed_from_a_paused_queue_and_all_once_it_is_resumed
        what_runs_when_a_queue_is_paused_may_end
        a_rate_of_zero_pauses
        what_an_operator_paused_a_file_does_not_resume_unless_it_says_so
        workers_never_claim_from_a_pull_queue
        a_queue_with_a_target_is_left_to_whoever_names_it
        a_claim_brings_the_queues_retry_parameters
        a_name_stays_taken_for_its_queues_tombstone_time
        a_changed_rate_counts_from_its_change_on
        a_clock_that_goes_back_makes_no_tokens
        stats_tell_what_goes_on_in_a_queue
    }
    pull {
        a_lease_hands_out_whole_tasks_and_moves_their_eta
        a_leased_task_is_nobody_elses_until_the_lease_runs_out
        the_order_is_by_eta_and_then_by_name
        a_task_without_a_name_goes_by_its_id
        what_is_not_due_is_not_leased
        a_lease_by_tag_hands_out_the_tasks_of_that_tag_alone
        an_empty_tag_means_that_of_the_earliest_task
        two_consumers_at_once_get_different_tasks
        a_lease_can_be_made_longer_or_shorter
        a_lease_of_no_time_gives_the_task_back
        a_lease_that_has_run_out_is_lost
        a_leased_task_that_is_done_succeeds_and_leaves_a_tombstone
        an_exhausted_task_is_not_handed_out_and_fails
        either_limit_is_enough_for_another_lease
        without_a_limit_a_task_is_leased_again_and_again
        only_a_pull_queue_that_goes_can_be_leased_from
        a_leased_task_can_be_acted_upon_as_any_scheduled_one
        stats_count_leased_tasks_as_in_flight
        a_forgotten_task_is_gone_and_its_name_stays_taken
        a_task_without_a_name_is_forgotten_by_its_id
        to_forget_a_running_task_takes_it_back_from_its_worker
        the_answers_for_forgotten_tasks_are_aligned
        to_purge_removes_every_task_of_the_queue_alone
    }
}
