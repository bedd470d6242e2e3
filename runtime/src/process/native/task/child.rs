//! The process's half of a delayed function: it makes its threads, shuts itself in, runs the function, and tells.

use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::super::entry::{Entry, Exit};
use super::super::guest::Threshold;
use super::super::sys;
use super::ENTRY;
use super::link::Link;
use super::remote::RemoteStore;
use super::trace::Forward;
use super::word::{Ask, Assignment, LEVELS, SentOutcome};
use crate::client::Client;
use crate::codec::{self, Arguments};
use crate::context::{Context, Facts, Headers};
use crate::failure::Class;
use crate::handler::{Attempt, Kind, Returned};
use crate::id::TaskId;
use crate::outcome::{Hold, Outcome};
use crate::panics;
use crate::process::trap::Trap;
use crate::registry::Registry;
use crate::states::States;
use crate::store::Fence;
use crate::time::Timestamp;

inventory::submit! { Entry::early(ENTRY, run) }

fn run(threshold: Threshold) -> Exit {
    let stopping = CancellationToken::new();
    // One worker, so that timers run and what is spawned does not wait for the function; no driver for input and
    // output, for there is none here.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build();
    let link = threshold.socket().and_then(|socket| Link::start(socket, stopping.clone()));
    let (Ok(runtime), Ok(link)) = (runtime, link) else { return Exit::trap(Trap::AbiDeficiency) };
    let guest = threshold.cross();
    let outcome = match codec::from_slice::<Assignment>(guest.input()) {
        Ok(assignment) => perform(&runtime, &link, assignment, stopping),
        Err(error) => Outcome::Unrunnable(Hold::Undecodable, error.to_string()),
    };
    // What the function printed comes before what it came to, after which the host waits for nothing.
    use std::io::Write as _;
    let _ = std::io::stdout().flush();
    // There is no answer: the host ends this process.
    match runtime.block_on(link.ask(&Ask::Done(SentOutcome::of(outcome)))) {
        Ok(_) => Exit::SUCCESS,
        Err(_) => Exit::trap(Trap::AbiDeficiency),
    }
}

fn perform(
    runtime: &Runtime,
    link: &Arc<Link>,
    assignment: Assignment,
    stopping: CancellationToken,
) -> Outcome {
    if sys::is_suspending() {
        return Outcome::Interrupted;
    }
    let level = LEVELS.get(usize::from(assignment.level)).copied().unwrap_or(LEVELS[0]);
    // The only one: this process was forked from one without.
    let _ = tracing::subscriber::set_global_default(Forward { link: Arc::clone(link), level });
    let registration = match Registry::linked().map(|registry| registry.find(&assignment.function)) {
        Ok(Some(registration)) => registration,
        Ok(None) => {
            let text = format!("`{}` is not linked into this program's own copy", assignment.function);
            return Outcome::Unrunnable(Hold::UnknownFunction, text);
        }
        Err(error) => return Outcome::Failed(Class::Retry, error.chain()),
    };
    let limits = assignment.limits();
    let task = TaskId::from_bytes(assignment.task);
    let facts = Facts {
        task,
        // There is nothing to write with it: the store that this process sees refuses all that takes one.
        fence: Fence::new(task, 0, false),
        function: registration.function,
        queue: assignment.queue,
        name: assignment.name,
        attempt: assignment.attempt,
        eta: Timestamp::from_micros(assignment.eta),
        headers: Headers::new(assignment.headers),
        deadline: assignment.deadline.and_then(|left| Instant::now().checked_add(left)),
    };
    let client = Client::new(Arc::new(RemoteStore::new(Arc::clone(link))), limits);
    let ctx = Context::new(facts, client, States::default(), stopping);
    let decoded = Arguments::parse(&assignment.arguments.0)
        .map_err(|error| error.to_string())
        .and_then(|given| (registration.start)(ctx, given).map_err(|error| error.to_string()));
    match decoded {
        Err(error) => Outcome::Unrunnable(Hold::Undecodable, format!("{}: {error}", registration.function)),
        Ok(Attempt(kind)) => {
            let returned = match kind {
                Kind::Future(future) => runtime.block_on(panics::catch_future(future)),
                // Inside the runtime, as on a worker's blocking pool: it may block on futures.
                Kind::Blocking(call) => {
                    let _inside = runtime.enter();
                    panics::catch(call)
                }
            };
            returned.map_or_else(Outcome::Panicked, |Returned(outcome)| outcome)
        }
    }
}
