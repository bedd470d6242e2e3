//! Programs in another language at the push door: Python, with its own MessagePack and its own HMAC.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::sync::{Arc, Mutex};

use delay::http::{Auth, Door, Key, Keys, PUSH_PATH, serve};
use delay::{Context, Function as _, Runtime};
use delay_tests::python;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    item: String,
    count: u32,
}

#[derive(Debug, Serialize, Deserialize)]
enum Speed {
    Fast,
    By { days: u8 },
}

#[delay::func("order")]
async fn place_order(ctx: &Context, #[state] seen: &Seen, order: Order, speed: Speed, note: Option<String>) {
    let kind = ctx.headers().get("content-type").unwrap_or_default();
    seen.0.lock().unwrap().push(format!("{order:?} {speed:?} {note:?} {kind}"));
}

#[tokio::test]
async fn a_client_in_python_posts_a_signed_invocation_and_reads_a_stored_payload() {
    let (seen, folder) = (Seen::default(), TempDir::new().unwrap());
    let file = folder.path().join("jobs.db").display().to_string();
    let rt = Runtime::builder(format!("sqlite:{file}")).state(seen.clone()).build().await.unwrap();
    let key = Key::generate();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{PUSH_PATH}", listener.local_addr().unwrap());
    let keys = Keys::new(key.parse().unwrap());
    let server = tokio::spawn(serve(listener, Door::new(&rt, Auth::signed(keys))));
    let post = async |key: String, arguments: Value| {
        let (url, arguments) = (url.clone(), arguments.to_string());
        let post = move || python("post.py", &[&url, &key, PlaceOrder::id(), &arguments], "");
        tokio::task::spawn_blocking(post).await.unwrap().trim().to_owned()
    };
    let good = json!({"order": {"item": "tea", "count": 2}, "speed": {"By": {"days": 3}}, "note": null});
    let answer = post(key.clone(), good.clone()).await;
    let task = answer.strip_prefix("200 succeeded ").unwrap().to_owned();
    let said = "Order { item: \"tea\", count: 2 } By { days: 3 } None application/msgpack";
    assert_eq!(*seen.0.lock().unwrap(), [said]);

    // What Rust stores, Python reads: what came in, and what a stub has written.
    let read = async |task: String| {
        let file = file.clone();
        let read = tokio::task::spawn_blocking(move || python("read.py", &[&file, &task], ""));
        serde_json::from_str::<Value>(&read.await.unwrap()).unwrap()
    };
    assert_eq!(read(task).await, json!({"function": PlaceOrder::id(), "arguments": good}));
    let stub = PlaceOrder::task(Order { item: "ink".into(), count: 1 }, Speed::Fast, Some("soon".into()));
    let stored = read(stub.add(&rt).await.unwrap().id().to_string()).await;
    let arguments = json!({"order": {"item": "ink", "count": 1}, "speed": "Fast", "note": "soon"});
    assert_eq!(stored, json!({"function": PlaceOrder::id(), "arguments": arguments}));

    let other = post(Key::generate(), good).await;
    assert!(other.starts_with("401 "), "{other}");
    let wrong = post(key, json!({"order": "tea", "speed": "Fast"})).await;
    assert!(wrong.starts_with("202 held "), "{wrong}");
    assert_eq!(seen.0.lock().unwrap().len(), 1);
    rt.stop().await.unwrap();
    server.await.unwrap().unwrap();
}
