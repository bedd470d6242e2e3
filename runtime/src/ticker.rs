//! The ticker: stores each schedule's next tick when the time of the last one has come. Waits for the store's clock, and
//! asks the store for nothing in between.

use std::sync::Arc;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::client::Client;
use crate::codec::invocation_prefix;
use crate::error::Result;
use crate::schedule::{Schedule, Schedules};
use crate::stopper::Stopper;
use crate::store::{Acted, Action, Filter, TaskRecord};
use crate::task::{TaskId, TaskState};

/// The clock is looked at this often, at least: it can be set, and a machine can sleep while its timers stand still.
const LOOK: Duration = Duration::from_secs(60);

/// Ticks until the stopper begins to stop.
pub(crate) async fn run(schedules: Arc<Schedules>, client: Client, stopper: Stopper) {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(10));
    let mut swept = false;
    loop {
        let stored = async {
            if !swept {
                sweep(&schedules, &client).await?;
            }
            schedules.store_next(&client).await
        };
        let wait = match stored.await {
            Ok(wait) => {
                swept = true;
                backoff.reset();
                wait.unwrap_or(LOOK).min(LOOK)
            }
            Err(error) => {
                tracing::error!(error = error.chain(), "the next ticks could not be stored; trying again");
                backoff.next()
            }
        };
        tokio::select! {
            () = stopper.quiescing() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// At start: takes back ticks that wait but belong to an older form of their schedule, and heeds those that somebody
/// has cancelled.
async fn sweep(schedules: &Schedules, client: &Client) -> Result<()> {
    for schedule in schedules.iter() {
        for function in schedule.functions() {
            take_back(schedule, function, client).await?;
        }
        let cancelled = ticks(schedule, schedule.call_function(), TaskState::Cancelled, client).await?;
        let now = client.store().now().await?;
        let next = schedule.cron().next_after(now);
        let next = cancelled.iter().find(|record| Some(record.eta) == next && schedule.still_has(record));
        if let Some(record) = next {
            tracing::info!(task = %record.id, "the next tick was cancelled: it is left out");
            schedule.know(record.eta);
        }
    }
    Ok(())
}

/// Takes back what waits of a schedule that has changed.
async fn take_back(schedule: &Schedule, function: &str, client: &Client) -> Result<()> {
    let waiting = ticks(schedule, function, TaskState::Scheduled, client).await?;
    // What has been claimed before waits for a retry: its time has come, and it is run to its end.
    let old = |record: &&TaskRecord| record.epoch == 0 && !schedule.still_has(record);
    let old: Vec<TaskId> = waiting.iter().filter(old).map(|record| record.id).collect();
    if old.is_empty() {
        return Ok(());
    }
    tracing::info!(function, ticks = old.len(), cron = %schedule.cron(), "the schedule has changed: old ticks go");
    let store = client.store();
    // Cancelled first, which only what still waits can be; removed then, so that the name is free again.
    let acted = store.act(Action::Cancel, old.clone()).await?;
    let gone = old.into_iter().zip(acted).filter(|(_, acted)| *acted == Acted::Done).map(|(id, _)| id);
    store.act(Action::Delete, gone.collect()).await.map(drop)
}

async fn ticks(
    schedule: &Schedule,
    function: &str,
    state: TaskState,
    client: &Client,
) -> Result<Vec<TaskRecord>> {
    let filter = Filter {
        state: Some(state),
        payload_prefix: Some(invocation_prefix(function)),
        limit: usize::MAX,
        ..Filter::default()
    };
    let mut records = client.store().list(filter).await?;
    records.retain(|record| record.name.as_deref().is_some_and(|name| schedule.owns(name)));
    Ok(records)
}
