//! Background calls: the cases B1 to B3 of the original's tests, and what the original got wrong.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use delay::Context;
use delay::background::{self, Background, Host};
use delay::http::BackgroundHost;
use delay::store::Pending;
use delay_tests::served::Served;
use delay_tests::soon;
use delay_tests::web::{Call, Reply};
use tokio::sync::{Notify, oneshot};

#[delay::func("nothing")]
async fn nothing(ctx: &Context) {
    let _ = ctx;
}

/// A host that a test plays: it gives ids when it is told to, and counts how often it was asked.
#[derive(Debug, Default)]
struct Played {
    ids: Mutex<Vec<oneshot::Receiver<delay::Result<String>>>>,
    starts: AtomicUsize,
    asked: Notify,
}

impl Played {
    fn will_give(&self, id: oneshot::Receiver<delay::Result<String>>) {
        self.ids.lock().unwrap().push(id);
    }

    fn gives(&self, id: &str) {
        let (sender, receiver) = oneshot::channel();
        sender.send(Ok(id.to_owned())).unwrap();
        self.will_give(receiver);
    }
}

impl Host for Played {
    fn start(&self) -> Pending<'_, String> {
        self.starts.fetch_add(1, Ordering::SeqCst);
        self.asked.notify_one();
        let id = self.ids.lock().unwrap().remove(0);
        Box::pin(async { id.await.unwrap() })
    }
}

/// A door whose background calls wait for what the test sends.
async fn played() -> (Served, Background, Arc<Played>) {
    played_with(Duration::from_secs(30)).await
}

async fn played_with(patience: Duration) -> (Served, Background, Arc<Played>) {
    let (host, mut made) = (Arc::new(Played::default()), None);
    let served = Served::seen(|rt, _, _, door| {
        let background = Background::on(rt, Arc::clone(&host) as Arc<dyn Host>).patience(patience);
        door.background(made.insert(background))
    });
    let served = served.await;
    (served, made.unwrap(), host)
}

fn request(served: &Served, id: &str) -> impl Future<Output = Reply> + 'static {
    let call = Call::post(background::PATH, "").header(background::ID_HEADER, id).header("Colour", "blue");
    let (call, address) = (served.signed(call), served.address);
    async move { call.send(address).await }
}

/// A call that says in which request it ran.
async fn told(ctx: background::BackgroundContext) -> String {
    format!("{} {}", ctx.id(), ctx.headers().get("colour").unwrap_or("none"))
}

#[tokio::test]
async fn b1_the_start_returns_before_the_request_arrives_and_the_call_runs_once_in_it() {
    let (served, background, host) = played().await;
    host.gives("req-1");
    let calling = tokio::spawn(async move { background.run_in_background(told).await });
    soon("the start", host.asked.notified()).await;
    let reply = request(&served, "req-1").await;
    let handle = soon("the call's begin", calling).await.unwrap().unwrap();
    assert_eq!((reply.status, handle.id()), (200, "req-1"));
    assert_eq!(
        soon("the call's end", handle.finished()).await.unwrap(),
        "req-1 blue",
        "that request's context"
    );
    served.stop().await;
}

#[tokio::test]
async fn b2_the_request_arrives_before_the_start_returns_and_the_call_runs_once_in_it() {
    let (served, background, host) = played().await;
    let (give, given) = oneshot::channel();
    host.will_give(given);
    let calling = tokio::spawn(async move { background.run_in_background(told).await });
    soon("the start", host.asked.notified()).await;
    // Of two requests of one id the first waits, and the second is refused at once: so the first is there.
    let mut one = tokio::spawn(request(&served, "req-2"));
    let mut other = tokio::spawn(request(&served, "req-2"));
    let (refused, waiting) = tokio::select! {
        refused = &mut one => (refused, other),
        refused = &mut other => (refused, one),
    };
    assert_eq!(refused.unwrap().status, 409);
    give.send(Ok("req-2".to_owned())).unwrap();
    let handle = soon("the call's begin", calling).await.unwrap().unwrap();
    assert_eq!(soon("the call's end", handle.finished()).await.unwrap(), "req-2 blue");
    assert_eq!(waiting.await.unwrap().status, 200);
    served.stop().await;
}

#[tokio::test]
async fn b3_each_call_asks_the_host_exactly_once() {
    let (served, background, host) = played().await;
    for n in 1..=3 {
        host.gives(&format!("req-{n}"));
        let (background, request) = (background.clone(), request(&served, &format!("req-{n}")));
        let (called, reply) = tokio::join!(background.run_in_background(|_| async {}), request);
        assert_eq!((called.unwrap().finished().await.unwrap(), reply.status), ((), 200));
        assert_eq!(host.starts.load(Ordering::SeqCst), n);
    }
    served.stop().await;
}

#[tokio::test]
async fn a_host_that_fails_is_told_and_the_call_never_runs() {
    let (served, background, host) = played().await;
    let (give, given) = oneshot::channel();
    host.will_give(given);
    give.send(delay::Client::open("nowhere:").await.map(|_| String::new())).unwrap();
    let error = background.run_in_background(|_| async { panic!("it must not run") }).await.unwrap_err();
    assert!(error.is_unknown_scheme(), "the host's own error: {error}");
    let (_never, given) = oneshot::channel();
    host.will_give(given);
    let background =
        Background::on(&served.rt, Arc::clone(&host) as Arc<dyn Host>).patience(Duration::from_millis(100));
    let error = background.run_in_background(|_| async { panic!("it must not run") }).await.unwrap_err();
    assert!(error.is_unavailable() && error.to_string().contains("did not answer"), "{error}");
    served.stop().await;
}

#[tokio::test]
async fn a_request_that_never_comes_ends_the_call_and_does_not_run_it_later() {
    let (served, background, host) = played().await;
    host.gives("req-1");
    let background = background.patience(Duration::from_millis(100));
    let error = background.run_in_background(|_| async { panic!("it must not run") }).await.unwrap_err();
    assert!(error.is_unavailable() && error.to_string().contains("did not come"), "{error}");
    served.stop().await;
}

#[tokio::test]
async fn a_request_that_nobody_called_for_is_told_so_after_a_while() {
    let (served, ..) = played_with(Duration::from_millis(100)).await;
    let reply = request(&served, "nobody").await;
    assert_eq!(reply.status, 404, "{}", reply.text);
    served.stop().await;
}

#[tokio::test]
async fn an_empty_a_missing_and_a_broken_id_are_refused_and_pair_with_nothing() {
    let (served, background, host) = played().await;
    host.gives("");
    let error = background.run_in_background(|_| async {}).await.unwrap_err();
    assert!(error.to_string().contains("the host gave"), "{error}");
    for id in ["", "a b", &"x".repeat(300)] {
        assert_eq!(request(&served, id).await.status, 400, "{id:?}");
    }
    let none = served.signed(Call::post(background::PATH, ""));
    assert_eq!(none.send(served.address).await.status, 400);
    served.stop().await;
}

#[tokio::test]
async fn nobody_else_may_send_a_background_request() {
    let (served, background, host) = played().await;
    host.gives("req-1");
    let calling = tokio::spawn(async move { background.run_in_background(told).await });
    soon("the start", host.asked.notified()).await;
    let spoofed = Call::post(background::PATH, "").header(background::ID_HEADER, "req-1");
    assert_eq!(spoofed.send(served.address).await.status, 401);
    assert!(!calling.is_finished(), "nothing ran");
    assert_eq!(request(&served, "req-1").await.status, 200);
    calling.await.unwrap().unwrap();
    served.stop().await;
}

#[tokio::test]
async fn a_call_can_be_cancelled_and_a_panic_is_told() {
    let rt = delay::Runtime::open("memory:").await.unwrap();
    let background = Background::in_process(&rt);
    let handle = background.run_in_background(|_| std::future::pending::<()>()).await.unwrap();
    handle.cancel();
    assert!(soon("the end", handle.finished()).await.unwrap_err().is_task_cancelled());
    let handle = background.run_in_background(|_| async { panic!("boom") }).await.unwrap();
    let error = soon("the end", handle.finished()).await.unwrap_err();
    assert!(error.is_task_failed() && error.to_string().contains("boom"), "{error}");
    rt.stop().await.unwrap();
}

#[tokio::test]
async fn a_stop_waits_for_a_call_and_takes_no_more() {
    let rt = delay::Runtime::open("memory:").await.unwrap();
    let background = Background::in_process(&rt);
    let call = |ctx: background::BackgroundContext| async move {
        ctx.stopping().await;
        ctx.is_stopping()
    };
    let handle = background.run_in_background(call).await.unwrap();
    soon("the stop", rt.stop()).await.unwrap();
    assert!(handle.finished().await.unwrap(), "it ended by itself, before the stop did");
    assert!(background.run_in_background(|_| async {}).await.unwrap_err().is_stopping());
}

#[tokio::test]
async fn the_host_over_http_sends_to_the_programs_own_door() {
    let mut made = None;
    let served = Served::seen(|rt, address, keys, door| {
        let host = BackgroundHost::new(&format!("http://{address}"), keys.clone()).unwrap();
        door.background(made.insert(Background::over_http(rt, host)))
    });
    let (served, background) = (served.await, made.unwrap());
    let handle = background.run_in_background(told).await.unwrap();
    let id = handle.id().to_owned();
    assert_eq!(soon("the end", handle.finished()).await.unwrap(), format!("{id} none"));
    served.stop().await;
}

#[tokio::test]
async fn a_host_whose_requests_are_refused_ends_the_call_at_once() {
    let rt = delay::Runtime::open("memory:").await.unwrap();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let keys = delay::http::Keys::new(delay::http::Key::generate().parse().unwrap());
    let host = BackgroundHost::new(&format!("http://{closed}"), keys).unwrap();
    let background = Background::over_http(&rt, host);
    let error = soon("an error", background.run_in_background(|_| async {})).await.unwrap_err();
    assert!(error.is_unavailable() && error.to_string().contains("no answer"), "{error}");
    rt.stop().await.unwrap();
}
