//! A worker's turn: one transaction, sent in one go, puts tasks back, promotes due ones, claims what is ready, and finishes
//! what has ended.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use tokio_postgres::Row;
use uuid::Uuid;

use super::answer::{Claimed, Header, read_claim, read_share};
use super::base::Base;
use super::claims;
use super::limits;
use super::push::task_id;
use super::settle::{Applied, BACK, Sorted};
use super::sql::{Parameter, Session};
use super::statement::{self, From, Shape};
use super::tid;
use super::told::{ToClaim, ToSettle};
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
    /// How many limits have granted of each of these queues; without it, configured queues are left out.
    pub(super) granted: Option<&'a [i64]>,
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
        let want = if self.hint.any() { turn.want.div_ceil(2) } else { turn.want };
        let wish = Wish { worker: turn.worker, era, token, want, queues, granted: None, over };
        self.prepare(&session, &wish, &sorted).await?;
        let exchanged = async {
            let mut exchanged = self.exchange(&session, &wish, &sorted).await?;
            self.finish_moved(&session, &wish, &sorted, &mut exchanged).await?;
            Ok(exchanged)
        };
        let Exchanged { header, looked, claimed, applied, came_back } = match exchanged.await {
            Ok(exchanged) => exchanged,
            Err(error) => {
                if turn.want > 0 {
                    self.lose(turn.worker, token, &error);
                }
                return Err(error);
            }
        };
        let walk = Walk { now: looked, configured: &header.configured };
        let Some(known_era) = header.era else { return Err(stale_lease()) };
        if known_era != era {
            self.lost.set_era(turn.worker, known_era);
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
        self.note_ended(&ended);
        if came_back {
            self.note_woke();
        }
        if header.limits {
            // To ask them may take long.
            self.notifier.tell();
        }
        let next =
            header.next.map(|eta| Timestamp::from_micros(eta).since(Timestamp::from_micros(header.now)));
        let is_done = |id: &TaskId| done().any(|fence| fence.id == *id);
        let cancels = header.cancels.iter().filter(|id| !is_done(id)).copied().collect();
        let more = self.walked(&wish, &walk, &claimed);
        // A claim that had all it wanted may not have come to every queue.
        let more = (claimed.claims.len() < wish.want).then_some(more);
        let mut claims = claimed.claims;
        let wish = Wish { want: turn.want, ..wish };
        let wait = self.ask_limits(&session, &wish, header.limits, back, &walk, &mut claims).await;
        let next = next.into_iter().chain(wait).min();
        self.claim_more(&session, &wish, more, &walk, &mut claims).await;
        self.notifier.tell_on(&session).await;
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
        if wish.want > 0 {
            session.ready(&PROMOTE).await?;
            session.ready(&statement::claim(wish.from())).await?;
        }
        session.ready(&statement::settle(Shape::of(&sorted.finish))).await
    }

    /// Sends all statements of a turn at once, and gathers the answers.
    async fn exchange(&self, session: &Session, wish: &Wish<'_>, sorted: &Sorted<'_>) -> Result<Exchanged> {
        let promotes = wish.want > 0 && self.marks().may_be_due(self.now());
        let put_back = async {
            if sorted.back.is_empty() {
                return Ok((HashSet::new(), false));
            }
            self.put_back(session, wish.worker.0, wish.era, &sorted.back).await
        };
        let promote = async {
            if !promotes {
                return Ok(0);
            }
            let low = self.marks().due();
            let parameters: [Parameter<'_>; 3] = [&self.now(), &low, &PROMOTED_PER_TURN];
            session.rows("bring due tasks forward", &PROMOTE, &parameters).await.map(|rows| rows.len() as i64)
        };
        let claim = async {
            if wish.want == 0 {
                return Ok(Vec::new());
            }
            self.pick(session, wish).await
        };
        let all = async {
            let settle = self.settle(session, wish, sorted);
            let (back, promoted, rows, header) = tokio::join!(put_back, promote, claim, settle);
            Ok((back?, promoted?, rows?, header?))
        };
        let begin = Instant::now();
        let ((back, came_back), promoted, rows, mut header) = if wish.want == 0 && sorted.back.is_empty() {
            all.await?
        } else {
            // One transaction: nothing of a turn is durable without the rest.
            session.at_once("take a turn", all).await?
        };
        // All had looked before the header was made.
        let looked = header.now.saturating_sub(begin.elapsed().as_micros() as i64);
        if promotes && promoted < PROMOTED_PER_TURN {
            self.marks().promoted(looked);
        }
        let applied = Applied { finished: header.finished.take(), back };
        let claimed = self.claimed(wish, &rows);
        Ok(Exchanged { header, looked, claimed, applied, came_back })
    }

    /// What did not stand where it was looked for may have moved: it is looked for by its id.
    async fn finish_moved(
        &self,
        session: &Session,
        wish: &Wish<'_>,
        sorted: &Sorted<'_>,
        exchanged: &mut Exchanged,
    ) -> Result<()> {
        let (Some(_), Some(finished)) = (&sorted.finish.tids, &mut exchanged.applied.finished) else {
            return Ok(());
        };
        let rest = sorted.without(finished);
        let asked: Vec<TaskId> = rest.finish.ids.iter().copied().map(task_id).collect();
        let header = self.settle(session, &Wish { over: &[], ..*wish }, &rest).await?;
        if header.era.is_some() {
            finished.extend(header.finished.map_or(asked, |found| found.into_iter().collect()));
        }
        Ok(())
    }

    async fn settle(&self, session: &Session, wish: &Wish<'_>, sorted: &Sorted<'_>) -> Result<Header> {
        let (told, sql) = (ToSettle::of(self), statement::settle(Shape::of(&sorted.finish)));
        let rows = session.rows("settle", &sql, &told.parameters(wish, &sorted.finish)).await?;
        let header = Header::read(&rows[0]);
        let mut marks = self.marks();
        marks.see(header.now);
        marks.scheduled(header.next);
        Ok(header)
    }

    /// Claims in a transaction of its own.
    pub(super) async fn claim(&self, session: &Session, wish: &Wish<'_>) -> Result<Claimed> {
        Ok(self.claimed(wish, &self.pick(session, wish).await?))
    }

    async fn pick(&self, session: &Session, wish: &Wish<'_>) -> Result<Vec<Row>> {
        let told = ToClaim::of(self, wish);
        session.rows("claim", &statement::claim(wish.from()), &told.parameters(wish)).await
    }

    /// What a claim brought, once it is certain: only then does anything here count it.
    fn claimed(&self, wish: &Wish<'_>, rows: &[Row]) -> Claimed {
        let by_place = self.dialect.goes_by_place();
        if rows.is_empty() && !by_place && wish.want > 0 {
            // Others may have been faster with all that was picked, and noted.
            self.claims.still_over(wish.worker, vec![wish.token]);
        }
        let slot = self.claims.claimed(wish.worker, wish.token, rows.len());
        let claims = rows.iter().map(|row| read_claim(row, slot, by_place)).collect();
        Claimed { claims, share: rows.first().map_or(0, read_share) }
    }

    /// How the server goes about a claim, as `EXPLAIN ANALYZE` tells it. Claims nothing.
    pub(super) async fn explain_claim(&self, worker: WorkerId, want: usize) -> Result<String> {
        let session = self.session().await?;
        let era = self.lost.era(worker);
        let wish = Wish { worker, era, token: 0, want, queues: None, granted: None, over: &[] };
        let (to_claim, to_settle) = (ToClaim::of(self, &wish), ToSettle::of(self));
        let nothing = Sorted::default().finish;
        let both = [
            (statement::claim(wish.from()), to_claim.parameters(&wish)),
            (statement::settle(Shape::of(&nothing)), to_settle.parameters(&wish, &nothing)),
        ];
        let explain = async {
            let mut plans = String::new();
            for (sql, parameters) in &both {
                let text =
                    self.dialect.write(&format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {}", sql.text));
                let rows = session.run(&text, sql.types, parameters).await;
                // What was claimed is not; an empty transaction is what remains to be committed.
                session.batch("explain a claim", "ROLLBACK AND CHAIN").await?;
                let rows = rows.map_err(|error| super::fault::fault("explain a claim", error))?;
                plans.extend(rows.iter().map(|row| row.get::<_, String>(0) + "\n"));
            }
            Ok(plans)
        };
        session.in_transaction("explain a claim", explain).await
    }

    /// Moves the marks; answers the queues that may have more.
    pub(super) fn walked(&self, wish: &Wish<'_>, walk: &Walk<'_>, claimed: &Claimed) -> Vec<String> {
        if wish.want == 0 {
            return Vec::new();
        }
        let claims = &claimed.claims;
        let mut last: BTreeMap<&str, (usize, i16, i64)> = BTreeMap::new();
        for claim in claims {
            let place = (claim.priority, claim.eta.as_micros());
            let entry = last.entry(&claim.queue).or_insert((0, place.0, place.1));
            entry.0 += 1;
            (entry.1, entry.2) = (entry.1, entry.2).max(place);
        }
        if !self.dialect.goes_by_place() {
            // What others took first is not told: nobody knows how far this went.
            return last.into_keys().map(str::to_owned).collect();
        }
        let granted: BTreeMap<&str, usize> = wish.grants().collect();
        // Of one queue, nobody knows which, the claim took less than its share, for it had all that it wanted.
        let is_cut = claims.len() >= wish.want;
        let mut more = Vec::new();
        let mut marks = self.marks();
        for (queue, (count, priority, eta)) in &last {
            marks.walked(queue, walk.now, Some((*priority, *eta)));
            if is_cut || *count >= granted.get(queue).copied().unwrap_or(claimed.share) {
                more.push((*queue).to_owned());
            } else {
                marks.walked(queue, walk.now, None);
            }
        }
        // Of the others it is known that nothing is there if every queue was asked to its end.
        if claims.is_empty() || wish.granted.is_some() {
            let all = marks.ranges(wish.queues).queues;
            let is_asked = |queue: &&String| wish.granted.is_some() || !walk.configured.contains(*queue);
            let is_empty = |queue: &&String| !last.contains_key(queue.as_str());
            all.iter()
                .filter(is_asked)
                .filter(is_empty)
                .for_each(|queue| marks.walked(queue, walk.now, None));
        }
        more
    }

    /// What some queues left, the others may have: those that are open, or all of the wish. Whatever goes wrong, the claims
    /// so far count.
    async fn claim_more(
        &self,
        session: &Session,
        wish: &Wish<'_>,
        mut open: Option<Vec<String>>,
        walk: &Walk<'_>,
        claims: &mut Vec<Claim>,
    ) {
        while claims.len() < wish.want && open.as_ref().is_none_or(|open| !open.is_empty()) {
            let wish = Wish {
                want: wish.want - claims.len(),
                queues: open.as_deref().or(wish.queues),
                token: next_token(),
                over: &[],
                ..*wish
            };
            match self.claim(session, &wish).await {
                Ok(more) => {
                    open = Some(self.walked(&wish, walk, &more));
                    claims.extend(more.claims);
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

/// What a turn came to.
struct Exchanged {
    header: Header,
    /// The store's time, not later than any part of it looked.
    looked: i64,
    claimed: Claimed,
    applied: Applied,
    /// Whether any of what was put back waits to be claimed.
    came_back: bool,
}

/// What is known of a claim's walk through its queues.
pub(super) struct Walk<'a> {
    /// Not later than it looked.
    pub(super) now: i64,
    /// Queues that it passed by, unless limits have granted it.
    pub(super) configured: &'a HashSet<String>,
}

impl Wish<'_> {
    /// Queues, and what was granted of each.
    fn grants(&self) -> impl Iterator<Item = (&str, usize)> {
        let (queues, granted) = (self.queues.unwrap_or_default(), self.granted.unwrap_or_default());
        queues.iter().zip(granted).map(|(queue, n)| (&**queue, usize::try_from(*n).unwrap_or_default()))
    }

    fn from(&self) -> From {
        match self.queues {
            None => From::All,
            Some(_) if self.granted.is_some() => From::Granted,
            Some(_) => From::Only,
        }
    }
}

/// A number for each turn that no other turn of any process has.
pub(super) fn next_token() -> i64 {
    static NEXT: std::sync::LazyLock<AtomicI64> =
        std::sync::LazyLock::new(|| AtomicI64::new(Uuid::new_v4().as_u128() as i64));
    NEXT.fetch_add(1, Ordering::Relaxed)
}
