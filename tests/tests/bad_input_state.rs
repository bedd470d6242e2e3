//! Functions whose `#[state]` nobody provided. A file of its own: every worker of this program lacks it.

use delay::{Context, Result, Runtime, testing::Env};

struct Database;
struct Mailer;

#[delay::func("needs-both")]
async fn needs_both(_ctx: &Context, n: u32, #[state] db: &Database, #[state] mailer: &Mailer) {
    let _ = (n, db, mailer);
}

#[delay::func("needs-one")]
async fn needs_one(_ctx: &Context, #[state] mailer: &Mailer) {
    let _ = mailer;
}

#[tokio::test]
async fn a_worker_that_lacks_state_names_all_that_it_lacks() -> Result<()> {
    let error = Runtime::open("memory:").await?.start().await.expect_err("nothing was provided");
    assert!(error.is_missing_state());
    let text = error.to_string();
    for word in ["Database", "Mailer", "needs-both", "needs-one", ".state("] {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
    assert_eq!(text.matches("Mailer").count(), 2, "once for each function: {text}");
    Ok(())
}

#[tokio::test]
async fn a_worker_that_lacks_some_state_names_that_alone() -> Result<()> {
    let rt = Runtime::builder("memory:").state(Mailer).build().await?;
    let error = rt.start().await.expect_err("the database is missing");
    assert!(error.is_missing_state());
    assert!(error.to_string().contains("Database") && !error.to_string().contains("Mailer"), "{error}");
    Ok(())
}

#[tokio::test]
async fn state_of_another_wrapping_is_not_the_same_state() -> Result<()> {
    let rt = Runtime::builder("memory:").state(Mailer).state(std::sync::Arc::new(Database)).build().await?;
    assert!(rt.start().await.is_err_and(|error| error.is_missing_state()));
    Ok(())
}

#[tokio::test]
async fn a_worker_with_all_state_starts() -> Result<()> {
    let rt = Runtime::builder("memory:").state(Mailer).state(Database).build().await?;
    rt.start().await?;
    rt.stop().await
}

#[tokio::test]
async fn a_program_that_only_enqueues_needs_no_state() -> Result<()> {
    let rt = Runtime::open("memory:").await?;
    NeedsBoth::call(&rt, 1).await.map(drop)
}

#[tokio::test]
async fn the_testing_environment_asks_for_state_too() -> Result<()> {
    let env = Env::new();
    NeedsOne::call(&env).await?;
    assert!(env.drain().await.is_err_and(|error| error.is_missing_state()));
    Ok(())
}
