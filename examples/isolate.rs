//! Functions that misbehave, each in a process of its own, beside one that works: `isolate = process`.

use std::hint::black_box;

use delay::{Context, Function as _, Retry, TaskBuilder, TaskState};

/// Never returns: its CPU time ends it.
#[delay::func("spin", isolate = process, cpu = "300ms")]
fn spin(_ctx: &Context) {
    loop {
        std::hint::spin_loop();
    }
}

/// Takes and never gives back: its memory ends it.
#[delay::func("leak", isolate = process, memory = "64MiB")]
fn leak(_ctx: &Context) {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// What a failed check in a C library does.
#[delay::func("abort", isolate = process)]
async fn abort(_ctx: &Context) {
    std::process::abort();
}

/// Calls itself without end.
#[delay::func("overflow", isolate = process)]
fn overflow(_ctx: &Context) {
    deeper(0);
}

#[allow(unconditional_recursion)]
fn deeper(depth: u64) -> u64 {
    let here = black_box([depth; 64]);
    deeper(depth + 1) + here[7]
}

/// Works, and uses what the context offers: the call goes through the worker, for the process sees no database.
#[delay::func("sum", isolate = process, memory = "64MiB", cpu = "10s", timeout = "1m")]
async fn sum(ctx: &Context, numbers: &[u64]) -> delay::Result<()> {
    let sum = numbers.iter().sum();
    Report::call(ctx, sum).await?;
    Ok(())
}

#[delay::func("report")]
async fn report(_ctx: &Context, sum: u64) {
    println!("the sum is {sum}");
}

#[delay::main]
async fn main() -> delay::Result<()> {
    let rt = delay::Runtime::builder(delay_examples::store())
        .retry(Retry { limit: Some(0), ..Retry::DEFAULT }) // once is enough to see it
        .build()
        .await?;
    rt.start().await?; // starts the processes' container, or says what this machine does not allow
    for (name, task) in [
        ("spin", Spin::task()),
        ("leak", Leak::task()),
        ("abort", Abort::task()),
        ("overflow", Overflow::task()),
        ("sum", Sum::task(&[1, 2, 3])),
    ] {
        println!("{name}: {}", outcome(&rt, task).await?);
    }
    while rt.client().store().counts().await?.iter().any(|count| !count.state.is_finished()) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    println!("this worker lives, and so does {}", Report::id());
    rt.stop().await
}

async fn outcome(rt: &delay::Runtime, task: TaskBuilder<()>) -> delay::Result<String> {
    let record = task.add(rt).await?.finished().await?;
    Ok(match record.state {
        TaskState::Succeeded => "succeeded".to_owned(),
        state => format!("{state}, {}", record.error.unwrap_or_default()),
    })
}
