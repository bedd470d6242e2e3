//! The rows of App Engine's `queue.yaml` reference, in both formats; mistakes are in a file of their own.

mod mistakes;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::queues::Mode;
use crate::retry::Retry;

fn yaml(text: &str) -> QueueFile {
    QueueFile::parse("queue.yaml", text, Format::Yaml).unwrap_or_else(|error| panic!("{error}"))
}

fn mistakes(text: &str, format: Format) -> Vec<String> {
    let error = QueueFile::parse("f", text, format).expect_err("the file has mistakes");
    error.to_string().lines().map(|line| line.strip_prefix("f:").expect("the file").to_owned()).collect()
}

fn queue<'a>(file: &'a QueueFile, name: &str) -> &'a QueueConfig {
    file.queues.iter().find(|queue| queue.name == name).unwrap_or_else(|| panic!("no {name}"))
}

/// A file as App Engine took it, with every word it had.
const ORIGINAL: &str = "\
application: my-app
# Set the total storage limit for all queues to 120MB
total_storage_limit: 120M
resume_paused_queues: False
queue:
# Change the refresh rate of the default queue from 5/s to 1/s
- name: default
  rate: 1/s
- name: optimize-queue
  rate: 20/s
  bucket_size: 40
  max_concurrent_requests: 10
  target: v1.worker
- name: fooqueue
  rate: 1/s
  retry_parameters:
    task_retry_limit: 7
    task_age_limit: 2d
- name: barqueue
  mode: push
  rate: 0.5/m
  retry_parameters:
    min_backoff_seconds: 10
    max_backoff_seconds: 200
    max_doublings: 0
- name: stopped
  rate: 0
- {name: 'quoted', rate: \"0/s\", bucket_size: '7'}
- name: pull-queue
  mode: pull
  retry_parameters:
    task_retry_limit: 7
  acl:
  - user_email: bar@foo.com      # can list, get, lease, delete, and update tasks
  - writer_email: user@gmail.com # can insert tasks
";

#[test]
fn the_originals_file_is_read_as_it_is() {
    let file = yaml(ORIGINAL);
    assert_eq!(file.total_storage_limit, Some(120 * 1024 * 1024));
    assert!(!file.resume_paused_queues);
    let names: Vec<_> = file.queues.iter().map(|queue| queue.name.as_str()).collect();
    let expected = ["default", "optimize-queue", "fooqueue", "barqueue", "stopped", "quoted", "pull-queue"];
    assert_eq!(names, expected);
    assert_eq!(queue(&file, "default").rate, Some("1/s".parse().unwrap()));
    let optimize = queue(&file, "optimize-queue");
    assert_eq!((optimize.bucket_size, optimize.max_concurrent_requests), (40, 10));
    assert_eq!(optimize.target.as_deref(), Some("v1.worker"));
    assert_eq!(optimize.retry, None);
    let foo = queue(&file, "fooqueue").retry.unwrap();
    assert_eq!((foo.limit, foo.age_limit), (Some(7), Some(Duration::from_secs(172_800))));
    let bar = queue(&file, "barqueue").retry.unwrap();
    let waits: Vec<u64> = [1, 2, 19, 20, 21].map(|n| bar.backoff(n).as_secs()).to_vec();
    assert_eq!(waits, [10, 20, 190, 200, 200]);
    assert_eq!((bar.limit, bar.age_limit), (None, None), "retried for ever, as it was there");
    assert!(queue(&file, "stopped").is_paused() && queue(&file, "quoted").is_paused());
    assert_eq!(queue(&file, "quoted").bucket_size, 7);
    let pull = queue(&file, "pull-queue");
    assert_eq!((pull.mode, pull.retry.unwrap().limit), (Mode::Pull, Some(7)));
    // What cannot be kept is said, not passed over.
    let remarks: Vec<_> = file.remarks.iter().map(|remark| (remark.line, remark.column)).collect();
    assert_eq!(remarks, [(3, 1), (33, 3)]);
    assert!(file.remarks[0].text.contains("`total_storage_limit` has no effect"));
    assert!(file.remarks[1].text.contains("`acl` has no effect"));
}

#[test]
fn what_a_queue_does_not_say_is_as_in_the_original() {
    let file = yaml("queue:\n- name: mail\n  retry_parameters: {}\n");
    let mail = queue(&file, "mail");
    assert_eq!(mail.mode, Mode::Push);
    assert_eq!((mail.bucket_size, mail.max_concurrent_requests), (5, 1000));
    let retry = Retry { limit: None, age_limit: None, ..Retry::DEFAULT };
    assert_eq!(mail.retry, Some(retry));
    assert_eq!(retry.min_backoff, Duration::from_millis(100));
    assert_eq!((retry.max_backoff, retry.max_doublings), (Duration::from_secs(3600), 16));
}

#[test]
fn the_default_queue_always_exists() {
    for text in ["queue:\n- name: mail\n", "queue:\n", "queue: []\n", "application: x\n"] {
        assert_eq!(queue(&yaml(text), "default"), &QueueConfig::default_queue(), "{text}");
    }
    assert_eq!(yaml("queue:\n- name: default\n").queues.len(), 1);
}

#[test]
fn a_single_backoff_takes_the_others_default_along() {
    let of = |words: &str| {
        let text = format!("queue:\n- name: a\n  retry_parameters:\n    {words}\n");
        queue(&yaml(&text), "a").retry.unwrap()
    };
    assert_eq!(of("min_backoff_seconds: 7200").max_backoff, Duration::from_secs(7200));
    assert_eq!(of("max_backoff_seconds: 0.05").min_backoff, Duration::from_millis(50));
}

#[test]
fn toml_says_the_same() {
    let text = r#"total_storage_limit = "120M"
[[queue]]
name = "mail"
rate = "20/s"
bucket_size = 40
max_concurrent_requests = 10
target = "https://example.com/tasks"
tombstone = "9d"
paused = true
[queue.retry_parameters]
task_retry_limit = 7
task_age_limit = "2d"
min_backoff_seconds = 0.5
max_backoff_seconds = 200
max_doublings = 3

[[queue]]
name = "stopped"
rate = 0
[[queue]]
name = "leased"
mode = "pull"
"#;
    let same = "total_storage_limit: 120M\nqueue:\n- name: mail\n  rate: 20/s\n  bucket_size: 40\n  \
        max_concurrent_requests: 10\n  target: https://example.com/tasks\n  tombstone: 9d\n  paused: true\n  \
        retry_parameters:\n    task_retry_limit: 7\n    task_age_limit: 2d\n    min_backoff_seconds: 0.5\n    \
        max_backoff_seconds: 200\n    max_doublings: 3\n- name: stopped\n  rate: 0\n- name: leased\n  mode: pull\n";
    let toml = QueueFile::parse("delay.toml", text, Format::Toml).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(toml, yaml(same));
    assert_eq!(queue(&toml, "mail").tombstone, Duration::from_secs(9 * 86_400));
}

#[test]
fn the_format_is_seen_by_the_extension_or_by_the_content() {
    let of = |name: &str, text: &str| Format::of(Path::new(name), text);
    assert_eq!(of("delay.toml", "queue: []"), Format::Toml);
    assert_eq!(of("queue.yml", "[[queue]]"), Format::Yaml);
    assert_eq!(of("queues", "# queues\n\n[[queue]]\n"), Format::Toml);
    assert_eq!(of("queues", "total_storage_limit = \"1:2\"\n"), Format::Toml);
    assert_eq!(of("queues", "\u{feff}queue:\n- name: a=b\n"), Format::Yaml);
    assert_eq!(of("queues", ""), Format::Yaml);
}

#[test]
fn a_file_is_read_or_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.yaml");
    assert!(QueueFile::read(&path).unwrap_err().is_unreadable());
    std::fs::write(&path, ORIGINAL).unwrap();
    assert_eq!(QueueFile::read(&path).unwrap().queues.len(), 7);
    std::fs::write(&path, b"queue:\n- name: \xff\n").unwrap();
    let error = QueueFile::read(&path).unwrap_err();
    assert!(error.is_invalid_config() && error.chain().contains(":2:9: this is not text"), "{error:?}");
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(QueueFile::read(&path).unwrap_err().chain().contains("larger than 1 MiB"));
}

#[test]
fn sizes_are_read_as_the_original_read_them() {
    for (text, bytes) in
        [("7", 7), ("7B", 7), ("1K", 1 << 10), ("1.5M", 3 << 19), ("2G", 2 << 30), ("1T", 1 << 40)]
    {
        assert_eq!(
            yaml(&format!("total_storage_limit: {text}\n")).total_storage_limit,
            Some(bytes),
            "{text}"
        );
    }
    for text in ["M", "-1M", "1e3M", "9999999999T", "120m", "1ß"] {
        assert_eq!(mistakes(&format!("total_storage_limit: '{text}'\n"), Format::Yaml).len(), 1, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(text in "(queue|name|rate|mode|: |- |\n|  |\\[|\\]|\"|=|[&*!{}]|\\PC){0,40}") {
        for format in [Format::Yaml, Format::Toml] {
            if let Err(error) = QueueFile::parse("f", &text, format) {
                prop_assert!(!error.mistakes().is_empty(), "an error without a mistake");
            }
        }
    }
}
