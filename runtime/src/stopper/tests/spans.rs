//! How a task's span relates to the caller's.

use tracing::{Instrument, info_span};

use super::recorder::Recorder;
use crate::stopper::{Stopper, TaskOptions, TaskSpan};

/// Starts a task named "task" from a span named "caller"; the task opens a span named "inner".
async fn run_with(span: TaskSpan) -> Recorder {
    let (recorder, _recording) = Recorder::start();
    let stopper = Stopper::new();
    let work = async { info_span!("inner").in_scope(|| ()) };
    let start = async { stopper.run_async_task_with(TaskOptions::new("task").span(span), work).await };
    let task = start.instrument(info_span!("caller")).await.expect("admitted");
    task.await.expect("no panic");
    stopper.stop().await;
    assert!(recorder.has_span("task") && recorder.has_span("inner"));
    recorder
}

#[tokio::test]
async fn a_child_is_in_the_callers_trace() {
    let recorder = run_with(TaskSpan::Child).await;
    assert_eq!(recorder.parent("task").as_deref(), Some("caller"));
    assert_eq!(recorder.parent("inner").as_deref(), Some("task"));
}

#[tokio::test]
async fn what_follows_from_the_caller_is_not_in_its_trace_but_names_it() {
    let recorder = run_with(TaskSpan::FollowsFrom).await;
    assert_eq!(recorder.parent("task"), None);
    assert_eq!(recorder.cause("task").as_deref(), Some("caller"));
    assert_eq!(recorder.parent("inner").as_deref(), Some("task"));
}

#[tokio::test]
async fn a_sterile_root_has_neither_parent_nor_cause_nor_children() {
    let recorder = run_with(TaskSpan::SterileRoot).await;
    assert_eq!(recorder.parent("task"), None);
    assert_eq!(recorder.cause("task"), None);
    assert_eq!(recorder.parent("inner"), None);
}

#[tokio::test]
async fn a_plain_async_task_follows_from_its_caller() {
    let (recorder, _recording) = Recorder::start();
    let stopper = Stopper::new();
    let task = info_span!("caller").in_scope(|| stopper.run_async_task("task", async {}));
    task.expect("admitted").await.expect("no panic");
    assert_eq!(recorder.cause("task").as_deref(), Some("caller"));
    stopper.stop().await;
}
