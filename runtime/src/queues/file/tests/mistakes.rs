//! Every mistake of a file of queues, with its place.

use super::super::*;
use super::mistakes;

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
