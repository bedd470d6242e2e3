//! The attempt of a program: what is stored of it is read, its thread begins, and it is told when it has to be stored.
//!
//! Dropped at any moment, by the end of a time limit, a cancelled task or a grace period that is over, it kills the program.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval_at};

use super::Program;
use super::outcome::Ended;
use super::run::{CHECKPOINT, Port, Reasons, Run, SET_ASIDE, STOP};
use crate::context::Context;
use crate::error::Result;
use crate::handler::{Attempt, Returned};
use crate::outcome::Outcome;
use crate::panics;
use crate::process::control::Control;

/// How often a running program's task is looked at: does somebody want it set aside?
const LOOK: Duration = Duration::from_secs(1);

impl Program {
    /// An attempt with these arguments, a MessagePack map by name.
    pub(crate) fn attempt(&self, ctx: Context, arguments: Vec<u8>, keep: bool) -> Attempt {
        let program = self.clone();
        Attempt::future(async move { Returned(program.outcome(ctx, arguments, keep).await) })
    }

    async fn outcome(self, ctx: Context, arguments: Vec<u8>, keep: bool) -> Outcome {
        let stored = match stored(&ctx).await {
            Ok(stored) => stored,
            Err(error) => return Ended::Unknown(error.chain()).outcome(keep),
        };
        let control = Control::default();
        let reasons = Arc::new(Reasons::default());
        let settings = &self.0.settings;
        let (suspendable, checkpoint) = (settings.suspendable, settings.checkpoint);
        let run = Run {
            program: self.clone(),
            port: Port::new(ctx.clone()),
            input: arguments.into(),
            stored,
            control: control.clone(),
            reasons: Arc::clone(&reasons),
        };
        let _leash = Leash(control.clone());
        let mut thread = tokio::task::spawn_blocking(move || panics::catch(|| run.run()));
        let ask = |reason| {
            reasons.add(reason);
            control.suspend();
        };
        let mut checkpoints = checkpoint.filter(|_| suspendable).map(every);
        let mut looks = suspendable.then(|| every(LOOK));
        let mut stopping = false;
        loop {
            tokio::select! {
                ended = &mut thread => return match ended {
                    Ok(Ok(ended)) => ended.outcome(keep),
                    Ok(Err(panic)) => Outcome::Panicked(panic),
                    Err(_) => Outcome::Interrupted,
                },
                () = ctx.stopping(), if suspendable && !stopping => {
                    stopping = true;
                    ask(STOP);
                }
                () = tick(&mut checkpoints) => ask(CHECKPOINT),
                () = tick(&mut looks) => match ctx.client().store().suspends(vec![ctx.task()]).await {
                    Ok(asked) if !asked.is_empty() => ask(SET_ASIDE),
                    Ok(_) => {}
                    Err(error) => {
                        let task = ctx.task();
                        tracing::debug!(%task, error = error.chain(), "who wants it suspended is not known");
                    }
                },
            }
        }
    }
}

/// What the store has of a task that has run before; a first claim has left nothing.
async fn stored(ctx: &Context) -> Result<Option<Vec<u8>>> {
    if ctx.fence().epoch <= 1 {
        return Ok(None);
    }
    ctx.client().store().snapshot(ctx.task()).await
}

fn every(period: Duration) -> Interval {
    let period = period.max(Duration::from_millis(1));
    let mut interval = interval_at(tokio::time::Instant::now() + period, period);
    // A checkpoint that took long is no reason for two.
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => pending().await,
    }
}

/// Kills the program when the attempt is not wanted any more; one that has ended does not mind.
struct Leash(Control);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.kill();
    }
}
