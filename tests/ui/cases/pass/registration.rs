//! What the attribute says is what the program knows.

use std::time::Duration;

use delay::{Context, Function as _};

#[delay::func(
    "every-word",
    queue = "mail",
    priority = -3,
    retry(limit = 5, age_limit = "2d", min_backoff = "1.5s", max_backoff = "1h", max_doublings = 4),
    timeout = "2m",
    keep_result = "1d",
    aliases = ["src/old.rs:k", "billing/src/mail.rs:k", "global:k"]
)]
async fn every_word(_ctx: &Context, to: &str, r#type: Vec<(u32, String)>, #[state] pool: &u64) -> u32 {
    let _ = (to, r#type, pool);
    1
}

#[delay::func("k")]
async fn of_the_file(_ctx: &Context) {}

// The same text, and no collision: one is known within its file, the other everywhere.
#[delay::func(global = "k2")]
async fn of_the_world(_ctx: &Context) {}

#[delay::func("k2")]
async fn also_of_the_file(_ctx: &Context) {}

fn main() {
    let known = EveryWord::registration();
    let package = env!("CARGO_PKG_NAME");
    assert!(known.function.starts_with(&format!("{package}/")), "{}", known.function);
    assert!(known.function.ends_with("registration.rs:every-word"), "{}", known.function);
    assert_eq!(known.aliases, [&format!("{package}/src/old.rs:k"), "billing/src/mail.rs:k", "global:k"]);
    assert_eq!(known.place.package, package);
    assert_eq!(known.place.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(known.place.line, 7);
    assert_eq!(known.parameters, ["to: &str", "type: Vec<(u32, String)>"]);
    assert_eq!(format!("{:?}", known.states), "[u64]");
    assert_eq!((known.options.queue, known.options.priority), ("mail", -3));
    let retry = known.options.retry.unwrap();
    assert_eq!((retry.limit, retry.age_limit), (Some(5), Some(Duration::from_secs(172_800))));
    assert_eq!((retry.min_backoff, retry.max_backoff), (Duration::from_millis(1500), Duration::from_secs(3600)));
    assert_eq!(retry.max_doublings, 4);
    assert_eq!(known.options.timeout, Some(Duration::from_secs(120)));
    assert_eq!(known.options.keep_result, Some(Duration::from_secs(86_400)));

    let default = OfTheFile::registration().options;
    assert_eq!((default.queue, default.priority), ("default", 0));
    assert_eq!((default.retry, default.timeout, default.keep_result), (None, None, None));

    assert_eq!(OfTheWorld::id(), "global:k2");
    assert!(AlsoOfTheFile::id().ends_with("registration.rs:k2"));
}
