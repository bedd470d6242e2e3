//! A worker's turn: one statement finishes what has ended and claims what is ready. Tasks that are put back and due ones
//! that are promoted go before it on the same connection, without waiting for answers in between.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio_postgres::Row;
use uuid::Uuid;

use super::answer::{Header, read_claim};
use super::base::Base;
use super::claims;
use super::limits;
use super::marks::Ranges;
use super::push::{micros, task_id};
use super::settle::{Applied, BACK, Finish, Sorted};
use super::sql::{Parameter, Session};
use super::statement::{self, From, Shape};
use super::tid;
use super::upkeep::PROMOTE;
use crate::error::{Error, Kind, Result};
use crate::store::{Claim, Queues, Settled, Settlement, Turn, Turned, WorkerId, stale_lease};
use crate::task::TaskId;
use crate::time::Timestamp;

/// More due tasks than this wait for the next turn.
const PROMOTED_PER_TURN: i64 = 10_000;

/// A worker whose era rises again and again is in worse trouble than another try can mend.
const TRIES: usize = 5;

/// What one claim is to bring.
pub(super) struct Wish<'a> {
    pub(super) worker: WorkerId,
    pub(super) era: i64,
    pub(super) token: i64,
    pub(super) want: usize,
    /// These, or all there are.
    pub(super) queues: Option<&'a [String]>,
    /// Whether limits have granted this; else configured queues are left out.
    pub(super) granted: bool,
    /// Turns of which nothing is left.
    pub(super) over: &'a [i64],
}

impl Base {
    pub(super) async fn turn(&self, turn: &Turn) -> Result<Turned> {
        for _ in 0..TRIES {
            self.make_good(turn.worker).await?;
            let era = self.lost.era(turn.worker);
            let over = self.claims.take_over(turn.worker);
            match self.turn_in_era(turn, era, &over).await {
                Ok(Some(turned)) => return Ok(turned),
                Ok(None) => self.claims.still_over(turn.worker, over),
                Err(error) => {
                    self.claims.still_over(turn.worker, over);
                    return Err(error);
                }
            }
        }
        Err(Error::new(Kind::Unavailable, "the connection to the server keeps breaking"))
    }

    /// Nothing if the era is over.
    async fn turn_in_era(&self, turn: &Turn, era: i64, over: &[i64]) -> Result<Option<Turned>> {
        let session = self.session().await?;
        let sorted = self.sort(&turn.settle);
        let token = next_token();
        let queues = match &turn.queues {
            Queues::All => None,
            Queues::Only(queues) => Some(&queues[..]),
        };
        // Where there are queues with limits, something is left for them.
        let want = if self.hints.any() { turn.want.div_ceil(2) } else { turn.want };
        let wish = Wish { worker: turn.worker, era, token, want, queues, granted: false, over };
        self.prepare(&session, &wish, &sorted).await?;
        let exchanged = async {
            let (header, claims, mut applied, came_back) = self.exchange(&session, &wish, &sorted).await?;
            self.finish_moved(&session, &wish, &sorted, &mut applied).await?;
            Ok((header, claims, applied, came_back))
        };
        let (header, mut claims, applied, came_back) = match exchanged.await {
            Ok(exchanged) => exchanged,
            Err(error) => {
                if turn.want > 0 {
                    self.lose(turn.worker, token, &error);
                }
                return Err(error);
            }
        };
        if !header.is_known {
            return Err(stale_lease());
        }
        if header.era != Some(era) {
            header.era.into_iter().for_each(|era| self.lost.set_era(turn.worker, era));
            return Ok(None);
        }
        if !header.to_cancel.is_empty() {
            self.honour_cancels(&session, &header.to_cancel).await?;
        }
        let settled = sorted.answers(&turn.settle, &applied);
        let done = || {
            let written = |(settlement, settled): (&'_ Settlement, &Settled)| {
                (*settled == Settled::Applied).then_some(settlement.fence)
            };
            turn.settle.iter().zip(&settled).filter_map(written)
        };
        self.claims.settled(turn.worker, done().map(|fence| (fence.row >> tid::BITS) as claims::Slot));
        let back = limits::ended(done());
        let is_end = |(settlement, settled): &(&Settlement, &Settled)| {
            **settled == Settled::Applied && super::settle::is_end(&settlement.transition)
        };
        let ends = turn.settle.iter().zip(&settled).filter(is_end);
        let ended: Vec<TaskId> = ends.map(|(settlement, _)| settlement.fence.id).collect();
        self.ended(&ended);
        if came_back {
            self.woke();
        }
        let next =
            header.next.map(|eta| Timestamp::from_micros(eta).since(Timestamp::from_micros(header.now)));
        let is_done = |id: &TaskId| done().any(|fence| fence.id == *id);
        let cancels = header.cancels.iter().filter(|id| !is_done(id)).copied().collect();
        let more = self.walked(&wish, &header, &claims);
        let wish = Wish { want: turn.want, ..wish };
        let wait = self.ask_limits(&session, &wish, header.limits, back, &mut claims).await;
        let next = next.into_iter().chain(wait).min();
        if !more.is_empty() && claims.len() < turn.want {
            self.claim_more(&session, &wish, more, &mut claims).await;
        }
        claims.sort_unstable_by_key(|claim| (claim.priority, claim.eta, claim.fence.id));
        Ok(Some(Turned { settled, claims, next, cancels }))
    }

    fn sort<'a>(&self, settle: &'a [Settlement]) -> Sorted<'a> {
        Sorted::of(settle, &self.retention, self.dialect.goes_by_place(), self.settings.bundle)
    }

    /// What is sent at once must be ready to be sent: a statement that is still being prepared would come last.
    async fn prepare(&self, session: &Session, wish: &Wish<'_>, sorted: &Sorted<'_>) -> Result<()> {
        if !sorted.back.is_empty() {
            session.ready(&BACK).await?;
        }
        session.ready(&PROMOTE).await?;
        session.ready(&statement::sql(shape(wish, sorted))).await
    }

    /// Sends all statements of a turn at once, and gathers the answers.
    async fn exchange(
        &self,
        session: &Session,
        wish: &Wish<'_>,
        sorted: &Sorted<'_>,
    ) -> Result<(Header, Vec<Claim>, Applied, bool)> {
        let mut applied = Applied::default();
        let promotes = wish.want > 0 && self.marks().may_be_due(self.now());
        let promote = async {
            if !promotes {
                return Ok(Vec::new());
            }
            let low = self.marks().due();
            session.rows("bring due tasks forward", &PROMOTE, &[&self.now(), &low, &PROMOTED_PER_TURN]).await
        };
        let turn = self.claim(session, wish, sorted);
        let mut came_back = false;
        let (promoted, answer) = if sorted.back.is_empty() {
            tokio::join!(promote, turn)
        } else {
            // One transaction: what comes back is durable together with what finished.
            let all = session.in_transaction("take a turn", async {
                let put_back = self.put_back(session, wish.worker.0, wish.era, &sorted.back);
                let (back, promoted, answer) = tokio::join!(put_back, promote, turn);
                Ok((back?, promoted, answer?))
            });
            let ((back, waits), promoted, answer) = all.await?;
            applied.back = back;
            came_back = waits;
            (promoted, Ok(answer))
        };
        let (header, claims) = answer?;
        let promoted = promoted?.len() as i64;
        if promotes && promoted < PROMOTED_PER_TURN {
            self.marks().promoted(header.now);
        }
        if promoted > 0 {
            self.hints.stir();
        }
        applied.finished.clone_from(&header.finished);
        Ok((header, claims, applied, came_back))
    }

    /// What did not stand where it was looked for may have moved: it is looked for by its id.
    async fn finish_moved(
        &self,
        session: &Session,
        wish: &Wish<'_>,
        sorted: &Sorted<'_>,
        applied: &mut Applied,
    ) -> Result<()> {
        let (Some(_), Some(finished)) = (&sorted.finish.tids, &mut applied.finished) else { return Ok(()) };
        let rest = sorted.without(finished);
        let asked: Vec<TaskId> = rest.finish.ids.iter().copied().map(task_id).collect();
        let wish = Wish { want: 0, over: &[], ..*wish };
        let (header, _) = self.claim(session, &wish, &rest).await?;
        if header.is_known {
            finished.extend(header.finished.map_or(asked, |found| found.into_iter().collect()));
        }
        Ok(())
    }

    pub(super) async fn claim(
        &self,
        session: &Session,
        wish: &Wish<'_>,
        sorted: &Sorted<'_>,
    ) -> Result<(Header, Vec<Claim>)> {
        let sql = statement::sql(shape(wish, sorted));
        let values = Values::of(self, wish);
        let rows = session.rows("take a turn", &sql, &values.parameters(wish, sorted)).await?;
        let is_claim = |row: &&Row| row.get::<_, Option<Uuid>>(0).is_some();
        let header = rows.iter().find(|row| !is_claim(row)).map_or_else(Header::nothing, Header::read);
        {
            let mut marks = self.marks();
            marks.see(header.now);
            marks.scheduled(header.next);
        }
        let claimed = rows.iter().filter(is_claim);
        let slot = self.claims.claimed(wish.worker, wish.token, claimed.clone().count());
        let by_place = self.dialect.goes_by_place();
        let claims = claimed.map(|row| read_claim(row, header.now, slot, by_place)).collect();
        Ok((header, claims))
    }

    /// How the server goes about a claim, as `EXPLAIN ANALYZE` tells it. Claims nothing.
    pub(super) async fn explain_claim(&self, worker: WorkerId, want: usize) -> Result<String> {
        let session = self.session().await?;
        let era = self.lost.era(worker);
        let wish = Wish { worker, era, token: 0, want, queues: None, granted: false, over: &[] };
        let nothing = Sorted::default();
        let sql = statement::sql(shape(&wish, &nothing));
        let text = self.dialect.write(&format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {}", sql.text));
        let values = Values::of(self, &wish);
        let explain = async {
            let rows = session.run(&text, sql.types, &values.parameters(&wish, &nothing)).await;
            // What was claimed is not; an empty transaction is what remains to be committed.
            session.batch("explain a claim", "ROLLBACK AND CHAIN").await?;
            rows.map_err(|error| super::fault::fault("explain a claim", error))
        };
        let rows = session.in_transaction("explain a claim", explain).await?;
        Ok(rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect())
    }

    /// Moves the marks; answers the queues that may have more.
    pub(super) fn walked(&self, wish: &Wish<'_>, header: &Header, claims: &[Claim]) -> Vec<String> {
        if wish.want == 0 {
            return Vec::new();
        }
        let mut last: std::collections::BTreeMap<&str, (usize, i16, i64)> = Default::default();
        for claim in claims {
            let place = (claim.priority, claim.eta.as_micros());
            let entry = last.entry(&claim.queue).or_insert((0, place.0, place.1));
            entry.0 += 1;
            (entry.1, entry.2) = (entry.1, entry.2).max(place);
        }
        let raced = header.picked > claims.len();
        let mut more = Vec::new();
        let mut marks = self.marks();
        for (queue, (count, priority, eta)) in &last {
            if raced {
                // What others took first is not told: nobody knows how far this went.
                more.push((*queue).to_owned());
                continue;
            }
            marks.walked(queue, header.now, Some((*priority, *eta)));
            if *count >= header.share {
                more.push((*queue).to_owned());
            } else {
                marks.walked(queue, header.now, None);
            }
        }
        if claims.is_empty() && !raced {
            let all = marks.ranges(wish.queues).queues;
            let walked = |queue: &&String| wish.granted || !header.configured.contains(queue);
            all.iter().filter(walked).for_each(|queue| marks.walked(queue, header.now, None));
        }
        more
    }

    /// What some queues left, the others may have. Whatever goes wrong, the claims so far count.
    async fn claim_more(
        &self,
        session: &Session,
        wish: &Wish<'_>,
        mut open: Vec<String>,
        claims: &mut Vec<Claim>,
    ) {
        while claims.len() < wish.want && !open.is_empty() {
            let wish = Wish {
                want: wish.want - claims.len(),
                queues: Some(&open),
                token: next_token(),
                over: &[],
                ..*wish
            };
            match self.claim(session, &wish, &Sorted::default()).await {
                Ok((header, more)) => {
                    let still_open = self.walked(&wish, &header, &more);
                    claims.extend(more);
                    open = still_open;
                }
                Err(error) => {
                    self.lose(wish.worker, wish.token, &error);
                    tracing::warn!(error = error.chain(), "a claim was cut short");
                    return;
                }
            }
        }
    }
}

impl Base {
    /// A turn has failed. Unless the server itself has refused it, nobody knows what it claimed.
    pub(super) fn lose(&self, worker: WorkerId, token: i64, error: &Error) {
        if error.is_unavailable() {
            self.lost.lose(worker, token);
            self.marks().clear();
        }
    }
}

/// What a turn's statement is told, beside what ends.
struct Values {
    now: Option<i64>,
    ranges: Ranges,
    due: i64,
    keep: i64,
    tombstone: i64,
    want: i32,
    rotation: i64,
}

impl Values {
    fn of(base: &Base, wish: &Wish<'_>) -> Self {
        let marks = base.marks();
        Self {
            now: base.now(),
            ranges: marks.ranges(wish.queues),
            due: marks.due(),
            keep: micros(base.retention.succeeded),
            tombstone: micros(base.retention.tombstone),
            want: i32::try_from(wish.want).unwrap_or(i32::MAX),
            rotation: wish.token & 0xffff,
        }
    }

    fn parameters<'a>(&'a self, wish: &'a Wish<'_>, sorted: &'a Sorted<'_>) -> Vec<Parameter<'a>> {
        static NOTHING: Finish<'static> = Finish::NOTHING;
        let (finish, Ranges { queues, from, to, first, last, low }) = (&sorted.finish, &self.ranges);
        let varied: &Finish<'a> = if finish.varied { finish } else { &NOTHING };
        let mut parameters: Vec<Parameter<'_>> = vec![
            &self.now,
            &wish.worker.0,
            &wish.era,
            &finish.ids,
            &finish.epochs,
            &varied.states,
            &varied.keeps,
            &varied.errors,
            &varied.results,
            &self.keep,
            &self.tombstone,
            &self.want,
            &self.rotation,
            queues,
            from,
            to,
            first,
            last,
            low,
            &wish.token,
            &self.due,
            &wish.over,
            finish.buckets.as_ref().unwrap_or(&NOTHING.keeps),
        ];
        if let Some(tids) = finish.tids.as_ref().filter(|tids| !tids.is_empty()) {
            parameters.push(tids);
        }
        parameters
    }
}

fn shape(wish: &Wish<'_>, sorted: &Sorted<'_>) -> Shape {
    let from = match (wish.want, wish.queues) {
        (0, _) => From::Nowhere,
        (_, None) => From::All,
        (_, Some(_)) if wish.granted => From::Granted,
        (_, Some(_)) => From::Only,
    };
    Shape::of(&sorted.finish, from)
}

/// A number for each turn that no other turn of any process has.
pub(super) fn next_token() -> i64 {
    static NEXT: std::sync::LazyLock<AtomicI64> =
        std::sync::LazyLock::new(|| AtomicI64::new(Uuid::new_v4().as_u128() as i64));
    NEXT.fetch_add(1, Ordering::Relaxed)
}
