//! Cases and rows of the originals that have their test elsewhere. What the original checked at run time and the compiler
//! checks here is a file of `ui` with the compiler's words. B1 to B3 are in `http_background`, Q6 and Q7 beside the reader of
//! headers.

use std::fs;
use std::path::Path;

/// Where the cases are that run elsewhere: a file, and what stands in it.
const ELSEWHERE: [(&str, &str, &str); 18] = [
    (
        "D1",
        "tests/ui/cases/first-parameter-not-context.stderr",
        "the first parameter of a delayed function is `&Context`",
    ),
    (
        "D1",
        "tests/ui/cases/context-missing.stderr",
        "the first parameter of a delayed function is `&Context`",
    ),
    ("D3", "tests/ui/cases/wrong-arguments-of-a-call.stderr", "expected `u32`, found `&str`"),
    ("D4", "tests/ui/cases/wrong-arguments-of-a-call.stderr", "argument #3 of type `&str` is missing"),
    ("D5", "tests/ui/cases/wrong-arguments-of-a-call.stderr", "unexpected argument #4 of type `bool`"),
    ("D6", "tests/ui/cases/argument-not-serializable.stderr", "Serialize` is not satisfied"),
    (
        "D3 in a payload",
        "runtime/src/codec/arguments.rs",
        "fn default_fills_a_missing_argument_but_not_a_wrong_one",
    ),
    ("D4 in a payload", "runtime/src/codec/arguments.rs", "fn a_missing_argument_is_told_with_what_is_there"),
    ("D5 in a payload", "runtime/src/codec/arguments.rs", "fn an_argument_without_a_parameter_is_an_error"),
    ("D13 in one crate", "tests/tests/linking.rs", "fn a_key_that_stands_twice_in_one_crate_does_not_build"),
    (
        "D13 over crates",
        "runtime/src/registry.rs",
        "fn two_functions_of_one_identity_are_refused_with_both_places",
    ),
    ("D16", "tests/ui/cases/headers-outside-a-function.stderr", "no method named `headers` found"),
    ("Q6", "runtime/src/http/task_headers/tests.rs", "1500000000"),
    ("Q7", "runtime/src/http/task_headers/tests.rs", "TaskHeaders::default()"),
    ("B1", "tests/tests/http_background.rs", "fn b1_the_start_returns_before_the_request_arrives"),
    ("B2", "tests/tests/http_background.rs", "fn b2_the_request_arrives_before_the_start_returns"),
    ("B3", "tests/tests/http_background.rs", "fn b3_each_call_asks_the_host_exactly_once"),
    ("ui", "tests/ui/ui.rs", "compile_fail(\"cases/*.rs\")"),
];

/// The rows of the tables about the originals, by the number of the table: a file, and what stands in it.
const ROWS: &[(&str, &str, &str)] = &[
    ("1 Func(key, fn)", "macros/src/identity/tests.rs", "fn every_row_of_the_table_holds"),
    ("1 function literal", "tests/ui/cases/pass/closure.rs", "#[delay::func("),
    ("1 MustRegister", "tests/tests/appengine.rs", "fn d14_a_global_key"),
    ("1 pending calls survive an update", "tests/tests/appengine.rs", "fn d13_with_an_alias"),
    (
        "1 pending calls survive an update",
        "tests/tests/conformance/worker.rs",
        "fn what_nobody_can_run_is_held_with_its_bytes_and_the_reason",
    ),
    ("1 Call", "tests/tests/appengine.rs", "fn d7_a_plain_call"),
    ("1 Task", "tests/tests/sqlite_transactions.rs", "fn each_way_to_add_works_in_a_transaction"),
    ("1 variadic last parameter", "tests/tests/appengine.rs", "fn d2_d11_a_variadic_call"),
    ("1 nil arguments", "tests/tests/appengine.rs", "fn d10_none_for_both"),
    ("1 interface arguments", "tests/tests/appengine.rs", "fn d9_a_struct_and_an_enum"),
    ("1 a last result of type error", "runtime/src/state.rs", "fn every_outcome_has_its_transition"),
    ("1 panic", "runtime/src/panics.rs", "fn a_panic_tells_its_message_and_place"),
    (
        "1 undecodable payload",
        "tests/tests/http_push.rs",
        "fn what_cannot_run_is_held_with_its_bytes_and_the_reason",
    ),
    ("1 payload and signature drift", "runtime/src/codec/mismatch.rs", "fn both_sides_are_named"),
    ("1 RequestHeaders", "tests/tests/appengine.rs", "fn d16_d17_headers_are_there"),
    ("1 handler path", "tests/tests/appengine.rs", "fn d8_the_payload_posted"),
    ("2 Add", "tests/tests/taskqueue/adding.rs", "fn add_takes_an_eta_or_a_delay_to_the_microsecond"),
    (
        "2 names",
        "tests/tests/taskqueue/naming.rs",
        "fn names_are_of_500_characters_and_queues_of_100_at_most",
    ),
    ("2 names", "tests/tests/taskqueue/deleting.rs", "fn a_tombstone_lasts_as_long_as_its_queue_says"),
    ("2 AddMulti", "tests/tests/taskqueue/adding.rs", "fn q4_a_batch_of_ok_existing_tombstoned_and_failing"),
    ("2 AddMulti", "tests/tests/taskqueue/adding.rs", "fn add_multi_sends_none_if_one_is_malformed"),
    (
        "2 Delete, DeleteMulti",
        "tests/tests/taskqueue/deleting.rs",
        "fn delete_multi_gives_independent_aligned_results",
    ),
    ("2 Lease", "tests/tests/taskqueue/leasing.rs", "fn lease_hands_out_the_earliest_by_eta_and_name"),
    ("2 Lease", "tests/tests/taskqueue/leasing.rs", "fn lease_takes_1_to_1000_tasks_for_up_to_7_days"),
    (
        "2 LeaseByTag",
        "tests/tests/taskqueue/leasing.rs",
        "fn lease_by_tag_takes_the_tag_or_that_of_the_earliest_task",
    ),
    (
        "2 ModifyLease",
        "tests/tests/taskqueue/leasing.rs",
        "fn modify_lease_needs_the_lease_and_refuses_a_lost_one",
    ),
    (
        "2 ModifyLease",
        "tests/tests/taskqueue/leasing.rs",
        "fn leases_of_a_paused_queue_and_of_a_push_queue_are_refused",
    ),
    ("2 Purge", "tests/tests/taskqueue/deleting.rs", "fn purge_removes_every_task_of_the_queue"),
    ("2 QueueStats", "tests/tests/taskqueue/deleting.rs", "fn queue_stats_count_what_the_original_counted"),
    ("2 RetryOptions", "tests/tests/taskqueue/running.rs", "fn retry_options_hold_as_long_as_either_does"),
    ("2 RequestHeaders", "runtime/src/http/task_headers/tests.rs", "1500000000"),
    (
        "2 transactions",
        "tests/tests/sqlite_transactions.rs",
        "fn requests_and_tasks_to_be_leased_are_there_if_and_only_if_it_commits",
    ),
    (
        "2 transactions",
        "tests/tests/postgres_transactions.rs",
        "fn requests_and_tasks_to_be_leased_are_there_if_and_only_if_it_commits",
    ),
    ("2 errors", "tests/tests/taskqueue/adding.rs", "fn every_typed_error_of_adding_has_its_predicate"),
    ("3 queue.yaml", "runtime/src/queues/file/tests.rs", "fn the_originals_file_is_read_as_it_is"),
    ("3 defaults", "runtime/src/queues/file/tests.rs", "fn what_a_queue_does_not_say_is_as_in_the_original"),
    ("3 delay.toml", "runtime/src/queues/file/tests.rs", "fn toml_says_the_same"),
    ("3 the default queue", "runtime/src/queues/file/tests.rs", "fn the_default_queue_always_exists"),
    (
        "3 token bucket",
        "runtime/src/queues/bucket.rs",
        "fn tokens_come_continuously_and_the_bucket_holds_so_many",
    ),
    (
        "3 over all workers",
        "tests/tests/conformance/queues.rs",
        "fn a_rate_holds_over_all_workers_and_connections",
    ),
    (
        "3 over all workers",
        "tests/tests/conformance/queues.rs",
        "fn no_more_run_at_once_than_may_over_all_workers",
    ),
    ("3 backoff", "runtime/src/retry.rs", "fn the_wait_doubles_then_grows_evenly_then_stays"),
    ("3 either holds", "runtime/src/retry.rs", "fn either_limit_is_enough_to_allow_a_retry"),
    (
        "4 Stats",
        "runtime/src/stats/tests.rs",
        "fn the_figures_are_those_of_proc_in_the_units_that_the_docs_name",
    ),
    (
        "4 a partner that never comes",
        "tests/tests/http_background.rs",
        "fn a_request_that_never_comes_ends_the_call",
    ),
    (
        "4 an unknown or empty id",
        "tests/tests/http_background.rs",
        "fn an_empty_a_missing_and_a_broken_id_are_refused",
    ),
    (
        "4 a second arrival",
        "runtime/src/background/matchmaker.rs",
        "fn an_id_serves_one_pair_and_a_second_arrival_does_not_lose_the_first",
    ),
    (
        "4 a handle and cancel",
        "tests/tests/http_background.rs",
        "fn a_call_can_be_cancelled_and_a_panic_is_told",
    ),
    ("4 who may call", "tests/tests/http_background.rs", "fn nobody_else_may_send_a_background_request"),
    (
        "4 host errors",
        "tests/tests/http_background.rs",
        "fn a_host_that_fails_is_told_and_the_call_never_runs",
    ),
];

#[test]
fn the_cases_and_rows_that_run_elsewhere_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (case, file, text) in ELSEWHERE.iter().chain(ROWS) {
        let found =
            fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{case}: {file}: {error}"));
        assert!(found.contains(text), "{case}: {file} does not say {text:?}");
    }
}
