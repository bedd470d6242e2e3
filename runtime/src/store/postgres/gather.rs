//! Adding tasks for many callers at once: what has gathered while one batch was on its way is the next batch. A caller
//! that is alone is served at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::base::Base;
use super::fault::{closed, is_away};
use super::fresh::are_fresh;
use super::portion;
use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::store::Pushed;
use crate::task::Task;

/// One caller's tasks.
struct Request {
    tasks: Vec<Task>,
    fresh: bool,
    answer: oneshot::Sender<Result<Vec<Pushed>>>,
}

/// The way in. It ends when the store is closed.
#[derive(Debug)]
pub(super) struct Gatherer(Mutex<Option<mpsc::UnboundedSender<Request>>>);

/// More callers than this make two batches.
const CALLERS: usize = 1000;

/// So long the server may be away before a caller is told. Trying again adds nothing twice.
const PATIENCE: Duration = Duration::from_secs(30);

impl Gatherer {
    /// The gatherer, and its work.
    pub(super) fn new(base: Arc<Base>) -> (Self, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(Mutex::new(Some(sender))), run(base, receiver))
    }

    /// Asks for tasks to be added; the answer comes once they are durable.
    pub(super) fn push(&self, tasks: Vec<Task>) -> impl Future<Output = Result<Vec<Pushed>>> + use<> {
        let fresh = are_fresh(tasks.iter().map(|task| task.id));
        let (answer, answered) = oneshot::channel();
        let sent = match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(sender) => sender.send(Request { tasks, fresh, answer }).is_ok(),
            None => false,
        };
        async move {
            if !sent {
                return Err(closed());
            }
            answered.await.unwrap_or_else(|_| Err(closed()))
        }
    }

    /// Takes nothing more.
    pub(super) fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

async fn run(base: Arc<Base>, mut inbox: mpsc::UnboundedReceiver<Request>) {
    let mut gathered = Vec::new();
    while inbox.recv_many(&mut gathered, CALLERS).await > 0 {
        // Tasks that may be known are looked up first; the others need not wait for that.
        let (fresh, known): (Vec<_>, Vec<_>) = gathered.drain(..).partition(|request| request.fresh);
        tokio::join!(serve_all(&base, fresh), serve_all(&base, known));
    }
}

/// In batches that one statement takes; a caller with more than that is served alone.
async fn serve_all(base: &Base, requests: Vec<Request>) {
    let mut rest = requests.into_iter().peekable();
    while rest.peek().is_some() {
        let (mut count, mut size) = (0, 0);
        let mut fits = |request: &Request| {
            count += request.tasks.len();
            size += portion::size(&request.tasks);
            count <= portion::MOST && size <= portion::LARGEST
        };
        let mut batch = Vec::new();
        while let Some(request) = rest.next_if(|request| fits(request) || batch.is_empty()) {
            batch.push(request);
        }
        if let Err(error) = serve(base, batch).await {
            refuse(rest.by_ref(), &error);
        }
    }
}

/// The server is away for them all: nobody waits for the same once more.
fn refuse(requests: impl Iterator<Item = Request>, error: &Error) {
    for request in requests {
        let _ = request.answer.send(Err(error.clone()));
    }
}

/// Fails if the server is away.
async fn serve(base: &Base, mut requests: Vec<Request>) -> Result<()> {
    let sizes: Vec<usize> = requests.iter().map(|request| request.tasks.len()).collect();
    let fresh = requests.iter().all(|request| request.fresh);
    let tasks: Vec<Task> = if requests.len() == 1 {
        std::mem::take(&mut requests[0].tasks)
    } else {
        requests.iter().flat_map(|request| &request.tasks).cloned().collect()
    };
    match push(base, &tasks, fresh).await {
        Ok(pushed) => {
            let mut rest = pushed.as_slice();
            for (request, size) in requests.into_iter().zip(sizes) {
                let (own, others) = rest.split_at(size);
                rest = others;
                // A caller that gave up has its tasks added all the same.
                let _ = request.answer.send(Ok(own.to_vec()));
            }
        }
        Err(error) if requests.len() == 1 || error.is_unavailable() => {
            refuse(requests.into_iter(), &error);
            if is_away(&error) {
                return Err(error);
            }
        }
        // Somebody's tasks cannot be added: each tries alone, and hears of its own.
        Err(_) => {
            let mut requests = requests.into_iter();
            while let Some(request) = requests.next() {
                let pushed = push(base, &request.tasks, false).await;
                let away = pushed.as_ref().err().filter(|error| is_away(error)).cloned();
                let _ = request.answer.send(pushed);
                if let Some(error) = away {
                    refuse(requests, &error);
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// Adds tasks; goes on for a while when the server is away.
async fn push(base: &Base, tasks: &[Task], mut fresh: bool) -> Result<Vec<Pushed>> {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
    let began = Instant::now();
    loop {
        let error = match base.push(tasks, fresh).await {
            Ok(pushed) => return Ok(pushed),
            Err(error) => error,
        };
        // It may be there: from now on each try looks first.
        fresh = false;
        let wait = backoff.next();
        if !error.is_unavailable() || base.is_leaving() || began.elapsed() + wait > PATIENCE {
            return Err(error);
        }
        tracing::warn!(error = error.chain(), ?wait, "tasks could not be added; trying again");
        tokio::time::sleep(wait).await;
    }
}
