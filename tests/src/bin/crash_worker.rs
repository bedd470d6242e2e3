//! A worker that is made to die: adds tasks, runs them, and writes all of it down.
//!
//! `crash_worker ORDERS`, the orders as JSON (`delay_tests::Orders`). It stops at SIGTERM as every worker does.

use std::future::poll_fn;
use std::io::Read as _;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use delay::{BoxError, Context, Enqueue as _, FailureExt as _, Runtime, TaskBuilder};
use delay_tests::history::{Id, Journal, What};
use delay_tests::{Call, Dice, Lying, Orders, Recording, open_store};
use tokio::sync::watch;

static JOURNAL: OnceLock<Arc<Journal>> = OnceLock::new();
static GATE: OnceLock<watch::Sender<bool>> = OnceLock::new();

fn journal() -> &'static Arc<Journal> {
    JOURNAL.get().expect("opened first of all")
}

fn note(text: impl Into<String>) {
    journal().write([What::Note { text: text.into() }]);
}

fn started(ctx: &Context) {
    journal().write([What::Started { id: Id(ctx.task()), attempt: ctx.attempt() }]);
}

fn ran(ctx: &Context) {
    journal().write([What::Ran { id: Id(ctx.task()) }]);
}

#[delay::func("quick")]
async fn quick(ctx: &Context) {
    started(ctx);
    ran(ctx);
}

#[delay::func("plain")]
fn plain(ctx: &Context) {
    started(ctx);
    ran(ctx);
}

#[delay::func("busy")]
async fn busy(ctx: &Context, turns: u32) {
    started(ctx);
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    ran(ctx);
}

#[delay::func("flaky")]
async fn flaky(ctx: &Context, failures: u32) -> Result<(), BoxError> {
    started(ctx);
    if ctx.attempt() <= failures {
        return Ok(Err("not yet").retry_in(Duration::from_millis(1))?);
    }
    ran(ctx);
    Ok(())
}

#[delay::func("parent")]
async fn parent(ctx: &Context, children: u32) -> delay::Result<()> {
    started(ctx);
    ctx.add_all((0..children).map(|_| Quick::task()))
        .await?
        .into_iter()
        .collect::<delay::Result<Vec<_>>>()?;
    ran(ctx);
    Ok(())
}

#[delay::func("gate")]
async fn gate(ctx: &Context) {
    started(ctx);
    let mut open = GATE.get().expect("made first of all").subscribe();
    open.wait_for(|open| *open).await.expect("the gate is never dropped");
    ran(ctx);
}

#[delay::func("brief")]
async fn brief(ctx: &Context) {
    started(ctx);
    ctx.stopping().await;
    ran(ctx);
}

#[delay::func("endless")]
async fn endless(ctx: &Context) {
    started(ctx);
    ctx.stopping().await;
    note("stopping");
    std::future::pending::<()>().await;
}

#[delay::func("abort")]
async fn abort(ctx: &Context) {
    started(ctx);
    std::process::abort();
}

fn task(call: Call) -> TaskBuilder<()> {
    match call {
        Call::Quick => Quick::task(),
        Call::Plain => Plain::task(),
        Call::Busy(turns) => Busy::task(turns),
        Call::Flaky(failures) => Flaky::task(failures),
        Call::Parent(children) => Parent::task(children),
        Call::Gate => Gate::task(),
        Call::Brief => Brief::task(),
        Call::Endless => Endless::task(),
        Call::Abort => Abort::task(),
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> delay::Result<()> {
    let orders = std::env::args().nth(1).expect("orders");
    let orders: Orders = serde_json::from_str(&orders).expect("orders as JSON");
    let opened = Journal::open(&orders.history).expect("the history can be opened");
    JOURNAL.set(Arc::new(opened)).expect("set once");
    GATE.set(watch::Sender::new(false)).expect("set once");
    std::thread::spawn(|| {
        // Whatever comes: it is the end that counts.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        GATE.get().expect("made first of all").send_replace(true);
    });
    let rt = runtime(&orders).await?;
    for added in rt.add_all(orders.add.iter().copied().map(task)).await? {
        added?;
    }
    if let Some(seed) = orders.produce {
        for lane in 0..4 {
            tokio::spawn(produce(rt.client().clone(), Dice::new(seed + lane)));
        }
    }
    match orders.work {
        Some(_) => works(&rt).await?,
        None if orders.produce.is_some() => {
            note("open");
            std::future::pending().await
        }
        None => {
            note("open");
            rt.stop().await?;
        }
    }
    note("ended");
    Ok(())
}

/// Tells that it works once it hears signals, which it does from its first moment on.
async fn works(rt: &Runtime) -> delay::Result<()> {
    let mut run = pin!(rt.run());
    let begun = poll_fn(|cx| Poll::Ready(run.as_mut().poll(cx))).await;
    note("open");
    match begun {
        Poll::Ready(ran) => ran,
        Poll::Pending => run.await,
    }
}

async fn runtime(orders: &Orders) -> delay::Result<Runtime> {
    let mut store = open_store(&orders.store).await?;
    if let Some(lie) = orders.lie {
        store = Arc::new(Lying::new(store, lie));
    }
    let builder = Runtime::on(Arc::new(Recording::new(store, Arc::clone(journal()))));
    let Some(work) = &orders.work else { return builder.build().await };
    let builder = builder.concurrency(work.concurrency).max_crashes(work.max_crashes);
    builder.lease(work.lease).grace(work.grace).build().await
}

/// Adds tasks of all kinds, a few ahead of what has been done.
async fn produce(client: delay::Client, mut dice: Dice) {
    loop {
        let batch: Vec<_> = (0..1 + dice.below(6)).map(|_| task(random(&mut dice))).collect();
        let done = match client.add_all(batch).await {
            Ok(added) => {
                added.into_iter().last().expect("one at least").expect("no names").finished().await.map(drop)
            }
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => {}
            // The store is away and comes back: what was acknowledged until then counts.
            Err(error) if error.is_unavailable() => {
                note(format!("away: {}", error.chain()));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return note(format!("trouble: {}", error.chain())),
        }
    }
}

fn random(dice: &mut Dice) -> Call {
    match dice.below(10) {
        0 => Call::Plain,
        1 => Call::Flaky(1 + dice.below(2) as u32),
        2 => Call::Parent(1 + dice.below(3) as u32),
        3..6 => Call::Busy(dice.below(2000) as u32),
        _ => Call::Quick,
    }
}
