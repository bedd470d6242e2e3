//! A dispatcher and a receiver in processes of their own, and the receiver killed in the middle of a task.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use delay::http::{Dispatcher, Key, Keys, PUSH_PATH};
use delay::{Context, Due, Retry, Runtime, Task, TaskId, TaskState};
use delay_tests::served::{Served, sign};
use delay_tests::web::Call;
use delay_tests::{BOUND, soon};
use tempfile::TempDir;

/// What this program has, so that it has something.
#[delay::func("nothing")]
async fn nothing(_ctx: &Context) {}

/// A receiver, watched line by line; it is killed when this is dropped.
struct Receiver {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Receiver {
    fn start(store: &str, key: &str, address: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_door"))
            .args([store, key, address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line, which begins with `word`; what follows it.
    fn says(&self, word: &str) -> String {
        let line = self.lines.recv_timeout(BOUND).unwrap_or_else(|error| panic!("{word}: {error}"));
        line.strip_prefix(word).unwrap_or_else(|| panic!("{word}: {line}")).trim().to_owned()
    }

    fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A call of the receiver's function, which this program does not have.
fn call() -> Task {
    let function = "delay-tests/src/bin/door.rs:slow";
    let length = u8::try_from(function.len()).unwrap();
    Task {
        id: TaskId::new(),
        queue: "far".into(),
        name: None,
        due: Due::Now,
        priority: 0,
        tag: None,
        options: None,
        payload: [b"\x82\xa8function\xd9", &[length][..], function.as_bytes(), b"\xa9arguments\x80"].concat(),
    }
}

// The test waits for lines on one thread while the dispatcher works on another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_killed_in_a_task_is_sent_it_again_and_runs_it_once_more() {
    let (near, far) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (store, key) = (format!("sqlite:{}", far.path().join("jobs.db").display()), Key::generate());
    let receiver = Receiver::start(&store, &key, "127.0.0.1:0");
    let address = receiver.says("listening");

    let retry = Retry { min_backoff: Duration::from_millis(100), limit: Some(20), ..Retry::DEFAULT };
    let url = format!("sqlite:{}", near.path().join("jobs.db").display());
    let rt = Runtime::builder(url).retry(retry).build().await.unwrap();
    let target = format!("http://{address}");
    let dispatcher =
        Dispatcher::new(&rt, Keys::new(key.parse().unwrap())).allow(&target).target("far", &target);
    dispatcher.start().await.unwrap();
    let task = call();
    let handle = rt.handle::<()>(task.id);
    rt.client().store().push(vec![task]).await.unwrap();

    assert_eq!(receiver.says("begun"), format!("{} 1", handle.id()));
    drop(receiver);
    // The next process finds the delivery in its store: it runs, and the dispatcher's next attempt waits with it.
    let mut receiver = Receiver::start(&store, &key, &address);
    receiver.says("listening");
    let begun = receiver.says("begun");
    assert!(begun.starts_with(&handle.id().to_string()), "the same task: {begun}");
    receiver.go_on();
    assert!(receiver.says("ended").ends_with("true"));
    let record = soon("the task's end", handle.finished()).await.unwrap();
    assert_eq!(record.state, TaskState::Succeeded, "{:?}", record.error);
    assert!(record.attempt > 1, "the first attempt was lost with the receiver");
    assert!(receiver.lines.try_recv().is_err(), "and nothing ran beside it");
    rt.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_posted_call_of_a_function_that_is_not_there_runs_in_the_program_that_has_it() {
    let folder = TempDir::new().unwrap();
    let store = format!("sqlite:{}", folder.path().join("jobs.db").display());
    let served = Served::on(&store, |builder| builder, |door| door).await;
    let task = TaskId::new();
    let post = Call::post(PUSH_PATH, call().payload);
    let reply = sign(&served.keys, &format!("{task}_1"), -1, post.clone()).send(served.address).await;
    assert_eq!((reply.status, reply.header("delay-outcome")), (202, Some("held")), "{}", reply.text);
    // The sender has its answer and is gone; the task waits for a program that has the function.
    let mut receiver = Receiver::start(&store, &Key::generate(), "127.0.0.1:0");
    receiver.says("listening");
    assert_eq!(receiver.says("begun"), format!("{task} 1"));
    receiver.go_on();
    receiver.says("ended");
    let kept = reply.header("delay-task").unwrap().parse().unwrap();
    let record = soon("the task's end", served.rt.handle::<()>(kept).finished()).await.unwrap();
    assert_eq!(record.state, TaskState::Succeeded);
    let again = sign(&served.keys, &format!("{task}_1"), 0, post).send(served.address).await;
    assert_eq!((again.status, again.header("delay-outcome")), (200, Some("succeeded")));
    served.stop().await;
}
