//! Tasks that are no calls, to be given options and added: the same builder as that of the stubs, so that they can be
//! added with all that calls can be added with, an open transaction included.

use crate::call::TaskBuilder;
use crate::draft::{Content, Draft};
use crate::error::Result;
use crate::request::{Method, Request};

/// A task that posts a body to a path below its queue's target, once something delivers it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> delay::Result<()> {
/// # let client = delay::Client::open("memory:").await?;
/// delay::taskqueue::post("/thumbnails?of=7", "").delay("10s").add(&client).await?; // in the queue `default`
/// # Ok(()) }
/// ```
///
/// In a transaction of your own, whether its queue is configured is not looked at.
pub fn post(path: impl Into<String>, body: impl Into<Vec<u8>>) -> TaskBuilder<()> {
    request(Request::new(Method::Post, path).map(|request| request.body(body)))
}

/// A task that sends a request. A mistake in it is told when the task is added.
///
/// ```
/// use delay::taskqueue::{self, Method, Request};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> delay::Result<()> {
/// # let client = delay::Client::open("memory:").await?;
/// taskqueue::request(Request::new(Method::Delete, "/cache/7")).header("If-Match", "\"v3\"").add(&client).await?;
/// # Ok(()) }
/// ```
pub fn request(request: Result<Request>) -> TaskBuilder<()> {
    let mut draft = Draft::new("an HTTP task", Content::Request);
    match request.and_then(|request| request.to_payload()) {
        Ok(payload) => draft.task.payload = payload,
        Err(error) => draft.mistake(error),
    }
    TaskBuilder::of(draft)
}

/// A task for a queue of `mode: pull`: any bytes, for whoever leases it.
///
/// ```
/// # use delay::queues::{Mode, QueueConfig};
/// # use delay::store::{QueueEdit, Resume};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> delay::Result<()> {
/// # let client = delay::Client::open("memory:").await?;
/// # let mut config = QueueConfig::new("frames")?;
/// # config.mode = Mode::Pull;
/// # client.store().configure(QueueEdit::Apply { queues: vec![config], resume: Resume::ByOperator }).await?;
/// let queue = client.taskqueue("frames")?;
/// queue.add(delay::taskqueue::pull("frame 1").tag("film-7")).await?;
/// for leased in queue.lease(100, "1m").await? {
///     assert_eq!((leased.payload(), leased.tag()), (&b"frame 1"[..], Some("film-7")));
///     queue.finish(&leased).await?;
/// }
/// # Ok(()) }
/// ```
pub fn pull(payload: impl Into<Vec<u8>>) -> TaskBuilder<()> {
    let mut draft = Draft::new("a task for pulling", Content::Bytes);
    draft.task.payload = payload.into();
    TaskBuilder::of(draft)
}
