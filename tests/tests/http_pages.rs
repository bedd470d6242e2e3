//! The pages: alive, ready, figures that Prometheus reads, and what runs.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::net::SocketAddr;
use std::sync::Arc;

use delay::http::Pages;
use delay::{Context, Runtime};
use delay_tests::served::Served;
use delay_tests::web::{Call, Reply};
use delay_tests::{python, soon};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

#[derive(Clone, Default)]
struct Begun(Arc<Notify>);

#[delay::func("hang", queue = "slow")]
async fn hang(ctx: &Context, #[state] begun: &Begun) {
    begun.0.notify_one();
    ctx.stopping().await;
}

async fn served(begun: &Begun) -> Served {
    let state = begun.clone();
    let set_up = move |builder: delay::Builder| builder.state(state).name("w1").grace("1s");
    Served::paged(set_up, |rt| Pages::new(rt).router()).await
}

async fn get(address: SocketAddr, path: &str) -> Reply {
    Call::get(path).send(address).await
}

#[tokio::test]
async fn alive_says_so_whatever_else_is_wrong() {
    let served = served(&Begun::default()).await;
    served.rt.client().close().await.unwrap();
    assert_eq!(get(served.address, "/healthz").await.status, 200);
}

#[tokio::test]
async fn ready_means_a_store_that_answers_and_a_worker_that_claims() {
    let served = served(&Begun::default()).await;
    let rt = &served.rt;
    rt.start().await.unwrap();
    let ready = async || loop {
        let reply = get(served.address, "/readyz").await;
        if reply.status == 200 {
            return reply.text;
        }
    };
    let text = soon("a runtime that is ready", ready()).await;
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["the runtime: ok", "the store: ok", "worker w1 push: ok", "worker w1: ok"]);
    rt.client().close().await.unwrap();
    let after = get(served.address, "/readyz").await;
    assert_eq!(after.status, 503);
    assert!(after.text.starts_with("the store: does not answer\n"), "{}", after.text);
}

/// The pages in an application of one's own, whose server goes on when the runtime stops.
async fn mounted(rt: &Runtime) -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, pages) = (listener.local_addr().unwrap(), Pages::new(rt).router());
    (address, tokio::spawn(async move { axum::serve(listener, pages).await }))
}

#[tokio::test]
async fn a_runtime_that_was_not_started_or_stops_is_not_ready() {
    let rt = Runtime::builder("memory:").state(Begun::default()).build().await.unwrap();
    let (address, server) = mounted(&rt).await;
    let before = get(address, "/readyz").await;
    assert_eq!(
        (before.status, before.text.contains("the worker: was not started")),
        (503, true),
        "{}",
        before.text
    );
    rt.start().await.unwrap();
    soon("a runtime that is ready", async { while get(address, "/readyz").await.status != 200 {} }).await;
    rt.stop().await.unwrap();
    let after = get(address, "/readyz").await;
    assert_eq!(
        (after.status, after.text.contains("the runtime: is stopping")),
        (503, true),
        "{}",
        after.text
    );
    server.abort();
}

#[tokio::test]
async fn the_figures_are_those_of_the_store_the_workers_and_the_process_and_prometheus_reads_them() {
    let begun = Begun::default();
    let served = served(&begun).await;
    let rt = &served.rt;
    Hang::call(rt).await.unwrap();
    Hang::task().queue("with\"quotes").add(rt).await.unwrap_err();
    Hang::task().delay("1h").add(rt).await.unwrap();
    rt.start().await.unwrap();
    soon("the function's begin", begun.0.notified()).await;
    let page = get(served.address, "/metrics").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = page.text.clone();
    let read = tokio::task::spawn_blocking(move || python("metrics.py", &[], &text)).await.unwrap();
    let samples: Vec<(String, Value, f64, String)> = serde_json::from_str(&read).unwrap();
    let value = |name: &str, label: Option<(&str, &str)>, state: Option<&str>| {
        let found = samples.iter().filter(|(found, labels, ..)| {
            found == name
                && label.is_none_or(|(key, value)| labels[key] == value)
                && state.is_none_or(|state| labels["state"] == state)
        });
        let found: Vec<f64> = found.map(|(.., value, _)| *value).collect();
        assert_eq!(found.len(), 1, "{name} {label:?} {state:?} in\n{}", page.text);
        found[0]
    };
    assert_eq!(value("delay_tasks", Some(("queue", "slow")), Some("running")), 1.0);
    assert_eq!(value("delay_tasks", Some(("queue", "slow")), Some("scheduled")), 1.0);
    assert_eq!(value("delay_store_up", None, None), 1.0);
    assert_eq!(value("delay_worker_up", Some(("worker", "w1")), None), 1.0);
    assert_eq!(value("delay_attempts_running", Some(("worker", "w1")), None), 1.0);
    assert_eq!(value("delay_attempts_running", Some(("worker", "w1 push")), None), 0.0);
    assert_eq!(value("delay_stopping", None, None), 0.0);
    let stats = delay::stats().unwrap();
    let seconds = value("delay_process_cpu_seconds_total", None, None);
    assert!(seconds <= stats.cpu.total.as_secs_f64(), "{seconds}");
    assert!(value("delay_process_memory_bytes", Some(("window", "10m")), None) > 1e6);
    for window in ["1m", "10m"] {
        assert!(value("delay_process_cpu_rate", Some(("window", window)), None) >= 0.0);
    }
    let kind = |name: &str| samples.iter().find(|(found, ..)| found == name).map(|(.., kind)| kind.clone());
    assert_eq!(kind("delay_tasks_ended_total").as_deref(), Some("counter"));
    assert_eq!(kind("delay_tasks").as_deref(), Some("gauge"));
    served.stop().await;
}

#[tokio::test]
async fn figures_do_not_fail_with_the_store() {
    let served = served(&Begun::default()).await;
    served.rt.client().close().await.unwrap();
    let page = get(served.address, "/metrics").await;
    assert!(page.status == 200 && page.text.contains("\ndelay_store_up 0.0\n"), "{}", page.text);
}

#[tokio::test]
async fn the_stopper_says_what_runs() {
    let begun = Begun::default();
    let served = served(&begun).await;
    served.rt.start().await.unwrap();
    Hang::call(&served.rt).await.unwrap();
    soon("the function's begin", begun.0.notified()).await;
    let page = get(served.address, "/debug/stopper").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("stopper delay::Runtime") && page.text.contains(":hang"), "{}", page.text);
    served.stop().await;
}
