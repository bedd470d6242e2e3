//! What users get wrong: each mistake has its own kind of error, told before anything is stored, with the remedy.

use std::process::Command;
use std::time::{Duration, SystemTime};

use delay::{Client, Context, Enqueue as _, Error, Limits, Result, Runtime, TaskBuilder};

#[delay::func("store-picture")]
async fn store_picture(_ctx: &Context, title: &str, pixels: &[u8]) {
    let _ = (title, pixels);
}

fn picture() -> TaskBuilder<()> {
    StorePicture::task("t", &[])
}

/// Adds a task that is wrong; nothing may be stored.
async fn mistake<T>(task: TaskBuilder<T>) -> Result<Error> {
    let client = Client::open("memory:").await?;
    let error = task.add(&client).await.expect_err("it is refused");
    assert_eq!(client.store().counts().await?, []);
    Ok(error)
}

fn says(error: &Error, words: &[&str]) {
    for word in words {
        assert!(error.to_string().contains(word), "`{word}` is not in: {error}");
    }
}

#[tokio::test]
async fn a_payload_that_is_too_large_names_the_argument_that_is() -> Result<()> {
    let error = mistake(StorePicture::task("small", &vec![200; 2 << 20])).await?;
    assert!(error.is_payload_too_large());
    says(&error, &["store-picture", "`pixels`", "1048576", "reference", "Limits::payload"]);
    Ok(())
}

#[tokio::test]
async fn a_payload_within_a_raised_limit_goes_in() -> Result<()> {
    let limits = Limits { payload: 8 << 20, ..Limits::default() };
    let rt = Runtime::builder("memory:").limits(limits).build().await?;
    StorePicture::call(&rt, "large", &vec![200; 2 << 20]).await?;
    Ok(())
}

#[tokio::test]
async fn headers_that_are_too_large_are_refused() -> Result<()> {
    let error = mistake(picture().header("x", "y".repeat(40_000)).header("z", "y".repeat(40_000))).await?;
    assert!(error.is_headers_too_large());
    says(&error, &["80002", "65536"]);
    Ok(())
}

#[tokio::test]
async fn a_bad_task_name_shows_what_a_name_is() -> Result<()> {
    for name in ["", "two words", "späß", "a/b", &"x".repeat(501)] {
        let error = mistake(picture().name(name)).await?;
        assert!(error.is_invalid_name(), "{name:?}: {error:?}");
        says(&error, &["A-Z a-z 0-9 _ -", "500"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_bad_queue_name_shows_what_a_queue_name_is() -> Result<()> {
    for queue in ["", "under_score", "a b", "süd"] {
        let error = mistake(picture().queue(queue)).await?;
        assert!(error.is_invalid_queue(), "{queue:?}: {error:?}");
        says(&error, &["A-Z a-z 0-9 -", "100"]);
        let error = Runtime::builder("memory:").queues([queue]).build().await.expect_err("refused");
        assert!(error.is_invalid_queue(), "{queue:?}: {error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_delay_and_an_eta_cannot_both_be_given() -> Result<()> {
    let both = [
        picture().delay("1h").eta(SystemTime::now()),
        picture().eta(SystemTime::now()).delay(Duration::from_secs(1)),
        picture().delay("1h").delay("2h"),
    ];
    for task in both {
        let error = mistake(task).await?;
        assert!(error.is_invalid_eta(), "{error:?}");
        says(&error, &["delay or an eta"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_text_that_is_no_duration_shows_some_that_are() -> Result<()> {
    for text in ["", "soon", "10", "1 fortnight", "-5s", "99999999999999999999s"] {
        for task in [picture().delay(text), picture().timeout(text)] {
            let error = mistake(task).await?;
            assert!(error.is_invalid_duration(), "{text:?}: {error:?}");
            says(&error, &["1h 30m"]);
        }
        let error = Runtime::builder("memory:").lease(text).build().await.expect_err("refused");
        assert!(error.is_invalid_duration(), "{text:?}: {error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_first_of_several_mistakes_is_told() -> Result<()> {
    let error = mistake(picture().delay("soon").name("two words").queue("a b")).await?;
    assert!(error.is_invalid_duration());
    Ok(())
}

#[tokio::test]
async fn a_tag_that_is_too_long_is_refused() -> Result<()> {
    assert!(mistake(picture().tag("t".repeat(501))).await?.is_invalid_tag());
    Ok(())
}

#[tokio::test]
async fn two_tasks_of_a_batch_with_one_name_are_refused_and_none_is_added() -> Result<()> {
    let client = Client::open("memory:").await?;
    let batch = [picture().name("a"), picture(), picture().name("a")];
    let error = client.add_all(batch).await.expect_err("refused");
    assert!(error.is_duplicate_name());
    says(&error, &["`a`"]);
    assert_eq!(client.store().counts().await?, []);
    let elsewhere = [picture().name("a"), picture().queue("other").name("a")];
    assert!(client.add_all(elsewhere).await?.iter().all(Result::is_ok), "each queue has its own names");
    Ok(())
}

#[tokio::test]
async fn one_bad_task_of_a_batch_keeps_all_of_them_out() -> Result<()> {
    let client = Client::open("memory:").await?;
    let error = client.add_all([picture(), picture().name("not a name")]).await.expect_err("refused");
    assert!(error.is_invalid_name());
    assert_eq!(client.store().counts().await?, []);
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_taken_is_the_error_of_its_own_task_only() -> Result<()> {
    let client = Client::open("memory:").await?;
    let holder = picture().name("a").add(&client).await?;
    let mut added = client.add_all([picture(), picture().name("a"), picture()]).await?;
    assert!(added[0].is_ok() && added[2].is_ok());
    let error = added.remove(1).expect_err("the name is taken");
    assert!(error.is_already_added() && error.task() == Some(holder.id()));
    says(&error, &["`a`"]);
    Ok(())
}

#[tokio::test]
async fn a_scheme_that_nobody_knows_names_those_that_are_known() {
    for (url, word) in [
        ("mysql://localhost/jobs", "`sqlite:"),
        ("jobs.db", "`sqlite:jobs.db`"),
        ("", "`memory:`"),
        ("redis:", "`memory:`"),
    ] {
        let error = Runtime::open(url).await.expect_err("refused");
        assert!(error.is_unknown_scheme(), "{url:?}: {error:?}");
        if !url.is_empty() {
            says(&error, &[word]);
        }
    }
}

#[tokio::test]
async fn an_option_that_a_store_does_not_have_is_refused() {
    for url in ["sqlite:jobs.db?durability=none", "sqlite:jobs.db?sharded", "sqlite:jobs.db?shared=1"] {
        let error = Runtime::open(url).await.expect_err("refused");
        assert!(error.is_invalid_option(), "{url}: {error:?}");
        says(&error, &["durability=disk", "shared"]);
    }
    assert!(!std::path::Path::new("jobs.db").exists());
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let builder = || Runtime::builder("memory:");
    let none: [&str; 0] = [];
    for (builder, word) in [
        (builder().concurrency(0), "concurrency"),
        (builder().lease("99ms"), "lease"),
        (builder().queues(none), "queues"),
    ] {
        let error = builder.build().await.expect_err("refused");
        assert!(error.is_invalid_option(), "{error:?}");
        says(&error, &[word]);
    }
}

#[tokio::test]
async fn a_runtime_that_was_stopped_does_not_start_again() -> Result<()> {
    let rt = Runtime::open("memory:").await?;
    rt.start().await?;
    rt.stop().await?;
    let error = rt.start().await.expect_err("it was stopped");
    assert!(error.is_stopping(), "{error:?}");
    says(&error, &["open another one"]);
    Ok(())
}

#[tokio::test]
async fn a_runtime_on_a_file_that_was_stopped_does_not_start_again() -> Result<()> {
    let folder = tempfile::TempDir::new().expect("a folder");
    let rt = Runtime::open(format!("sqlite:{}", folder.path().join("jobs.db").display())).await?;
    rt.start().await?;
    rt.stop().await?;
    let error = rt.start().await.expect_err("it was stopped");
    assert!(error.is_stopping(), "{error:?}");
    Ok(())
}

#[test]
fn a_worker_without_functions_says_how_to_link_some() {
    let output = Command::new(env!("CARGO_BIN_EXE_no_functions")).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("true "), "{said} {output:?}");
    assert!(said.contains("use my_jobs as _;"), "{said}");
}

#[tokio::test]
async fn an_unknown_task_is_told_by_each_question() -> Result<()> {
    let client = Client::open("memory:").await?;
    let handle = client.handle::<()>(delay::TaskId::new());
    assert!(handle.record().await.is_err_and(|error| error.is_unknown_task()));
    assert!(handle.cancel().await.is_err_and(|error| error.is_unknown_task()));
    assert!(handle.result().await.is_err_and(|error| error.is_unknown_task()));
    Ok(())
}
