//! The ends of tasks: out of those that run, into those that are done.

use std::sync::LazyLock;

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};

use crate::store::{Fence, Retention, WorkerId};
use crate::task::TaskState;
use crate::time::Timestamp;

/// What is not running and does not wait has no attempts to come.
pub(super) const FORGET_RUN: &str = "DELETE FROM delay_run WHERE seq = ?1";

/// Most tasks end with their first attempt, and there is nothing to keep of it but that.
const FORGET_ONLY: &str = "DELETE FROM delay_run WHERE seq = ?1 AND epoch = ?2 AND worker = ?3
    AND attempt = 1 AND crashes = 0 AND eta IS NULL AND error IS NULL";

const RUN: &str =
    "SELECT attempt, crashes, eta, error FROM delay_run WHERE seq = ?1 AND epoch = ?2 AND worker = ?3";

const FINISH: &str =
    "INSERT INTO delay_done(seq, state, epoch, attempt, crashes, finished, expires, eta, error, result)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// [`FINISH`] for many that succeeded at once and left nothing: one statement, which looks for the place once.
static SUCCEED_MANY: LazyLock<String> = LazyLock::new(|| {
    let rows: Vec<_> =
        (0..MANY).map(|row| format!("(?{}, 4, ?{}, 1, 0, ?1, ?2)", 2 * row + 3, 2 * row + 4)).collect();
    let rows = rows.join(", ");
    format!("INSERT INTO delay_done(seq, state, epoch, attempt, crashes, finished, expires) VALUES {rows}")
});

/// So many rows are written by one statement.
const MANY: usize = 16;

/// It comes to its end.
pub(super) struct Finish<'a> {
    pub(super) state: TaskState,
    pub(super) error: Option<&'a str>,
    pub(super) value: Option<&'a [u8]>,
}

/// The statements that end tasks, kept over a turn. None writes what it has read: a statement that does keeps a journal
/// of its own, which costs as much again.
pub(super) struct Finisher<'a> {
    worker: WorkerId,
    now: Timestamp,
    forget_only: CachedStatement<'a>,
    run: CachedStatement<'a>,
    forget: CachedStatement<'a>,
    finish: CachedStatement<'a>,
    succeed_many: CachedStatement<'a>,
    /// Tasks that succeeded at once and left nothing, not written yet: key and epoch.
    successes: Vec<(i64, i64)>,
    /// Until when these are kept.
    keep_successes: Timestamp,
}

/// What is known of a running task's attempts.
#[derive(Default)]
struct Run {
    attempt: i64,
    crashes: i64,
    eta: Option<i64>,
    error: Option<String>,
}

impl<'a> Finisher<'a> {
    pub(super) fn prepare(
        connection: &'a Connection,
        worker: WorkerId,
        now: Timestamp,
        retention: &Retention,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            worker,
            now,
            forget_only: connection.prepare_cached(FORGET_ONLY)?,
            run: connection.prepare_cached(RUN)?,
            forget: connection.prepare_cached(FORGET_RUN)?,
            finish: connection.prepare_cached(FINISH)?,
            succeed_many: connection.prepare_cached(&SUCCEED_MANY)?,
            successes: Vec::with_capacity(MANY),
            keep_successes: now.after(retention.succeeded),
        })
    }

    /// Whether the fence held; what is known of the attempts goes along.
    pub(super) fn finish(
        &mut self,
        fence: Fence,
        finish: &Finish<'_>,
        expires: Timestamp,
    ) -> rusqlite::Result<bool> {
        let Some(run) = self.leave_run(fence)? else { return Ok(false) };
        let Fence { epoch, row, .. } = fence;
        let leaves_nothing = finish.value.is_none() && run.is_first() && expires == self.keep_successes;
        if finish.state == TaskState::Succeeded && leaves_nothing {
            self.successes.push((row, epoch));
            if self.successes.len() == MANY {
                self.write_successes()?;
            }
        } else {
            self.write_one(row, epoch, finish, &run, expires)?;
        }
        Ok(true)
    }

    /// Takes the task from those that run, if the fence holds.
    fn leave_run(&mut self, fence: Fence) -> rusqlite::Result<Option<Run>> {
        let fenced = params![fence.row, fence.epoch, self.worker.0];
        if self.forget_only.execute(fenced)? == 1 {
            return Ok(Some(Run { attempt: 1, ..Run::default() }));
        }
        let run = self.run.query_row(fenced, |row| {
            Ok(Run { attempt: row.get(0)?, crashes: row.get(1)?, eta: row.get(2)?, error: row.get(3)? })
        });
        let run = run.optional()?;
        if run.is_some() {
            self.forget.execute([fence.row])?;
        }
        Ok(run)
    }

    fn write_one(
        &mut self,
        row: i64,
        epoch: i64,
        finish: &Finish<'_>,
        run: &Run,
        expires: Timestamp,
    ) -> rusqlite::Result<()> {
        let Finish { state, error, value } = *finish;
        let Run { attempt, crashes, eta, error: last_error } = run;
        let error = error.or(last_error.as_deref());
        let (state, now, expires) = (state as i64, self.now.as_micros(), expires.as_micros());
        let done = params![row, state, epoch, attempt, crashes, now, expires, eta, error, value];
        self.finish.execute(done).map(drop)
    }

    fn write_successes(&mut self) -> rusqlite::Result<()> {
        self.succeed_many.raw_bind_parameter(1, self.now.as_micros())?;
        self.succeed_many.raw_bind_parameter(2, self.keep_successes.as_micros())?;
        for (place, (row, epoch)) in self.successes.drain(..).enumerate() {
            self.succeed_many.raw_bind_parameter(2 * place + 3, row)?;
            self.succeed_many.raw_bind_parameter(2 * place + 4, epoch)?;
        }
        self.succeed_many.raw_execute().map(drop)
    }

    /// Writes what is left.
    pub(super) fn end(mut self) -> rusqlite::Result<()> {
        let run = Run { attempt: 1, ..Run::default() };
        let finish = Finish { state: TaskState::Succeeded, error: None, value: None };
        for (row, epoch) in std::mem::take(&mut self.successes) {
            self.write_one(row, epoch, &finish, &run, self.keep_successes)?;
        }
        Ok(())
    }
}

impl Run {
    /// Whether there was but one attempt, and nothing to tell of it.
    fn is_first(&self) -> bool {
        self.attempt == 1 && self.crashes == 0 && self.eta.is_none() && self.error.is_none()
    }
}
