//! Programs through the queue: called like functions, suspended by a worker that stops, resumed by another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use delay::process::engine::{Engine, Wasmi, Wasmtime};
use delay::process::program::{Cache, Program, task};
use delay::store::memory::MemoryStore;
use delay::store::{Action, Filter, TaskRecord};
use delay::{Clock, Handle, Runtime, TaskState};

use crate::guests::bytes;
use crate::services::guest;
use crate::watched::Watched;

/// The arguments are the result.
const ECHO: &str = include_str!("echo.wat");

/// Counts as far as its argument, the first one, says, a fixed 32-bit number; its result is a hash of the way.
pub(crate) const LONG: &str = r#"(module
    (import "delay" "input" (func $input (param i32 i32 i32) (result i32)))
    (import "delay" "output" (func $output (param i32 i32)))
    (memory (export "memory") 1)
    (func $swap (param i32) (result i32)
        (i32.or (i32.rotl (i32.and (local.get 0) (i32.const 0x00ff00ff)) (i32.const 24))
                (i32.rotl (i32.and (local.get 0) (i32.const 0xff00ff00)) (i32.const 8))))
    (func $mix (param i64) (result i64) (local $i i32)
        (loop $l
            (local.set 0 (i64.mul (i64.xor (local.get 0) (i64.shr_u (local.get 0) (i64.const 33))) (i64.const 0xff51afd7ed558ccd)))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 16))))
        (local.get 0))
    (func (export "run") (result i32) (local $n i32) (local $x i64)
        ;; {"n": u32}: a map of one, a text of one, the mark of a u32, the number
        (drop (call $input (i32.const 0) (i32.const 0) (i32.const 8)))
        (local.set $n (call $swap (i32.load (i32.const 4))))
        (local.set $x (i64.const 1))
        (loop $l
            (local.set $x (call $mix (i64.add (local.get $x) (i64.extend_i32_u (local.get $n)))))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.store8 (i32.const 16) (i32.const 0xcf))
        (i32.store (i32.const 17) (call $swap (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 32)))))
        (i32.store (i32.const 21) (call $swap (i32.wrap_i64 (local.get $x))))
        (call $output (i32.const 16) (i32.const 9))
        (i32.const 0)))"#;

/// What `LONG` gives.
pub(crate) fn long(n: u32) -> u64 {
    (1..=n).rev().fold(1u64, |x, n| {
        (0..16).fold(x.wrapping_add(n.into()), |x, _| (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd))
    })
}

pub(crate) fn program(wat: &str) -> Program {
    Program::from_bytes(bytes(wat)).cache(Cache::none()).keep_result("1h")
}

pub(crate) fn store() -> Arc<Watched> {
    Watched::new(Arc::new(MemoryStore::new(Clock::System, delay::store::Retention::default())))
}

pub(crate) fn arguments(n: u32) -> BTreeMap<&'static str, u32> {
    BTreeMap::from([("n", n)])
}

async fn runtime(store: &Arc<Watched>, name: &str, program: Program) -> Runtime {
    let rt = Runtime::on(store.clone()).program(name, program).build().await.unwrap();
    rt.start().await.unwrap();
    rt
}

/// Ends a runtime's work; the store stays open.
async fn end(rt: Runtime) {
    let stopped = rt.stopper().stop_within(Duration::from_secs(60)).await.unwrap();
    assert!(stopped.is_empty(), "{stopped}");
}

async fn record<T>(store: &Watched, handle: &Handle<T>) -> TaskRecord {
    store.get(vec![handle.id()]).await.unwrap().remove(0).unwrap()
}

/// Waits until a task is in a state.
async fn reaches<T>(store: &Watched, handle: &Handle<T>, state: TaskState) -> TaskRecord {
    let there =
        store.until(async || Some(record(store, handle).await).filter(|record| record.state == state));
    let reached = tokio::time::timeout(Duration::from_secs(60), there).await;
    reached.unwrap_or_else(|_| panic!("it does not become {state}"))
}

/// Waits until something else than `last` is stored of a program: it runs. That it is claimed says less.
async fn is_stored<T>(store: &Watched, handle: &Handle<T>, last: Option<&Vec<u8>>) {
    let stored = store.until(async || {
        let found = store.snapshot(handle.id()).await.unwrap();
        found.filter(|found| Some(found) != last)
    });
    tokio::time::timeout(Duration::from_secs(60), stored).await.expect("it stores something");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_called_like_a_function() {
    for engine in [&Wasmtime as &dyn Engine, &Wasmi] {
        let store = store();
        let rt = runtime(&store, "echo", program(ECHO).engine(engine)).await;
        let given = BTreeMap::from([("title".to_owned(), "Q3".to_owned())]);
        let handle = task::<BTreeMap<String, String>>("echo", &given).add(&rt).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), given);
        end(rt).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_suspends_a_program_and_the_other_engine_finishes_it() {
    let store = store();
    let n = 6_000_000;
    let engines: [&'static dyn Engine; 2] = [&Wasmtime, &Wasmi];
    let mut handle: Option<Handle<u64>> = None;
    let (mut sizes, mut last) = (Vec::new(), None);
    for hop in 0..4 {
        let long = program(LONG).suspendable(true).checkpoint_every("1ms").engine(engines[hop % 2]);
        let rt = runtime(&store, "long", long).await;
        let handle = match &handle {
            Some(handle) => handle,
            None => handle.insert(task::<u64>("long", &arguments(n)).add(&rt).await.unwrap()),
        };
        is_stored(&store, handle, last.as_ref()).await;
        end(rt).await;
        let record = record(&store, handle).await;
        assert_eq!(record.state, TaskState::Ready, "given back");
        assert_eq!(record.attempt, 0, "its attempt unspent");
        last = store.snapshot(record.id).await.unwrap();
        sizes.push(last.as_ref().expect("what it was is stored").len());
    }
    let rt = runtime(&store, "long", program(LONG).suspendable(true)).await;
    assert_eq!(rt.handle::<u64>(handle.unwrap().id()).result().await.unwrap(), long(n));
    let id = store.list(Filter::default()).await.unwrap()[0].id;
    assert_eq!(store.snapshot(id).await.unwrap(), None, "nothing is left of it: {sizes:?}");
    end(rt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_be_suspended_is_killed_at_the_deadline_and_runs_again() {
    let store = store();
    let steps = "(call $step_done (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 1))";
    let endless = guest("", &format!("{steps} (loop $l (br $l)) (i32.const 0)"));
    let rt = runtime(&store, "endless", program(&endless)).await;
    let handle = task::<u64>("endless", &arguments(1)).add(&rt).await.unwrap();
    is_stored(&store, &handle, None).await;
    let late = rt.stopper().stop_within(Duration::from_millis(50)).await.unwrap();
    assert!(!late.is_empty(), "it was dropped");
    let record = record(&store, &handle).await;
    assert_eq!((record.state, record.attempt), (TaskState::Ready, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_stored_while_it_runs() {
    let store = store();
    let long_program = program(LONG).suspendable(true).checkpoint_every("20ms");
    let rt = runtime(&store, "long", long_program).await;
    let n = 6_000_000;
    let handle = task::<u64>("long", &arguments(n)).add(&rt).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let mut moves = store.moves();
    let result = handle.result();
    tokio::pin!(result);
    let value = loop {
        tokio::select! {
            value = &mut result => break value.unwrap(),
            moved = moves.changed() => {
                moved.unwrap();
                seen.extend(store.snapshot(handle.id()).await.unwrap());
            }
        }
    };
    assert_eq!(value, long(n), "suspended and resumed in place, it computes the same");
    assert!(seen.len() >= 2, "{} different checkpoints were seen", seen.len());
    end(rt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_ends_an_attempt_and_the_next_goes_on_from_the_last_checkpoint() {
    let store = store();
    let n = 20_000_000;
    let retry = delay::Retry {
        limit: None,
        min_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(1),
        ..delay::Retry::DEFAULT
    };
    let long_program = program(LONG).suspendable(true).checkpoint_every("10ms").timeout("100ms").retry(retry);
    let rt = runtime(&store, "long", long_program).await;
    let handle = task::<u64>("long", &arguments(n)).add(&rt).await.unwrap();
    assert_eq!(handle.result().await.unwrap(), long(n));
    let attempts = record(&store, &handle).await.attempt;
    assert!(attempts > 1, "it is too much for one attempt");
    end(rt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_of_another_module_is_held_until_it_is_retried() {
    let store = store();
    let long_program = program(LONG).suspendable(true).checkpoint_every("1ms");
    let rt = runtime(&store, "long", long_program).await;
    let handle = task::<u64>("long", &arguments(6_000_000)).add(&rt).await.unwrap();
    is_stored(&store, &handle, None).await;
    end(rt).await;
    assert!(store.snapshot(handle.id()).await.unwrap().is_some());

    // The same program with one more function is another one.
    let changed = LONG.replace("(func $mix", "(func) (func $mix");
    let rt = runtime(&store, "long", program(&changed).suspendable(true)).await;
    let held = reaches(&store, &handle, TaskState::Held).await;
    assert_eq!(held.hold, Some(delay::Hold::ForeignSnapshot));
    assert!(held.error.unwrap().contains("delay retry"), "it says what to do");
    assert!(store.snapshot(handle.id()).await.unwrap().is_some(), "nothing is lost");
    store.act(Action::Retry, vec![handle.id()]).await.unwrap();
    assert_eq!(rt.handle::<u64>(handle.id()).result().await.unwrap(), long(6_000_000));
    end(rt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_suspends_and_resumes_a_running_program() {
    let store = store();
    let rt = runtime(&store, "long", program(LONG).suspendable(true)).await;
    // It would run for minutes: it is still at it when it is asked, however fast the machine is.
    let handle = task::<u64>("long", &arguments(u32::MAX)).add(&rt).await.unwrap();
    let mut snapshots = Vec::new();
    for _ in 0..2 {
        reaches(&store, &handle, TaskState::Running).await;
        let asked = store.act(Action::Suspend, vec![handle.id()]).await.unwrap();
        assert_eq!(asked, [delay::store::Acted::Asked]);
        let held = reaches(&store, &handle, TaskState::Held).await;
        assert_eq!((held.hold, held.attempt), (Some(delay::Hold::Suspended), 0));
        snapshots.push(store.snapshot(handle.id()).await.unwrap().expect("what it was is stored"));
        store.act(Action::Release, vec![handle.id()]).await.unwrap();
    }
    assert_ne!(snapshots[0], snapshots[1], "it has gone on");
    reaches(&store, &handle, TaskState::Running).await;
    store.act(Action::Cancel, vec![handle.id()]).await.unwrap();
    reaches(&store, &handle, TaskState::Cancelled).await;
    end(rt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_program_is_killed() {
    let store = store();
    let rt = runtime(&store, "long", program(LONG).suspendable(true)).await;
    let handle = task::<u64>("long", &arguments(u32::MAX)).add(&rt).await.unwrap();
    reaches(&store, &handle, TaskState::Running).await;
    store.act(Action::Cancel, vec![handle.id()]).await.unwrap();
    reaches(&store, &handle, TaskState::Cancelled).await;
    // If its thread lived on, the test's runtime would not end.
    end(rt).await;
}

#[tokio::test]
async fn a_program_with_checkpoints_that_cannot_be_suspended_is_refused_at_once() {
    let built = Runtime::on(store()).program("long", program(LONG).checkpoint_every("1s")).build().await;
    assert!(built.unwrap_err().to_string().contains(".suspendable(true)"));
    let built = Runtime::on(store()).program("", program(LONG)).build().await;
    assert!(built.unwrap_err().is_invalid_option());
    let two =
        Runtime::on(store()).program("long", program(LONG)).program("long", program(ECHO)).build().await;
    assert!(two.unwrap_err().is_duplicate_function());
}

#[test]
fn arguments_that_are_no_map_are_told_when_they_are_added() {
    let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
    rt.block_on(async {
        let client = delay::Client::open("memory:").await.unwrap();
        let error = task::<()>("echo", &7).add(&client).await.unwrap_err();
        assert!(error.is_encode(), "{error}");
        assert!(error.to_string().contains("struct or a map"), "{error}");
    });
}

mod declared {
    use super::*;

    #[delay::program("echo", file = "echo.wasm", keep_result = "1h")]
    fn echo(title: &str, #[default = 3] copies: u8) -> BTreeMap<String, serde_json::Value>;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_declared_program_has_a_typed_stub() {
        let env = delay::testing::Env::new();
        let handle = Echo::call(&env, "Q3", 2).await.unwrap();
        assert_eq!(env.drain().await.unwrap().succeeded, 1);
        let value = handle.result().await.unwrap();
        assert_eq!((value["title"].as_str(), value["copies"].as_u64()), (Some("Q3"), Some(2)));
    }
}
