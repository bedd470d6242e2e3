//! Tests of delayed functions: an environment of their own, in memory, with a clock that the test moves.
//!
//! `cargo test --example testing` runs the tests; `cargo run --example testing` shows the same as a story.

use delay::Context;
use delay::testing::Env;

/// Reminds somebody every day, so many times.
#[delay::func("remind")]
async fn remind(ctx: &Context, who: &str, times: u32) -> delay::Result<()> {
    println!("{who}, do not forget!");
    if times > 1 {
        Remind::task(who, times - 1).delay("1d").add(ctx).await?;
    }
    Ok(())
}

#[delay::main]
async fn main() -> delay::Result<()> {
    let env = Env::new();
    Remind::call(&env, "Ada", 3).await?;
    for day in 1..=4 {
        let drained = env.drain().await?; // runs what is due, here and now, and what that adds if it is due, too
        println!("day {day}: {} ran, {} wait", drained.succeeded, env.enqueued::<Remind>().await?.len());
        env.advance("1d"); // nobody has to wait for it
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reminder_comes_back_after_a_day_until_it_was_sent_often_enough() {
        let env = Env::new();
        Remind::call(&env, "Ada", 2).await.unwrap();
        delay::assert_enqueued!(env, Remind, who == "Ada", times == 2);

        assert_eq!(env.drain().await.unwrap().succeeded, 1);
        delay::assert_enqueued!(env, Remind, who == "Ada", times == 1);

        env.advance("23h 59m");
        assert_eq!(env.drain().await.unwrap().succeeded, 0, "it is not due yet");
        env.advance("1m");
        assert_eq!(env.drain().await.unwrap().succeeded, 1);
        assert!(env.enqueued::<Remind>().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_reminder_that_is_sent_once_adds_nothing() {
        let env = Env::new();
        Remind::call(&env, "Grace", 1).await.unwrap();
        assert_eq!(env.drain().await.unwrap().succeeded, 1);
        assert!(env.enqueued::<Remind>().await.unwrap().is_empty());
    }
}
