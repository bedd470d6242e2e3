//! The conformance cases of App Engine's delay package, D1 to D17: each runs here or is found where it runs (`elsewhere`).

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use delay::http::PUSH_PATH;
use delay::{BoxError, Client, Context, Function as _, Runtime};
use delay_tests::served::{Served, payload};
use delay_tests::soon;
use delay_tests::web::{Call, Reply};
use serde::{Deserialize, Serialize};

mod appengine {
    mod elsewhere;
}

/// What has run.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn all(&self) -> Vec<String> {
        let mut all = self.0.lock().unwrap().clone();
        all.sort();
        all
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
    tags: HashMap<String, u64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Circle { radius: f64 },
    Point,
}

#[delay::func("one-string")]
async fn one_string(_ctx: &Context, #[state] seen: &Seen, text: String) {
    seen.note(text);
}

#[delay::func("variadic")]
async fn variadic(_ctx: &Context, #[state] seen: &Seen, first: String, #[rest] more: Vec<i64>) {
    seen.note(format!("{first} {more:?}"));
}

#[delay::func("values")]
async fn values(_ctx: &Context, #[state] seen: &Seen, person: Option<Person>, shape: Option<Shape>) {
    seen.note(format!("{person:?} {shape:?}"));
}

#[delay::func("second-time")]
async fn second_time(_ctx: &Context, #[state] seen: &Seen) -> Result<(), BoxError> {
    seen.note("run");
    if seen.all().len() < 2 { Ok(()) } else { Err("the second time".into()) }
}

#[delay::func("newer", aliases = ["delay-tests/tests/older.rs:older"])]
async fn newer(_ctx: &Context, #[state] seen: &Seen, text: String) {
    seen.note(format!("newer: {text}"));
}

#[delay::func("same text")]
async fn in_a_file(_ctx: &Context, #[state] seen: &Seen) {
    seen.note("in a file");
}

#[delay::func(global = "same text")]
async fn global(_ctx: &Context, #[state] seen: &Seen) {
    seen.note("global");
}

#[delay::func("headers")]
async fn headers(ctx: &Context, #[state] seen: &Seen) {
    let headers = ctx.headers();
    let names = ["x-appengine-taskname", "X-AppEngine-TaskName", "X-APPENGINE-TASKNAME"];
    seen.note(format!("{:?} {:?}", names.map(|name| headers.get(name)), ctx.name()));
}

async fn served(seen: &Seen) -> Served {
    Served::start(|builder| builder.state(seen.clone()), |door| door).await
}

async fn post(served: &Served, body: Vec<u8>) -> Reply {
    served.signed(Call::post(PUSH_PATH, body)).send(served.address).await
}

/// What was logged.
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs all tasks that wait in the store.
async fn worked(served: &Served, tasks: usize) {
    served.rt.start().await.unwrap();
    soon("the end of all tasks", async {
        while served.rt.client().store().signals().ended() < tasks as u64 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn d2_d11_a_variadic_call_is_one_task_and_the_function_sees_every_value() {
    let seen = Seen::default();
    let served = served(&seen).await;
    for extras in [vec![], vec![1], vec![1, 2, 3]] {
        Variadic::call(&served.rt, extras.len().to_string(), extras).await.unwrap();
    }
    assert_eq!(served.tasks().await.len(), 3);
    worked(&served, 3).await;
    assert_eq!(seen.all(), ["0 []", "1 [1]", "3 [1, 2, 3]"]);
    served.stop().await;
}

#[tokio::test]
async fn d7_a_plain_call_goes_to_the_default_queue() {
    let client = Client::open("memory:").await.unwrap();
    let handle = OneString::call(&client, "x".into()).await.unwrap();
    assert_eq!(handle.record().await.unwrap().queue, "default");
}

#[tokio::test]
async fn d8_the_payload_posted_to_the_handlers_path_runs_the_function_once_with_the_same_string() {
    let seen = Seen::default();
    let served = served(&seen).await;
    assert_eq!(PUSH_PATH, "/_ah/queue/go/delay");
    assert_eq!(post(&served, payload(OneString::task("the same".into())).await).await.status, 200);
    assert_eq!(seen.all(), ["the same"]);
    served.stop().await;
}

#[tokio::test]
async fn d9_a_struct_and_an_enum_arrive_intact() {
    let seen = Seen::default();
    let served = served(&seen).await;
    let person = || Person { name: "Ada".into(), tags: HashMap::from([("a".to_owned(), u64::MAX)]) };
    let shape = || Shape::Circle { radius: 0.1 };
    let body = payload(Values::task(Some(person()), Some(shape()))).await;
    assert_eq!(post(&served, body).await.status, 200);
    assert_eq!(post(&served, payload(Values::task(None, Some(Shape::Point))).await).await.status, 200);
    assert_eq!(
        seen.all(),
        ["None Some(Point)".to_owned(), format!("{:?} {:?}", Some(person()), Some(shape()))]
    );
    served.stop().await;
}

#[tokio::test]
async fn d10_none_for_both_arrives_as_none() {
    let seen = Seen::default();
    let served = served(&seen).await;
    assert_eq!(post(&served, payload(Values::task(None, None)).await).await.status, 200);
    assert_eq!(seen.all(), ["None None"]);
    served.stop().await;
}

#[tokio::test]
async fn d12_the_same_payload_twice_is_200_and_then_500_with_one_error() {
    let seen = Seen::default();
    let served = served(&seen).await;
    let log: Arc<Mutex<Vec<u8>>> = Arc::default();
    let writer = Arc::clone(&log);
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || Log(Arc::clone(&writer)));
    let _logging = tracing::subscriber::set_default(subscriber.finish());
    let body = payload(SecondTime::task()).await;
    let (first, second) = (post(&served, body.clone()).await, post(&served, body).await);
    assert_eq!((first.status, second.status), (200, 500));
    assert!(second.text.contains("the second time"), "{}", second.text);
    let failed = served.tasks().await.into_iter().filter(|task| task.error.is_some()).count();
    assert_eq!((seen.all().len(), failed), (2, 1));
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    let errors: Vec<&str> = log.lines().filter(|line| line.contains(" ERROR ")).collect();
    assert!(errors.len() == 1 && errors[0].contains("the second time"), "{log}");
    served.stop().await;
}

#[tokio::test]
async fn d13_with_an_alias_the_newer_function_runs_what_the_older_had_queued() {
    let seen = Seen::default();
    let served = served(&seen).await;
    let older = "delay-tests/tests/older.rs:older";
    let length = u8::try_from(older.len()).unwrap();
    let body = [b"\x82\xa8function\xd9", &[length][..], older.as_bytes(), b"\xa9arguments\x81\xa4text\xa2hi"]
        .concat();
    assert_eq!(post(&served, body).await.status, 200);
    assert_eq!(seen.all(), ["newer: hi"]);
    served.stop().await;
}

#[tokio::test]
async fn d14_a_global_key_does_not_collide_with_one_of_a_file() {
    let seen = Seen::default();
    let served = served(&seen).await;
    assert_eq!(
        (InAFile::id(), Global::id()),
        ("delay-tests/tests/appengine.rs:same text", "global:same text")
    );
    for body in [payload(InAFile::task()).await, payload(Global::task()).await] {
        assert_eq!(post(&served, body).await.status, 200);
    }
    assert_eq!(seen.all(), ["global", "in a file"]);
    served.stop().await;
}

#[tokio::test]
async fn d15_a_function_that_nobody_has_is_kept_not_dropped() {
    let served = served(&Seen::default()).await;
    let reply = post(&served, b"\x82\xa8function\xa6nobody\xa9arguments\x80".to_vec()).await;
    assert_eq!((reply.status, served.tasks().await.len()), (202, 1));
    served.stop().await;
}

#[tokio::test]
async fn d16_d17_headers_are_there_inside_a_function_alone_under_names_in_any_case() {
    let seen = Seen::default();
    let served = served(&seen).await;
    let body = payload(Headers::task()).await;
    let call = served.signed(Call::post(PUSH_PATH, body).header("x-AppEngine-TASKName", "my-name"));
    assert_eq!(call.send(served.address).await.status, 200);
    let name = "Some(\"my-name\")";
    assert_eq!(seen.all(), [format!("[{name}, {name}, {name}] {name}")]);
    served.stop().await;
    // A task that no request has brought has none.
    let rt = Runtime::builder("memory:").state(seen.clone()).build().await.unwrap();
    let handle = Headers::call(&rt).await.unwrap();
    rt.start().await.unwrap();
    soon("the end", handle.result()).await.unwrap();
    assert_eq!(seen.all()[0], "[None, None, None] None");
    rt.stop().await.unwrap();
}
