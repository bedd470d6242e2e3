//! The form for a closure in a `static`.

use std::sync::atomic::{AtomicUsize, Ordering};

use delay::testing::Env;
use delay::{Context, Function as _};

static RUNS: AtomicUsize = AtomicUsize::new(0);

/// Greets somebody.
#[delay::func("greet", queue = "mail", keep_result = "1d")]
pub static GREET: _ = async |ctx: &Context, name: &str, #[default = 1] times: usize| -> Result<usize, delay::BoxError> {
    if name.is_empty() {
        return Err("nobody".into());
    }
    RUNS.fetch_add(times + usize::try_from(ctx.attempt())?, Ordering::SeqCst);
    Ok(name.len())
};

#[delay::func("count")]
static COUNT_WORDS: _ = |_ctx: &Context, #[rest] words: Vec<String>| -> usize { words.len() };

#[delay::func("silent")]
static SILENT: _ = async |_ctx: &Context| assert!(RUNS.load(Ordering::SeqCst) < 10);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let env = Env::new();
    let handle: delay::Handle<usize> = GREET.call(&env, "ada", 2).await.unwrap();
    COUNT_WORDS.call(&env, ["a".to_owned()]).await.unwrap();
    SILENT.task().delay("1h").add(&env).await.unwrap();
    assert_eq!(env.drain().await.unwrap().succeeded, 2);
    assert_eq!(RUNS.load(Ordering::SeqCst), 3);
    assert_eq!(handle.result().await.unwrap(), 3);
    assert!(Greet::id().ends_with("closure.rs:greet"), "{}", Greet::id());
    assert_eq!(Greet::registration().options.queue, "mail");
}
