//! Every form of a parameter is stored and handed in as it was given.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use delay::testing::Env;
use delay::{Context, Function as _};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Style {
    bold: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Dot,
    Box { side: u32 },
}

#[derive(Clone)]
struct Pool(u32);

static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn saw(what: String) {
    SEEN.lock().unwrap().push(what);
}

fn seen() -> Vec<String> {
    std::mem::take(&mut SEEN.lock().unwrap())
}

#[delay::func("references")]
async fn references(
    _: &Context,
    text: &str,
    numbers: &[u32],
    file: &Path,
    style: &Style,
    raw: &OsStr,
    fixed: &[u8; 2],
    owned: &String,
) {
    saw(format!("{text} {numbers:?} {} {style:?} {} {fixed:?} {owned}", file.display(), raw.display()));
}

#[delay::func("values")]
async fn values(ctx: &Context, mut count: u32, name: Option<String>, shape: Shape, pair: (u8, String), r#type: bool, _skipped: u8) {
    count += ctx.attempt();
    saw(format!("{count} {name:?} {shape:?} {pair:?} {}", r#type));
}

#[delay::func("defaults", removed("gone", "missing"))]
async fn defaults(
    _ctx: &Context,
    #[default] a: u32,
    #[default = a_default()] b: u32,
    #[default(vec![1, 2])] c: &[u32],
    #[rename_from = "older"] d: String,
    #[rename_from("f1", "f2")] e: u32,
    #[rest] f: Vec<u32>,
) {
    saw(format!("{a} {b} {c:?} {d} {e} {f:?}"));
}

fn a_default() -> u32 {
    7
}

/// What `defaults` was in an older release.
#[delay::func("default1")]
async fn old_defaults(_ctx: &Context, older: String, f2: u32, gone: &str) {
    let _ = (older, f2, gone);
}

/// A call as that release stored it.
async fn older(env: &Env) -> Vec<u8> {
    let task = OldDefaults::task("o".into(), 9, "g");
    let task = task.add(env).await.unwrap();
    let stored = env.enqueued::<OldDefaults>().await.unwrap().pop().unwrap().0.payload;
    task.cancel().await.unwrap();
    stored
}

/// Stores a call under another function's identity, which is as long as its own.
async fn push_as(env: &Env, payload: &[u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let at = payload.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
    let mut payload = payload.to_vec();
    payload[at..at + to.len()].copy_from_slice(to.as_bytes());
    let task = delay::Task {
        id: delay::TaskId::new(),
        queue: "default".into(),
        name: None,
        due: delay::Due::Now,
        priority: 0,
        tag: None,
        options: None,
        payload,
    };
    env.client().store().push(vec![task]).await.unwrap();
}

#[delay::func("lists")]
async fn lists(_ctx: &Context, #[state] db: &Pool, #[rest] words: &[String], #[state] pool: Pool) {
    saw(format!("{} {words:?} {}", db.0, pool.0));
}

// The macro's own names are nobody else's.
#[delay::func("names")]
async fn names(context: &Context, ctx: u32, arguments: u32, attempt: u32, call: u32) {
    saw(format!("{} {ctx} {arguments} {attempt} {call}", context.attempt()));
}

#[delay::func("blocking")]
fn blocking(_ctx: &Context, text: &str, #[state] db: &Pool) -> usize {
    saw(format!("{text} {}", db.0));
    text.len()
}

macro_rules! function {
    ($name:ident, $key:literal, $ty:ty) => {
        #[delay::func($key)]
        async fn $name(_ctx: &Context, value: $ty) {
            saw(format!("{value:?}"));
        }
    };
}
function!(generated, "generated", &str);
function!(other, "other", Option<u8>);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let env = Env::builder().state(Pool(5)).build();
    let style = Style { bold: true };

    let owned = String::from("own");
    References::call(&env, "a", &[1, 2], Path::new("f.txt"), &style, OsStr::new("r"), &[3, 4], &owned).await.unwrap();
    assert_eq!(env.drain().await.unwrap().succeeded, 1);
    assert_eq!(seen(), ["a [1, 2] f.txt Style { bold: true } r [3, 4] own"]);

    Values::call(&env, 1, None, Shape::Box { side: 2 }, (3, "p".into()), true, 0).await.unwrap();
    Values::call(&env, 1, Some("n".into()), Shape::Dot, (3, "p".into()), false, 0).await.unwrap();
    env.drain().await.unwrap();
    assert_eq!(seen(), ["2 None Box { side: 2 } (3, \"p\") true", "2 Some(\"n\") Dot (3, \"p\") false"]);

    // As it is called now, and as an older release stored it.
    Defaults::call(&env, 1, 2, &[3], "d".into(), 4, [5, 6]).await.unwrap();
    push_as(&env, &older(&env).await, OldDefaults::id(), Defaults::id()).await;
    assert_eq!(env.drain().await.unwrap().succeeded, 2);
    assert_eq!(seen(), ["1 2 [3] d 4 [5, 6]", "0 7 [1, 2] o 9 []"]);

    Lists::call(&env, []).await.unwrap();
    Lists::call(&env, ["x".to_owned()]).await.unwrap();
    Lists::call(&env, ["x", "y", "z"].map(str::to_owned)).await.unwrap();
    assert_eq!(env.drain().await.unwrap().succeeded, 3);
    assert_eq!(seen(), ["5 [] 5", "5 [\"x\"] 5", "5 [\"x\", \"y\", \"z\"] 5"]);

    Names::call(&env, 1, 2, 3, 4).await.unwrap();
    Blocking::call(&env, "text").await.unwrap();
    Generated::call(&env, "g").await.unwrap();
    Other::call(&env, None).await.unwrap();
    assert_eq!(env.drain().await.unwrap().succeeded, 4);
    assert_eq!(seen(), ["1 1 2 3 4", "text 5", "\"g\"", "None"]);

    // The functions are still what they were.
    assert_eq!(PathBuf::from("f.txt"), Path::new("f.txt"));
    let _ = (references, values, defaults, lists, names, blocking);
}
