//! A computation that outlives deploys: suspended in the middle of a loop, stored, and resumed by the next process.
//!
//! `cargo run --example survive_deploy --features programs`. It plays both parts: a worker, which is stopped and started
//! five times, and whoever deploys it.

use std::process::{Child, Command};
use std::time::Duration;

use delay::{Client, Handle, Runtime, TaskState};
use rustix::process::{Pid, Signal, kill_process};

/// Some seconds of work. Nothing in the program knows of being suspended: see `survive_deploy/digest.wat`.
#[delay::program(
    "digest",
    file = "survive_deploy/digest.wasm",
    suspendable,
    checkpoint = "10s",
    keep_result = "1d"
)]
fn digest(rounds: u32) -> u64;

const ROUNDS: u32 = 1_500_000_000;

#[delay::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = delay_examples::store();
    if std::env::args().nth(1).as_deref() == Some("work") {
        // What a worker does at SIGTERM: programs are suspended and stored, tasks given back, and it ends.
        return Ok(Runtime::open(&url).await?.run().await?);
    }
    let client = Client::open(&url).await?;
    let interrupted = Digest::call(&client, ROUNDS).await?;
    for deploy in 1..=5 {
        let worker = start()?;
        until_it_runs(&client, &interrupted).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop(worker)?;
        let stored = client.store().snapshot(interrupted.id()).await?.map_or(0, |bytes| bytes.len());
        println!("deploy {deploy}: suspended, and stored in {stored} bytes");
    }
    let worker = start()?;
    let result = interrupted.result().await?;
    println!("resumed by the sixth process: {result:016x}");
    let uninterrupted = Digest::call(&client, ROUNDS).await?.result().await?;
    println!("without any deploy:           {uninterrupted:016x}");
    stop(worker)?;
    client.close().await?;
    assert_eq!(result, uninterrupted);
    Ok(())
}

fn start() -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?).arg("work").spawn()
}

fn stop(mut worker: Child) -> std::io::Result<()> {
    kill_process(Pid::from_child(&worker), Signal::TERM)?;
    worker.wait().map(drop)
}

async fn until_it_runs<T>(client: &Client, handle: &Handle<T>) -> delay::Result<()> {
    loop {
        let record = client.store().get(vec![handle.id()]).await?.pop().flatten();
        if record.is_none_or(|record| record.state == TaskState::Running || record.state.is_finished()) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
