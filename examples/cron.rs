//! Schedules: functions that are called by the clock, once however many programs run, whatever dies in between.
//!
//! `cargo run --example cron --features cron`, in two terminals at once if you like: each second is one of them's. Stop
//! both for a while (ctrl-c, or `kill -9`): the tick that was waiting runs late, the others are not made up for.

use std::time::SystemTime;

use delay::{Context, Cron, Runtime, Timestamp};

/// Five fields are minute, hour, day, month, day of the week; this has a sixth, the seconds, before them.
#[delay::func("heartbeat", cron = "* * * * * *")]
async fn heartbeat(ctx: &Context) {
    // The time that it is called for: the same in every attempt, late or not.
    let tick = ctx.tick().unwrap_or_else(SystemTime::now);
    let late = tick.elapsed().unwrap_or_default().as_secs();
    println!("heartbeat of {}, {late} s late", Timestamp::from(tick));
}

/// At three in Berlin, summer and winter. A mistake in the expression or in the zone does not compile.
#[delay::func("nightly", cron = "0 3 * * *", time_zone = "Europe/Berlin")]
async fn nightly(_ctx: &Context) {
    println!("good night");
}

/// Nobody gives arguments to a schedule in an attribute: they need a default.
#[delay::func("open", cron = ["0 9 * * MON-FRI", "0 10 * * SAT"])]
async fn open(_ctx: &Context, #[default = 2] doors: u8) {
    println!("opening {doors} doors");
}

#[delay::func("report")]
async fn report(_ctx: &Context, tenant: &str) {
    println!("the report of {tenant}");
}

#[delay::main]
async fn main() -> delay::Result<()> {
    // What is known only now: the tenants, and when they want their reports. The name tells one from another.
    let tenants =
        [("acme", Cron::new("0 6 * * MON")?), ("globex", Cron::new("@monthly")?.time_zone("Asia/Tokyo")?)];
    let mut builder = Runtime::builder(delay_examples::store());
    for (tenant, cron) in tenants {
        if let Some(next) = cron.next_after(SystemTime::now()) {
            println!("{tenant}: {cron}, next at {next}");
        }
        builder = builder.schedule(cron, Report::task(tenant).name(tenant));
    }
    builder.build().await?.run().await
}
