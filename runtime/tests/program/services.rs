//! What the host does for a program: each function of the interface, and what becomes of those who misuse it.

use std::collections::BTreeMap;
use std::sync::Arc;

use delay::process::engine::{Engine, Wasmi, Wasmtime};
use delay::process::program::{Program, task};
use delay::store::{Filter, Store, TaskRecord};
use delay::{Retry, Runtime, TaskState};

use crate::queue::{program, store};

/// A program with every import; `body` gives the status.
pub(crate) fn guest(data: &str, body: &str) -> String {
    format!(
        r#"(module
        (import "delay" "input_size" (func $size (result i32)))
        (import "delay" "input" (func $input (param i32 i32 i32) (result i32)))
        (import "delay" "output" (func $output (param i32 i32)))
        (import "delay" "log" (func $log (param i32 i32 i32)))
        (import "delay" "progress" (func $progress (param i64 i64)))
        (import "delay" "clock" (func $clock (param i32) (result i64)))
        (import "delay" "random" (func $random (param i32 i32)))
        (import "delay" "attempt" (func $attempt (result i32)))
        (import "delay" "enqueue" (func $enqueue (param i32 i32 i32 i32) (result i32)))
        (import "delay" "step" (func $step (param i32 i32 i32 i32) (result i32)))
        (import "delay" "step_done" (func $step_done (param i32 i32 i32 i32)))
        (memory (export "memory") 1) {data}
        (func (export "run") (result i32) (local $i i32) (local $t i64) {body}))"#
    )
}

/// What a task of a program came to, when it is over, and the store that it was in.
pub(crate) async fn outcome(program: Program) -> (TaskRecord, Arc<dyn Store>) {
    let store = store();
    let rt = Runtime::on(store.clone()).program("guest", program).build().await.unwrap();
    rt.start().await.unwrap();
    let retry = Retry { limit: Some(0), ..Retry::DEFAULT };
    let handle = task::<()>("guest", &BTreeMap::from([("n", 7u8)])).retry(retry).add(&rt).await.unwrap();
    // Waits for the end, whichever it is.
    let _ = handle.result().await;
    let record = store.get(vec![handle.id()]).await.unwrap().remove(0).unwrap();
    rt.stopper().stop_within(std::time::Duration::from_secs(60)).await.unwrap();
    (record, store)
}

/// The result of a program that succeeds, on both engines.
async fn result(data: &str, body: &str) -> Vec<u8> {
    let mut results = Vec::new();
    for engine in [&Wasmtime as &'static dyn Engine, &Wasmi] {
        for suspendable in [false, true] {
            let guest = program(&guest(data, body)).engine(engine).suspendable(suspendable);
            let (record, _) = outcome(guest).await;
            assert_eq!(record.state, TaskState::Succeeded, "{:?}", record.error);
            results.push(record.result.unwrap());
        }
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
    results.remove(0)
}

/// The error of a program that fails, on both engines.
async fn error(data: &str, body: &str) -> String {
    let mut errors = Vec::new();
    for engine in [&Wasmtime as &'static dyn Engine, &Wasmi] {
        let (record, _) = outcome(program(&guest(data, body)).engine(engine)).await;
        assert_eq!(record.state, TaskState::Failed, "{:?}", record.result);
        errors.push(record.error.unwrap());
    }
    assert_eq!(errors[0], errors[1]);
    errors.remove(0)
}

const OK: &str = "(i32.const 0)";

#[tokio::test(flavor = "multi_thread")]
async fn input_gives_what_there_is_and_no_more() {
    // Byte 1 on, a hundred of them asked for: the map {"n": 7} is four bytes long.
    let body = format!(
        "(i32.store8 (i32.const 100) (i32.add (i32.mul (call $size) (i32.const 16)) (call $input (i32.const 0) (i32.const 1) (i32.const 100))))
         (call $output (i32.const 100) (i32.const 1)) {OK}"
    );
    assert_eq!(result("", &body).await, [4 * 16 + 3]);
    let past = format!(
        "(i32.store8 (i32.const 100) (call $input (i32.const 0) (i32.const 9) (i32.const 100)))
         (call $output (i32.const 100) (i32.const 1)) {OK}"
    );
    assert_eq!(result("", &past).await, [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_says_what_becomes_of_the_task() {
    let why = r#"(data (i32.const 0) "no paper")"#;
    let status = |status: i32| format!("(call $output (i32.const 0) (i32.const 8)) (i32.const {status})");
    assert_eq!(error(why, &status(1)).await, "no paper");
    assert_eq!(error(why, &status(2)).await, "no paper");
    assert!(error(why, &status(9)).await.contains("status 9"));
    let (record, _) = outcome(program(&guest(why, &status(3)))).await;
    assert_eq!((record.state, record.error.as_deref()), (TaskState::Cancelled, Some("no paper")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_beyond_the_limit_ends_the_program() {
    let body = format!("(loop $l (call $output (i32.const 0) (i32.const 1000)) (br $l)) {OK}");
    let text = error("", &body).await;
    assert!(text.contains("killed: its result takes more than the 1048576 bytes"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_outside_the_memory_are_violations() {
    for body in [
        "(call $output (i32.const 65536) (i32.const 1))",
        "(call $output (i32.const -1) (i32.const -1))",
        "(call $log (i32.const 0) (i32.const 1) (i32.const 65536))",
        "(call $random (i32.const 65530) (i32.const 7))",
        "(drop (call $input (i32.const 65534) (i32.const 0) (i32.const 4)))",
        "(drop (call $enqueue (i32.const 0) (i32.const 70000) (i32.const 0) (i32.const 0)))",
        "(drop (call $step (i32.const 70000) (i32.const 1) (i32.const 0) (i32.const 0)))",
        "(call $step_done (i32.const 0) (i32.const 1) (i32.const 65536) (i32.const 1))",
        "(drop (call $clock (i32.const 2)))",
    ] {
        let text = error("", &format!("{body} {OK}")).await;
        assert!(text.contains("ABI violation"), "{body}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_are_as_coarse_as_they_were_set() {
    // The remainder of both clocks by ten milliseconds.
    let body = format!(
        "(i64.store (i32.const 1) (i64.add (i64.rem_s (call $clock (i32.const 0)) (i64.const 10000000)) (i64.rem_s (call $clock (i32.const 1)) (i64.const 10000000))))
         (i32.store8 (i32.const 0) (i32.const 0xcf)) (call $output (i32.const 0) (i32.const 9)) {OK}"
    );
    let coarse = program(&guest("", &body)).time_resolution(std::time::Duration::from_millis(10));
    let (record, _) = outcome(coarse).await;
    assert_eq!(record.result.unwrap(), [0xcf, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_differ() {
    let body = format!(
        "(i32.store16 (i32.const 0) (i32.const 0x20c4)) (call $random (i32.const 2) (i32.const 32)) (call $output (i32.const 0) (i32.const 34)) {OK}"
    );
    let (one, _) = outcome(program(&guest("", &body))).await;
    let (other, _) = outcome(program(&guest("", &body))).await;
    assert_eq!(one.state, TaskState::Succeeded, "{:?}", one.error);
    assert_ne!(one.result, other.result);
}

/// A payload in memory at 0, of 36 bytes, and its call.
const CALL: &str = r#"(data (i32.const 0) "\82\a8function\a8global:x\a9arguments\80")"#;

fn enqueue() -> String {
    format!(
        "(if (call $enqueue (i32.const 0) (i32.const 30) (i32.const 0) (i32.const 0)) (then unreachable)) {OK}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_enqueues_what_it_may() {
    let (record, store) = outcome(program(&guest(CALL, &enqueue())).enqueues(["global:x"])).await;
    assert_eq!(record.state, TaskState::Succeeded, "{:?}", record.error);
    let added = store.list(Filter::default()).await.unwrap();
    let added: Vec<_> = added.into_iter().filter(|task| task.id != record.id).collect();
    assert_eq!(added.len(), 1);
    assert!(added[0].payload.starts_with(b"\x82\xa8function\xa8global:x"), "{added:?}");

    let (record, store) = outcome(program(&guest(CALL, &enqueue()))).await;
    assert_eq!(record.state, TaskState::Failed);
    let text = record.error.unwrap();
    assert!(text.contains("ABI deficiency") && text.contains("`global:x`"), "{text}");
    assert_eq!(store.list(Filter::default()).await.unwrap().len(), 1, "nothing was added");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_call_is_a_violation() {
    let text = error("", &enqueue()).await;
    assert!(text.contains("ABI violation"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_enqueued_again_in_a_second_attempt_is_added_once() {
    // The first attempt adds it and traps, the second adds it and succeeds.
    let body = format!(
        "(drop (call $enqueue (i32.const 0) (i32.const 30) (i32.const 0) (i32.const 0)))
         (if (i32.eq (call $attempt) (i32.const 1)) (then unreachable)) {OK}"
    );
    let store = store();
    let retry = Retry { min_backoff: std::time::Duration::from_millis(1), ..Retry::DEFAULT };
    let again = program(&guest(CALL, &body)).enqueues_anything().retry(retry);
    let rt = Runtime::on(store.clone()).program("guest", again).build().await.unwrap();
    rt.start().await.unwrap();
    let handle = task::<()>("guest", &BTreeMap::from([("n", 7u8)])).add(&rt).await.unwrap();
    handle.result().await.unwrap();
    let all = store.list(Filter::default()).await.unwrap();
    assert_eq!(all.len(), 2, "the program's task and the one that it added: {all:?}");
    assert_eq!(all.iter().find(|task| task.id == handle.id()).unwrap().attempt, 2);
    rt.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_done_is_not_done_again() {
    // The key is "k", the value one byte: the number of the attempt that did it. The first attempt traps after it.
    let body = format!(
        r#"(if (i32.eq (call $step (i32.const 0) (i32.const 1) (i32.const 10) (i32.const 8)) (i32.const -1))
            (then
                (i32.store8 (i32.const 10) (call $attempt))
                (call $step_done (i32.const 0) (i32.const 1) (i32.const 10) (i32.const 1))))
        (if (i32.eq (call $attempt) (i32.const 1)) (then unreachable))
        (call $output (i32.const 10) (i32.const 1)) {OK}"#
    );
    for suspendable in [false, true] {
        let store = store();
        let retry = Retry { min_backoff: std::time::Duration::from_millis(1), ..Retry::DEFAULT };
        let step = guest(r#"(data (i32.const 0) "k")"#, &body);
        let step = program(&step).suspendable(suspendable).retry(retry);
        let rt = Runtime::on(store.clone()).program("guest", step).build().await.unwrap();
        rt.start().await.unwrap();
        let handle = task::<u8>("guest", &BTreeMap::from([("n", 7u8)])).add(&rt).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), 1, "the second attempt found the first one's value");
        assert_eq!(store.snapshot(handle.id()).await.unwrap(), None, "nothing is left");
        rt.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_done_once_and_has_room() {
    let twice = format!(
        "(call $step_done (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)) (call $step_done (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)) {OK}"
    );
    assert!(error("", &twice).await.contains("ABI violation"));
    let large = format!(
        "(loop $l (i32.store (i32.const 0) (local.get $i)) (call $step_done (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 60000))
         (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $l)) {OK}"
    );
    assert!(error("", &large).await.contains("its steps take"));
}
