//! Schedules in the environment for tests: the clock is moved, and the ticks come at their times.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use delay::testing::Env;
use delay::{Context, Result, Timestamp, VirtualClock};

/// What ran, in its order.
#[derive(Debug, Default)]
struct Ran {
    ran: Mutex<Vec<(&'static str, String)>>,
    /// The environment's clock, where a function is to move it.
    clock: OnceLock<VirtualClock>,
}

impl Ran {
    fn note(&self, what: &'static str, time: SystemTime) {
        let time = Timestamp::from(time).to_string().replace(".000000Z", "");
        self.ran.lock().expect("nobody panics").push((what, time));
    }

    fn take(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut self.ran.lock().expect("nobody panics"))
    }
}

#[delay::func("three", cron = "0 3 * * *", time_zone = "Europe/Berlin")]
async fn three(ctx: &Context, #[state] ran: &Arc<Ran>) {
    ran.note("three", ctx.tick().expect("a tick"));
}

#[delay::func("eight-hours", cron = "0 */8 * * *")]
async fn eight_hours(ctx: &Context, #[default = 7] number: u8, #[rest] rest: &[u8], #[state] ran: &Arc<Ran>) {
    assert_eq!((number, rest), (7, [].as_slice()));
    assert_eq!(ctx.tick(), Some(ctx.eta()));
    ran.note("eight hours", ctx.tick().expect("a tick"));
}

#[delay::func("flaky", cron = "0 0 1 * *")]
async fn flaky(ctx: &Context, #[state] ran: &Arc<Ran>) -> Result<(), delay::BoxError> {
    ran.note("flaky", ctx.tick().expect("a tick"));
    if ctx.attempt() == 1 { Err("not yet".into()) } else { Ok(()) }
}

/// Takes so long, the first time, that the next of its ticks comes meanwhile.
#[delay::func("slow", cron = "0 0 1 1 *")]
async fn slow(ctx: &Context, #[state] ran: &Arc<Ran>) {
    ran.note("slow", ctx.tick().expect("a tick"));
    let was = ran.ran.lock().expect("nobody panics").iter().filter(|(what, _)| *what == "slow").count();
    if let Some(clock) = ran.clock.get().filter(|_| was == 1) {
        clock.advance(DAY * 365);
    }
}

const DAY: Duration = Duration::from_secs(86_400);

/// Its clock shows 2001-09-09T01:46:40Z.
fn env() -> (Env, Arc<Ran>) {
    let ran: Arc<Ran> = Arc::default();
    (Env::builder().state(Arc::clone(&ran)).build(), ran)
}

fn at(what: &'static str, time: &str) -> (&'static str, String) {
    (what, time.to_owned())
}

#[tokio::test]
async fn ticks_come_at_their_times_and_in_their_order() -> Result<()> {
    let (env, ran) = env();
    assert_eq!(env.drain().await?.succeeded, 0, "nothing is due at first");
    env.advance("1d");
    assert_eq!(env.drain().await?.succeeded, 4);
    let expected = [
        at("eight hours", "2001-09-09T08:00:00"),
        at("eight hours", "2001-09-09T16:00:00"),
        at("eight hours", "2001-09-10T00:00:00"),
        at("three", "2001-09-10T01:00:00"),
    ];
    assert_eq!(ran.take(), expected);
    Ok(())
}

#[tokio::test]
async fn a_clock_that_jumps_makes_what_waited_late_and_leaves_the_rest_out() -> Result<()> {
    let (env, ran) = env();
    env.clock().advance(DAY * 10);
    env.drain().await?;
    let late = [at("eight hours", "2001-09-09T08:00:00"), at("three", "2001-09-10T01:00:00")];
    assert_eq!(ran.take(), late);
    env.advance("7h");
    env.drain().await?;
    assert_eq!(ran.take(), [at("eight hours", "2001-09-19T08:00:00")]);
    Ok(())
}

#[tokio::test]
async fn a_tick_that_is_tried_again_keeps_its_time() -> Result<()> {
    let (env, ran) = env();
    env.advance("22d");
    env.drain().await?;
    env.advance("1h");
    env.drain().await?;
    let flaky: Vec<_> = ran.take().into_iter().filter(|(what, _)| *what == "flaky").collect();
    assert_eq!(flaky, [at("flaky", "2001-10-01T00:00:00"), at("flaky", "2001-10-01T00:00:00")]);
    Ok(())
}

#[tokio::test]
async fn before_a_tick_runs_the_next_one_is_stored() -> Result<()> {
    let (env, ran) = env();
    ran.clock.set(env.clock().clone()).expect("set once");
    env.advance("130d");
    env.drain().await?;
    // Nobody has stored the tick of 2004 but the one of 2003, which came while that of 2002 ran.
    let slow: Vec<_> = ran.take().into_iter().filter(|(what, _)| *what == "slow").collect();
    assert_eq!(slow, [at("slow", "2002-01-01T00:00:00"), at("slow", "2003-01-01T00:00:00")]);
    let [next] = &env.enqueued::<Slow>().await?[..] else { panic!("one tick") };
    assert!(next.0.eta.to_string().starts_with("2004-01-01"), "{}", next.0.eta);
    Ok(())
}

#[tokio::test]
async fn schedules_can_be_left_out() -> Result<()> {
    let ran: Arc<Ran> = Arc::default();
    let env = Env::builder().state(Arc::clone(&ran)).without_schedules().build();
    env.advance("400d");
    assert_eq!(env.drain().await?.succeeded, 0);
    EightHours::task(7, []).add(&env).await?;
    delay::assert_enqueued!(env, EightHours, number == 7);
    Ok(())
}
