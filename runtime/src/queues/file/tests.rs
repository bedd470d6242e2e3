//! The rows of App Engine's `queue.yaml` reference, and every mistake with its place, in both formats.

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
    assert_eq!(remarks, [(33, 3)]);
    assert!(file.remarks[0].text.contains("`acl` has no effect"));
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
    let text = r#"
total_storage_limit = "120M"
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

/// Text, and the mistakes it has, without the file's name. Each mistake has line and column, what was found, and what
/// was expected.
#[test]
fn every_mistake_has_a_place_and_says_what_was_expected() {
    let cases: &[(&str, &[&str])] = &[
        ("", &["1:1: the file is empty: expected `queue` and a list of queues"]),
        ("quee:\n", &["1:1: the file has no `quee`, did you mean `queue`?"]),
        (
            "- name: a\n",
            &[
                "1:1: the file: expected words (`application`, `queue`, `resume_paused_queues`, `total_storage_limit`), found a list",
            ],
        ),
        ("queue: 7\n", &["1:8: `queue`: expected a list of queues, found `7`"]),
        (
            "queue:\n- mail\n",
            &[
                "2:3: a queue: expected words (`acl`, `bucket_size`, `max_concurrent_requests`, `mode`, `name`, `paused`, `rate`, `retry_parameters`, `target`, `tombstone`), found `mail`",
            ],
        ),
        (
            "queue:\n- rate: 1/s\n",
            &["2:3: a queue has no `name`: expected `name` and 1 to 100 of A-Z a-z 0-9 -"],
        ),
        ("queue:\n- name:\n", &["2:3: a queue has no `name`: expected `name` and 1 to 100 of A-Z a-z 0-9 -"]),
        (
            "queue:\n- name: mail_2\n",
            &["2:9: `name`: `mail_2` is not a queue name: use 1 to 100 of A-Z a-z 0-9 -"],
        ),
        ("queue:\n- name: [a]\n", &["2:9: `name`: expected a text, found a list"]),
        (
            "queue:\n- name: a\n- name: b\n- name: a\n",
            &["4:9: two queues are named `a`: the first in line 2"],
        ),
        (
            "queue:\n- name: a\n  rate: 1/s\n  rate: 2/s\n",
            &["4:3: a queue has `rate` twice: first in line 3"],
        ),
        ("queue:\n- name: a\nqueue:\n- name: b\n", &["3:1: the file has `queue` twice: first in line 1"]),
        (
            "queue:\n- name: a\n  max-concurrent-requests: 3\n",
            &["3:3: a queue has no `max-concurrent-requests`, did you mean `max_concurrent_requests`?"],
        ),
        (
            "queue:\n- name: a\n  colour: red\n",
            &[
                "3:3: a queue has no `colour`; there are: `acl`, `bucket_size`, `max_concurrent_requests`, `mode`, `name`, `paused`, `rate`, `retry_parameters`, `target`, `tombstone`",
            ],
        ),
        ("queue:\n- name: a\n  mode: pul\n", &["3:9: `mode`: `pul` is not a mode: use `push` or `pull`"]),
        ("queue:\n- name: a\n  rate: 20\n", &["3:9: `rate`: `20` is not a rate, did you mean `20/s`?"]),
        (
            "queue:\n- name: a\n  rate: fast\n",
            &[
                "3:9: `rate`: `fast` is not a rate: write a number, `/` and one of s, m, h, d, such as `20/s`, `0.5/m` or `1000/d`; `0` pauses",
            ],
        ),
        (
            "queue:\n- name: a\n  rate: {x: 1}\n",
            &["3:9: `rate`: expected a rate such as `20/s`, or `0` to pause, found a map"],
        ),
        (
            "queue:\n- name: a\n  bucket_size: 0\n",
            &["3:16: `bucket_size`: expected a whole number of at least 1, found `0`"],
        ),
        (
            "queue:\n- name: a\n  bucket_size: many\n",
            &["3:16: `bucket_size`: expected a whole number of at least 1, found `many`"],
        ),
        (
            "queue:\n- name: a\n  max_concurrent_requests: 4294967296\n",
            &["3:28: `max_concurrent_requests`: expected a whole number of at least 1, found `4294967296`"],
        ),
        (
            "queue:\n- name: a\n  max_concurrent_requests: 1.5\n",
            &["3:28: `max_concurrent_requests`: expected a whole number of at least 1, found `1.5`"],
        ),
        (
            "queue:\n- name: a\n  target: \"a b\"\n",
            &[
                "3:11: `target`: expected `https://…` without a user, or a service's name of a-z 0-9 - such as `worker` or `v1.worker`, found `a b`",
            ],
        ),
        (
            "queue:\n- name: a\n  target: ftp://x\n",
            &[
                "3:11: `target`: expected `https://…` without a user, or a service's name of a-z 0-9 - such as `worker` or `v1.worker`, found `ftp://x`",
            ],
        ),
        (
            "queue:\n- name: a\n  tombstone: long\n",
            &["3:14: `tombstone`: expected a length of time such as `1h` or `9d`, found `long`"],
        ),
        (
            "queue:\n- name: a\n  paused: maybe\n",
            &["3:11: `paused`: expected `true` or `false`, found `maybe`"],
        ),
        (
            "queue:\n- name: a\n  acl: me\n",
            &["3:8: `acl`: expected a list of `user_email` and `writer_email`, found `me`"],
        ),
        (
            "queue:\n- name: a\n  acl:\n  - email: me\n",
            &["4:5: `acl` has no `email`; there are: `user_email`, `writer_email`"],
        ),
        (
            "queue:\n- name: a\n  retry_parameters: 7\n",
            &[
                "3:21: `retry_parameters`: expected words (`max_backoff_seconds`, `max_doublings`, `min_backoff_seconds`, `task_age_limit`, `task_retry_limit`), found `7`",
            ],
        ),
        (
            "queue:\n- name: a\n  retry_parameters:\n    task_retry_limit: -1\n",
            &["4:23: `task_retry_limit`: expected a whole number of at least 0, found `-1`"],
        ),
        (
            "queue:\n- name: a\n  retry_parameters:\n    task_age_limit: 2w\n",
            &[
                "4:21: `task_age_limit`: expected a number and one of s, m, h, d, such as `2d`, longer than 0, found `2w`",
            ],
        ),
        (
            "queue:\n- name: a\n  retry_parameters:\n    task_age_limit: 0d\n",
            &[
                "4:21: `task_age_limit`: expected a number and one of s, m, h, d, such as `2d`, longer than 0, found `0d`",
            ],
        ),
        (
            "queue:\n- name: a\n  retry_parameters:\n    task_age_limit: 1e9d\n",
            &[
                "4:21: `task_age_limit`: expected a number and one of s, m, h, d, such as `2d`, longer than 0, found `1e9d`",
            ],
        ),
        (
            "queue:\n- name: a\n  retry_parameters:\n    min_backoff_seconds: soon\n",
            &[
                "4:26: `min_backoff_seconds`: expected a number of seconds such as `0.1` or `10`, found `soon`",
            ],
        ),
        (
            "queue:\n- name: a\n  retry_parameters:\n    max_backoff_seconds: .inf\n",
            &[
                "4:26: `max_backoff_seconds`: expected a number of seconds such as `0.1` or `10`, found `.inf`",
            ],
        ),
        (
            "queue:\n- name: a\n  retry_parameters:\n    min_backoff_seconds: 9\n    max_backoff_seconds: 8\n",
            &["4:26: `min_backoff_seconds` is 9 and larger than `max_backoff_seconds`, which is 8"],
        ),
        (
            "queue:\n- name: a\n  mode: pull\n  rate: 1/s\n",
            &["4:3: a pull queue takes no `rate`: remove it, or the queue's `mode: pull`"],
        ),
        (
            "queue:\n- name: a\n  mode: pull\n  retry_parameters:\n    task_age_limit: 2d\n",
            &["5:5: a pull queue takes no `task_age_limit`: remove it, or the queue's `mode: pull`"],
        ),
        (
            "total_storage_limit: 120MB\n",
            &[
                "1:22: `total_storage_limit`: expected a number and one of B, K, M, G, T, such as `120M`, found `120MB`",
            ],
        ),
        ("queue: &a []\n", &["1:11: anchors and aliases are not taken: write the value out"]),
        ("queue: !!seq []\n", &["1:14: tags are not taken: write the value without its `!`"]),
        ("queue: []\n---\nqueue: []\n", &["2:1: a second document begins: expected one"]),
        ("queue:\n- {[a]: b}\n", &["2:4: expected a word before the `:`"]),
    ];
    for (text, expected) in cases {
        assert_eq!(mistakes(text, Format::Yaml), *expected, "{text}");
    }
}

#[test]
fn text_that_is_not_well_formed_has_a_place_too() {
    let yaml = mistakes("queue:\n- name: a\n  rate: [1/s\n- name: b\n", Format::Yaml);
    assert!(yaml.len() == 1 && yaml[0].contains("this is not YAML: "), "{yaml:?}");
    let deep = mistakes(&"[".repeat(10_000), Format::Yaml);
    assert!(deep[0].contains("this is not YAML: "), "{deep:?}");
    let toml = mistakes("[[queue]]\nname = \"a\nrate = 1/s\n", Format::Toml);
    assert!(toml.len() >= 2 && toml[0].starts_with("2:"), "all at once: {toml:?}");
    assert!(toml.iter().all(|mistake| mistake.contains("this is not TOML: ")), "{toml:?}");
    let twice = mistakes("[[queue]]\nname = \"a\"\nname = \"b\"\n", Format::Toml);
    assert!(twice[0].starts_with("3:1: this is not TOML: duplicate key"), "{twice:?}");
}

#[test]
fn several_mistakes_are_told_at_once_in_their_order() {
    let text =
        "total_storage_limit: lots\nqueue:\n- nme: a\n  rate: 20\n- name: b\n  bucket_size: x\n  mode: pul\n";
    let places: Vec<_> = mistakes(text, Format::Yaml)
        .iter()
        .map(|mistake| mistake.split(": ").next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(places, ["1:22", "3:3", "3:3", "4:9", "6:16", "7:9"]);
    let error = QueueFile::parse("queue.yaml", text, Format::Yaml).unwrap_err();
    assert_eq!(error.mistakes().len(), 6);
    let error = error.into_error();
    assert!(error.is_invalid_config());
    assert!(error.chain().starts_with("`queue.yaml` has 6 mistakes: queue.yaml:1:22: "), "{error:?}");
}

#[test]
fn types_that_only_toml_has_are_told_apart() {
    for (text, expected) in [
        (
            "rate = 20",
            "3:8: `rate`: expected a rate such as `20/s`, or `0` to pause, found the number `20`, did you mean `20/s`?",
        ),
        (
            "bucket_size = \"40\"",
            "3:15: `bucket_size`: expected a whole number of at least 1, found the text `40`",
        ),
        ("paused = \"yes\"", "3:10: `paused`: expected `true` or `false`, found the text `yes`"),
        (
            "tombstone = 1979-05-27",
            "3:13: `tombstone`: expected a length of time such as `1h` or `9d`, found the time `1979-05-27`",
        ),
        ("mode = true", "3:8: `mode`: expected a text, found `true`"),
    ] {
        assert_eq!(mistakes(&format!("[[queue]]\nname = \"ä\"\n{text}\n"), Format::Toml)[1], expected);
    }
    let columns = mistakes("queue = [{ name = \"ä\", rate = \"x\" }]\n", Format::Toml);
    assert!(columns[1].starts_with("1:31: `rate`"), "columns are characters: {columns:?}");
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
