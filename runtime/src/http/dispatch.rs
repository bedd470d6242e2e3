//! The dispatcher: sends the tasks of queues that have a target to it, over HTTP, instead of running them.
//!
//! It is a worker like any other, with its claims, leases, retries and fences; only that an attempt is a request. This file
//! owns which queues are sent where. What a request looks like is `dispatch/parcel`'s, what a reply means `verdict`'s, how
//! fast a target is sent to `pace`'s.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::key::Keys;
use super::line::Line;
use super::parts::{Parts, stopping};
use super::target::{Origin, Target};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::executor::{Courier, Executor};
use crate::handler::{Attempt, Returned};
use crate::limits::check_queue;
use crate::outcome::{Hold, Outcome, Transition};
use crate::queues::Mode;
use crate::store::{Claim, Queues};
use crate::task::{TaskId, TaskOptions};
use crate::time::IntoDuration;

mod pace;
mod parcel;
mod past;
mod verdict;

use pace::{Load, Pace};
use past::Pasts;

/// How long an attempt may take where its task does not say: App Engine's ten minutes.
const DEADLINE: Duration = Duration::from_secs(600);

/// How soon a change of the stored configuration is noticed.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// How long a task waits whose queue has lost its target.
const WITHOUT_TARGET: Duration = Duration::from_secs(5);

/// Sends the tasks of queues with a target over HTTP.
///
/// Targets are those of the queues' stored configurations, and of [`target`](Self::target). HTTP tasks
/// ([`taskqueue::Request`](crate::taskqueue::Request)) go to their own paths below it.
///
/// Functions go to `/_ah/queue/go/delay` of the target, where a [`Door`](super::Door) takes them in. Each request is
/// signed and carries App Engine's headers (`X-AppEngine-QueueName`, `-TaskName`, `-TaskRetryCount`,
/// `-TaskExecutionCount`, `-TaskETA`, `-TaskPreviousResponse`, `-TaskRetryReason`) and the task's own.
///
/// A status of 200 to 299 is success; everything else is a failure, and retried by the task's policy. Redirects are not
/// followed. 429, 503 and targets that do not answer slow their queue down: it pauses, for as long as `Retry-After` says,
/// an hour at most, and then begins with few requests at a time.
///
/// Only origins on the list of [`allow`](Self::allow) are sent to, whatever a queue's target says.
///
/// ```no_run
/// use delay::http::{Dispatcher, Keys};
///
/// # async fn example() -> delay::Result<()> {
/// let rt = delay::Runtime::open("sqlite:jobs.db").await?;
/// let keys = Keys::new(std::env::var("DELAY_KEY").unwrap_or_default().parse()?);
/// Dispatcher::new(&rt, keys)
///     .allow("https://app.example.com")
///     .target("mail", "https://app.example.com")
///     .start()
///     .await?;
/// # Ok(()) }
/// ```
#[must_use = "a dispatcher sends nothing until `.start().await`"]
pub struct Dispatcher {
    parts: Parts,
    keys: Keys,
    allowed: HashSet<Origin>,
    own: HashMap<String, Target>,
    deadline: Duration,
    mistake: Option<Error>,
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("allowed", &self.allowed)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

impl Dispatcher {
    pub(crate) fn of(parts: Parts, keys: Keys) -> Self {
        let (allowed, own) = (HashSet::new(), HashMap::new());
        Self { parts, keys, allowed, own, deadline: DEADLINE, mistake: None }
    }

    /// Lets requests be sent to this origin, such as `https://app.example.com` or `http://127.0.0.1:8080`.
    pub fn allow(mut self, origin: &str) -> Self {
        match origin.parse::<Target>() {
            Ok(target) => drop(self.allowed.insert(target.origin())),
            Err(error) => drop(self.mistake.get_or_insert(error)),
        }
        self
    }

    /// Sends the tasks of `queue` to `target`, a URL below an allowed origin. It counts more than what the store says
    /// about the queue, and is known to this dispatcher alone: workers that serve all queues take its tasks as well,
    /// unless the store says that it has a target.
    pub fn target(mut self, queue: &str, target: &str) -> Self {
        match check_queue(queue).and_then(|()| target.parse::<Target>()) {
            Ok(target) => drop(self.own.insert(queue.to_owned(), target)),
            Err(error) => drop(self.mistake.get_or_insert(error)),
        }
        self
    }

    /// How long an attempt may take, from its first byte to the end of the answer, where the task does not say; 10
    /// minutes.
    pub fn deadline(mut self, deadline: impl IntoDuration) -> Self {
        match deadline.into_duration() {
            Ok(deadline) => self.deadline = deadline,
            Err(error) => drop(self.mistake.get_or_insert(error)),
        }
        self
    }

    /// Begins to send, in the background, until the runtime stops. The runtime's own worker need not be started.
    ///
    /// # Errors
    /// [`Error::is_invalid_option`]: an URL that is none, or a target that is not allowed. [`Error::is_stopping`].
    pub async fn start(self) -> Result<()> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        for (queue, target) in &self.own {
            if !self.allowed.contains(&target.origin()) {
                let text = format!(
                    "the target of `{queue}`, {target}, is not allowed: add `.allow(\"{target}\")`, if it shall be reached"
                );
                return Err(Error::new(Kind::InvalidOption, text));
            }
        }
        let most = self.parts.config.concurrency;
        let (queues, served) = watch::channel(Queues::Only([].into()));
        let office = Arc::new(Office {
            keys: self.keys,
            line: Line::new()?,
            most,
            allowed: self.allowed,
            own: self.own,
            targets: RwLock::default(),
            paces: Mutex::default(),
            pasts: Mutex::default(),
            refused: Mutex::default(),
        });
        office.look(&self.parts, &queues).await?;
        let sending = Arc::clone(&office);
        let courier = Courier {
            name: "delay::http::dispatch",
            timeout: self.deadline,
            attempt: Arc::new(move |_: Context, claim, options| sending.attempt(claim, options)),
        };
        let executor = Executor { courier: Some(courier), ..(*self.parts.executor).clone() };
        self.parts.start_worker("dispatcher", Arc::new(executor), served)?;
        office.watch(self.parts, queues)
    }
}

/// Where the attempts of a dispatcher come from.
struct Office {
    keys: Keys,
    line: Line,
    /// Requests to one target at once.
    most: usize,
    allowed: HashSet<Origin>,
    own: HashMap<String, Target>,
    targets: RwLock<HashMap<String, Target>>,
    paces: Mutex<HashMap<Origin, Pace>>,
    pasts: Mutex<Pasts>,
    /// Targets that are not sent to, by queue; it was said why.
    refused: Mutex<HashMap<String, String>>,
}

impl Office {
    /// Finds out which queues have a target that may be sent to, and lets the worker serve them.
    async fn look(&self, parts: &Parts, queues: &watch::Sender<Queues>) -> Result<()> {
        let mut targets = HashMap::new();
        for config in parts.store().queue_configs().await? {
            let Some(text) = config.target.filter(|_| config.mode == Mode::Push) else { continue };
            match text.parse::<Target>() {
                Ok(target) if self.allowed.contains(&target.origin()) => {
                    drop(targets.insert(config.name, target));
                }
                refused => self.refuse(config.name, text, refused.err()),
            }
        }
        targets.extend(self.own.clone());
        let mut names: Vec<String> = targets.keys().cloned().collect();
        names.sort_unstable();
        *self.targets.write().unwrap_or_else(PoisonError::into_inner) = targets;
        let names = Queues::Only(names.into());
        let changed = queues.send_if_modified(|known| {
            let changed = *known != names;
            *known = names;
            changed
        });
        if changed {
            // The worker looks for tasks of the new ones.
            parts.store().signals().wake();
        }
        Ok(())
    }

    /// Says once for each target why nothing is sent to it. Its tasks wait.
    fn refuse(&self, queue: String, target: String, error: Option<Error>) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.get(&queue) == Some(&target) {
            return;
        }
        match error {
            Some(error) => tracing::error!(queue, error = error.chain(), "a queue's target cannot be used"),
            None => tracing::error!(queue, target, "a queue's target is not allowed: its tasks wait"),
        }
        refused.insert(queue, target);
    }

    /// Looks again now and then, for as long as the worker claims.
    fn watch(self: Arc<Self>, parts: Parts, queues: watch::Sender<Queues>) -> Result<()> {
        let quiescing = parts.stopper.quiescing();
        let stopper = parts.stopper.clone();
        let watch = async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(BETWEEN_LOOKS) => {}
                    () = quiescing.clone() => return,
                }
                if let Err(error) = self.look(&parts, &queues).await {
                    tracing::error!(error = error.chain(), "the queues' targets could not be looked at");
                }
            }
        };
        stopper.run_worker("delay::http::targets", watch).map(drop).map_err(|_| stopping())
    }

    fn paces(&self) -> MutexGuard<'_, HashMap<Origin, Pace>> {
        self.paces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pasts(&self) -> MutexGuard<'_, Pasts> {
        self.pasts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request that an attempt is; or what becomes of a task that cannot be sent now, or at all.
    fn attempt(self: &Arc<Self>, claim: Claim, options: TaskOptions) -> Result<Attempt, Transition> {
        let targets = self.targets.read().unwrap_or_else(PoisonError::into_inner);
        let Some(target) = targets.get(&claim.queue).cloned() else {
            return Err(Transition::Snooze { wait: WITHOUT_TARGET });
        };
        drop(targets);
        let origin = target.origin();
        let pace = |paces: &mut HashMap<Origin, Pace>| {
            paces.entry(origin.clone()).or_insert_with(|| Pace::new(self.most)).admit(Instant::now())
        };
        pace(&mut self.paces()).map_err(|wait| Transition::Snooze { wait })?;
        let trip = Trip { office: Arc::clone(self), origin, task: claim.fence.id, load: Load::Unknown };
        let past = self.pasts().of(claim.fence.id);
        let request = parcel::request(claim, &options, &target, &self.keys, &past)
            .map_err(|error| Transition::Hold { hold: Hold::Undecodable, error: error.chain() })?;
        Ok(Attempt::future(async move {
            let reply = trip.office.line.send(request).await;
            Returned(trip.end(reply))
        }))
    }
}

/// A request on its way; dropped, it was broken off.
struct Trip {
    office: Arc<Office>,
    origin: Origin,
    task: TaskId,
    load: Load,
}

impl Trip {
    fn end(mut self, reply: Result<super::line::Reply>) -> Outcome {
        let verdict = verdict::judge(reply);
        self.load = verdict.load;
        let mut pasts = self.office.pasts();
        match verdict.outcome {
            Outcome::Succeeded(_) => pasts.ended(self.task),
            _ => pasts.failed(self.task, verdict.status, verdict.load == Load::Served),
        }
        drop(pasts);
        verdict.outcome
    }
}

impl Drop for Trip {
    fn drop(&mut self) {
        if let Some(pace) = self.office.paces().get_mut(&self.origin) {
            pace.settle(self.load, Instant::now());
        }
    }
}
