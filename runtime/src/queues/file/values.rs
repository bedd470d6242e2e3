//! The values that words take: each function reads one kind, or says what it found and what was expected.

use std::time::Duration;

use super::tree::{Form, Node, Value};
use crate::limits;
use crate::queues::{Mode, Rate};

/// Longer is a slip of the pen.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// What a node is, as a mistake says it.
pub(super) fn found(node: &Node) -> String {
    match &node.value {
        Value::Nothing => "nothing".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
        Value::Scalar(text, form) => match form {
            Form::Any => limits::quoted(text),
            Form::Text => format!("the text {}", limits::quoted(text)),
            Form::Number => format!("the number {}", limits::quoted(text)),
            Form::Flag => limits::quoted(text),
            Form::Time => format!("the time {}", limits::quoted(text)),
        },
    }
}

fn wrong(node: &Node, expected: &str) -> String {
    format!("expected {expected}, found {}", found(node))
}

/// A scalar that may be of one of these forms.
fn scalar<'a>(node: &'a Node, forms: &[Form], expected: &str) -> Result<&'a str, String> {
    match &node.value {
        Value::Scalar(text, form) if *form == Form::Any || forms.contains(form) => Ok(text),
        _ => Err(wrong(node, expected)),
    }
}

/// Any text.
pub(super) fn text(node: &Node) -> Result<&str, String> {
    scalar(node, &[Form::Text], "a text")
}

/// A queue's name.
pub(super) fn name(node: &Node) -> Result<String, String> {
    let text = text(node)?;
    limits::check_queue(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// `push` or `pull`.
pub(super) fn mode(node: &Node) -> Result<Mode, String> {
    text(node)?.parse().map_err(|error: crate::Error| error.to_string())
}

/// `20/s`, or a bare `0`.
pub(super) fn rate(node: &Node) -> Result<Rate, String> {
    let expected = "a rate such as `20/s`, or `0` to pause";
    match &node.value {
        Value::Scalar(number, Form::Number) if number != "0" => {
            Err(format!("{}, did you mean `{number}/s`?", wrong(node, expected)))
        }
        _ => {
            let text = scalar(node, &[Form::Text, Form::Number], expected)?;
            text.parse().map_err(|error: crate::Error| error.to_string())
        }
    }
}

/// A whole number that is at least `least`.
pub(super) fn count(node: &Node, least: u32) -> Result<u32, String> {
    let expected = format!("a whole number of at least {least}");
    let text = scalar(node, &[Form::Number], &expected)?;
    match text.parse::<u32>() {
        Ok(number) if number >= least => Ok(number),
        Ok(_) | Err(_) => Err(wrong(node, &expected)),
    }
}

/// A number of seconds with an optional fraction.
pub(super) fn seconds(node: &Node) -> Result<Duration, String> {
    let expected = "a number of seconds such as `0.1` or `10`";
    let text = scalar(node, &[Form::Number], expected)?;
    let seconds = text.parse::<f64>().ok().and_then(span);
    seconds.ok_or_else(|| wrong(node, expected))
}

/// An age as App Engine wrote it: a number and one of `s m h d`.
pub(super) fn age(node: &Node) -> Result<Duration, String> {
    let expected = "a number and one of s, m, h, d, such as `2d`, longer than 0";
    let text = scalar(node, &[Form::Text], expected)?;
    let unit = [("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];
    let (number, unit) = unit
        .into_iter()
        .find_map(|(letter, seconds)| Some((text.trim().strip_suffix(letter)?, seconds)))
        .ok_or_else(|| wrong(node, expected))?;
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let age = number.parse::<f64>().ok().filter(|_| plain).and_then(|number| span(number * unit));
    age.filter(|age| !age.is_zero()).ok_or_else(|| wrong(node, expected))
}

fn span(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|span| *span <= LONGEST)
}

/// A length of time as everywhere in this crate: `1h 30m`.
pub(super) fn duration(node: &Node) -> Result<Duration, String> {
    let expected = "a length of time such as `1h` or `9d`";
    let text = scalar(node, &[Form::Text], expected)?;
    let duration = humantime::parse_duration(text).ok().filter(|duration| *duration <= LONGEST);
    duration.ok_or_else(|| wrong(node, expected))
}

/// `true` or `false`, and what YAML 1.1 took for them.
pub(super) fn flag(node: &Node) -> Result<bool, String> {
    let text = scalar(node, &[Form::Flag], "`true` or `false`")?;
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Ok(true),
        "false" | "no" | "off" | "n" => Ok(false),
        _ => Err(wrong(node, "`true` or `false`")),
    }
}

/// A number of bytes: `120M`; each of B, K, M, G, T is 1024 times the one before.
pub(super) fn size(node: &Node) -> Result<u64, String> {
    let expected = "a number and one of B, K, M, G, T, such as `120M`";
    let text = scalar(node, &[Form::Text, Form::Number], expected)?.trim();
    if let Ok(bytes) = text.parse::<u64>() {
        return Ok(bytes);
    }
    let power = text.chars().next_back().and_then(|letter| "BKMGT".find(letter));
    let number = power.and_then(|_| text.get(..text.len() - 1)).unwrap_or_default();
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let bytes = number.parse::<f64>().ok().filter(|_| plain).zip(power);
    let bytes = bytes.map(|(number, power)| number * 1024_f64.powi(power as i32));
    // 2^63 bytes and more would not fit a store's row.
    match bytes.filter(|bytes| *bytes < 9.2e18) {
        Some(bytes) => Ok(bytes as u64),
        None => Err(wrong(node, expected)),
    }
}

/// Where tasks are sent: a URL, or App Engine's `version.service` with either part alone.
pub(super) fn target(node: &Node) -> Result<String, String> {
    let text = text(node)?;
    let url = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let good = match url {
        Some(rest) => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            !host.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()) && !host.contains('@')
        }
        None => {
            let parts: Vec<&str> = text.split('.').collect();
            let part = |part: &&str| {
                let letters = part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
                (1..=100).contains(&part.len()) && !part.starts_with('-') && letters
            };
            parts.len() <= 2 && parts.iter().all(part)
        }
    };
    if good {
        return Ok(text.to_owned());
    }
    Err(wrong(
        node,
        "`https://…` without a user, or a service's name of a-z 0-9 - such as `worker` or `v1.worker`",
    ))
}
