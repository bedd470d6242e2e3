//! Pairs calls with background requests by id, whichever comes first.
//!
//! 1. Each half that finds its partner takes it out in one step; so a call is handed over once, or never.
//! 2. A half that gives up, or is dropped, takes itself out. If it is not there any more, its partner has it.
//! 3. An id serves one pair: a second half of the same kind, and whoever comes after the pair, is refused.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::late;
use crate::context::Headers;
use crate::error::{Error, Kind, Result};

/// A call on its way to the request that it runs in, whose id and headers it is given.
pub(crate) type Job = Box<dyn FnOnce(String, Headers) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Requests that wait for their calls; who calls waits in its own task.
const MOST_REQUESTS: usize = 1000;

/// Ids of pairs that are remembered.
const MOST_USED: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Matchmaker(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    waiting: HashMap<String, Half>,
    used: VecDeque<String>,
    requests: usize,
}

enum Half {
    /// With its job, and where it hears that the request has come, or never will.
    Call(Job, oneshot::Sender<Result<()>>),
    /// And where it is given its job.
    Request(oneshot::Sender<Job>),
    /// The request could not be made, and the call is not there yet.
    #[cfg(feature = "http")]
    Failed(Error),
}

impl fmt::Debug for Halves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Halves").field("waiting", &self.waiting.keys()).finish_non_exhaustive()
    }
}

/// Why a background request gets no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoCall {
    /// Nobody called under this id in time.
    Unknown,
    /// Another request has, or had, this id.
    Duplicate,
    /// Too many requests wait.
    Busy,
}

impl fmt::Display for NoCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no call waits for a background request of this id",
            Self::Duplicate => "another background request came with this id",
            Self::Busy => "too many background requests wait for their calls",
        })
    }
}

impl Matchmaker {
    fn halves(&self) -> MutexGuard<'_, Halves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands `job` to the request `id`: the one that waits, or the one that comes within `patience`.
    pub(super) async fn call(&self, id: &str, job: Job, patience: Duration) -> Result<()> {
        let Some(paired) = self.offer(id, job)? else { return Ok(()) };
        let mut waiting = Waiting { matchmaker: self, id, is_call: true, armed: true };
        match tokio::time::timeout(patience, paired).await {
            Ok(told) => {
                waiting.armed = false;
                told.unwrap_or_else(|_| Err(refused(id)))
            }
            Err(_) if waiting.leave() => Err(late("the background request did not come", patience)),
            // It came in the very last moment.
            Err(_) => Ok(()),
        }
    }

    /// Gives the job to the request that waits; or, if there is none, where to wait for it.
    fn offer(&self, id: &str, job: Job) -> Result<Option<oneshot::Receiver<Result<()>>>> {
        let mut halves = self.halves();
        if halves.is_used(id) {
            return Err(refused(id));
        }
        match halves.waiting.remove(id) {
            Some(Half::Request(request)) => {
                halves.requests -= 1;
                halves.use_up(id);
                let broken = |_| Error::new(Kind::Unavailable, "the background request was broken off");
                request.send(job).map(|()| None).map_err(broken)
            }
            Some(call @ Half::Call(..)) => {
                halves.waiting.insert(id.to_owned(), call);
                Err(refused(id))
            }
            #[cfg(feature = "http")]
            Some(Half::Failed(error)) => {
                halves.use_up(id);
                Err(error)
            }
            None => {
                let (tell, told) = oneshot::channel();
                halves.waiting.insert(id.to_owned(), Half::Call(job, tell));
                Ok(Some(told))
            }
        }
    }

    /// The job for the request `id`: of the call that waits, or of the one that comes within `patience`.
    pub(crate) async fn arrive(&self, id: &str, patience: Duration) -> Result<Job, NoCall> {
        let mut given = match self.ask(id)? {
            Ok(job) => return Ok(job),
            Err(given) => given,
        };
        let mut waiting = Waiting { matchmaker: self, id, is_call: false, armed: true };
        match tokio::time::timeout(patience, &mut given).await {
            Ok(job) => {
                waiting.armed = false;
                job.map_err(|_| NoCall::Unknown)
            }
            Err(_) if waiting.leave() => Err(NoCall::Unknown),
            Err(_) => given.await.map_err(|_| NoCall::Unknown),
        }
    }

    fn ask(&self, id: &str) -> Result<Result<Job, oneshot::Receiver<Job>>, NoCall> {
        let mut halves = self.halves();
        if halves.is_used(id) {
            return Err(NoCall::Duplicate);
        }
        match halves.waiting.remove(id) {
            Some(Half::Call(job, tell)) => {
                halves.use_up(id);
                // The call waits, or has just given up and finds out that it came too late for that.
                let _ = tell.send(Ok(()));
                Ok(Ok(job))
            }
            Some(other) => {
                halves.waiting.insert(id.to_owned(), other);
                Err(NoCall::Duplicate)
            }
            None if halves.requests >= MOST_REQUESTS => Err(NoCall::Busy),
            None => {
                let (give, given) = oneshot::channel();
                halves.requests += 1;
                halves.waiting.insert(id.to_owned(), Half::Request(give));
                Ok(Err(given))
            }
        }
    }

    /// The request `id` will not come: its call hears why, be it there already or not yet.
    #[cfg(feature = "http")]
    pub(crate) fn fail(&self, id: &str, error: Error) {
        let mut halves = self.halves();
        match halves.waiting.remove(id) {
            Some(Half::Call(_, tell)) => {
                halves.use_up(id);
                // A call that is not there any more does not want to know.
                let _ = tell.send(Err(error));
            }
            Some(request) => drop(halves.waiting.insert(id.to_owned(), request)),
            None if halves.waiting.len() < MOST_USED && !halves.is_used(id) => {
                halves.waiting.insert(id.to_owned(), Half::Failed(error));
            }
            None => {}
        }
    }
}

impl Halves {
    fn is_used(&self, id: &str) -> bool {
        self.used.iter().any(|used| used == id)
    }

    fn use_up(&mut self, id: &str) {
        self.used.push_back(id.to_owned());
        if self.used.len() > MOST_USED {
            self.used.pop_front();
        }
    }
}

/// A half that waits; dropped, it takes itself out.
struct Waiting<'a> {
    matchmaker: &'a Matchmaker,
    id: &'a str,
    is_call: bool,
    armed: bool,
}

impl Waiting<'_> {
    /// Takes the half out; `false` if its partner has it.
    fn leave(&mut self) -> bool {
        if !std::mem::take(&mut self.armed) {
            return false;
        }
        let mut halves = self.matchmaker.halves();
        let own =
            halves.waiting.get(self.id).is_some_and(|half| matches!(half, Half::Call(..)) == self.is_call);
        if own {
            halves.waiting.remove(self.id);
            if !self.is_call {
                halves.requests -= 1;
            }
        }
        own
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

fn refused(id: &str) -> Error {
    Error::new(Kind::Other, format!("the host gave the id `{id}` twice: the background call was not begun"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn job(runs: &Arc<AtomicUsize>) -> Job {
        let runs = Arc::clone(runs);
        Box::new(move |_, _| {
            Box::pin(async move {
                runs.fetch_add(1, Ordering::SeqCst);
            })
        })
    }

    async fn run(job: Job) {
        job("id".to_owned(), Headers::default()).await;
    }

    #[tokio::test]
    async fn either_half_may_come_first() {
        let (matchmaker, runs) = (Matchmaker::default(), Arc::default());
        let (called, arrived) =
            tokio::join!(matchmaker.call("a", job(&runs), LONG), matchmaker.arrive("a", LONG));
        called.unwrap();
        run(arrived.unwrap()).await;
        let (arrived, called) =
            tokio::join!(matchmaker.arrive("b", LONG), matchmaker.call("b", job(&runs), LONG));
        called.unwrap();
        run(arrived.unwrap()).await;
        assert_eq!(runs.load(Ordering::SeqCst), 2);
        assert_eq!(matchmaker.halves().requests, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_half_without_a_partner_gives_up_and_leaves_nothing() {
        let (matchmaker, runs) = (Matchmaker::default(), Arc::default());
        let error = matchmaker.call("a", job(&runs), LONG).await.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        assert_eq!(matchmaker.arrive("a", LONG).await.err(), Some(NoCall::Unknown));
        assert!(matchmaker.halves().waiting.is_empty());
        assert_eq!((runs.load(Ordering::SeqCst), matchmaker.halves().requests), (0, 0));
    }

    #[tokio::test]
    async fn a_half_that_is_dropped_takes_itself_out() {
        let (matchmaker, runs) = (Matchmaker::default(), Arc::default());
        let call = matchmaker.call("a", job(&runs), LONG);
        assert!(tokio::time::timeout(Duration::ZERO, call).await.is_err());
        let request = matchmaker.arrive("b", LONG);
        assert!(tokio::time::timeout(Duration::ZERO, request).await.is_err());
        assert!(matchmaker.halves().waiting.is_empty());
        assert_eq!(matchmaker.halves().requests, 0);
    }

    #[tokio::test]
    async fn an_id_serves_one_pair_and_a_second_arrival_does_not_lose_the_first() {
        let (matchmaker, runs) = (Matchmaker::default(), Arc::default());
        let first = matchmaker.arrive("a", LONG);
        let second = async {
            let second = matchmaker.arrive("a", LONG).await.err();
            matchmaker.call("a", job(&runs), LONG).await.unwrap();
            second
        };
        let (first, second) = tokio::join!(first, second);
        assert_eq!(second, Some(NoCall::Duplicate));
        run(first.unwrap()).await;
        assert_eq!(matchmaker.arrive("a", LONG).await.err(), Some(NoCall::Duplicate), "the pair is over");
        assert!(matchmaker.call("a", job(&runs), LONG).await.is_err());
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn two_calls_of_one_id_are_refused_and_the_first_still_waits() {
        let (matchmaker, runs) = (Matchmaker::default(), Arc::default());
        let first = matchmaker.call("a", job(&runs), LONG);
        let rest = async {
            assert!(matchmaker.call("a", job(&runs), LONG).await.is_err());
            run(matchmaker.arrive("a", LONG).await.unwrap()).await;
        };
        let (first, ()) = tokio::join!(first, rest);
        first.unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }
}
