//! Ending attempts: settlements sorted into what finishes (part of the turn's statement), and what comes back (a
//! statement of its own before it, for the same turn may claim it again). Every statement is fenced: it changes nothing
//! unless the task is still running under the epoch.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::base::Base;
use super::push::{micros, task_id, uuid};
use super::sql::{Session, Sql};
use super::text::pack;
use super::tid::Tid;
use crate::error::Result;
use crate::outcome::Transition;
use crate::store::{Fence, Retention, Settled, Settlement};
use crate::task::{TaskId, TaskState};

/// Settlements, sorted. Of several about one fence the first counts.
#[derive(Default)]
pub(super) struct Sorted<'a> {
    pub(super) finish: Finish<'a>,
    pub(super) back: Back<'a>,
    /// Which settlements come too late whatever happens.
    second: Vec<bool>,
}

/// What finishes, as columns.
#[derive(Default)]
pub(super) struct Finish<'a> {
    pub(super) ids: Vec<Uuid>,
    pub(super) epochs: Vec<i64>,
    pub(super) states: Vec<i16>,
    pub(super) keeps: Vec<i64>,
    pub(super) errors: Vec<Option<Cow<'a, str>>>,
    pub(super) results: Vec<Option<&'a [u8]>>,
    /// Where it stands, if that is known of all and may be gone by.
    pub(super) tids: Option<Vec<Tid>>,
    /// Whether plain successes are kept by the bundle.
    pub(super) bundled: bool,
    /// Whether a name needs a tombstone.
    pub(super) named: bool,
    /// Whether any is more than a plain success, or too large for a bundle.
    pub(super) varied: bool,
}

/// What will run again, as columns.
#[derive(Default)]
pub(super) struct Back<'a> {
    ids: Vec<Uuid>,
    epochs: Vec<i64>,
    waits: Vec<Option<i64>>,
    spent: Vec<i32>,
    holds: Vec<Option<i16>>,
    errors: Vec<Option<Cow<'a, str>>>,
}

impl<'a> Sorted<'a> {
    /// `by_place`: what ends is looked for where it stands. `bundle`: from how many ends on they are kept by the bundle.
    pub(super) fn of(
        settlements: &'a [Settlement],
        retention: &Retention,
        by_place: bool,
        bundle: usize,
    ) -> Self {
        let mut sorted = Self::default();
        sorted.finish.tids = by_place.then(Vec::new);
        sorted.finish.bundled = bundle > 0 && settlements.len() >= bundle;
        let mut seen = HashSet::with_capacity(settlements.len());
        for settlement in settlements {
            let first = settlements.len() == 1 || seen.insert(settlement.fence);
            sorted.second.push(!first);
            if first {
                sorted.add(settlement, retention);
            }
        }
        sorted
    }

    fn add(&mut self, Settlement { fence, transition }: &'a Settlement, retention: &Retention) {
        let keep = retention.keep(transition).map_or(0, micros);
        let (finish, back) = (&mut self.finish, &mut self.back);
        match transition {
            Transition::Succeed(kept) => {
                let result = kept.as_ref().map(|kept| kept.value.as_slice());
                finish.add(fence, TaskState::Succeeded, keep, None, result);
            }
            Transition::Fail { error } => finish.add(fence, TaskState::Failed, keep, Some(error), None),
            Transition::Cancel { reason } => {
                finish.add(fence, TaskState::Cancelled, keep, Some(reason), None)
            }
            Transition::Retry { wait, error } => back.add(fence, Some(*wait), 0, None, Some(error)),
            Transition::Snooze { wait } => back.add(fence, Some(*wait), 1, None, None),
            Transition::Refund => back.add(fence, None, 1, None, None),
            Transition::Hold { hold, error } => back.add(fence, None, 1, Some(*hold as i16), Some(error)),
        }
    }

    /// What finishes but for these, to be looked for by the id.
    pub(super) fn without(&self, ids: &HashSet<TaskId>) -> Self {
        let all = &self.finish;
        let mut rest = Finish { named: all.named, varied: all.varied, ..Finish::default() };
        for place in (0..all.ids.len()).filter(|place| !ids.contains(&task_id(all.ids[*place]))) {
            rest.ids.push(all.ids[place]);
            rest.epochs.push(all.epochs[place]);
            rest.states.push(all.states[place]);
            rest.keeps.push(all.keeps[place]);
            rest.errors.push(all.errors[place].clone());
            rest.results.push(all.results[place]);
        }
        Self { finish: rest, ..Self::default() }
    }

    /// The answers, aligned with the settlements.
    pub(super) fn answers(&self, settlements: &[Settlement], applied: &Applied) -> Vec<Settled> {
        let answer = |(settlement, second): (&Settlement, &bool)| {
            let is_applied = !second && applied.holds(settlement);
            if is_applied { Settled::Applied } else { Settled::Stale }
        };
        settlements.iter().zip(&self.second).map(answer).collect()
    }
}

/// What was written.
#[derive(Default)]
pub(super) struct Applied {
    /// What finished; all that was asked for if there is no list.
    pub(super) finished: Option<HashSet<TaskId>>,
    /// What came back.
    pub(super) back: HashSet<TaskId>,
}

impl Applied {
    fn holds(&self, settlement: &Settlement) -> bool {
        let id = settlement.fence.id;
        if is_end(&settlement.transition) {
            self.finished.as_ref().is_none_or(|finished| finished.contains(&id))
        } else {
            self.back.contains(&id)
        }
    }
}

pub(super) fn is_end(transition: &Transition) -> bool {
    matches!(transition, Transition::Succeed(_) | Transition::Fail { .. } | Transition::Cancel { .. })
}

impl Finish<'static> {
    pub(super) const NOTHING: Self = Self {
        ids: Vec::new(),
        epochs: Vec::new(),
        states: Vec::new(),
        keeps: Vec::new(),
        errors: Vec::new(),
        results: Vec::new(),
        tids: None,
        bundled: false,
        named: false,
        varied: false,
    };
}

impl<'a> Finish<'a> {
    fn add(
        &mut self,
        fence: &Fence,
        state: TaskState,
        keep: i64,
        error: Option<&'a String>,
        result: Option<&'a [u8]>,
    ) {
        self.varied |= state != TaskState::Succeeded || result.is_some() || fence.large;
        self.named |= fence.named;
        match (&mut self.tids, Tid::unpack(fence.row)) {
            (Some(tids), Some(tid)) => tids.push(tid),
            (tids, _) => *tids = None,
        }
        self.ids.push(uuid(fence.id));
        self.epochs.push(fence.epoch);
        self.states.push(state as i16);
        self.keeps.push(keep);
        self.errors.push(error.map(|error| pack(error)));
        self.results.push(result);
    }
}

impl<'a> Back<'a> {
    fn add(
        &mut self,
        fence: &Fence,
        wait: Option<Duration>,
        unspent: i32,
        hold: Option<i16>,
        error: Option<&'a String>,
    ) {
        self.ids.push(uuid(fence.id));
        self.epochs.push(fence.epoch);
        self.waits.push(wait.map(micros));
        self.spent.push(unspent);
        self.holds.push(hold);
        self.errors.push(error.map(|error| pack(error)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// A task that keeps its eta (no wait) may be more urgent than what was claimed since: place 7 (see `marks`).
pub(super) const BACK: Sql = Sql {
    text: "WITH clock AS MATERIALIZED (SELECT coalesce($1, NOW) AS now),
    me AS MATERIALIZED (SELECT id FROM @.worker WHERE id = $2 AND era = $3 FOR KEY SHARE)
    UPDATE @.task t SET
        place = CASE WHEN f.hold IS NOT NULL THEN 3 WHEN f.wait IS NULL THEN 7 WHEN f.wait = 0 THEN 0 ELSE 1 END,
        eta = CASE WHEN f.wait IS NULL THEN t.eta ELSE now + least(f.wait, 9223372036854775807 - now) END,
        attempt = greatest(0, t.attempt - f.unspent), error = coalesce(f.error, t.error), hold = f.hold,
        worker = NULL, started = false
    FROM unnest($4, $5, $6, $7, $8, $9) AS f(id, epoch, wait, unspent, hold, error), clock
    WHERE t.id = f.id AND t.epoch = f.epoch AND t.worker = $2 AND EXISTS (SELECT FROM me)
    RETURNING t.id, t.place",
    types: &[
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::UUID_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT4_ARRAY,
        Type::INT2_ARRAY,
        Type::TEXT_ARRAY,
    ],
};

const START: Sql = Sql {
    text: "UPDATE @.task t SET started = true FROM unnest($1, $2) AS f(id, epoch)
        WHERE t.id = f.id AND t.epoch = f.epoch AND t.worker IS NOT NULL RETURNING t.id, t.epoch",
    types: &[Type::UUID_ARRAY, Type::INT8_ARRAY],
};

impl Base {
    /// Puts back what will run again; answers which, and whether any of it waits to be claimed.
    pub(super) async fn put_back(
        &self,
        session: &Session,
        worker: i64,
        era: i64,
        back: &Back<'_>,
    ) -> Result<(HashSet<TaskId>, bool)> {
        let Back { ids, epochs, waits, spent, holds, errors } = back;
        let rows = session
            .rows(
                "put tasks back",
                &BACK,
                &[&self.now(), &worker, &era, ids, epochs, waits, spent, holds, errors],
            )
            .await?;
        let waits = rows.iter().any(|row| row.get::<_, i16>(1) != TaskState::Held as i16);
        Ok((rows.iter().map(|row| task_id(row.get(0))).collect(), waits))
    }

    /// Notes that attempts begin.
    pub(super) async fn start(&self, fences: &[Fence]) -> Result<Vec<Settled>> {
        let session = self.session().await?;
        let ids: Vec<Uuid> = fences.iter().map(|fence| uuid(fence.id)).collect();
        let epochs: Vec<i64> = fences.iter().map(|fence| fence.epoch).collect();
        let rows = session.rows("note that attempts begin", &START, &[&ids, &epochs]).await?;
        let started: HashMap<TaskId, i64> =
            rows.iter().map(|row| (task_id(row.get(0)), row.get(1))).collect();
        let answer = |fence: &Fence| {
            if started.get(&fence.id) == Some(&fence.epoch) { Settled::Applied } else { Settled::Stale }
        };
        Ok(fences.iter().map(answer).collect())
    }
}
