//! Programs that mean harm: the process lives, the outcome is exact, the next task runs.

use std::collections::BTreeMap;
use std::time::Duration;

use delay::process::engine::{Engine, Wasmi, Wasmtime};
use delay::process::program::{Program, task};
use delay::{Retry, Runtime, TaskState};

use crate::guests::bytes;
use crate::queue::{program, store};
use crate::services::{guest, outcome};

/// On both engines, with and without the transform.
async fn fails(wat: &str, limit: impl Fn(Program) -> Program, expected: &str) {
    for engine in [&Wasmtime as &'static dyn Engine, &Wasmi] {
        for suspendable in [false, true] {
            let hostile = limit(program(wat).engine(engine).suspendable(suspendable));
            let (record, _) = outcome(hostile).await;
            assert_eq!(record.state, TaskState::Failed, "{} {suspendable}", engine.name());
            let text = record.error.unwrap();
            assert!(text.contains(expected), "{} {suspendable}: {text}", engine.name());
        }
    }
}

const SPIN: &str = r#"(module (func (export "run") (loop $l (br $l))))"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_ends_with_its_time_limit() {
    fails(SPIN, |program| program.timeout("100ms"), "ran longer than its time limit of 100ms").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_ends_with_its_fuel() {
    fails(SPIN, |program| program.fuel(1_000_000), "killed: its fuel is used up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_start_function_ends_with_its_time_limit_or_its_fuel() {
    let wat = r#"(module (func $spin (loop $l (br $l))) (start $spin) (func (export "run")))"#;
    fails(wat, |program| program.fuel(1_000_000), "killed: its fuel is used up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_refused_and_the_program_aborts() {
    let wat = r#"(module (memory 1) (func (export "run")
        (loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable))"#;
    fails(wat, |program| program.memory(8 << 20), "the program ended: unreachable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_that_is_too_large_from_the_beginning_never_begins() {
    fails(r#"(module (memory 20000) (func (export "run")))"#, |program| program, "needs more memory").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_memories_and_tables_share_one_limit() {
    let memories = "(memory 100) ".repeat(20);
    fails(&format!(r#"(module {memories} (func (export "run")))"#), |program| program, "needs more memory")
        .await;
    let table = r#"(module (table 200000 funcref) (func (export "run")))"#;
    fails(table, |program| program, "needs more memory").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_recursion_is_its_own_trap() {
    let wat = r#"(module (func $f (export "run") (call $f) (call $f)))"#;
    fails(wat, |program| program, "call stack exhausted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_called_is_told() {
    fails("(module)", |program| program, "no function: it exports no function `run`").await;
    let parameters = r#"(module (func (export "run") (param i32)))"#;
    fails(parameters, |program| program, "`run` takes 1 parameters").await;
    let results = r#"(module (func (export "run") (result i64) (i64.const 1)))"#;
    fails(results, |program| program, "gives 1 results").await;
    let import = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))) (func (export "run")))"#;
    fails(import, |program| program, "`wasi_snapshot_preview1.fd_write`").await;
    let signature = r#"(module (import "delay" "output" (func (param i64))) (func (export "run")))"#;
    fails(signature, |program| program, "and it is (i32, i32) -> ()").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_logging_and_output_are_cut() {
    let log = guest(
        "",
        "(loop $l (call $log (i32.const 4) (i32.const 0) (i32.const 60000)) (br $l)) (i32.const 0)",
    );
    fails(&log, |program| program.timeout("200ms"), "time limit").await;
    let output = guest("", "(loop $l (call $output (i32.const 0) (i32.const 60000)) (br $l)) (i32.const 0)");
    fails(&output, |program| program.output(1 << 16), "more than the 65536 bytes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_module_fail_for_good() {
    for engine in [&Wasmtime as &'static dyn Engine, &Wasmi] {
        for suspendable in [false, true] {
            let wrong =
                Program::from_bytes(&b"\0asm\x01\0\0\0\xff"[..]).engine(engine).suspendable(suspendable);
            let (record, _) = outcome(wrong.cache(delay::process::program::Cache::none())).await;
            assert_eq!((record.state, record.attempt), (TaskState::Failed, 1));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_refused_with_its_reason() {
    let wat = r#"(module (table 1 externref) (func (export "run")))"#;
    let (record, _) = outcome(program(wat).suspendable(true)).await;
    let text = record.error.unwrap();
    assert!(text.contains("cannot be made suspendable"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_programs_do_not_disturb_their_neighbours() {
    let store = store();
    let echo = include_str!("echo.wat");
    let builder = Runtime::on(store.clone()).program("echo", program(echo));
    let spin =
        Program::from_bytes(bytes(SPIN)).cache(delay::process::program::Cache::none()).timeout("300ms");
    let rt = builder.program("spin", spin).build().await.unwrap();
    rt.start().await.unwrap();
    let once = Retry { limit: Some(0), ..Retry::DEFAULT };
    let none = BTreeMap::<String, u8>::new();
    for _ in 0..20 {
        task::<()>("spin", &none).retry(once).add(&rt).await.unwrap();
    }
    let given = BTreeMap::from([("n".to_owned(), 1u8)]);
    let handle = task::<BTreeMap<String, u8>>("echo", &given).add(&rt).await.unwrap();
    assert_eq!(handle.result().await.unwrap(), given);
    rt.stopper().stop_within(Duration::from_secs(60)).await.unwrap();
}
