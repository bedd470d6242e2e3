//! Whether a history keeps the promises: nothing that was acknowledged is lost, nothing runs again after its end was
//! acknowledged, and nobody writes about an attempt that is not theirs.
//!
//! Two processes may write their lines in another order than the store did their work. So only what holds whatever
//! the order is looked at, but for one thing: the claims of one task rise, for a claim comes long after the one before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use delay::store::TaskRecord;
use delay::{TaskId, TaskState};

use super::{End, Event, Taken, What};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The store acknowledged the task and does not have it.
    Lost(TaskId),
    /// The task has not come to its end.
    Unfinished(TaskId, TaskState),
    /// The task was handed out under the second epoch though its end under the first was acknowledged.
    RanAgain(TaskId, i64, i64),
    /// The store acknowledged the task's end under this epoch and shows something else.
    EndLost(TaskId, i64),
    /// Two ends of the task were acknowledged.
    EndedTwice(TaskId, i64, i64),
    /// An end was taken from a process that never had the task under this epoch.
    NotTheirs(TaskId, i64),
    /// The task was handed out twice under one epoch.
    EpochTwice(TaskId, i64),
    /// The task was handed out under a lower epoch than before.
    EpochFell(TaskId, i64, i64),
    /// The task is said to have succeeded, but its function never ran to its end where it was claimed.
    NeverRan(TaskId),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(id) => write!(f, "{id} was acknowledged and is lost"),
            Self::Unfinished(id, state) => write!(f, "{id} is {state} and did not end"),
            Self::RanAgain(id, end, epoch) => {
                write!(f, "{id} was handed out under epoch {epoch} though it had ended under {end}")
            }
            Self::EndLost(id, epoch) => write!(f, "the end of {id} under epoch {epoch} is lost"),
            Self::EndedTwice(id, one, other) => write!(f, "{id} ended under {one} and under {other}"),
            Self::NotTheirs(id, epoch) => {
                write!(f, "{id} was settled under epoch {epoch} by somebody who did not have it")
            }
            Self::EpochTwice(id, epoch) => write!(f, "{id} was handed out twice under epoch {epoch}"),
            Self::EpochFell(id, from, to) => {
                write!(f, "{id} was handed out under epoch {to} after epoch {from}")
            }
            Self::NeverRan(id) => write!(f, "{id} succeeded without having run"),
        }
    }
}

/// What a history without faults tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tasks acknowledged.
    pub pushed: usize,
    /// Attempts handed out.
    pub claimed: usize,
    /// Functions run to their end.
    pub ran: usize,
    /// Ends acknowledged.
    pub ended: usize,
    /// Tasks whose function ran to its end more than once: allowed, for their ends were not acknowledged.
    pub repeated: usize,
    /// Ends refused.
    pub refused: usize,
}

/// All that is known of one task.
#[derive(Default)]
struct Story {
    pushed: bool,
    /// Epoch and process, as they were written.
    claims: Vec<(i64, u32)>,
    ran_in: Vec<u32>,
    /// Epoch, process and end of what was taken.
    taken: Vec<(i64, u32, End)>,
}

/// Checks a history against what the store shows after the last process has ended.
///
/// # Errors
/// All faults.
pub fn check(events: &[Event], records: &[TaskRecord]) -> Result<Summary, Vec<Fault>> {
    check_with_hung(events, records, &[])
}

/// Checks a history in which the processes `hung` were stopped for a while: what such a one was about to write when it
/// was stopped it wrote much later, so that its claims rise among themselves, and those of the others among theirs.
///
/// # Errors
/// All faults.
pub fn check_with_hung(
    events: &[Event],
    records: &[TaskRecord],
    hung: &[u32],
) -> Result<Summary, Vec<Fault>> {
    let (stories, mut summary) = gather(events);
    let records: HashMap<TaskId, &TaskRecord> = records.iter().map(|record| (record.id, record)).collect();
    let mut faults = Vec::new();
    for (id, story) in &stories {
        story.check(*id, hung, &mut faults);
        match records.get(id) {
            Some(record) => story.compare(record, &mut faults),
            None if story.pushed => faults.push(Fault::Lost(*id)),
            None => {}
        }
    }
    summary.repeated = stories.values().filter(|story| story.ran_in.len() > 1).count();
    if faults.is_empty() { Ok(summary) } else { Err(faults) }
}

fn gather(events: &[Event]) -> (BTreeMap<TaskId, Story>, Summary) {
    let mut stories: BTreeMap<TaskId, Story> = BTreeMap::new();
    let mut summary = Summary::default();
    for Event { pid, what } in events {
        match what {
            What::Pushed { id } => {
                summary.pushed += 1;
                stories.entry(id.0).or_default().pushed = true;
            }
            What::Claimed { id, epoch } => {
                summary.claimed += 1;
                stories.entry(id.0).or_default().claims.push((*epoch, *pid));
            }
            What::Ran { id } => {
                summary.ran += 1;
                stories.entry(id.0).or_default().ran_in.push(*pid);
            }
            What::Settled { id, epoch, end, taken: Taken::Applied } => {
                summary.ended += usize::from(*end != End::Again);
                stories.entry(id.0).or_default().taken.push((*epoch, *pid, *end));
            }
            What::Settled { .. } => summary.refused += 1,
            What::Started { .. } | What::Note { .. } => {}
        }
    }
    (stories, summary)
}

impl Story {
    fn end(&self) -> Option<i64> {
        self.taken.iter().find(|(_, _, end)| *end != End::Again).map(|(epoch, _, _)| *epoch)
    }

    /// What the events alone must keep.
    fn check(&self, id: TaskId, hung: &[u32], faults: &mut Vec<Fault>) {
        let mut seen = HashSet::new();
        for (epoch, _) in &self.claims {
            if !seen.insert(epoch) {
                faults.push(Fault::EpochTwice(id, *epoch));
            }
        }
        let own = |pid: u32| self.claims.iter().filter(move |claim| claim.1 == pid).collect::<Vec<_>>();
        let steady = self.claims.iter().filter(|(_, pid)| !hung.contains(pid)).collect();
        for claims in hung.iter().map(|pid| own(*pid)).chain([steady]) {
            for pair in claims.windows(2).filter(|pair| pair[1].0 < pair[0].0) {
                faults.push(Fault::EpochFell(id, pair[0].0, pair[1].0));
            }
        }
        for (epoch, pid, _) in &self.taken {
            if !self.claims.contains(&(*epoch, *pid)) {
                faults.push(Fault::NotTheirs(id, *epoch));
            }
        }
        let Some(end) = self.end() else { return };
        for (epoch, _, _) in self.taken.iter().filter(|(_, _, kind)| *kind != End::Again).skip(1) {
            faults.push(Fault::EndedTwice(id, end, *epoch));
        }
        for (epoch, _) in self.claims.iter().filter(|(epoch, _)| *epoch > end) {
            faults.push(Fault::RanAgain(id, end, *epoch));
        }
    }

    /// What the store must show.
    fn compare(&self, record: &TaskRecord, faults: &mut Vec<Fault>) {
        let id = record.id;
        let as_shown = |end: &i64| record.state.is_finished() && record.epoch == *end;
        if let Some(end) = self.end().filter(|end| !as_shown(end)) {
            faults.push(Fault::EndLost(id, end));
        }
        if self.pushed && !record.state.is_finished() {
            faults.push(Fault::Unfinished(id, record.state));
        }
        if record.state == TaskState::Succeeded {
            let there = self.claims.iter().find(|(epoch, _)| *epoch == record.epoch).map(|(_, pid)| pid);
            if !there.is_some_and(|pid| self.ran_in.contains(pid)) {
                faults.push(Fault::NeverRan(id));
            }
        }
    }
}
