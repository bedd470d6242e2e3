//! App Engine's `taskqueue` on every store: each verb of the original and each of its conformance cases (Q1 to Q4) has a
//! test that names it. What the verbs ask of the stores is in `conformance/pull` and `conformance/queues`.

use delay_tests::{Fixture, Memory, Postgres, Sqlite};

mod taskqueue {
    pub(super) mod adding;
    pub(super) mod deleting;
    pub(super) mod leasing;
    pub(super) mod naming;
    pub(super) mod running;
    pub(super) mod shop;
}

/// The stores.
macro_rules! suite {
    ($($group:ident { $($case:ident)+ })+) => {
        on! { memory, Memory::fresh, $($group { $($case)+ })+ }
        on! { sqlite, Sqlite::fresh, $($group { $($case)+ })+ }
        on! { postgres, Postgres::fresh, $($group { $($case)+ })+ }
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
                    taskqueue::$group::$case(taskqueue::shop::Shop::on(Fixture::open($fresh).await?).await?).await
                })+
            })+
        }
    };
}

suite! {
    adding {
        q1_an_existing_name_is_already_added
        q2_a_tombstoned_name_is_already_added
        q3_an_unknown_queue_is_that_very_error
        q4_a_batch_of_ok_existing_tombstoned_and_failing_gives_four_aligned_results
        add_returns_the_task_with_the_name_that_it_goes_by
        add_takes_an_eta_or_a_delay_to_the_microsecond
        add_keeps_path_method_headers_and_body
        add_takes_calls_of_functions_too
        add_multi_is_one_round_trip_of_any_size
        add_multi_sends_none_if_one_is_malformed
        every_typed_error_of_adding_has_its_predicate
    }
    naming {
        bad_task_names_are_refused_with_a_short_message
        bad_queue_names_are_refused_with_a_short_message
        a_tag_may_be_any_text_of_500_bytes
        names_are_of_500_characters_and_queues_of_100_at_most
    }
    deleting {
        delete_removes_a_task_and_leaves_a_tombstone
        delete_multi_gives_independent_aligned_results
        a_tombstone_lasts_as_long_as_its_queue_says
        purge_removes_every_task_of_the_queue
        queue_stats_count_what_the_original_counted
        queue_stats_of_a_pull_queue_count_leases
    }
    leasing {
        lease_hands_out_the_earliest_by_eta_and_name_and_counts_a_retry
        lease_hands_out_no_exhausted_task
        lease_takes_1_to_1000_tasks_for_up_to_7_days
        lease_by_tag_takes_the_tag_or_that_of_the_earliest_task
        modify_lease_needs_the_lease_and_refuses_a_lost_one
        modify_lease_of_no_time_releases
        leases_of_a_paused_queue_and_of_a_push_queue_are_refused
        headers_come_with_a_leased_task
    }
    running {
        retry_options_of_the_task_go_before_the_queues_and_these_before_the_functions
        retry_options_hold_as_long_as_either_does
        a_request_that_a_worker_gets_is_held_and_says_what_it_needs
        a_limited_queue_is_worked_off_by_a_worker_at_its_rate
    }
}
