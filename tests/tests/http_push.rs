//! The push door, over real sockets and real files: what runs, what is answered, what comes twice, and what is kept.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::sync::{Arc, Mutex};

use axum::Router;
use delay::http::{Auth, Door, Key, Keys, PUSH_PATH};
use delay::store::Filter;
use delay::{BoxError, Context, Failure, Runtime, TaskId, TaskState};
use delay_tests::served::{Served, payload, sign};
use delay_tests::soon;
use delay_tests::web::{Call, Reply};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

/// What has run.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Lets functions go on.
#[derive(Clone)]
struct Gate {
    begun: Arc<Notify>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Self { begun: Arc::default(), open: Arc::new(Semaphore::new(0)) }
    }
}

#[delay::func("note")]
async fn note(ctx: &Context, #[state] seen: &Seen, text: String) {
    let _ = ctx;
    seen.note(text);
}

#[delay::func("facts")]
async fn facts(ctx: &Context, #[state] seen: &Seen) {
    let tenant = ctx.headers().get("TENANT").unwrap_or("none");
    let (queue, name, attempt, task) = (ctx.queue(), ctx.name(), ctx.attempt(), ctx.task());
    seen.note(format!("{queue} {name:?} {attempt} {tenant}"));
    seen.note(task.to_string());
}

#[delay::func("fail")]
async fn fail(ctx: &Context, #[state] seen: &Seen, how: String) -> Result<(), BoxError> {
    seen.note(format!("{how} {}", ctx.attempt()));
    Err(match how.as_str() {
        "permanent" => Failure::permanent("never").into(),
        "cancel" => Failure::cancel("not wanted").into(),
        "snooze" => Failure::snooze(std::time::Duration::from_millis(2500)).into(),
        "panic" => panic!("boom"),
        _ => "not today".into(),
    })
}

#[delay::func("wait")]
async fn wait(ctx: &Context, #[state] seen: &Seen, #[state] gate: &Gate) {
    let _ = ctx;
    gate.begun.notify_one();
    gate.open.acquire().await.unwrap().forget();
    seen.note("waited");
}

async fn served(seen: &Seen) -> Served {
    served_with(seen, &Gate::new(), |door| door).await
}

async fn served_with(seen: &Seen, gate: &Gate, door: impl FnOnce(Door) -> Door) -> Served {
    Served::start(|builder| builder.state(seen.clone()).state(gate.clone()), door).await
}

fn outcome(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.header("delay-outcome").unwrap_or("none"))
}

#[tokio::test]
async fn a_posted_invocation_runs_once_and_is_answered_with_200() {
    let seen = Seen::default();
    let served = served(&seen).await;
    let call = served.signed(Call::post(PUSH_PATH, payload(Note::task("hello".into())).await));
    let reply = call.send(served.address).await;
    assert_eq!(outcome(&reply), (200, "succeeded"));
    assert_eq!((seen.all(), reply.text.as_str()), (vec!["hello".to_owned()], ""));
    let task = reply.header("delay-task").unwrap().parse().unwrap();
    let record = served.rt.handle::<()>(task).record().await.unwrap();
    assert_eq!((record.state, record.queue.as_str()), (TaskState::Succeeded, "delay-push"));
    served.stop().await;
}

#[tokio::test]
async fn the_context_says_what_the_headers_say() {
    let seen = Seen::default();
    let served = served(&seen).await;
    let task = TaskId::new();
    let call = Call::post(PUSH_PATH, payload(Facts::task()).await)
        .header("X-AppEngine-QueueName", "mail")
        .header("X-AppEngine-TaskName", "order-17")
        .header("X-AppEngine-TaskRetryCount", "9")
        .header("Tenant", "acme");
    // What is signed counts more than what a header says: this is the second attempt.
    let reply = served.sign(&format!("{task}_2"), call).send(served.address).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(seen.all(), ["mail Some(\"order-17\") 2 acme".to_owned(), task.to_string()]);
    served.stop().await;
}

#[tokio::test]
async fn each_kind_of_failure_has_its_answer() {
    let seen = Seen::default();
    let served = served(&seen).await;
    for (how, expected, retry_after, says) in [
        ("today", (500, "again"), None, "not today"),
        ("panic", (500, "again"), None, "boom"),
        ("snooze", (503, "again"), Some("3"), "snoozed"),
        ("permanent", (202, "failed"), None, "never"),
        ("cancel", (202, "cancelled"), None, "not wanted"),
    ] {
        let call = served.signed(Call::post(PUSH_PATH, payload(Fail::task(how.into())).await));
        let reply = call.send(served.address).await;
        assert_eq!(outcome(&reply), expected, "{how}: {}", reply.text);
        assert_eq!(reply.header("retry-after"), retry_after, "{how}");
        assert!(reply.text.contains(says), "{how}: {}", reply.text);
    }
    assert_eq!(seen.all().len(), 5, "the door retries nothing: that is the sender's");
    served.stop().await;
}

#[tokio::test]
async fn the_same_attempt_runs_once_and_every_delivery_of_it_gets_the_stored_answer() {
    let seen = Seen::default();
    let served = served(&seen).await;
    let task = TaskId::new();
    let call = Call::post(PUSH_PATH, payload(Fail::task("today".into())).await);
    // The same message at two times: what is sent again is signed again.
    let first = sign(&served.keys, &format!("{task}_1"), -2, call.clone()).send(served.address).await;
    let again = sign(&served.keys, &format!("{task}_1"), -1, call.clone()).send(served.address).await;
    assert_eq!(outcome(&first), (500, "again"));
    assert_eq!(first, Reply { headers: first.headers.clone(), ..again.clone() });
    assert_eq!(again.header("delay-task"), first.header("delay-task"));
    assert_eq!(seen.all(), ["today 1"]);
    let next = sign(&served.keys, &format!("{task}_2"), 0, call).send(served.address).await;
    assert_eq!((outcome(&next), seen.all().len()), ((500, "again"), 2), "the next attempt runs");
    served.stop().await;
}

#[tokio::test]
async fn a_delivery_that_comes_while_it_runs_waits_for_the_same_outcome() {
    let (seen, gate) = (Seen::default(), Gate::new());
    let served = served_with(&seen, &gate, |door| door).await;
    let task = TaskId::new();
    let call = Call::post(PUSH_PATH, payload(Wait::task()).await);
    let deliveries = [-2, -1, 0].map(|off| {
        let call = sign(&served.keys, &format!("{task}_{}", off + 3), off, call.clone());
        let address = served.address;
        tokio::spawn(async move { call.send(address).await })
    });
    soon("the function's begin", gate.begun.notified()).await;
    gate.open.add_permits(3);
    for delivery in deliveries {
        assert_eq!(outcome(&delivery.await.unwrap()), (200, "succeeded"));
    }
    assert_eq!(seen.all(), ["waited"], "three deliveries, of three attempts, and one run");
    served.stop().await;
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_does_not_run_again_not_even_after_a_restart() {
    let (seen, folder) = (Seen::default(), tempfile::TempDir::new().unwrap());
    let url = format!("sqlite:{}", folder.path().join("jobs.db").display());
    for (n, at) in [(1, -1), (2, 0)] {
        let served =
            Served::on(&url, |builder| builder.state(seen.clone()).state(Gate::new()), |door| door).await;
        let call = Call::post(PUSH_PATH, payload(Note::task("once".into())).await);
        let reply = sign(&served.keys, &format!("01890a5d-ac96-774b-bcce-b302099a8057_{n}"), at, call);
        assert_eq!(outcome(&reply.send(served.address).await), (200, "succeeded"));
        served.stop().await;
    }
    assert_eq!(seen.all(), ["once"]);
}

#[tokio::test]
async fn a_sender_that_does_not_count_is_retried_until_it_succeeds() {
    let seen = Seen::default();
    let served = served(&seen).await;
    let failing = Call::post(PUSH_PATH, payload(Fail::task("today".into())).await);
    for off in [-3, -2] {
        assert_eq!(
            outcome(&sign(&served.keys, "msg", off, failing.clone()).send(served.address).await).0,
            500
        );
    }
    assert_eq!(seen.all().len(), 2, "a failure that may pass is tried again");
    let fine = Call::post(PUSH_PATH, payload(Note::task("fine".into())).await);
    for off in [-1, 0] {
        assert_eq!(outcome(&sign(&served.keys, "msg", off, fine.clone()).send(served.address).await).0, 200);
    }
    assert_eq!(seen.all().len(), 3, "a success is not");
    served.stop().await;
}

#[tokio::test]
async fn what_cannot_run_is_held_with_its_bytes_and_the_reason() {
    let seen = Seen::default();
    let served = served(&seen).await;
    let mut unknown = payload(Note::task("later".into())).await;
    // The function's name ends with its key: the same length, another name.
    let key = unknown.windows(5).position(|five| five == b":note").unwrap();
    unknown[key + 1..key + 5].copy_from_slice(b"mote");
    let reply = served.signed(Call::post(PUSH_PATH, unknown.clone())).send(served.address).await;
    assert_eq!(outcome(&reply), (202, "held"));
    assert!(reply.text.contains("no function") && reply.text.contains(":mote"), "{}", reply.text);
    let record = &served.tasks().await[0];
    assert_eq!((record.state, &record.payload), (TaskState::Held, &unknown));
    assert!(record.error.as_deref().unwrap().contains(":mote"));
    served.stop().await;
}

#[tokio::test]
async fn a_door_without_a_store_runs_at_once_and_refuses_what_it_cannot() {
    let seen = Seen::default();
    let served = served_with(&seen, &Gate::new(), Door::without_store).await;
    let task = TaskId::new();
    let good = Call::post(PUSH_PATH, payload(Note::task("here".into())).await);
    for off in [-1, 0] {
        let reply = sign(&served.keys, &format!("{task}_1"), off, good.clone()).send(served.address).await;
        assert_eq!(outcome(&reply), (200, "succeeded"));
    }
    assert_eq!(seen.all(), ["here"], "a duplicate is known here, too");
    let failing = Call::post(PUSH_PATH, payload(Fail::task("today".into())).await);
    for (n, off, runs) in [(1, -2, 2), (1, -1, 2), (2, 0, 3)] {
        let id = format!("01890a5d-ac96-774b-bcce-b302099a8057_{n}");
        assert_eq!(sign(&served.keys, &id, off, failing.clone()).send(served.address).await.status, 500);
        assert_eq!(seen.all().len(), runs, "attempt {n}");
    }
    let reply = served.signed(Call::post(PUSH_PATH, "no invocation")).send(served.address).await;
    assert_eq!(outcome(&reply), (422, "refused"));
    assert!(reply.text.contains("not an invocation"), "{}", reply.text);
    assert_eq!(served.tasks().await, [], "nothing was written");
    served.stop().await;
}

#[tokio::test]
async fn the_door_is_mounted_in_an_application_of_ones_own() {
    let seen = Seen::default();
    let keys = Keys::new(Key::generate().parse().unwrap());
    let rt = Runtime::builder("memory:").state(seen.clone()).state(Gate::new()).build().await.unwrap();
    let app = Router::new()
        .route("/", axum::routing::get(async || "mine"))
        .merge(Door::new(&rt, Auth::signed(keys.clone())).router().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    assert_eq!(Call::get("/").send(address).await.text, "mine");
    let call = Call::post(PUSH_PATH, payload(Note::task("mounted".into())).await);
    assert_eq!(sign(&keys, "a", 0, call).send(address).await.status, 200);
    assert_eq!(Call::get(PUSH_PATH).send(address).await.status, 405);
    assert_eq!(seen.all(), ["mounted"]);
    rt.stop().await.unwrap();
    server.abort();
}

#[tokio::test]
async fn at_a_stop_the_delivery_that_runs_is_waited_for_and_answered() {
    let (seen, gate) = (Seen::default(), Gate::new());
    let served = served_with(&seen, &gate, |door| door).await;
    let call = served.signed(Call::post(PUSH_PATH, payload(Wait::task()).await));
    let address = served.address;
    let delivery = tokio::spawn(async move { call.send(address).await });
    soon("the function's begin", gate.begun.notified()).await;
    let quiescing = served.rt.stopper().quiescing();
    let stop = tokio::spawn(served.stop());
    quiescing.await;
    gate.open.add_permits(1);
    assert_eq!(outcome(&soon("the answer", delivery).await.unwrap()), (200, "succeeded"));
    stop.await.unwrap();
    assert_eq!(seen.all(), ["waited"]);
}

#[tokio::test]
async fn a_delivery_that_a_stop_interrupts_is_answered_with_503_and_kept() {
    let (seen, gate, folder) = (Seen::default(), Gate::new(), tempfile::TempDir::new().unwrap());
    let url = format!("sqlite:{}", folder.path().join("jobs.db").display());
    let set_up = |builder: delay::Builder| builder.state(seen.clone()).state(gate.clone()).grace("100ms");
    let served = Served::on(&url, set_up, |door| door).await;
    let task = TaskId::new();
    let call = Call::post(PUSH_PATH, payload(Wait::task()).await);
    let (first, address) = (sign(&served.keys, &format!("{task}_1"), 0, call.clone()), served.address);
    let delivery = tokio::spawn(async move { first.send(address).await });
    soon("the function's begin", gate.begun.notified()).await;
    served.stop().await;
    let reply = soon("the answer", delivery).await.unwrap();
    assert_eq!((outcome(&reply), reply.header("retry-after")), ((503, "none"), Some("1")));
    // The next start runs it, and the sender's next attempt waits with it.
    let served = Served::on(&url, set_up, |door| door).await;
    let second = sign(&served.keys, &format!("{task}_2"), 0, call);
    let second = second.send(served.address);
    let open = async {
        soon("the function's begin", gate.begun.notified()).await;
        gate.open.add_permits(2);
    };
    let (reply, ()) = tokio::join!(second, open);
    assert_eq!(outcome(&reply), (200, "succeeded"));
    assert_eq!(seen.all(), ["waited"], "one run to its end");
    let filter = Filter { state: Some(TaskState::Succeeded), ..Filter::default() };
    assert_eq!(served.rt.client().store().list(filter).await.unwrap().len(), 1);
    served.stop().await;
}

#[tokio::test]
async fn the_door_keeps_its_word_on_a_postgres_server() {
    let (seen, schema) = (Seen::default(), delay_tests::postgres::Schema::fresh());
    let set_up = |builder: delay::Builder| builder.state(seen.clone()).state(Gate::new());
    let served = Served::on(&schema.url(), set_up, |door| door).await;
    let task = TaskId::new();
    let fine = Call::post(PUSH_PATH, payload(Note::task("there".into())).await);
    for off in [-1, 0] {
        let call = sign(&served.keys, &format!("{task}_1"), off, fine.clone());
        assert_eq!(outcome(&call.send(served.address).await), (200, "succeeded"));
    }
    let failing = served.signed(Call::post(PUSH_PATH, payload(Fail::task("today".into())).await));
    assert_eq!(outcome(&failing.send(served.address).await), (500, "again"));
    let held = served.signed(Call::post(PUSH_PATH, "no invocation")).send(served.address).await;
    assert_eq!(outcome(&held), (202, "held"));
    assert_eq!(seen.all(), ["there", "today 1"]);
    served.stop().await;
}
