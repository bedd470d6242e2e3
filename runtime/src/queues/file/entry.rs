//! What the words of a queue mean: from fields to a [`QueueConfig`], and which words go together.

use super::fields::{Fields, Report};
use super::tree::{Node, Place, Value};
use super::values;
use crate::queues::{Mode, QueueConfig};
use crate::retry::Retry;

const QUEUE: [&str; 10] = [
    "acl",
    "bucket_size",
    "max_concurrent_requests",
    "mode",
    "name",
    "paused",
    "rate",
    "retry_parameters",
    "target",
    "tombstone",
];

const RETRY: [&str; 5] =
    ["max_backoff_seconds", "max_doublings", "min_backoff_seconds", "task_age_limit", "task_retry_limit"];

/// The words that mean nothing to a queue whose tasks are leased.
const PUSH_ONLY: [&str; 4] = ["rate", "bucket_size", "max_concurrent_requests", "target"];

/// As [`PUSH_ONLY`], among the retry parameters: a leased task comes back when its lease ends.
const PUSH_ONLY_RETRY: [&str; 4] =
    ["task_age_limit", "min_backoff_seconds", "max_backoff_seconds", "max_doublings"];

/// The file's queues.
pub(super) fn queues(file: &Fields<'_>, report: &mut Report) -> Vec<QueueConfig> {
    let Some(entry) = file.entry("queue") else { return Vec::new() };
    let Value::List(nodes) = &entry.node.value else {
        let text = format!("`queue`: expected a list of queues, found {}", values::found(&entry.node));
        report.mistake(entry.node.at, text);
        return Vec::new();
    };
    let mut queues: Vec<(QueueConfig, Place)> = Vec::new();
    for node in nodes {
        let Some((queue, at)) = queue(node, report) else { continue };
        match queues.iter().find(|(other, _)| other.name == queue.name) {
            Some((_, first)) => {
                let text = format!("two queues are named `{}`: the first in line {}", queue.name, first.line);
                report.mistake(at, text);
            }
            None => queues.push((queue, at)),
        }
    }
    queues.into_iter().map(|(queue, _)| queue).collect()
}

/// One queue, and where its name stands.
fn queue(node: &Node, report: &mut Report) -> Option<(QueueConfig, Place)> {
    let fields = Fields::of(node, "a queue", &QUEUE, report)?;
    if let Some(acl) = fields.entry("acl") {
        check_acl(&acl.node, report);
        let text = "`acl` has no effect: whoever can reach the store can lease and add tasks".to_owned();
        report.remark(acl.at, text);
    }
    let named = fields.entry("name").map_or(node.at, |entry| entry.node.at);
    if fields.entry("name").is_none() {
        report.mistake(
            node.at,
            "a queue has no `name`: expected `name` and 1 to 100 of A-Z a-z 0-9 -".to_owned(),
        );
    }
    let name = fields.read("name", report, values::name);
    // All other mistakes are told, too, of a queue whose name is wrong.
    let mut queue = QueueConfig::named(name.clone().unwrap_or_default());
    let mode = fields.read("mode", report, values::mode);
    queue.rate = fields.read("rate", report, values::rate);
    let least = |node: &Node| values::count(node, 1);
    set(&mut queue.mode, mode);
    set(&mut queue.bucket_size, fields.read("bucket_size", report, least));
    set(&mut queue.max_concurrent_requests, fields.read("max_concurrent_requests", report, least));
    queue.target = fields.read("target", report, values::target);
    set(&mut queue.tombstone, fields.read("tombstone", report, values::duration));
    set(&mut queue.paused, fields.read("paused", report, values::flag));
    if queue.mode == Mode::Pull {
        push_only(&fields, &PUSH_ONLY, report);
    }
    queue.retry = fields.entry("retry_parameters").and_then(|entry| retry(&entry.node, queue.mode, report));
    name.map(|_| (queue, named))
}

fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

fn push_only(fields: &Fields<'_>, words: &[&str], report: &mut Report) {
    for entry in words.iter().filter_map(|word| fields.entry(word)) {
        let text = format!("a pull queue takes no `{}`: remove it, or the queue's `mode: pull`", entry.key);
        report.mistake(entry.at, text);
    }
}

/// The retry parameters; where only one of the two backoffs is given, the other's default follows it.
fn retry(node: &Node, mode: Mode, report: &mut Report) -> Option<Retry> {
    let fields = Fields::of(node, "`retry_parameters`", &RETRY, report)?;
    if mode == Mode::Pull {
        push_only(&fields, &PUSH_ONLY_RETRY, report);
    }
    let mut retry = Retry { limit: None, age_limit: None, ..Retry::DEFAULT };
    retry.limit = fields.read("task_retry_limit", report, |node| values::count(node, 0));
    retry.age_limit = fields.read("task_age_limit", report, values::age);
    set(&mut retry.max_doublings, fields.read("max_doublings", report, |node| values::count(node, 0)));
    let min = fields.read("min_backoff_seconds", report, values::seconds);
    let max = fields.read("max_backoff_seconds", report, values::seconds);
    set(&mut retry.min_backoff, min);
    set(&mut retry.max_backoff, max);
    match (min, max) {
        (Some(min), Some(max)) if min > max => {
            let at = fields.entry("min_backoff_seconds").map_or(node.at, |entry| entry.node.at);
            let text = format!(
                "`min_backoff_seconds` is {} and larger than `max_backoff_seconds`, which is {}",
                min.as_secs_f64(),
                max.as_secs_f64()
            );
            report.mistake(at, text);
        }
        (Some(min), None) => retry.max_backoff = retry.max_backoff.max(min),
        (None, Some(max)) => retry.min_backoff = retry.min_backoff.min(max),
        _ => {}
    }
    Some(retry)
}

/// Reads an access list for its mistakes only.
fn check_acl(node: &Node, report: &mut Report) {
    let Value::List(nodes) = &node.value else {
        let text = format!(
            "`acl`: expected a list of `user_email` and `writer_email`, found {}",
            values::found(node)
        );
        return report.mistake(node.at, text);
    };
    for node in nodes {
        let Some(fields) = Fields::of(node, "`acl`", &["user_email", "writer_email"], report) else {
            continue;
        };
        for word in ["user_email", "writer_email"] {
            fields.read(word, report, |node| values::text(node).map(str::to_owned));
        }
    }
}
