//! What a tick is, and which schedules can stand beside each other.

use std::sync::Arc;

use super::*;
use crate::clock::{Clock, VirtualClock};
use crate::codec::Arguments;
use crate::context::{Context, Headers};
use crate::handler::{Attempt, Returned};
use crate::registry::{Options, Place};
use crate::store::memory::MemoryStore;
use crate::store::{Filter, Retention};
use crate::task::TaskOptions;

fn start(_: Context, _: Arguments<'_>) -> std::result::Result<Attempt, crate::codec::ArgumentError> {
    Ok(Attempt::blocking(|| Returned::value(())))
}

fn registration(aliases: &'static [&'static str], cron: &'static [&'static str]) -> &'static Registration {
    Box::leak(Box::new(Registration {
        function: "app/src/a.rs:nightly",
        aliases,
        place: Place::new("app", "0.1.0", "src/a.rs", 1),
        known_path: true,
        parameters: &[],
        states: &[],
        options: Options::DEFAULT.cron(cron, "Europe/Berlin"),
        start,
    }))
}

fn registry(aliases: &'static [&'static str], cron: &'static [&'static str]) -> Registry {
    Registry::collect([registration(aliases, cron)]).unwrap()
}

fn schedules(registry: &Registry) -> Schedules {
    Schedules::new(registry, Vec::new(), &Limits::default()).unwrap()
}

fn at(text: &str) -> Timestamp {
    humantime::parse_rfc3339(text).unwrap().into()
}

fn client(now: &str) -> (Client, VirtualClock) {
    let clock = VirtualClock::new(at(now));
    let store = MemoryStore::new(Clock::Virtual(clock.clone()), Retention::default());
    (Client::new(Arc::new(store), Limits::default()), clock)
}

async fn stored(client: &Client) -> Vec<TaskRecord> {
    client.store().list(Filter { limit: usize::MAX, ..Filter::default() }).await.unwrap()
}

async fn times(client: &Client) -> Vec<Timestamp> {
    stored(client).await.iter().map(|record| record.eta).collect()
}

#[tokio::test]
async fn a_tick_is_a_task_that_tells_its_time_and_its_schedule() {
    let registry = registry(&[], &["0 3 * * *", "0 12 * * SUN"]);
    let (client, _) = client("2026-11-24T12:00:00Z");
    let wait = schedules(&registry).store_next(&client).await.unwrap();
    assert_eq!(wait, Some(Duration::from_secs(14 * 3600)), "three in Berlin is two in UTC");
    let [tick] = &stored(&client).await[..] else { panic!("one tick") };
    assert_eq!(tick.eta, at("2026-11-25T02:00:00Z"));
    assert!(tick.name.as_ref().unwrap().ends_with("-20261125T020000Z"), "{:?}", tick.name);
    let options: TaskOptions = crate::codec::from_slice(tick.options.as_ref().unwrap()).unwrap();
    let headers = Headers::new(options.headers);
    assert_eq!(headers.get("delay-cron"), Some("0 3 * * *; 0 12 * * SUN"));
    assert_eq!(headers.get("delay-time-zone"), Some("Europe/Berlin"));
    assert_eq!(headers.get("delay-tick"), Some("2026-11-25T02:00:00Z"));
}

#[tokio::test]
async fn many_programs_store_a_tick_once() {
    let registry = registry(&[], &["0 3 * * *"]);
    let (client, clock) = client("2026-11-24T12:00:00Z");
    for _ in 0..3 {
        schedules(&registry).store_next(&client).await.unwrap();
        clock.advance(Duration::from_secs(60));
    }
    assert_eq!(times(&client).await, [at("2026-11-25T02:00:00Z")]);
}

#[tokio::test]
async fn ticks_that_have_passed_are_never_stored() {
    let registry = registry(&[], &["0 3 * * *"]);
    let (client, clock) = client("2026-11-24T12:00:00Z");
    let schedules = schedules(&registry);
    schedules.store_next(&client).await.unwrap();
    clock.advance(Duration::from_secs(10 * 86_400));
    schedules.store_next(&client).await.unwrap();
    assert_eq!(times(&client).await, [at("2026-11-25T02:00:00Z"), at("2026-12-05T02:00:00Z")]);
}

#[tokio::test]
async fn a_clock_that_is_set_back_asks_for_the_tick_that_is_next_by_it() {
    let registry = registry(&[], &["0 3 * * *"]);
    let (client, clock) = client("2026-11-25T12:00:00Z");
    let schedules = schedules(&registry);
    schedules.store_next(&client).await.unwrap();
    clock.set(at("2026-11-24T12:00:00Z"));
    schedules.store_next(&client).await.unwrap();
    assert_eq!(times(&client).await, [at("2026-11-26T02:00:00Z"), at("2026-11-25T02:00:00Z")]);
}

#[tokio::test]
async fn before_a_tick_runs_the_next_one_is_stored() {
    let registry = registry(&[], &["0 3 * * *"]);
    let (client, clock) = client("2026-11-24T12:00:00Z");
    let schedules = schedules(&registry);
    schedules.store_next(&client).await.unwrap();
    let name = stored(&client).await[0].name.clone();
    clock.set(at("2026-11-25T02:00:00Z"));
    schedules.store_successor(Some("order-1017"), &client).await.unwrap();
    schedules.store_successor(None, &client).await.unwrap();
    assert_eq!(stored(&client).await.len(), 1, "these are no ticks");
    schedules.store_successor(name.as_deref(), &client).await.unwrap();
    assert_eq!(times(&client).await[1..], [at("2026-11-26T02:00:00Z")]);
}

#[tokio::test]
async fn a_tick_is_old_once_anything_about_its_schedule_has_changed() {
    let (client, _) = client("2026-11-24T12:00:00Z");
    let (old, new) = (registry(&[], &["0 3 * * *"]), registry(&[], &["0 3,15 * * *"]));
    schedules(&old).store_next(&client).await.unwrap();
    let [tick] = &stored(&client).await[..] else { panic!("one tick") };
    assert!(schedules(&old).0[0].still_has(tick));
    assert!(schedules(&new).0[0].owns(tick.name.as_ref().unwrap()));
    assert!(!schedules(&new).0[0].still_has(tick));
    let moved = TaskRecord { eta: at("2026-11-25T02:00:01Z"), ..tick.clone() };
    assert!(!schedules(&old).0[0].still_has(&moved), "the zone's rules may change, too");
}

#[test]
fn a_schedule_knows_the_ticks_of_its_functions_older_identities() {
    let moved = registry(&["app/src/old.rs:nightly"], &["0 3 * * *"]);
    let schedules = schedules(&moved);
    let all: Vec<_> = schedules.0[0].functions().collect();
    assert_eq!(all, ["app/src/a.rs:nightly", "app/src/old.rs:nightly"]);
    let old = format!("cron-{:016x}-20261125T020000Z", fnv1a("app/src/old.rs:nightly"));
    assert!(schedules.0[0].owns(&old));
}

#[test]
fn schedules_of_one_function_are_told_apart_by_name() {
    let registry = registry(&[], &["0 3 * * *"]);
    let added = |name: Option<&str>| {
        let mut task = Call::without_arguments(registry.functions()[0]).task::<()>();
        if let Some(name) = name {
            task = task.name(name);
        }
        Schedule::added(Cron::new("@daily").unwrap(), task.into_draft(), &registry).unwrap()
    };
    let new = |added: Vec<Schedule>| Schedules::new(&registry, added, &Limits::default());
    assert_eq!(new(vec![added(None), added(Some("a")), added(Some("b"))]).unwrap().0.len(), 4);
    let error = new(vec![added(Some("a")), added(Some("a"))]).unwrap_err();
    assert!(error.is_duplicate_name() && error.to_string().contains(".name(\"morning\")"), "{error}");
}

#[test]
fn a_scheduled_call_has_no_time_of_its_own() {
    let registry = registry(&[], &["0 3 * * *"]);
    let task = Call::without_arguments(registry.functions()[0]).task::<()>().delay("1h");
    let error = Schedule::added(Cron::new("@daily").unwrap(), task.into_draft(), &registry).unwrap_err();
    assert!(error.is_invalid_eta() && error.to_string().contains("remove the delay"), "{error}");
}
