//! The attributes of [`delay`](https://docs.rs/delay-func): [`macro@func`], [`macro@program`] and [`macro@main`].
//!
//! Owns their entry points and their documentation. Use them through the `delay` crate, which exports both.
//!
//! The way of an attribute: its words and its item are read (`args`, `item`), checked against each other (`func`), and
//! written out (`expand`). Mistakes are collected on the way and reported together.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails by panicking

use proc_macro::TokenStream;

use origin::Origin;

mod args;
mod expand;
mod func;
mod identity;
mod item;
mod main_fn;
mod mistakes;
mod origin;
mod place;
mod symbol;

#[cfg(test)]
mod golden;

/// Makes a function one that can be called later.
///
/// The function stays as it is, and a unit struct of its name in PascalCase is put beside it:
///
/// - `Welcome::call(ctx, args…)` queues a call, which is stored durably when the returned future is ready;
/// - `Welcome::task(args…)` is such a call before it is added: its delay, name, queue and so on can be set.
///
/// ```
/// use delay::Context;
///
/// # struct MailError;
/// # impl From<MailError> for delay::BoxError { fn from(_: MailError) -> Self { "no mail".into() } }
/// #[delay::func("welcome-email", queue = "mail", retry(limit = 5, min_backoff = "1s"), timeout = "2m")]
/// async fn welcome(ctx: &Context, to: &str, #[default = 1] copies: u32) -> Result<(), MailError> {
///     println!("{copies} × dear {to}, from attempt {}", ctx.attempt());
///     Ok(())
/// }
///
/// # async fn enqueue(rt: &delay::Client) -> delay::Result<()> {
/// Welcome::call(rt, "ada@example.com", 1).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Identity
///
/// Stored calls find their function by `package/path inside the package:key`, here `app/src/mail.rs:welcome-email`. It
/// is the same in every checkout, on every platform and for every target of the package, and it does not change with
/// the function's name, its line or its module. When the file moves, or the key changes, name the older identity in
/// `aliases`. `global = "key"` is known by the key alone, wherever it stands. A key is 1 to 200 bytes without control
/// characters.
///
/// A key that stands twice in one file does not compile (`cargo check` does not see it, `cargo build` does: "symbol
/// `delay_func_key.…` is already defined", at the second key).
///
/// # Words
///
/// | word | meaning |
/// |---|---|
/// | `"key"` or `global = "key"` | what stored calls find the function by; the only word that is required |
/// | `queue = "mail"` | the queue of its calls: 1 to 100 of `A-Za-z0-9-`; `default` when absent |
/// | `priority = 3` | lower runs first, from -32768 to 32767; 0 when absent |
/// | `retry(limit = 5, age_limit = "2d", min_backoff = "1s", max_backoff = "1h", max_doublings = 4)` | when a failure is tried again; what is absent is as in `delay::Retry::DEFAULT` |
/// | `timeout = "2m"` | how long one attempt may take |
/// | `keep_result = "1d"` | keeps what the function returned, for that long, for `Handle` to give |
/// | `isolate = process` | runs it in a process of its own; see [Isolation](#isolation) |
/// | `memory = "256MiB"` | the memory of that process; 1 GiB when absent, 16 MiB at least |
/// | `cpu = "30s"` | the CPU time of that process; unlimited when absent |
/// | `cron = "0 3 * * *"` or `cron = ["…", "…"]` | calls it at these times; see [Schedules](#schedules) |
/// | `time_zone = "Europe/Berlin"` | the zone of the times, by its IANA name; `UTC` when absent |
/// | `aliases = ["src/old.rs:key"]` | older identities: `path:key` in this package, `package/path:key`, `global:key` |
/// | `removed("old_argument")` | parameters that older calls still hold and that are ignored |
/// | `crate = my_delay` | the path under which `delay` is known here |
///
/// Durations are a number and a unit, `"500ms"`, `"90s"`, `"1h 30m"`, `"2d"`, checked when the program is compiled, and
/// a whole number of milliseconds.
///
/// An alias is read as `package/path:key` when it begins with this package's name, or when its second part is `src`,
/// `tests`, `examples`, `benches` or `$OUT_DIR` and its first is not; else as `path:key`, and `./path:key` always so.
///
/// # Parameters
///
/// The first is `&Context`. The others are stored by name, so that they may be reordered, and have to be
/// `serde::Serialize` and `serde::de::DeserializeOwned`. The name is stored as it is written, without `r#`: renaming a
/// parameter, even to `_name`, changes it.
///
/// A reference is stored owned and lent to the function: `&str` as `String`, `&[T]` as `Vec<T>`, `&Path` (`&OsStr`,
/// `&CStr`) as its owned type, and any other `&T` as `T`. The stub takes the reference, too.
///
/// | attribute | meaning |
/// |---|---|
/// | `#[default]`, `#[default = 1]`, `#[default(vec![1])]` | the value for calls that were stored without the parameter |
/// | `#[rename_from = "old"]` | takes what older calls hold under that name; may be repeated |
/// | `#[rest] xs: Vec<T>` (or `&[T]`), last | any number of values: the stub takes any iterator of `T` |
/// | `#[state] db: &Pool` (or `Pool`, cloned) | given by the worker, not stored and not a parameter of the stub |
///
/// ```
/// use delay::Context;
/// use std::path::Path;
///
/// struct Pool;
///
/// #[delay::func("resize")]
/// async fn resize(
///     _ctx: &Context,
///     #[rename_from = "image"] picture: &Path,
///     #[default] title: Option<String>,
///     #[state] db: &Pool,
///     #[rest] widths: &[u32],
/// ) {
///     # let _ = (picture, title, db, widths);
/// }
///
/// # async fn enqueue(rt: &delay::Client) -> delay::Result<()> {
/// Resize::task(Path::new("ada.png"), None, [320, 640]).add(rt).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Schedules
///
/// With the feature `cron`, a function can be called by the clock. Its parameters then need a `#[default]` or are a
/// `#[state]` or `#[rest]`, for nobody gives arguments; others may call it with some all the same.
///
/// ```
/// # #[cfg(feature = "cron")] mod example {
/// use delay::Context;
///
/// #[delay::func("nightly", cron = "0 3 * * *", time_zone = "Europe/Berlin")]
/// async fn nightly(ctx: &Context) { /* … */ }
///
/// #[delay::func("opening", cron = ["0 9 * * MON-FRI", "0 10 * * SAT"])] // UTC
/// async fn opening(ctx: &Context, #[default = 3] doors: u8) { /* … */ }
/// # }
/// ```
///
/// An expression is minute, hour, day of the month, month and day of the week; six fields begin with the second, seven
/// end with the year. Expressions and zone are checked when the program is compiled. `delay::Cron` says all of what can
/// be written, and what happens when the clocks change.
///
/// Any started runtime on the store keeps the schedule; each tick is one task, whose id is one, however many there are.
/// - It runs once, though as often as any task if it fails or its process dies, and never before its time.
/// - If nothing runs at its time, it runs late, once, when something does; further ticks that were missed are not made
///   up for. What is queued late can tell by `ctx.tick()`, the time that it was called for.
/// - A tick does not wait for the one before it to end.
/// - When the attribute changes, the tick that waits is taken back as the new program starts. While programs with the
///   old attribute still run, each keeps its own times: both tick. The last tick of the old ones runs, once, unless a new
///   program starts after it was stored. An old program that starts anew in the meantime takes the new ones' tick back,
///   until these store their next.
/// - `delay cancel` of a tick that waits leaves it out; the schedule goes on with the one after.
///
/// # Isolation
///
/// With the feature `process`, on Linux, a function can run in a child process of the same program:
///
/// ```
/// # #[cfg(feature = "process")] mod example {
/// use delay::Context;
///
/// #[delay::func("transcode", isolate = process, memory = "256MiB", cpu = "30s", timeout = "2m")]
/// fn transcode(ctx: &Context, movie: Vec<u8>) -> Vec<u8> {
///     # let _ = ctx;
///     movie // may spin, leak, abort, overflow its stack: it ends this attempt alone
/// }
/// # }
/// ```
///
/// Whatever the function does, it does to that process: an abort, a fault, an overflow of the stack and a limit end this
/// attempt, with an error that says which, and the timeout and a cancellation kill for certain. The context works as
/// ever, and what is traced and printed appears in the worker's log. The process sees no files, no network, no environment
/// and no database; it starts no threads and no programs. So there is no `#[state]`, and `main` has to begin with
/// `#[delay::main]` or a call of `delay::process::init()`.
///
/// # Results
///
/// A type whose name is `Result` is one: `Err` is retried, and has to be `Into<Box<dyn Error + Send + Sync>>`. Any other
/// type is a value, and returning it is success; an alias of `Result` under another name does not compile, because its
/// `Err` would pass for success. The value is dropped unless `keep_result` is given; then it has to be
/// `serde::Serialize`, and `serde::de::DeserializeOwned` for who asks for it.
///
/// # Plain functions
///
/// A function that is not `async` runs on the blocking pool.
///
/// # Closures
///
/// A `static` may hold a delayed closure. The types of its parameters have to be written; without `->` it returns `()`.
/// `call` and `task` are then methods:
///
/// ```
/// use delay::Context;
///
/// #[delay::func("greet")]
/// static GREET: _ = async |_ctx: &Context, name: String| {
///     println!("hello, {name}");
/// };
///
/// # async fn enqueue(rt: &delay::Client) -> delay::Result<()> {
/// GREET.call(rt, "ada".into()).await?;
/// # Ok(())
/// # }
/// ```
///
/// # What cannot be delayed
///
/// Methods, generic functions, and functions that are `const`, `unsafe` or `extern`; parameters that are `&mut`, that
/// hold references inside a type (`Option<&str>`), or that have a pattern for a name.
#[proc_macro_attribute]
pub fn func(words: TokenStream, item: TokenStream) -> TokenStream {
    expand::function(words.into(), item.into(), &Origin::of_this_expansion()).into()
}

/// Makes a WebAssembly program one that can be called later, like a function.
///
/// The declaration says what it takes and gives; its body is the module in `file`, which is compiled into this binary:
///
/// ```ignore
/// #[delay::program("report", file = "report.wasm", suspendable, checkpoint = "10s", keep_result = "1d")]
/// fn report(title: &str, #[default = 100] rows: u32) -> String;
///
/// let text = Report::call(&rt, "Q3", 1000).await?.result().await?;
/// ```
///
/// `Report` is a stub as that of a function ([`macro@func`]): the same key, words, parameters and helper attributes, but
/// for `#[state]`. The program gets its arguments as one MessagePack map by name, every parameter in its order, and gives
/// its result as one MessagePack value; what it can import, and how it fails, is in `delay::process::program::abi`.
///
/// Besides the words of a function there are:
///
/// | word | meaning |
/// |---|---|
/// | `file = "report.wasm"` | the module, beside the file that this stands in; the only one that is required |
/// | `export = "main"` | the function that is called; `run` when absent |
/// | `suspendable` | it can be stopped anywhere, stored, and resumed by another worker |
/// | `checkpoint = "10s"` | it is stored this often while it runs: what a crash costs at most |
/// | `memory = "32MiB"` | the most memory that it may have; 64 MiB when absent |
/// | `fuel = 1_000_000_000` | the most instructions, roughly; not counted when absent |
/// | `output = "64KiB"` | the largest result; 1 MiB when absent |
/// | `enqueues = ["app/src/mail.rs:welcome"]` | the functions whose calls it may enqueue; none when absent |
#[proc_macro_attribute]
pub fn program(words: TokenStream, item: TokenStream) -> TokenStream {
    expand::program(words.into(), item.into(), &Origin::of_this_expansion()).into()
}

/// Starts an asynchronous `main`.
///
/// It builds the Tokio runtime that the function then runs on, with all of its drivers enabled.
///
/// ```
/// #[delay::main]
/// async fn main() -> Result<(), std::io::Error> {
///     Ok(())
/// }
/// ```
///
/// | word | meaning |
/// |---|---|
/// | `flavor = "current_thread"` | runs everything on the calling thread; `"multi_thread"` when absent |
/// | `worker_threads = 4` | how many threads run tasks; one for each core when absent |
/// | `crate = my_delay` | the path under which `delay` is known here |
#[proc_macro_attribute]
pub fn main(words: TokenStream, item: TokenStream) -> TokenStream {
    main_fn::main(words.into(), item.into()).into()
}
