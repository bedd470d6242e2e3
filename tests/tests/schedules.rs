//! Schedules in running programs: what of a changed schedule is left, what operators can do, by whose clock it goes.

use std::sync::Arc;
use std::time::Duration;

use delay::store::memory::MemoryStore;
use delay::store::{Acted, Action, Filter, Retention, Store, TaskRecord};
use delay::{Clock, Context, Cron, Result, Runtime, TaskState, Timestamp, VirtualClock};
use delay_tests::soon;

/// Far away, so that it never comes while a test runs.
#[delay::func("nightly", cron = "0 0 1 1 *", time_zone = "Europe/Berlin")]
async fn nightly(_ctx: &Context) {}

#[delay::func("report")]
async fn report(_ctx: &Context, tenant: String) {
    drop(tenant);
}

struct File(tempfile::TempDir);

impl File {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.0.path().join("jobs.db").display())
    }

    fn builder(&self) -> delay::Builder {
        Runtime::builder(self.url()).name("test")
    }
}

/// A schedule of the report.
fn with(builder: delay::Builder, cron: &str, tenant: &str) -> delay::Builder {
    builder.schedule(cron, Report::task(tenant.into()).name(tenant))
}

/// The ticks that wait, once there are any of which this is true.
async fn waiting(rt: &Runtime, what: &str, enough: impl Fn(&[TaskRecord]) -> bool) -> Vec<TaskRecord> {
    let store = rt.client().store();
    let mut signal = store.signals().subscribe();
    let look = async {
        loop {
            signal.mark_unchanged();
            let filter = Filter { state: Some(TaskState::Scheduled), limit: 100, ..Filter::default() };
            let found = store.list(filter).await.expect("it can be listed");
            if enough(&found) {
                return found;
            }
            signal.changed().await.expect("the store is there");
        }
    };
    soon(what, look).await
}

/// The months of the report's ticks; all of them are on the first, at midnight.
fn reports(ticks: &[TaskRecord]) -> Vec<String> {
    let report = |tick: &&TaskRecord| delay_payload(tick).contains("report");
    let mut etas: Vec<String> =
        ticks.iter().filter(report).map(|tick| tick.eta.to_string()[5..7].to_owned()).collect();
    etas.sort();
    etas
}

fn delay_payload(tick: &TaskRecord) -> String {
    String::from_utf8_lossy(&tick.payload).into_owned()
}

#[tokio::test]
async fn runtimes_on_one_file_store_each_tick_once() -> Result<()> {
    let file = File::new();
    let one = with(file.builder(), "0 0 1 2 *", "acme").build().await?;
    let other = with(file.builder(), "0 0 1 2 *", "acme").build().await?;
    let third = with(with(file.builder(), "0 0 1 2 *", "acme"), "0 0 1 3 *", "last").build().await?;
    one.start().await?;
    other.start().await?;
    waiting(&one, "the first ticks", |ticks| ticks.len() >= 2).await;
    third.start().await?;
    let ticks =
        waiting(&third, "the third runtime's own", |ticks| reports(ticks).contains(&"03".into())).await;
    assert_eq!((reports(&ticks), ticks.len()), (vec!["02".to_owned(), "03".to_owned()], 3));
    one.stop().await?;
    other.stop().await?;
    third.stop().await
}

#[tokio::test]
async fn ticks_of_a_changed_schedule_are_taken_back_at_start() -> Result<()> {
    let file = File::new();
    // The fourth goes back to what the first was: the name of its tick is free again.
    for (cron, tenant, month) in [
        ("0 0 1 2 *", "acme", "02"),
        ("0 0 1 3 *", "acme", "03"),
        ("0 0 1 2 *", "acme", "02"),
        ("0 0 1 2,4 *", "acme", "02"),
    ] {
        let rt = with(file.builder(), cron, tenant).build().await?;
        rt.start().await?;
        let is_new = |tick: &TaskRecord| {
            let options = String::from_utf8_lossy(tick.options.as_deref().unwrap_or_default()).into_owned();
            delay_payload(tick).contains("report") && options.contains(cron)
        };
        let ticks = waiting(&rt, cron, |ticks| ticks.iter().any(is_new)).await;
        assert_eq!(reports(&ticks), [month], "{cron}");
        rt.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_tick_with_other_arguments_replaces_the_old_one() -> Result<()> {
    let file = File::new();
    for tenant in ["old", "new"] {
        let report = Report::task(tenant.into());
        let rt = file.builder().schedule("0 0 1 2 *", report).build().await?;
        rt.start().await?;
        let ticks =
            waiting(&rt, tenant, |ticks| ticks.iter().any(|tick| delay_payload(tick).contains(tenant))).await;
        assert_eq!(reports(&ticks), ["02"]);
        rt.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_tick_that_somebody_cancels_is_left_out_even_after_its_tombstone() -> Result<()> {
    let file = File::new();
    let builder = || {
        let retention = Retention { tombstone: Duration::ZERO, ..Retention::default() };
        with(file.builder().retention(retention), "0 0 1 2 *", "acme")
    };
    let rt = builder().build().await?;
    rt.start().await?;
    let ticks = waiting(&rt, "the tick", |ticks| !reports(ticks).is_empty()).await;
    let tick = ticks.iter().find(|tick| delay_payload(tick).contains("report")).expect("waited for");
    assert_eq!(rt.client().store().act(Action::Cancel, vec![tick.id]).await?, [Acted::Done]);
    rt.stop().await?;

    let rt = with(builder(), "0 0 1 5 *", "later").build().await?;
    rt.start().await?;
    // All ticks of a program are stored at once: with this one there, the other would be, too.
    let ticks = waiting(&rt, "the later one", |ticks| reports(ticks).contains(&"05".into())).await;
    assert_eq!(reports(&ticks), ["05"]);
    rt.stop().await
}

#[tokio::test]
async fn the_stores_clock_says_which_ticks_are_ahead() -> Result<()> {
    let clock = VirtualClock::new(Timestamp::from_micros(1_000_000_000_000_000)); // in 2001
    let store = Arc::new(MemoryStore::new(Clock::Virtual(clock), Retention::default()));
    let rt = with(Runtime::on(store as Arc<dyn Store>), "0 0 1 2 *", "acme").build().await?;
    rt.start().await?;
    let ticks = waiting(&rt, "both ticks", |ticks| ticks.len() == 2).await;
    let mut etas: Vec<String> = ticks.iter().map(|tick| tick.eta.to_string()).collect();
    etas.sort();
    assert_eq!(etas, ["2001-12-31T23:00:00.000000Z", "2002-02-01T00:00:00.000000Z"]);
    rt.stop().await
}

#[tokio::test]
async fn mistakes_in_a_schedule_are_told_when_the_runtime_is_built() -> Result<()> {
    let build = async |cron: &str, name: Option<&str>| {
        let mut task = Report::task("acme".into());
        if let Some(name) = name {
            task = task.name(name);
        }
        with(Runtime::builder("memory:"), "@daily", "acme").schedule(cron, task).build().await
    };
    assert!(build("0 3 * *", None).await.unwrap_err().is_invalid_cron());
    assert!(build("@daily", Some("acme")).await.unwrap_err().is_duplicate_name());
    assert!(build("@daily", None).await.is_ok());
    let late = Report::task("acme".into()).delay("1h");
    let error = Runtime::builder("memory:").schedule(Cron::new("@daily")?, late).build().await.unwrap_err();
    assert!(error.is_invalid_eta(), "{error}");
    let large = Report::task("x".repeat(2 << 20));
    let error = Runtime::builder("memory:").schedule("@daily", large).build().await.unwrap_err();
    assert!(error.is_payload_too_large(), "{error}");
    Ok(())
}
