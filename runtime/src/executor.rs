//! Runs claimed tasks in this process. The pipeline: resolve the claim to an attempt, perform it, normalise what comes
//! out to an outcome, decide the transition. It never talks to a store but to note a dangerous start.

#[cfg(feature = "cron")]
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
use crate::registry::Registry;
use crate::retry::Retry;
#[cfg(feature = "cron")]
use crate::schedule::Schedules;
use crate::state::{Attempted, Policy, decide};
use crate::states::States;
use crate::store::{Claim, Fence, Settled};
use crate::task::TaskOptions;

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
}

/// A claim that can run here.
pub(crate) struct Job {
    pub(crate) ctx: Context,
    fence: Fence,
    attempt: Attempt,
    policy: Policy,
    timeout: Option<Duration>,
    number: u32,
    age: Duration,
    began: Instant,
    crashes: u32,
}

impl Executor {
    /// Finds the function and decodes the arguments; what cannot run is to be held, with the reason.
    pub(crate) fn resolve(&self, claim: Claim) -> Result<Job, Transition> {
        let hold = |hold, error: String| Err(Transition::Hold { hold, error });
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
        let options = match claim.options.as_deref().map(codec::from_slice::<TaskOptions>).transpose() {
            Ok(options) => options.unwrap_or_default(),
            Err(error) => return hold(Hold::Undecodable, format!("the task's options: {error}")),
        };
        let began = Instant::now();
        let timeout = options.timeout.or(registration.options.timeout);
        let facts = Facts {
            task: claim.fence.id,
            fence: claim.fence,
            function: registration.function,
            queue: claim.queue,
            name: claim.name,
            attempt: claim.attempt,
            eta: claim.eta,
            headers: Headers::new(options.headers),
            deadline: timeout.and_then(|timeout| began.checked_add(timeout)),
        };
        let ctx = Context::new(facts, self.client.clone(), self.states.clone(), self.stopping.clone());
        let decoded = Arguments::parse(invocation.arguments)
            .map_err(|error| error.to_string())
            .and_then(|given| (registration.start)(ctx.clone(), given).map_err(|error| error.to_string()));
        let attempt = match decoded {
            Ok(attempt) => attempt,
            Err(error) => return hold(Hold::Undecodable, format!("{}: {error}", registration.function)),
        };
        let policy = Policy {
            retry: options.retry.or(registration.options.retry).unwrap_or(self.retry),
            keep_result: registration.options.keep_result,
        };
        let (fence, number, age, crashes) = (claim.fence, claim.attempt, claim.age, claim.crashes);
        Ok(Job { ctx, fence, attempt, policy, timeout, number, age, began, crashes })
    }

    /// Runs a job to its end and says what the store is to do. `slot` is dropped when nothing of the job runs any
    /// more, which for a plain function may be later than its time limit.
    pub(crate) async fn run(&self, job: Job, slot: impl Send + 'static) -> Transition {
        let Job { ctx, fence, attempt, policy, timeout, number, age, began, crashes } = job;
        if crashes > 0 && !self.note_start(fence).await {
            return Transition::Refund;
        }
        #[cfg(feature = "cron")]
        if let Err(error) = self.schedules.store_successor(ctx.name(), &self.client).await {
            tracing::warn!(task = %fence.id, error = error.chain(), "the next tick could not be stored; this one waits");
            return Transition::Refund;
        }
        let outcome = perform(attempt, &ctx, timeout, slot).await;
        let outcome = self.within_limits(outcome);
        decide(outcome, Attempted { number, age: age + began.elapsed() }, &policy)
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
    match timeout {
        None => returned.await,
        Some(limit) => tokio::time::timeout(limit, returned).await.unwrap_or_else(|_| {
            ctx.cancel();
            Outcome::TimedOut(limit)
        }),
    }
}
