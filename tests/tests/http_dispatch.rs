//! The dispatcher, over real sockets and real files: what is sent where, what a reply means, and what is not sent at all.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use delay::http::{Dispatcher, Key, Keys, PUSH_PATH, Verifier};
use delay::queues::QueueConfig;
use delay::store::{Filter, QueueEdit, Store as _, TaskRecord};
use delay::{BoxError, Context, Failure, Handle, Retry, Runtime, TaskState};
use delay_tests::served::Served;
use delay_tests::web::{Heard, Scripted, seconds};
use delay_tests::{Watched, open_store, soon};
use tempfile::TempDir;

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[delay::func("mail", queue = "mail")]
async fn mail(ctx: &Context, #[state] seen: &Seen, to: String) -> Result<(), BoxError> {
    let tenant = ctx.headers().get("tenant").unwrap_or_default().to_owned();
    seen.0.lock().unwrap().push(format!("{to} {} {} {tenant} {}", ctx.queue(), ctx.attempt(), ctx.task()));
    match to.as_str() {
        "second" if ctx.attempt() < 2 => Err("not yet".into()),
        "nobody" => Err(Failure::permanent("no such mailbox").into()),
        "unwanted" => Err(Failure::cancel("left the list").into()),
        _ => Ok(()),
    }
}

/// A store with a dispatcher's runtime: its own worker is not started, so nothing runs here.
struct Office {
    rt: Runtime,
    store: Arc<Watched>,
    keys: Keys,
    folder: TempDir,
}

impl Office {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}", folder.path().join("jobs.db").display());
        let retry = Retry { min_backoff: Duration::from_millis(1), limit: Some(3), ..Retry::DEFAULT };
        let store = Watched::new(open_store(&url).await.unwrap());
        let rt = Runtime::on(Arc::clone(&store) as _).state(Seen::default()).retry(retry);
        let rt = rt.build().await.unwrap();
        Self { rt, store, keys: Keys::new(Key::generate().parse().unwrap()), folder }
    }

    fn dispatcher(&self) -> Dispatcher {
        Dispatcher::new(&self.rt, self.keys.clone())
    }

    async fn send_to(&self, address: SocketAddr) {
        let target = format!("http://{address}");
        self.dispatcher().allow(&target).target("mail", &target).start().await.unwrap();
    }

    async fn end<T>(&self, handle: &Handle<T>) -> TaskRecord {
        soon("the task's end", handle.finished()).await.unwrap()
    }

    async fn stop(self) {
        soon("the stop", self.rt.stop()).await.unwrap();
        self.store.close().await.unwrap();
        drop(self.folder);
    }
}

#[tokio::test]
async fn a_task_of_a_queue_with_a_target_runs_at_the_other_program() {
    let (office, seen) = (Office::open().await, Seen::default());
    let served = Served::start_with(&office.keys, |builder| builder.state(seen.clone()), |door| door).await;
    office.send_to(served.address).await;
    let handle = Mail::task("ada".into()).header("Tenant", "acme").add(&office.rt).await.unwrap();
    let record = office.end(&handle).await;
    assert_eq!((record.state, record.attempt), (TaskState::Succeeded, 1));
    assert_eq!(seen.all(), [format!("ada mail 1 acme {}", handle.id())], "the same task, there");
    office.stop().await;
    served.stop().await;
}

#[tokio::test]
async fn what_a_function_says_elsewhere_is_what_becomes_of_the_task_here() {
    let (office, seen) = (Office::open().await, Seen::default());
    let served = Served::start_with(&office.keys, |builder| builder.state(seen.clone()), |door| door).await;
    office.send_to(served.address).await;
    for (to, state, attempts, says) in [
        ("second", TaskState::Succeeded, 2, "not yet"),
        ("nobody", TaskState::Failed, 1, "no such mailbox"),
        ("unwanted", TaskState::Cancelled, 1, "left the list"),
    ] {
        let handle = Mail::task(to.into()).add(&office.rt).await.unwrap();
        let record = office.end(&handle).await;
        assert_eq!((record.state, record.attempt), (state, attempts), "{to}: {:?}", record.error);
        assert!(record.error.as_deref().unwrap_or(says).contains(says), "{to}: {:?}", record.error);
    }
    assert_eq!(seen.all().len(), 4);
    office.stop().await;
    served.stop().await;
}

#[tokio::test]
async fn a_request_is_signed_and_has_the_headers_of_the_original() {
    let office = Office::open().await;
    let answer =
        |n, _: &Heard| Some(if n == 0 { "500 Oh\r\n\r\nno".to_owned() } else { "200 OK".to_owned() });
    let mut target = Scripted::start(answer).await;
    office.send_to(target.address).await;
    let handle = Mail::task("ada".into()).name("order-17").add(&office.rt).await.unwrap();
    assert_eq!(office.end(&handle).await.state, TaskState::Succeeded);
    let verifier = Verifier::new(office.keys.clone());
    for (attempt, previous) in [(1, None), (2, Some("500"))] {
        let heard = target.next().await;
        assert_eq!(heard.line, format!("POST {PUSH_PATH}"));
        let headers = heard.headers.iter().map(|(name, value)| (name, value.as_bytes()));
        let id = verifier.verify(headers, &heard.body, seconds(0)).unwrap();
        assert_eq!(id, format!("{}_{attempt}", handle.id()));
        for (name, value) in [
            ("x-appengine-queuename", Some("mail")),
            ("x-appengine-taskname", Some("order-17")),
            ("x-appengine-taskretrycount", Some(if attempt == 1 { "0" } else { "1" })),
            ("x-appengine-taskexecutioncount", Some(if attempt == 1 { "0" } else { "1" })),
            ("x-appengine-taskpreviousresponse", previous),
            ("content-type", Some("application/msgpack")),
        ] {
            assert_eq!(heard.header(name), value, "{name} of attempt {attempt}");
        }
        let eta: f64 = heard.header("x-appengine-tasketa").unwrap().parse().unwrap();
        assert!((seconds(0).as_micros() as f64 / 1e6 - eta).abs() < 600.0, "{eta}");
    }
    office.stop().await;
}

#[tokio::test]
async fn an_http_task_goes_to_its_own_path_with_its_method_headers_and_body() {
    use delay::taskqueue::{Method, Request};
    let office = Office::open().await;
    let mut target = Scripted::start(|_, _| Some("204 No Content".to_owned())).await;
    let base = format!("http://{}/base", target.address);
    office.dispatcher().allow(&base).target("web", &base).start().await.unwrap();
    let task = delay::Task {
        queue: "web".into(),
        payload: Request::new(Method::Put, "/users/7?x=1").unwrap().body("hello").to_payload().unwrap(),
        ..delay_tests::task()
    };
    let id = task.id;
    office.rt.client().store().push(vec![task]).await.unwrap();
    let heard = target.next().await;
    assert_eq!((heard.line.as_str(), &heard.body[..]), ("PUT /base/users/7?x=1", &b"hello"[..]));
    assert_eq!(heard.header("x-appengine-taskname"), Some(&*id.to_string()), "its id is its name");
    assert_eq!(office.end(&office.rt.handle::<()>(id)).await.state, TaskState::Succeeded);
    office.stop().await;
}

#[tokio::test]
async fn the_target_of_a_stored_configuration_is_followed_and_others_are_not_sent_to() {
    let office = Office::open().await;
    let mut target = Scripted::start(|_, _| Some("200 OK".to_owned())).await;
    let mut elsewhere = Scripted::start(|_, _| Some("200 OK".to_owned())).await;
    let queue = |name: &str, target: Option<String>| {
        let mut config = QueueConfig::new(name).unwrap();
        config.target = target;
        config
    };
    let queues = vec![
        queue("mail", Some(format!("http://{}", target.address))),
        queue("evil", Some(format!("http://{}", elsewhere.address))),
        queue("old", Some("v1.service".to_owned())),
        queue("none", None),
    ];
    let edit = QueueEdit::Apply { queues, resume: delay::queues::Resume::ByOperator };
    office.rt.client().store().configure(edit).await.unwrap();
    office.dispatcher().allow(&format!("http://{}", target.address)).start().await.unwrap();
    let waiting = ["evil", "old", "none"].map(|queue| Mail::task("x".into()).queue(queue));
    for task in waiting {
        task.add(&office.rt).await.unwrap();
    }
    let sent = Mail::task("ada".into()).add(&office.rt).await.unwrap();
    assert_eq!(office.end(&sent).await.state, TaskState::Succeeded);
    assert_eq!(target.so_far().len(), 1);
    assert!(elsewhere.so_far().is_empty(), "it is not on the list");
    let ready = Filter { state: Some(TaskState::Ready), ..Filter::default() };
    let left = office.rt.client().store().list(ready).await.unwrap();
    assert_eq!(left.len(), 3, "they wait, and nothing is spent: {left:?}");
    assert!(left.iter().all(|task| task.attempt == 0));
    office.stop().await;
}

#[tokio::test]
async fn a_target_that_is_not_allowed_is_refused_at_the_start() {
    let office = Office::open().await;
    for (allow, target) in [
        ("https://app.example", "http://app.example"),
        ("https://app.example", "https://app.example:444"),
        ("https://app.example", "https://app.example.evil.org"),
        ("https://app.example", "http://169.254.169.254"),
    ] {
        let error = office.dispatcher().allow(allow).target("mail", target).start().await.unwrap_err();
        assert!(error.is_invalid_option() && error.to_string().contains("not allowed"), "{target}: {error}");
    }
    let error = office.dispatcher().target("mail", "v1.mail").start().await.unwrap_err();
    assert!(error.is_invalid_option() && error.to_string().contains("https://"), "{error}");
    office.stop().await;
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let office = Office::open().await;
    let mut elsewhere = Scripted::start(|_, _| Some("200 OK".to_owned())).await;
    let to = elsewhere.address;
    let mut target = Scripted::start(move |_, _| Some(format!("307 Moved\r\nLocation: http://{to}/"))).await;
    office.send_to(target.address).await;
    let handle = Mail::task("ada".into()).add(&office.rt).await.unwrap();
    let record = office.end(&handle).await;
    assert_eq!((record.state, record.attempt), (TaskState::Failed, 4));
    assert!(record.error.as_deref().unwrap().contains("redirects are not followed"), "{:?}", record.error);
    assert_eq!((target.so_far().len(), elsewhere.so_far().len()), (4, 0));
    office.stop().await;
}

#[tokio::test]
async fn a_target_that_says_503_gets_nothing_more_until_its_time_is_over() {
    let office = Office::open().await;
    let answer = |n, _: &Heard| {
        Some(if n == 0 { "503 Busy\r\nRetry-After: 2".to_owned() } else { "200 OK".to_owned() })
    };
    let mut target = Scripted::start(answer).await;
    office.send_to(target.address).await;
    let began = std::time::Instant::now();
    let first = Mail::task("first".into()).add(&office.rt).await.unwrap();
    // What the target asked for is known when its task waits to be sent again.
    let waits = async || (first.record().await.unwrap().state == TaskState::Scheduled).then_some(());
    soon("the first answer", office.store.until(waits)).await;
    let second = Mail::task("second".into()).add(&office.rt).await.unwrap();
    assert_eq!(office.end(&second).await.state, TaskState::Succeeded);
    // Not an assertion on speed: what came sooner would have ignored what the target asked for. Nothing but that holds the
    // second task up.
    assert!(began.elapsed() > Duration::from_secs(2), "after {:?}", began.elapsed());
    assert_eq!(office.end(&first).await.state, TaskState::Succeeded);
    assert_eq!(first.record().await.unwrap().attempt, 2);
    assert_eq!(second.record().await.unwrap().attempt, 1, "a task that was not sent has spent nothing");
    assert_eq!(target.so_far().len(), 3);
    office.stop().await;
}

#[tokio::test]
async fn a_target_that_does_not_answer_in_time_is_given_up_and_tried_again() {
    let office = Office::open().await;
    let answer = |n, _: &Heard| Some(if n == 0 { String::new() } else { "200 OK".to_owned() });
    let target = Scripted::start(answer).await;
    let base = format!("http://{}", target.address);
    office.dispatcher().allow(&base).target("mail", &base).deadline("300ms").start().await.unwrap();
    let handle = Mail::task("ada".into()).add(&office.rt).await.unwrap();
    let record = office.end(&handle).await;
    assert_eq!(record.state, TaskState::Succeeded);
    assert!(
        record.attempt > 1 && record.error.as_deref().unwrap().contains("time limit of 300ms"),
        "{record:?}"
    );
    office.stop().await;
}

#[tokio::test]
async fn a_target_that_is_not_there_costs_an_attempt_and_the_others_wait() {
    let office = Office::open().await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    office.send_to(closed).await;
    let handle = Mail::task("ada".into()).retry(Retry::NEVER).add(&office.rt).await.unwrap();
    let record = office.end(&handle).await;
    assert_eq!(record.state, TaskState::Failed);
    assert!(record.error.as_deref().unwrap().contains("no answer"), "{:?}", record.error);
    office.stop().await;
}

#[tokio::test]
async fn a_request_that_a_stop_breaks_off_is_given_back_unspent() {
    let office = Office::open().await;
    let folder = office.folder.path().join("jobs.db");
    let mut target = Scripted::start(|_, _| Some(String::new())).await;
    let base = format!("http://{}", target.address);
    let rt = Runtime::builder(format!("sqlite:{}", folder.display()));
    let rt = rt.state(Seen::default()).grace("50ms").build().await.unwrap();
    Dispatcher::new(&rt, office.keys.clone()).allow(&base).target("mail", &base).start().await.unwrap();
    let handle = Mail::task("ada".into()).add(&office.rt).await.unwrap();
    target.next().await;
    soon("the stop", rt.stop()).await.unwrap();
    let record = handle.record().await.unwrap();
    assert_eq!((record.state, record.attempt), (TaskState::Ready, 0));
    office.stop().await;
}

#[tokio::test]
async fn the_tasks_of_a_postgres_server_are_sent_by_its_stored_configuration() {
    let schema = delay_tests::postgres::Schema::fresh();
    let rt = Runtime::builder(schema.url()).state(Seen::default()).build().await.unwrap();
    let mut target = Scripted::start(|_, _| Some("200 OK".to_owned())).await;
    let base = format!("http://{}", target.address);
    let mut config = QueueConfig::new("mail").unwrap();
    config.target = Some(base.clone());
    let edit = QueueEdit::Apply { queues: vec![config], resume: delay::queues::Resume::ByOperator };
    rt.client().store().configure(edit).await.unwrap();
    // The runtime's own worker serves all queues, and leaves this one to the dispatcher.
    rt.start().await.unwrap();
    let keys = Keys::new(Key::generate().parse().unwrap());
    Dispatcher::new(&rt, keys).allow(&base).start().await.unwrap();
    let handle = Mail::task("ada".into()).add(&rt).await.unwrap();
    let record = soon("the task's end", handle.finished()).await.unwrap();
    assert_eq!(
        (record.state, target.next().await.header("x-appengine-queuename")),
        (TaskState::Succeeded, Some("mail"))
    );
    soon("the stop", rt.stop()).await.unwrap();
}
