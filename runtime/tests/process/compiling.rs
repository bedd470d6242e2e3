//! Programs that are compiled in a process of their own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use delay::process::engine::{Engine, Fault, Wasmi, Wasmtime};
use delay::process::program::{Cache, Program, task};
use delay::process::{Isolation, ProcessPolicy};
use delay::{Runtime, TaskState};

use crate::fixture::run;
use crate::{Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    a_program_that_was_compiled_apart_runs,
    what_is_wrong_with_a_module_is_told_as_by_the_compiler_here,
    a_module_that_keeps_the_compiler_busy_is_refused,
    a_module_that_takes_too_much_memory_is_refused,
    a_task_of_a_program_that_cannot_be_compiled_fails_alone,
];

/// Gives the number 7, in MessagePack.
const SEVEN: &str = r#"(module (import "delay" "output" (func $output (param i32 i32))) (memory (export "memory") 1)
    (data (i32.const 0) "\07") (func (export "run") (result i32) (call $output (i32.const 0) (i32.const 1)) (i32.const 0)))"#;

fn limits() -> ProcessPolicy {
    ProcessPolicy::default().cpu_time(Duration::from_secs(60))
}

fn program(wasm: impl Into<Vec<u8>>) -> Program {
    Program::from_bytes(wasm.into()).cache(Cache::none()).keep_result("1h")
}

fn wasm(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap()
}

/// One function, so long that compilers take their time over it.
fn long() -> Vec<u8> {
    let mut wat =
        String::from("(module (memory 1) (func (export \"run\") (result i32) (local i64 i64 i64 i64)");
    for n in 0..60_000 {
        let (to, from) = (n % 4, (n * 7 + 1) % 4);
        write!(
            wat,
            "(local.set {to} (i64.add (i64.load (i32.wrap_i64 (local.get {from}))) (local.get {to})))"
        )
        .unwrap();
    }
    wat.push_str("(i32.wrap_i64 (local.get 0))))");
    wasm(&wat)
}

fn refused(program: &Program) -> Fault {
    program.compile().unwrap_err()
}

fn a_program_that_was_compiled_apart_runs(isolation: Isolation) {
    run(async {
        for engine in [&Wasmtime as &'static dyn Engine, &Wasmi] {
            for suspendable in [false, true] {
                let apart = program(wasm(SEVEN)).engine(engine).suspendable(suspendable);
                let apart = apart.compile_apart(isolation, limits());
                let rt = Runtime::builder("memory:").program("seven", apart).build().await.unwrap();
                rt.start().await.unwrap();
                let handle = task::<u8>("seven", &BTreeMap::<String, u8>::new()).add(&rt).await.unwrap();
                assert_eq!(handle.result().await.unwrap(), 7);
                rt.stop().await.unwrap();
            }
        }
    });
}

fn what_is_wrong_with_a_module_is_told_as_by_the_compiler_here(isolation: Isolation) {
    let invalid = wasm("(module (func (export \"run\") (result i32) (i64.const 0)))");
    let unsuspendable = wasm("(module (tag) (func (export \"run\") (result i32) (throw 0)))");
    for (bytes, suspendable) in [(&b"no module"[..], false), (&invalid, false), (&unsuspendable, true)] {
        let here = program(bytes).suspendable(suspendable);
        let apart = here.clone().compile_apart(isolation, limits());
        assert_eq!(refused(&apart), refused(&here));
    }
}

fn a_module_that_keeps_the_compiler_busy_is_refused(isolation: Isolation) {
    let busy = program(long()).engine(&Wasmtime);
    let fault = refused(&busy.compile_apart(isolation, limits().cpu_time(Duration::from_millis(50))));
    assert!(fault.text.contains("its compiler was ended") && fault.text.contains("CPU"), "{fault}");
}

fn a_module_that_takes_too_much_memory_is_refused(isolation: Isolation) {
    let large = program(long()).engine(&Wasmtime);
    let fault = refused(&large.compile_apart(isolation, limits().memory(ProcessPolicy::LEAST_MEMORY)));
    assert!(fault.text.contains("its compiler was ended") && fault.text.contains("memory"), "{fault}");
}

fn a_task_of_a_program_that_cannot_be_compiled_fails_alone(isolation: Isolation) {
    run(async {
        let bad = program(long()).engine(&Wasmtime);
        let bad = bad.compile_apart(isolation, limits().cpu_time(Duration::from_millis(50)));
        let good = program(wasm(SEVEN)).compile_apart(isolation, limits());
        let rt = Runtime::builder("memory:").program("bad", bad).program("good", good).build().await.unwrap();
        rt.start().await.unwrap();
        let none = BTreeMap::<String, u8>::new();
        let bad = task::<u8>("bad", &none).retry(delay::Retry::NEVER).add(&rt).await.unwrap();
        let good = task::<u8>("good", &none).add(&rt).await.unwrap();
        assert_eq!(good.result().await.unwrap(), 7);
        let record = bad.finished().await.unwrap();
        assert_eq!(record.state, TaskState::Failed);
        assert!(record.error.as_deref().unwrap().contains("its compiler was ended"), "{:?}", record.error);
        rt.stop().await.unwrap();
    });
}
