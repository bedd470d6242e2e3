//! Queues that a program brings with it: the file is applied when the runtime is built, and its mistakes are told.

use std::path::{Path, PathBuf};

use delay::queues::file::FileError;
use delay::store::QueueEdit;
use delay::{Result, Runtime};
use tempfile::TempDir;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("the folder can be written");
        path
    }

    async fn build(&self, file: impl AsRef<Path>) -> Result<Runtime> {
        let store = format!("sqlite:{}", self.0.path().join("jobs.db").display());
        Runtime::builder(store).queue_file(file.as_ref()).build().await
    }
}

const TOML: &str =
    "[[queue]]\nname = \"mail\"\nrate = \"20/s\"\n\n[[queue]]\nname = \"frames\"\nmode = \"pull\"\n";

#[tokio::test]
async fn the_queues_are_in_the_store_once_the_runtime_is_built() -> Result<()> {
    let place = Place::new();
    let rt = place.build(place.write("delay.toml", TOML)).await?;
    let configs = rt.client().store().queue_configs().await?;
    let names: Vec<&str> = configs.iter().map(|config| config.name.as_str()).collect();
    assert_eq!(names, ["frames", "mail"]);
    assert_eq!(configs[1].rate, Some("20/s".parse()?));
    rt.stop().await
}

#[tokio::test]
async fn a_second_program_with_the_same_file_changes_nothing() -> Result<()> {
    let place = Place::new();
    let first = place.build(place.write("delay.toml", TOML)).await?;
    first.client().store().configure(QueueEdit::Pause("mail".to_owned())).await?;
    let second = place
        .build(
            place.write("queue.yaml", "queue:\n- name: mail\n  rate: 20/s\n- name: frames\n  mode: pull\n"),
        )
        .await?;
    let configs = second.client().store().queue_configs().await?;
    assert!(configs[1].paused, "what an operator has paused stays so");
    assert_eq!(configs.len(), 2);
    first.stop().await?;
    second.stop().await
}

#[tokio::test]
async fn a_mistake_is_told_with_file_line_and_what_was_expected_and_nothing_is_applied() -> Result<()> {
    let place = Place::new();
    let file = place.write("delay.toml", "[[queue]]\nname = \"mail\"\nrate = \"20\"\nbuket_size = 3\n");
    let error = place.build(&file).await.expect_err("refused");
    assert!(error.is_invalid_config());
    let told = error.chain();
    for words in [
        ":3:8: ",
        "did you mean `20/s`?",
        ":4:1: ",
        "did you mean `bucket_size`?",
        &file.display().to_string(),
    ] {
        assert!(told.contains(words), "`{words}` is not in {told}");
    }
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<FileError>());
    assert_eq!(source.map(|source| source.mistakes().len()), Some(2));
    let rt = place.build(place.write("delay.toml", TOML)).await?;
    assert_eq!(rt.client().store().queue_configs().await?.len(), 2);
    rt.stop().await
}

#[tokio::test]
async fn a_file_that_is_not_there_and_a_second_one_are_refused() -> Result<()> {
    let place = Place::new();
    assert!(place.build("no/such/delay.toml").await.expect_err("refused").is_unreadable());
    let file = place.write("delay.toml", TOML);
    let twice = Runtime::builder("memory:").queue_file(&file).queue_file(&file).build().await;
    assert!(twice.expect_err("refused").is_invalid_option());
    Ok(())
}
