//! Which times an expression means, on days when the clocks change above all.

use proptest::prelude::*;

use super::*;

fn time(text: &str) -> Timestamp {
    humantime::parse_rfc3339(text).unwrap().into()
}

/// The first ticks after a time, as RFC 3339 without fractions.
fn ticks(cron: &Cron, after: &str, count: usize) -> Vec<String> {
    let next = |time: &Timestamp| cron.next_after(*time);
    let ticks = std::iter::successors(cron.next_after(time(after)), next).take(count);
    ticks.map(|tick| tick.to_string().replace(".000000Z", "Z")).collect()
}

fn berlin(expression: &str) -> Cron {
    Cron::new(expression).unwrap().time_zone("Europe/Berlin").unwrap()
}

#[test]
fn a_tick_comes_strictly_after_the_time_that_it_is_asked_for() {
    let cron = Cron::new("0 3 * * *").unwrap();
    assert_eq!(ticks(&cron, "2026-01-01T02:59:59.5Z", 1), ["2026-01-01T03:00:00Z"]);
    assert_eq!(ticks(&cron, "2026-01-01T03:00:00Z", 1), ["2026-01-02T03:00:00Z"]);
    assert_eq!(ticks(&cron, "2026-01-01T03:00:00.000001Z", 1), ["2026-01-02T03:00:00Z"]);
}

#[test]
fn a_time_of_several_expressions_is_one_tick() {
    let cron = Cron::any_of(["0 9 * * *", "0 9,12 * * SAT"]).unwrap();
    let expected = ["2026-01-02T09:00:00Z", "2026-01-03T09:00:00Z", "2026-01-03T12:00:00Z"];
    assert_eq!(ticks(&cron, "2026-01-02T00:00:00Z", 3), expected);
}

/// 2026-03-29: 02:00 is followed by 03:00, which is 01:00 UTC.
#[test]
fn a_time_of_day_that_the_clocks_skip_ticks_after_the_gap() {
    let expected = ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"];
    assert_eq!(ticks(&berlin("30 2 * * *"), "2026-03-28T00:00:00Z", 3), expected);
}

#[test]
fn steps_do_not_tick_in_the_gap() {
    let expected = ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"];
    assert_eq!(ticks(&berlin("*/30 * * * *"), "2026-03-29T00:00:00Z", 3), expected);
}

/// 2026-10-25: 03:00 is followed by 02:00, so 02:30 comes at 00:30 UTC and at 01:30 UTC.
#[test]
fn a_time_of_day_that_comes_twice_ticks_the_first_time() {
    let expected = ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
    assert_eq!(ticks(&berlin("30 2 * * *"), "2026-10-24T00:00:00Z", 3), expected);
}

#[test]
fn steps_tick_in_both_hours_that_come_twice() {
    let expected =
        ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"];
    assert_eq!(ticks(&berlin("*/30 2 * * *"), "2026-10-25T00:00:00Z", 3), expected[1..]);
    assert_eq!(ticks(&berlin("*/30 2 * * *"), "2026-10-24T23:59:59Z", 4), expected);
}

#[test]
fn days_can_be_told_in_other_ways_than_by_number() {
    // November 2026 begins on a Sunday.
    for (expression, day) in [
        ("0 0 L * *", "30"),
        ("0 0 * * FRI#L", "27"),
        ("0 0 15W * *", "16"),
        ("0 0 * * MON#2", "09"),
        ("0 0 13 * FRI", "06"), // the 13th, or a Friday
        ("0 0 * * 7", "08"),
    ] {
        let cron = Cron::new(expression).unwrap();
        let expected = [format!("2026-11-{day}T00:00:00Z")];
        assert_eq!(ticks(&cron, "2026-11-01T00:00:00Z", 1), expected, "{expression}");
    }
}

#[test]
fn a_year_that_is_over_has_no_tick_left() {
    let cron = Cron::new("0 0 0 1 1 * 2020").unwrap();
    assert_eq!(cron.next_after(time("2026-01-01T00:00:00Z")), None);
}

#[test]
fn mistakes_teach() {
    for (wrong, word) in [
        ("0 3 * *", "write minute, hour"),
        ("61 * * * *", "write minute, hour"),
        ("@nightly", "write minute, hour"),
        ("0 0 30 2 *", "never comes true"),
    ] {
        let error = Cron::new(wrong).unwrap_err();
        assert!(error.is_invalid_cron() && error.to_string().contains(word), "{error}");
    }
    let error = Cron::new("0 3 * * *").unwrap().time_zone("Europe/Atlantis").unwrap_err();
    assert!(error.is_invalid_cron() && error.to_string().contains("`Europe/Berlin`"), "{error}");
    assert!(Cron::any_of([]).unwrap_err().is_invalid_cron());
}

proptest! {
    #[test]
    fn ticks_rise_and_know_that_they_are_ticks(
        seconds in 0i64..4_000_000_000,
        expression in prop::sample::select(vec![
            "* * * * *", "30 2 * * *", "*/7 1-3 * * *", "*/30 * * * * *", "0 0 L * *", "15 2 * * SUN",
        ]),
        zone in prop::sample::select(vec![
            "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
        ]),
    ) {
        let cron = Cron::new(expression).unwrap().time_zone(zone).unwrap();
        let start = Timestamp::from_micros(seconds * 1_000_000);
        let first = cron.next_after(start).unwrap();
        let second = cron.next_after(first).unwrap();
        prop_assert!(start < first && first < second);
        prop_assert!(cron.is_tick(first) && cron.is_tick(second));
    }
}
