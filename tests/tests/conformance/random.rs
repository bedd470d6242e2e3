//! Random stories, told to a store in memory and to another one side by side: whatever is asked, both answer alike,
//! and both show the same tasks after each step. `DELAY_PROPTEST_CASES` sets how many stories there are; 64.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use delay::queues::{Mode, QueueConfig};
use delay::store::{
    Action, Claim, Count, Enlist, Fence, Filter, LeaseEnd, LeaseOrder, LeaseTo, QueueEdit, Queues, Rescue,
    Resume, Settlement, Store, Tagged, TaskRecord, Turn, Turned, UpkeepRules, Upkept, WorkerId,
};
use delay::{Due, Hold, Kept, Retry, Task, TaskId, TaskState, Timestamp, Transition, VirtualClock};
use delay_tests::{Backend, Fixture, Memory, Postgres, Sqlite, task};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed};

/// One step. Numbers stand for ids, workers and claims that there have been, in turn.
#[derive(Clone, Debug)]
enum Step {
    Push(Vec<Given>),
    Enlist(Duration),
    Turn { worker: usize, settle: Vec<(usize, Transition)>, want: usize, queues: Option<Vec<&'static str>> },
    Start(Vec<usize>),
    Beat(usize),
    Retire(usize),
    Upkeep { max_crashes: u32, rescue: Rescue },
    Act(Action, Vec<usize>),
    Configure(Vec<QueueConfig>, Resume),
    Pause(&'static str),
    Resume(&'static str),
    Lease { queue: &'static str, most: usize, length: Duration, tag: Tagged },
    SettleLease { number: usize, to: LeaseTo },
    Forget(&'static str, Vec<String>),
    Purge(&'static str),
    Advance(Duration),
}

#[derive(Clone, Debug)]
struct Given {
    id: usize,
    queue: &'static str,
    name: Option<&'static str>,
    due: Due,
    priority: i16,
    tag: Option<&'static str>,
}

/// Few ids, so that the same ones come again.
const IDS: usize = 8;
const QUEUES: [&str; 3] = ["a", "a", "b"];
const START: i64 = 1_500_000_000_000_000;
const SECOND: Duration = Duration::from_secs(1);

fn lengths() -> impl Strategy<Value = Duration> {
    select(vec![Duration::ZERO, SECOND, 31 * SECOND, 3600 * SECOND, 7200 * SECOND, 9 * 3600 * SECOND])
}

fn given() -> impl Strategy<Value = Given> {
    let due = prop_oneof![
        4 => Just(Due::Now),
        1 => lengths().prop_map(Due::In),
        1 => (0..100_i64).prop_map(|s| Due::At(Timestamp::from_micros(START + s * 1_000_000))),
    ];
    let name = prop_oneof![Just(None), select(vec!["m", "n"]).prop_map(Some)];
    let tag = select(vec![None, None, Some("t"), Some("u")]);
    (0..IDS, select(&QUEUES[..]), name, due, -1..2_i16, tag)
        .prop_map(|(id, queue, name, due, priority, tag)| Given { id, queue, name, due, priority, tag })
}

fn config() -> impl Strategy<Value = QueueConfig> {
    let rates = select(vec![None, None, Some("0"), Some("1/s"), Some("0.1/s"), Some("5/m")]);
    let retry = select(vec![None, Some(Retry { limit: Some(1), ..Retry::DEFAULT })]);
    let rest = (Just(1000_u32), retry, any::<bool>(), lengths(), select(vec![false, false, true]));
    (select(&QUEUES[..]), rates, 1..4_u32, rest).prop_map(
        |(name, rate, bucket_size, (concurrent, retry, pull, tombstone, paused))| {
            let mut config = QueueConfig::new(name).expect("a name");
            config.mode = if pull { Mode::Pull } else { Mode::Push };
            config.rate = rate.map(|rate| rate.parse().expect("a rate"));
            (config.bucket_size, config.max_concurrent_requests) = (bucket_size, concurrent);
            (config.retry, config.tombstone, config.paused) = (retry, tombstone, paused);
            config
        },
    )
}

fn queue_step() -> impl Strategy<Value = Step> {
    let queue = || select(&QUEUES[..]);
    let resume = select(vec![Resume::ByOperator, Resume::WithFile]);
    let tag = select(vec![Tagged::Any, Tagged::LikeTheEarliest, Tagged::With("t".to_owned())]);
    let to = prop_oneof![Just(LeaseTo::Done), lengths().prop_map(LeaseTo::Last)];
    let name = prop_oneof![
        select(vec!["m".to_owned(), "n".to_owned()]),
        (0..IDS).prop_map(|number| id(number).to_string())
    ];
    prop_oneof![
        2 => (vec(config(), 0..3), resume).prop_map(|(configs, resume)| Step::Configure(configs, resume)),
        1 => queue().prop_map(Step::Pause),
        1 => queue().prop_map(Step::Resume),
        4 => (queue(), 1..4_usize, select(vec![SECOND, 31 * SECOND, 3600 * SECOND]), tag)
            .prop_map(|(queue, most, length, tag)| Step::Lease { queue, most, length, tag }),
        3 => (0..6_usize, to).prop_map(|(number, to)| Step::SettleLease { number, to }),
        1 => (queue(), vec(name, 1..3)).prop_map(|(queue, names)| Step::Forget(queue, names)),
        1 => queue().prop_map(Step::Purge),
    ]
}

fn transition() -> impl Strategy<Value = Transition> {
    let text = || "[a-zé\\x00]{0,5}";
    prop_oneof![
        Just(Transition::Succeed(None)),
        (vec(any::<u8>(), 0..4), lengths())
            .prop_map(|(value, keep)| Transition::Succeed(Some(Kept { value, keep }))),
        (lengths(), text()).prop_map(|(wait, error)| Transition::Retry { wait, error }),
        lengths().prop_map(|wait| Transition::Snooze { wait }),
        Just(Transition::Refund),
        text().prop_map(|error| Transition::Fail { error }),
        text().prop_map(|reason| Transition::Cancel { reason }),
        (select(vec![Hold::UnknownFunction, Hold::Undecodable]), text())
            .prop_map(|(hold, error)| Transition::Hold { hold, error }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let queues = prop_oneof![3 => Just(None), 1 => vec(select(&QUEUES[..]), 0..3).prop_map(Some)];
    let turn = (0..4_usize, vec((0..8_usize, transition()), 0..4), 0..5_usize, queues)
        .prop_map(|(worker, settle, want, queues)| Step::Turn { worker, settle, want, queues });
    let rescue = select(vec![Rescue::Now, Rescue::Now, Rescue::AfterTheNextBeats]);
    prop_oneof![
        4 => vec(given(), 1..4).prop_map(Step::Push),
        2 => select(vec![30 * SECOND, 1000 * SECOND]).prop_map(Step::Enlist),
        8 => turn,
        1 => vec(0..8_usize, 1..3).prop_map(Step::Start),
        1 => (0..4_usize).prop_map(Step::Beat),
        1 => (0..4_usize).prop_map(Step::Retire),
        2 => (1..4_u32, rescue).prop_map(|(max_crashes, rescue)| Step::Upkeep { max_crashes, rescue }),
        3 => (select(vec![Action::Retry, Action::Cancel, Action::Delete]), vec(0..IDS, 1..3))
            .prop_map(|(action, ids)| Step::Act(action, ids)),
        7 => queue_step(),
        3 => lengths().prop_map(Step::Advance),
    ]
}

/// One store, and what a teller of stories has to remember of it.
struct Told {
    store: Arc<dyn Store>,
    workers: Vec<WorkerId>,
    fences: Vec<Fence>,
    leases: Vec<TaskRecord>,
    /// Whether it is compared with a store that may name the next time too early.
    plain: bool,
}

impl Told {
    async fn begin(backend: &dyn Backend, clock: &VirtualClock, plain: bool) -> Self {
        let store = backend.open(clock.clone(), Fixture::RETENTION).await.expect("the store opens");
        Self { store, workers: Vec::new(), fences: Vec::new(), leases: Vec::new(), plain }
    }

    fn worker(&self, number: usize) -> WorkerId {
        // Counted from the newest, so that most turns are those of living workers.
        let known = self.workers.len();
        if number < known { self.workers[known - 1 - number] } else { WorkerId(999) }
    }

    fn fence(&self, number: usize) -> Option<Fence> {
        self.fences.len().checked_sub(number + 1).map(|index| self.fences[index])
    }

    /// Does a step and gives the answer as text.
    async fn tell(&mut self, step: Step) -> String {
        let store = Arc::clone(&self.store);
        match step {
            Step::Push(given) => shown(store.push(given.into_iter().map(Given::task).collect()).await),
            Step::Enlist(lease) => {
                let enlist = Enlist { name: "n".to_owned(), lease, functions: vec!["f".to_owned()] };
                let enlisted = store.enlist(enlist).await;
                self.workers.extend(enlisted.as_ref().ok());
                shown(enlisted)
            }
            Step::Turn { worker, settle, want, queues } => {
                // A turn that comes to nothing may have brought forward what is due.
                let lives = store
                    .workers()
                    .await
                    .is_ok_and(|workers| workers.iter().any(|record| record.id == self.worker(worker)));
                let want = if lives { want } else { 0 };
                let settle = settle.into_iter().filter_map(|(number, transition)| {
                    Some(Settlement { fence: self.fence(number)?, transition })
                });
                let settle = settle.collect();
                let queues = queues.map_or(Queues::All, |queues| {
                    Queues::Only(queues.into_iter().map(str::to_owned).collect())
                });
                let turned = store.turn(Turn { worker: self.worker(worker), settle, want, queues }).await;
                if let Ok(turned) = &turned {
                    self.fences.extend(turned.claims.iter().map(|claim| claim.fence));
                }
                let turned = turned.map(comparable);
                let next = |turned: &Turned| turned.next.filter(|_| !self.plain);
                shown(turned.map(|turned| Turned { next: next(&turned), ..turned }))
            }
            Step::Start(numbers) => {
                let fences = numbers.into_iter().filter_map(|number| self.fence(number)).collect();
                shown(store.start(fences).await)
            }
            Step::Beat(worker) => shown(store.beat(self.worker(worker)).await),
            Step::Retire(worker) => shown(store.retire(self.worker(worker)).await),
            Step::Upkeep { max_crashes, rescue } => {
                let upkept = store.upkeep(UpkeepRules { max_crashes, rescue, batch: 1000 }).await;
                shown(upkept.map(|upkept| Upkept { promoted: 0, ..upkept }))
            }
            Step::Act(action, ids) => shown(store.act(action, ids.into_iter().map(id).collect()).await),
            Step::Configure(mut queues, resume) => {
                // A file names a queue once.
                queues.sort_by(|a, b| a.name.cmp(&b.name));
                queues.dedup_by(|a, b| a.name == b.name);
                shown(store.configure(QueueEdit::Apply { queues, resume }).await)
            }
            Step::Pause(queue) => shown(store.configure(QueueEdit::Pause(queue.to_owned())).await),
            Step::Resume(queue) => shown(store.configure(QueueEdit::Resume(queue.to_owned())).await),
            Step::Lease { queue, most, length, tag } => {
                let leased = store.lease(LeaseOrder { queue: queue.to_owned(), most, length, tag }).await;
                self.leases.extend(leased.iter().flatten().cloned());
                shown(leased)
            }
            Step::SettleLease { number, to } => {
                let Some(index) = self.leases.len().checked_sub(number + 1) else { return String::new() };
                let TaskRecord { id, epoch, queue, .. } = self.leases[index].clone();
                shown(store.settle_leases(queue, vec![LeaseEnd { id, epoch, to }]).await)
            }
            Step::Forget(queue, names) => shown(store.forget(queue.to_owned(), names).await),
            Step::Purge(queue) => shown(store.purge(queue.to_owned(), 1000).await),
            Step::Advance(_) => String::new(),
        }
    }

    /// All that can be seen of the store.
    async fn seen(&mut self, now: Timestamp) -> String {
        let all = Filter { limit: 100, ..Filter::default() };
        let mut counts = self.store.counts().await.expect("counts");
        let mut tasks = self.store.list(all).await.expect("tasks");
        tasks.sort_by_key(|task| task.id);
        // When what is due is brought forward is a store's own affair.
        for task in &mut tasks {
            if task.state == TaskState::Scheduled && task.eta <= now {
                (task.state, counts) = (TaskState::Ready, promoted(counts, &task.queue));
            }
        }
        counts.retain(|count| count.tasks > 0);
        counts.sort_by(|a, b| (&a.queue, a.state).cmp(&(&b.queue, b.state)));
        // A task that was removed and added again begins a new life, which fences of the former one do not belong to.
        let has_lived =
            |fence: &Fence| tasks.iter().any(|task| task.id == fence.id && task.epoch >= fence.epoch);
        self.fences.retain(has_lived);
        let is_there =
            |lease: &TaskRecord| tasks.iter().any(|task| task.id == lease.id && task.epoch >= lease.epoch);
        self.leases.retain(is_there);
        let workers = self.store.workers().await.expect("workers");
        let configs = self.store.queue_configs().await.expect("configurations");
        let stats = self.store.queue_stats(vec!["a".to_owned(), "b".to_owned()]).await.expect("stats");
        format!("{tasks:#?}\n{counts:?}\n{workers:?}\n{configs:?}\n{stats:?}")
    }
}

/// One scheduled task of a queue counts as a ready one.
fn promoted(mut counts: Vec<Count>, queue: &str) -> Vec<Count> {
    let mut add = |state, change: i64| {
        if let Some(count) = counts.iter_mut().find(|count| count.queue == queue && count.state == state) {
            count.tasks = count.tasks.saturating_add_signed(change);
        } else {
            counts.push(Count { queue: queue.to_owned(), state, tasks: change.unsigned_abs() });
        }
    };
    add(TaskState::Scheduled, -1);
    add(TaskState::Ready, 1);
    counts
}

impl Given {
    fn task(self) -> Task {
        let Self { id: number, queue, name, due, priority, tag } = self;
        // No two tasks are equally urgent: which of them comes first is a store's own affair.
        let priority = priority * IDS as i16 + number as i16;
        let (name, tag) = (name.map(str::to_owned), tag.map(str::to_owned));
        Task { id: id(number), queue: queue.into(), name, due, priority, tag, ..task() }
    }
}

/// Two ids of each moment: they differ in their last bits alone.
fn id(number: usize) -> TaskId {
    let (moment, which) = (number as u128 / 2, number as u128 % 2);
    let bits = (1_500_000_000_000 + moment) << 80 | 0x7 << 76 | 0b10 << 62 | which;
    TaskId::from_bytes(bits.to_be_bytes())
}

/// Without what is a store's own affair: where its rows are, in which order it tells of cancels, and whether what is due
/// has been brought forward already.
fn comparable(mut turned: Turned) -> Turned {
    turned.cancels.sort();
    turned.next = turned.next.filter(|next| !next.is_zero());
    let own = |claim: Claim| Claim { fence: Fence { row: 0, limit: 0, ..claim.fence }, ..claim };
    turned.claims = turned.claims.into_iter().map(own).collect();
    turned
}

fn shown<T: Debug>(answer: delay::Result<T>) -> String {
    format!("{answer:#?}")
}

impl Step {
    /// Without what is each store's own affair where claims are shared out among queues, and where ids are made by whoever
    /// adds a task: a turn takes all that there is or nothing, and a batch has no id twice.
    fn plain(mut self) -> Self {
        match &mut self {
            Step::Turn { want, .. } => *want = if *want > 1 { 100 } else { 0 },
            Step::Push(given) => {
                let mut seen = HashSet::new();
                given.retain(|given| seen.insert(given.id));
            }
            _ => {}
        }
        self
    }
}

async fn tell(story: Vec<Step>, other: fn() -> Box<dyn Backend>, plain: bool) -> Result<(), TestCaseError> {
    let clock = VirtualClock::new(Timestamp::from_micros(START));
    let backends = (Memory::fresh(), other());
    let mut memory = Told::begin(&*backends.0, &clock, plain).await;
    let mut other = Told::begin(&*backends.1, &clock, plain).await;
    for step in story {
        let step = if plain { step.plain() } else { step };
        if let Step::Advance(by) = step {
            clock.advance(by);
        }
        let answers = (memory.tell(step.clone()).await, other.tell(step.clone()).await);
        prop_assert_eq!(answers.0, answers.1, "the answers of memory and of the other to {:?}", step);
        let seen = (memory.seen(clock.now()).await, other.seen(clock.now()).await);
        prop_assert_eq!(seen.0, seen.1, "what memory and the other show after {:?}", step);
    }
    other.store.close().await.expect("the store closes");
    Ok(())
}

/// A share of the cases, for stores that take longer to make. Without a number of cases they are the same ones each time.
fn same_story(share: u32, other: fn() -> Box<dyn Backend>, plain: bool) {
    let asked: Option<u32> = std::env::var("DELAY_PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let rng_seed = if asked.is_some() { RngSeed::Random } else { RngSeed::Fixed(20_261_126) };
    let cases = asked.unwrap_or(64).div_ceil(share);
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 2000, rng_seed, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    proptest!(config, |(story in vec(step(), 1..80))| runtime.block_on(tell(story, other, plain))?);
}

#[test]
fn memory_and_sqlite_tell_the_same_story() {
    same_story(1, Sqlite::fresh, false);
}

#[test]
fn memory_and_postgres_tell_the_same_story() {
    same_story(4, Postgres::fresh, true);
}

#[test]
fn memory_and_postgres_without_what_makes_it_fast_tell_the_same_story() {
    same_story(4, Postgres::bare, true);
}
