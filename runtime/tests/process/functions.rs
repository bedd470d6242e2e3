//! Delayed functions in processes of their own, through a runtime and a store.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use delay::process::Isolation;
use delay::store::memory::MemoryStore;
use delay::store::{Retention, TaskRecord};
use delay::{
    BoxError, Clock, Context, Due, Enqueue as _, Failure, Handle, Retry, Runtime, Task, TaskBuilder, TaskId,
    TaskState,
};

use tokio::sync::watch;

use super::fixture::run;
use super::{Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    a_value_and_an_error_come_back,
    each_way_to_misbehave_ends_its_attempt_alone_and_is_named,
    a_panic_is_a_panic,
    the_context_works_inside,
    what_is_larger_than_a_packet_passes,
    limits_of_what_may_be_added_hold_for_a_process_too,
    a_timeout_kills_for_certain,
    a_cancellation_kills_for_certain,
    stopping_is_heard_inside_and_what_does_not_end_is_given_back,
    arguments_that_do_not_fit_hold_the_task,
    a_plain_function_blocks_on_futures,
    a_dead_container_costs_one_attempt,
    the_store_is_out_of_reach,
];

#[delay::func("double", isolate = process, keep_result = "1d")]
async fn double(_ctx: &Context, number: u64) -> Result<u64, BoxError> {
    match number {
        0 => Err("nothing to double".into()),
        1 => Err(Failure::permanent("one is not doubled").into()),
        2 => Err(Failure::cancel("two is not wanted").into()),
        _ => Ok(number * 2),
    }
}

/// A call as a program of another shape stored it.
#[derive(serde::Serialize)]
struct Stored {
    function: &'static str,
    arguments: std::collections::BTreeMap<&'static str, &'static str>,
}

#[derive(serde::Serialize, serde::Deserialize)]
enum Way {
    Spin,
    Abort,
    Leak,
    Overflow,
    Fault,
    Exit,
    Open,
}

#[allow(unconditional_recursion)]
fn deeper(depth: u64) -> u64 {
    let here = std::hint::black_box([depth; 64]);
    deeper(depth + 1) + here[7]
}

#[delay::func("misbehave", isolate = process, memory = "64MiB", cpu = "300ms", timeout = "30s", retry(limit = 0))]
fn misbehave(_ctx: &Context, way: Way) -> Result<(), BoxError> {
    match way {
        Way::Spin => loop {
            std::hint::spin_loop();
        },
        Way::Abort => std::process::abort(),
        Way::Leak => {
            let mut held = Vec::new();
            loop {
                held.push(std::hint::black_box(vec![1_u8; 1 << 20]));
            }
        }
        Way::Overflow => drop(deeper(0)),
        Way::Fault => {
            let nowhere = std::ptr::without_provenance_mut::<u64>(4096);
            // SAFETY: none; the process is to die of it.
            #[allow(unsafe_code)]
            unsafe {
                nowhere.write_volatile(1);
            }
        }
        Way::Exit => std::process::exit(7),
        Way::Open => drop(std::fs::File::open("/etc/passwd")?),
    }
    Ok(())
}

#[delay::func("panics", isolate = process, retry(limit = 0))]
async fn panics(_ctx: &Context) {
    panic!("no more paper");
}

/// What `inner` was called with so far. It runs in this very process.
static HEARD: LazyLock<watch::Sender<HashSet<String>>> = LazyLock::new(watch::Sender::default);

#[delay::func("inner", keep_result = "1d")]
async fn inner(ctx: &Context, text: String) -> String {
    HEARD.send_modify(|heard| heard.extend([text.clone()]));
    format!("{text} for {}", ctx.headers().get("tenant").unwrap_or("nobody"))
}

#[delay::func("outer", isolate = process, timeout = "50s", keep_result = "1d", queue = "heavy")]
async fn outer(ctx: &Context, text: &str) -> Result<Vec<String>, BoxError> {
    let left = ctx.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let added = Inner::task(text.to_owned()).header("Tenant", "acme").name("only-one").add(ctx).await?;
    let again = Inner::task(text.to_owned()).name("only-one").add(ctx).await.unwrap_err();
    let many = ctx.add_all((0..300).map(|number| Inner::task(format!("{number}")))).await?;
    let timer = tokio::time::timeout(Duration::from_millis(5), std::future::pending::<()>()).await;
    let spawned = tokio::spawn(async { 42 }).await?;
    Ok(vec![
        format!("task {}", ctx.task()),
        format!("function {}", ctx.function()),
        format!("queue {} attempt {} name {:?}", ctx.queue(), ctx.attempt(), ctx.name()),
        format!("header {:?}", ctx.headers().get("X-From")),
        format!("deadline {}", left.is_some_and(|left| left > Duration::from_secs(40))),
        format!("result {}", added.result().await?),
        format!("taken {}", again.is_already_added() && again.task() == Some(added.id())),
        format!("many {}", many.into_iter().filter(|added| added.is_ok()).count()),
        format!("timer {} spawned {spawned} stopping {}", timer.is_err(), ctx.is_stopping()),
    ])
}

#[delay::func("large", isolate = process, keep_result = "1d")]
async fn large(ctx: &Context, bytes: Vec<u8>) -> Result<Vec<u8>, BoxError> {
    let text = "x".repeat(700_000);
    let echoed = Inner::call(ctx, text.clone()).await?.result().await?;
    assert_eq!(echoed, format!("{text} for nobody"));
    Ok(bytes)
}

#[delay::func("too-large", isolate = process, retry(limit = 0))]
async fn too_large(ctx: &Context) -> Result<(), BoxError> {
    Inner::call(ctx, "x".repeat(2 << 20)).await?;
    Ok(())
}

#[delay::func("sleeps", isolate = process, timeout = "200ms", retry(limit = 0))]
fn sleeps(_ctx: &Context) {
    loop {
        std::thread::park();
    }
}

#[delay::func("works", isolate = process, keep_result = "1d")]
pub(crate) async fn works(ctx: &Context, deaf: bool) -> Result<String, BoxError> {
    Inner::call(ctx, format!("{} has begun", ctx.task())).await?;
    ctx.stopping().await;
    if deaf {
        loop {
            std::hint::spin_loop();
        }
    }
    Ok("stopped in time".to_owned())
}

#[delay::func("blocks", isolate = process, keep_result = "1d")]
fn blocks(ctx: &Context) -> Result<String, BoxError> {
    let here = tokio::runtime::Handle::current();
    let added = here.block_on(Inner::call(ctx, "from a plain function".to_owned()))?;
    let timer = async { tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await };
    assert!(here.block_on(timer).is_err());
    Ok(here.block_on(added.result())?)
}

#[delay::func("reaches", isolate = process, retry(limit = 0))]
async fn reaches(ctx: &Context) -> Result<(), BoxError> {
    assert!(std::env::vars_os().next().is_none(), "no credentials");
    assert!(ctx.state::<String>().is_none());
    ctx.client().store().counts().await?;
    Ok(())
}

pub(crate) async fn runtime(isolation: Isolation) -> Runtime {
    let store = Arc::new(MemoryStore::new(Clock::System, Retention::default()));
    let builder = Runtime::on(store).isolation(isolation).state("a secret".to_owned());
    let rt = builder.retry(Retry { limit: Some(0), ..Retry::DEFAULT }).build().await.unwrap();
    rt.start().await.unwrap_or_else(|error| panic!("{}", error.chain()));
    rt
}

async fn ends<T>(rt: &Runtime, task: TaskBuilder<T>) -> TaskRecord {
    task.add(rt).await.unwrap().finished().await.unwrap()
}

/// Waits until `works` has begun: what it says first is heard. Whoever ends before has something else to tell.
pub(crate) async fn begun(handle: &Handle<String>) {
    let mut heard = HEARD.subscribe();
    let word = format!("{} has begun", handle.id());
    tokio::select! {
        heard = heard.wait_for(|heard| heard.contains(&word)) => drop(heard.unwrap()),
        ended = handle.finished() => drop(ended.unwrap()),
    }
}

fn a_value_and_an_error_come_back(isolation: Isolation) {
    run(async {
        let rt = runtime(isolation).await;
        assert_eq!(Double::call(&rt, 21).await.unwrap().result().await.unwrap(), 42);
        for (number, state, error) in [
            (0, TaskState::Failed, "nothing to double"),
            (1, TaskState::Failed, "one is not doubled"),
            (2, TaskState::Cancelled, "two is not wanted"),
        ] {
            let record = ends(&rt, Double::task(number)).await;
            assert_eq!((record.state, record.error.as_deref()), (state, Some(error)));
        }
        rt.stop().await.unwrap();
    });
}

fn each_way_to_misbehave_ends_its_attempt_alone_and_is_named(isolation: Isolation) {
    run(async {
        let rt = runtime(isolation).await;
        for (way, says) in [
            (Way::Spin, "it used up its CPU time of 300ms"),
            (Way::Abort, "it died of SIGABRT: it aborted"),
            (Way::Leak, "it ran out of its memory of 64 MiB"),
            (Way::Overflow, "its stack overflowed"),
            (Way::Fault, "it died of SIGSEGV: a segmentation fault"),
            (Way::Exit, "it exited with code 7"),
            (Way::Open, "Operation not permitted"),
        ] {
            let bad = Misbehave::task(way).add(&rt).await.unwrap();
            let good = Double::call(&rt, 4).await.unwrap();
            assert_eq!(good.result().await.unwrap(), 8, "beside it");
            let record = bad.finished().await.unwrap();
            let error = record.error.unwrap();
            assert_eq!((record.state, record.crashes), (TaskState::Failed, 0), "{error}");
            assert!(error.contains(says), "{error}");
        }
        rt.stop().await.unwrap();
    });
}

fn a_panic_is_a_panic(isolation: Isolation) {
    run(async {
        let rt = runtime(isolation).await;
        let error = ends(&rt, Panics::task()).await.error.unwrap();
        assert!(error.starts_with("panicked at ") && error.ends_with(": no more paper"), "{error}");
        rt.stop().await.unwrap();
    });
}

fn the_context_works_inside(isolation: Isolation) {
    run(async {
        let rt = runtime(isolation).await;
        let task = Outer::task("hello").header("x-from", "outside").name("outer-1");
        let handle = task.add(&rt).await.unwrap();
        let lines = handle.result().await.unwrap();
        assert_eq!(
            lines,
            [
                format!("task {}", handle.id()),
                format!("function {}", <Outer as delay::Function>::id()),
                "queue heavy attempt 1 name Some(\"outer-1\")".to_owned(),
                "header Some(\"outside\")".to_owned(),
                "deadline true".to_owned(),
                "result hello for acme".to_owned(),
                "taken true".to_owned(),
                "many 300".to_owned(),
                "timer true spawned 42 stopping false".to_owned(),
            ]
        );
        rt.stop().await.unwrap();
    });
}

fn what_is_larger_than_a_packet_passes(isolation: Isolation) {
    run(async {
        let rt = runtime(isolation).await;
        let bytes: Vec<u8> = (0..400_000_u32).map(|number| number as u8).collect();
        assert_eq!(Large::call(&rt, bytes.clone()).await.unwrap().result().await.unwrap(), bytes);
        rt.stop().await.unwrap();
    });
}

fn limits_of_what_may_be_added_hold_for_a_process_too(isolation: Isolation) {
    run(async {
        let rt = runtime(isolation).await;
        let error = ends(&rt, TooLarge::task()).await.error.unwrap();
        assert!(error.contains("1048576 are allowed"), "{error}");
        rt.stop().await.unwrap();
    });
}

fn a_timeout_kills_for_certain(isolation: Isolation) {
    run(async {
        let rt = runtime(isolation).await;
        let error = ends(&rt, Sleeps::task()).await.error.unwrap();
        assert_eq!(error, "ran longer than its time limit of 200ms");
        rt.stop().await.unwrap();
    });
}

fn a_cancellation_kills_for_certain(isolation: Isolation) {
    run(async {
        let rt = runtime(isolation).await;
        let handle = Works::call(&rt, true).await.unwrap();
        begun(&handle).await;
        handle.cancel().await.unwrap();
        assert_eq!(handle.finished().await.unwrap().state, TaskState::Cancelled);
        rt.stop().await.unwrap();
    });
}

fn stopping_is_heard_inside_and_what_does_not_end_is_given_back(isolation: Isolation) {
    run(async {
        for (deaf, state) in [(false, TaskState::Succeeded), (true, TaskState::Ready)] {
            let folder = tempfile::TempDir::new().unwrap();
            let url = format!("sqlite:{}", folder.path().join("delay.db").display());
            let rt = Runtime::builder(&url).isolation(isolation).grace(Duration::from_millis(400));
            let rt = rt.state("a secret".to_owned()).build().await.unwrap();
            rt.start().await.unwrap();
            let handle = Works::call(&rt, deaf).await.unwrap();
            begun(&handle).await;
            rt.stop().await.unwrap();
            let client = delay::Client::open(&url).await.unwrap();
            let record = client.handle::<String>(handle.id()).record().await.unwrap();
            client.close().await.unwrap();
            assert_eq!((record.state, record.attempt), (state, u32::from(!deaf)), "{record:?}");
        }
    });
}

fn arguments_that_do_not_fit_hold_the_task(isolation: Isolation) {
    run(async {
        let rt = runtime(isolation).await;
        let stored =
            Stored { function: <Double as delay::Function>::id(), arguments: [("number", "a text")].into() };
        let task = Task {
            id: TaskId::new(),
            queue: "default".into(),
            name: None,
            due: Due::Now,
            priority: 0,
            tag: None,
            options: None,
            payload: rmp_serde::to_vec_named(&stored).unwrap(),
        };
        let handle = rt.handle::<u64>(task.id);
        rt.client().store().push(vec![task]).await.unwrap();
        let record = handle.finished().await.unwrap();
        assert_eq!((record.state, record.attempt), (TaskState::Held, 0), "{record:?}");
        assert_eq!(record.hold, Some(delay::Hold::Undecodable));
        assert!(record.error.unwrap().contains("number"));
        rt.stop().await.unwrap();
    });
}

fn a_plain_function_blocks_on_futures(isolation: Isolation) {
    run(async {
        let rt = runtime(isolation).await;
        let text = Blocks::call(&rt).await.unwrap().result().await.unwrap();
        assert_eq!(text, "from a plain function for nobody");
        rt.stop().await.unwrap();
    });
}

/// The containers of this program, found from outside.
fn containers() -> Vec<u32> {
    let own = std::process::id().to_string();
    let parent = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:\t")).map(str::to_owned)
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| parent(*pid).as_deref() == Some(&own))
        .collect()
}

fn a_dead_container_costs_one_attempt(isolation: Isolation) {
    run(async {
        let rt = runtime(isolation).await;
        let handle = Works::call(&rt, true).await.unwrap();
        begun(&handle).await;
        for pid in containers() {
            let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        let error = handle.finished().await.unwrap().error.unwrap();
        assert!(error.contains("the executor died"), "{error}");
        assert_eq!(Double::call(&rt, 8).await.unwrap().result().await.unwrap(), 16, "another container");
        rt.stop().await.unwrap();
    });
}

fn the_store_is_out_of_reach(isolation: Isolation) {
    run(async {
        let rt = runtime(isolation).await;
        let error = ends(&rt, Reaches::task()).await.error.unwrap();
        assert!(error.contains("the store itself is out of reach"), "{error}");
        rt.stop().await.unwrap();
    });
}
