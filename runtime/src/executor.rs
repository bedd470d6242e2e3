//! Runs claimed tasks in this process. The pipeline: resolve the claim to an attempt, perform it, normalise what comes
//! out to an outcome, decide the transition. It never talks to a store but to note a dangerous start. All doors lead here:
//! the worker's, the push door's, and the dispatcher's, whose attempts are requests.

#[cfg(any(feature = "cron", feature = "http", feature = "process"))]
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::codec::{self, Arguments, Invocation};
use crate::context::{Context, Facts, Headers};
use crate::failure::Class;
use crate::handler::{Attempt, Kind, Returned};
use crate::outcome::{Hold, Outcome, Transition};
use crate::panics;
use crate::posted::Posted;
#[cfg(feature = "process")]
use crate::process::{Apart, Work};
use crate::registry::{Registration, Registry};
use crate::request::Request;
use crate::retry::Retry;
#[cfg(feature = "cron")]
use crate::schedule::Schedules;
use crate::state::{Attempted, Policy, decide};
use crate::states::States;
use crate::store::{Claim, Fence, Settled};
use crate::task::TaskOptions;
use crate::time::Timestamp;

/// Runs functions of this program.
#[derive(Clone, Debug)]
pub(crate) struct Executor {
    pub(crate) registry: &'static Registry,
    pub(crate) client: Client,
    pub(crate) states: States,
    pub(crate) stopping: CancellationToken,
    /// For functions and tasks that say nothing about retries.
    pub(crate) retry: Retry,
    #[cfg(feature = "cron")]
    pub(crate) schedules: Arc<Schedules>,
    /// Where functions run that want a process of their own; without it, here.
    #[cfg(feature = "process")]
    pub(crate) apart: Option<Arc<Apart>>,
    /// Sends tasks to another program instead of running its own functions.
    #[cfg(feature = "http")]
    pub(crate) courier: Option<Courier>,
}

/// Makes attempts that run elsewhere: the part of a dispatcher that knows how to send.
#[cfg(feature = "http")]
#[derive(Clone)]
pub(crate) struct Courier {
    /// What contexts, spans and logs call it.
    pub(crate) name: &'static str,
    /// How long an attempt may take, where the task does not say.
    pub(crate) timeout: Duration,
    /// The attempt; or, if the task cannot be sent, what becomes of it.
    pub(crate) attempt: Arc<dyn Fn(Context, Claim, TaskOptions) -> Result<Attempt, Transition> + Send + Sync>,
}

#[cfg(feature = "http")]
impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A claim that can run here.
pub(crate) struct Job {
    pub(crate) ctx: Context,
    fence: Fence,
    run: Run,
    policy: Policy,
    timeout: Option<Duration>,
    number: u32,
    age: Duration,
    began: Instant,
    crashes: u32,
    posted: Option<Posted>,
}

/// How a claim is run.
enum Run {
    /// In this process.
    Here(Attempt),
    /// In a process of its own.
    #[cfg(feature = "process")]
    Apart(Work),
}

impl Executor {
    /// Every function identity that a worker with this executor can run.
    pub(crate) fn identities(&self) -> Vec<String> {
        #[cfg(feature = "http")]
        if self.courier.is_some() {
            return Vec::new();
        }
        self.registry.identities()
    }

    /// Finds the function and decodes the arguments; what cannot run is to be held, with the reason.
    pub(crate) fn resolve(&self, claim: Claim) -> Result<Job, Transition> {
        let options = match claim.options.as_deref().map(codec::from_slice::<TaskOptions>).transpose() {
            Ok(options) => options.unwrap_or_default(),
            Err(error) => return hold(Hold::Undecodable, format!("the task's options: {error}")),
        };
        #[cfg(feature = "http")]
        if let Some(courier) = &self.courier {
            return self.hand_over(courier, claim, options);
        }
        if Request::is_payload(&claim.payload) {
            let text = "the task is an HTTP request, which no worker sends: give its queue a `target`, and run a \
                        dispatcher for it";
            return hold(Hold::UnknownFunction, text.to_owned());
        }
        let invocation = match Invocation::parse(&claim.payload) {
            Ok(invocation) => invocation,
            Err(error) => {
                return hold(Hold::Undecodable, format!("the payload is not an invocation: {error}"));
            }
        };
        let Some(registration) = self.registry.find(invocation.function) else {
            let text = format!(
                "no function `{}` is linked into this worker: link it, or name it in the `aliases` of its successor",
                invocation.function
            );
            return hold(Hold::UnknownFunction, text);
        };
        let Registration { function, options: usual, .. } = registration;
        let began = Instant::now();
        let timeout = options.timeout.or(usual.timeout);
        let policy = Policy {
            retry: options.retry.or(claim.retry).or(usual.retry).unwrap_or(self.retry),
            keep_result: usual.keep_result,
        };
        let (fence, number, age, crashes) = (claim.fence, claim.attempt, claim.age, claim.crashes);
        let posted = options.posted;
        let facts = Facts {
            headers: Headers::new(options.headers),
            deadline: timeout.and_then(|timeout| began.checked_add(timeout)),
            ..facts(function, claim.queue, claim.name, claim.eta, (fence, number), posted.as_ref())
        };
        let ctx = self.context(facts);
        let run = match self.begin(registration, &ctx, invocation.arguments) {
            Ok(run) => run,
            Err(error) => return hold(Hold::Undecodable, format!("{function}: {error}")),
        };
        Ok(Job { ctx, fence, run, policy, timeout, number, age, began, crashes, posted })
    }

    /// Prepares a task to be sent instead of run.
    #[cfg(feature = "http")]
    fn hand_over(
        &self,
        courier: &Courier,
        claim: Claim,
        mut options: TaskOptions,
    ) -> Result<Job, Transition> {
        let began = Instant::now();
        let timeout = options.timeout.unwrap_or(courier.timeout);
        let policy = Policy { retry: options.retry.or(claim.retry).unwrap_or(self.retry), keep_result: None };
        let (fence, number, age, crashes) = (claim.fence, claim.attempt, claim.age, claim.crashes);
        // A delivery that is sent on is a task of this store like any other.
        options.posted = None;
        let (queue, name) = (claim.queue.clone(), claim.name.clone());
        let facts = Facts {
            deadline: began.checked_add(timeout),
            ..facts(courier.name, queue, name, claim.eta, (fence, number), None)
        };
        let ctx = self.context(facts);
        let run = Run::Here((courier.attempt)(ctx.clone(), claim, options)?);
        let timeout = Some(timeout);
        Ok(Job { ctx, fence, run, policy, timeout, number, age, began, crashes, posted: None })
    }

    fn context(&self, facts: Facts) -> Context {
        Context::new(facts, self.client.clone(), self.states.clone(), self.stopping.clone())
    }

    fn begin(
        &self,
        registration: &'static Registration,
        ctx: &Context,
        arguments: &[u8],
    ) -> Result<Run, String> {
        #[cfg(feature = "process")]
        if let (Some(isolate), true) = (registration.options.isolate, self.apart.is_some()) {
            // Decoded there: whatever these bytes do to who decodes them, they do it to the process.
            return Ok(Run::Apart(Work { registration, arguments: arguments.to_vec(), isolate }));
        }
        let given = Arguments::parse(arguments).map_err(|error| error.to_string())?;
        (registration.start)(ctx.clone(), given).map(Run::Here).map_err(|error| error.to_string())
    }

    /// Runs a job to its end and says what the store is to do. `slot` is dropped when nothing of the job runs any
    /// more, which for a plain function may be later than its time limit.
    pub(crate) async fn run(&self, job: Job, slot: impl Send + 'static) -> Transition {
        let Job { ctx, fence, run, policy, timeout, number, age, began, crashes, posted } = job;
        if crashes > 0 && !self.note_start(fence).await {
            return Transition::Refund;
        }
        // The ticks of a delivery are its sender's.
        #[cfg(feature = "cron")]
        if posted.is_none()
            && let Err(error) = self.schedules.store_successor(ctx.name(), &self.client).await
        {
            tracing::warn!(task = %fence.id, error = error.chain(), "the next tick could not be stored; this one waits");
            return Transition::Refund;
        }
        let outcome = match run {
            Run::Here(attempt) => perform(attempt, &ctx, timeout, slot).await,
            #[cfg(feature = "process")]
            Run::Apart(work) => self.perform_apart(work, &ctx, timeout, slot).await,
        };
        let outcome = self.within_limits(outcome);
        let attempted = Attempted { number, age: age + began.elapsed() };
        match posted {
            None => decide(outcome, attempted, &policy),
            Some(posted) => posted.decide(outcome, attempted, &policy),
        }
    }

    /// In a process of its own, which is killed when its time is up or this is dropped.
    #[cfg(feature = "process")]
    async fn perform_apart(
        &self,
        work: Work,
        ctx: &Context,
        timeout: Option<Duration>,
        slot: impl Send + 'static,
    ) -> Outcome {
        let Some(apart) = &self.apart else { return Outcome::Interrupted };
        // Boxed: large, and rare beside functions that run here.
        within(timeout, ctx, Box::pin(apart.run(work, ctx, slot))).await
    }

    /// A process died under this task before: that it begins is written down first, so that the next death counts.
    async fn note_start(&self, fence: Fence) -> bool {
        match self.client.store().start(vec![fence]).await {
            Ok(started) => started == [Settled::Applied],
            Err(error) => {
                tracing::warn!(task = %fence.id, error = error.chain(), "a start could not be noted");
                false
            }
        }
    }

    fn within_limits(&self, outcome: Outcome) -> Outcome {
        let allowed = self.client.limits().result;
        match outcome {
            Outcome::Succeeded(Some(value)) if value.len() > allowed => {
                let text = format!(
                    "the function succeeded, but its value takes {} bytes and {allowed} are allowed: store it \
                     elsewhere and return a reference, or raise `Limits::result`",
                    value.len()
                );
                Outcome::Failed(Class::Permanent, text)
            }
            outcome => outcome,
        }
    }
}

fn hold(hold: Hold, error: String) -> Result<Job, Transition> {
    Err(Transition::Hold { hold, error })
}

/// What is known of an attempt; of a delivery, what its sender knows.
fn facts(
    function: &'static str,
    queue: String,
    name: Option<String>,
    eta: Timestamp,
    (fence, attempt): (Fence, u32),
    posted: Option<&Posted>,
) -> Facts {
    let known = Facts {
        task: fence.id,
        fence,
        function,
        queue,
        name,
        attempt,
        eta,
        headers: Headers::default(),
        deadline: None,
    };
    let Some(posted) = posted else { return known };
    Facts {
        task: posted.task(),
        queue: posted.queue().to_owned(),
        name: posted.name().map(str::to_owned),
        // A delivery that is kept here is tried here again, after the sender's attempts.
        attempt: posted.attempt().saturating_add(attempt.saturating_sub(1)),
        eta: posted.eta().unwrap_or(eta),
        ..known
    }
}

async fn perform(
    attempt: Attempt,
    ctx: &Context,
    timeout: Option<Duration>,
    slot: impl Send + 'static,
) -> Outcome {
    let returned = async {
        match attempt.0 {
            Kind::Future(future) => {
                let _slot = slot;
                panics::catch_future(future).await
            }
            Kind::Blocking(call) => {
                let call = move || {
                    let _slot = slot;
                    panics::catch(call)
                };
                match tokio::task::spawn_blocking(call).await {
                    Ok(returned) => returned,
                    Err(_) => return Outcome::Interrupted,
                }
            }
        }
        .map_or_else(Outcome::Panicked, |Returned(outcome)| outcome)
    };
    within(timeout, ctx, returned).await
}

/// What `outcome` comes to, or that it took too long.
async fn within(timeout: Option<Duration>, ctx: &Context, outcome: impl Future<Output = Outcome>) -> Outcome {
    match timeout {
        None => outcome.await,
        Some(limit) => tokio::time::timeout(limit, outcome).await.unwrap_or_else(|_| {
            ctx.cancel();
            Outcome::TimedOut(limit)
        }),
    }
}
