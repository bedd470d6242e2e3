//! The row `RequestHeaders` of the original's table, its cases Q6 and Q7, and what is refused.

use proptest::prelude::*;

use super::*;

fn read(headers: &[(&str, &str)]) -> Result<TaskHeaders, HeaderError> {
    TaskHeaders::read(headers.iter().map(|(name, value)| (*name, value.as_bytes())))
}

fn full() -> TaskHeaders {
    TaskHeaders {
        queue_name: Some("foo".to_owned()),
        task_name: Some("bar".to_owned()),
        task_retry_count: Some(4_294_967_297),
        task_execution_count: Some(4_294_967_298),
        task_eta: Some(Timestamp::from_micros(1_500_000_000_000_000)),
        task_previous_response: Some(404),
        task_retry_reason: Some("baz".to_owned()),
        fail_fast: true,
    }
}

#[test]
fn q6_all_headers_are_read_and_counts_go_beyond_32_bits() {
    let headers = read(&[
        ("X-AppEngine-QueueName", "foo"),
        ("X-AppEngine-TaskName", "bar"),
        ("X-AppEngine-TaskRetryCount", "4294967297"),
        ("X-AppEngine-TaskExecutionCount", "4294967298"),
        ("X-AppEngine-TaskETA", "1500000000"),
        ("X-AppEngine-TaskPreviousResponse", "404"),
        ("X-AppEngine-TaskRetryReason", "baz"),
        ("X-AppEngine-FailFast", "yes"),
        ("X-AppEngine-Country", "ZZ"),
        ("Host", "example.com"),
    ])
    .unwrap();
    assert_eq!(headers, full());
    assert_eq!(headers.task_eta.unwrap().to_string(), "2017-07-14T02:40:00.000000Z");
}

#[test]
fn q7_no_headers_are_all_empty() {
    assert_eq!(read(&[]).unwrap(), TaskHeaders::default());
    let empty = [("X-AppEngine-QueueName", ""), ("X-AppEngine-TaskETA", ""), ("X-AppEngine-FailFast", "")];
    assert_eq!(read(&empty).unwrap(), TaskHeaders::default());
    assert!(TaskHeaders::default().pairs().is_empty());
}

#[test]
fn names_are_read_in_any_case_and_with_either_prefix() {
    for name in
        ["x-appengine-taskname", "X-APPENGINE-TASKNAME", "X-CloudTasks-TaskName", "x-cloudtasks-taskname"]
    {
        assert_eq!(read(&[(name, "t")]).unwrap().task_name.as_deref(), Some("t"), "{name}");
    }
    for name in ["X-AppEngine-TaskNam", "AppEngine-TaskName", "X-AppEngine-TaskName2", "X-AppEngine-", "ä"] {
        assert_eq!(read(&[(name, "t")]).unwrap(), TaskHeaders::default(), "{name}");
    }
}

#[test]
fn an_eta_has_its_fraction_to_the_microsecond() {
    for (text, micros) in [
        ("0", 0),
        ("1500000000.", 1_500_000_000_000_000),
        ("1500000000.5", 1_500_000_000_500_000),
        ("1500000000.000001", 1_500_000_000_000_001),
        ("1500000000.1234569", 1_500_000_000_123_456),
        ("9223372036854.775807", i64::MAX),
    ] {
        assert_eq!(
            read(&[("X-AppEngine-TaskETA", text)]).unwrap().task_eta,
            Some(Timestamp::from_micros(micros))
        );
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name_and_never_shown() {
    let long = "x".repeat(10_000);
    for (word, value) in [
        ("QueueName", "a/../b"),
        ("QueueName", "nul\0"),
        ("QueueName", "quote'"),
        ("QueueName", "under_score"),
        ("QueueName", &long),
        ("TaskName", "../secret"),
        ("TaskName", "ä"),
        ("TaskName", &long),
        ("TaskRetryCount", "-1"),
        ("TaskRetryCount", "+1"),
        ("TaskRetryCount", "1.5"),
        ("TaskRetryCount", "18446744073709551616"),
        ("TaskExecutionCount", "many"),
        ("TaskETA", "-1"),
        ("TaskETA", "1e9"),
        ("TaskETA", ".5"),
        ("TaskETA", "1.5.5"),
        ("TaskETA", "9223372036854.775808"),
        ("TaskETA", "99999999999999999999"),
        ("TaskPreviousResponse", "99"),
        ("TaskPreviousResponse", "1000"),
        ("TaskPreviousResponse", "+404"),
        ("TaskRetryReason", "a\r\nX-Evil: 1"),
        ("TaskRetryReason", &long),
    ] {
        let error = read(&[(&format!("X-AppEngine-{word}"), value)]).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("the header `X-AppEngine-{word}` cannot be read: expected ")),
            "{error}"
        );
        assert!(error.len() < 120, "the value is in the error: {error}");
    }
    assert!(TaskHeaders::read([("X-AppEngine-TaskRetryReason", &b"\xff"[..])]).is_err());
}

#[test]
fn a_header_that_is_there_twice_is_refused() {
    let twice = read(&[("X-AppEngine-QueueName", "a"), ("x-cloudtasks-queuename", "a")]);
    assert!(twice.unwrap_err().to_string().contains("expected one such header"));
}

#[test]
fn what_is_written_is_read_back() {
    let pairs = full().pairs();
    assert_eq!(pairs.len(), 8);
    assert_eq!(pairs[4], ("X-AppEngine-TaskETA".to_owned(), "1500000000".to_owned()));
    let back = TaskHeaders::read(pairs.iter().map(|(name, value)| (name, value.as_bytes())));
    assert_eq!(back.unwrap(), full());
}

#[test]
fn a_reason_cannot_begin_another_header() {
    let headers =
        TaskHeaders { task_retry_reason: Some("a\r\nX-Evil: ö".to_owned()), ..TaskHeaders::default() };
    assert_eq!(headers.pairs()[0].1, "a??X-Evil: ?");
}

proptest! {
    #[test]
    fn times_and_counts_survive_the_way_there_and_back(micros in 0..i64::MAX, count: u64) {
        let headers = TaskHeaders {
            task_eta: Some(Timestamp::from_micros(micros)),
            task_retry_count: Some(count),
            ..TaskHeaders::default()
        };
        let pairs = headers.pairs();
        let back = TaskHeaders::read(pairs.iter().map(|(name, value)| (name, value.as_bytes())));
        prop_assert_eq!(back.unwrap(), headers);
    }
}
