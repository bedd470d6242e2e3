//! Panics reach the handler with the very payload, are counted out, and hold up no stop.

use std::any::Any;
use std::panic::{AssertUnwindSafe, panic_any};
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::stopper::{Stopper, Wait};

/// Nothing else is equal to it by accident.
#[derive(Clone, Debug, PartialEq)]
struct Payload(Arc<()>);

impl Payload {
    fn new() -> Self {
        Self(Arc::new(()))
    }

    fn is(&self, payload: &(dyn Any + Send)) -> bool {
        payload.downcast_ref::<Self>().is_some_and(|other| Arc::ptr_eq(&self.0, &other.0))
    }
}

/// A stopper whose handler knows `payload`, and the names it was told.
fn stopper_that_knows(payload: &Payload) -> (Stopper, Arc<Mutex<Vec<&'static str>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let handler = {
        let (payload, told) = (payload.clone(), Arc::clone(&told));
        move |name, thrown: &(dyn Any + Send)| {
            assert!(payload.is(thrown), "the very payload");
            told.lock().expect("no panic").push(name);
        }
    };
    (Stopper::builder().on_panic(handler).build(), told)
}

async fn panics_with(payload: Payload) {
    panic_any(payload);
}

#[tokio::test]
async fn a_panic_in_place_is_told_and_goes_on_to_the_caller() {
    let payload = Payload::new();
    let (stopper, told) = stopper_that_knows(&payload);
    let task = tokio::spawn({
        let (stopper, payload) = (stopper.clone(), payload.clone());
        async move { stopper.run_task("in place", panics_with(payload)).await }
    });
    let thrown = task.await.expect_err("it panicked").into_panic();
    assert!(payload.is(&*thrown));
    assert_eq!(*told.lock().expect("no panic"), ["in place"]);
    assert_eq!(stopper.num_tasks(), 0);
    stopper.stop().await;
}

#[tokio::test]
async fn a_panic_of_an_async_task_or_a_worker_is_told_and_ends_in_the_handle() {
    let payload = Payload::new();
    let (stopper, told) = stopper_that_knows(&payload);
    let task = stopper.run_async_task("async", panics_with(payload.clone())).expect("admitted");
    let worker = stopper.run_worker("worker", panics_with(payload.clone())).expect("admitted");
    for handle in [task, worker] {
        assert!(payload.is(&*handle.await.expect_err("it panicked").into_panic()));
    }
    assert_eq!(*told.lock().expect("no panic"), ["async", "worker"]);
    assert_eq!(stopper.num_tasks(), 0);
    assert!(stopper.running_workers().is_empty());
    stopper.stop().await;
}

#[tokio::test]
async fn a_panic_of_a_limited_task_is_told_and_gives_its_permit_back() {
    let payload = Payload::new();
    let (stopper, told) = stopper_that_knows(&payload);
    let (semaphore, never) = (Arc::new(Semaphore::new(1)), CancellationToken::new());
    for _ in 0..2 {
        let work = panics_with(payload.clone());
        let task = stopper.run_limited_async_task(&semaphore, Wait::Yes, &never, "limited", work).await;
        assert!(payload.is(&*task.expect("a permit").await.expect_err("it panicked").into_panic()));
    }
    assert_eq!(*told.lock().expect("no panic"), ["limited"; 2]);
    assert_eq!(semaphore.available_permits(), 1);
    assert_eq!(stopper.num_tasks(), 0);
    stopper.stop().await;
}

#[tokio::test]
async fn a_future_that_somebody_else_spawned_is_recovered_with_its_payload() {
    let payload = Payload::new();
    let (stopper, told) = stopper_that_knows(&payload);
    let admission = stopper.admit("foreign").expect("admitted");
    let task = tokio::spawn({
        let (stopper, payload) = (stopper.clone(), payload.clone());
        async move {
            let recovered = stopper.recover(admission.name(), panics_with(payload)).await;
            assert_eq!(stopper.num_tasks(), 1);
            recovered
        }
    });
    let panic = task.await.expect("recovered").expect_err("it panicked");
    assert_eq!(panic.to_string(), "`foreign` panicked: with a payload that is not text");
    assert!(payload.is(&*panic.into_payload()));
    assert_eq!(*told.lock().expect("no panic"), ["foreign"]);
    assert_eq!(stopper.recover("calm", async { 7 }).await.expect("no panic"), 7);
    stopper.stop().await;
}

#[tokio::test]
async fn without_a_handler_a_panic_is_counted_out_as_well() {
    let stopper = Stopper::new();
    let task = stopper.run_async_task("task", async { panic!("{}", 42) }).expect("admitted");
    let thrown: Result<(), _> = task.await;
    assert_eq!(thrown.expect_err("it panicked").into_panic().downcast_ref(), Some(&"42".to_owned()));
    stopper.stop().await;
}

#[tokio::test]
async fn a_handler_that_panics_holds_up_no_stop() {
    let stopper = Stopper::builder().on_panic(|_, _| panic!("the handler, too")).build();
    let task = stopper.run_async_task("task", async { panic!("first") }).expect("admitted");
    let thrown: Result<(), _> = task.await;
    thrown.expect_err("it panicked");
    assert_eq!(stopper.num_tasks(), 0);
    stopper.add_closer(|| panic!("a closer"));
    let stop = AssertUnwindSafe(stopper.stop());
    stop.await;
}
