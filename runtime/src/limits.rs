//! What may come in: sizes and the letters of names, checked before anything is stored (G8).

use crate::error::{Error, Kind, Result};

/// The largest sizes that are taken in. All are in bytes.
///
/// ```
/// let limits = delay::Limits { payload: 64 * 1024, ..delay::Limits::default() };
/// assert_eq!(limits.result, 1024 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The encoded invocation: function and arguments. 1 MiB.
    pub payload: usize,
    /// A kept result, encoded. 1 MiB.
    pub result: usize,
    /// All header names and values of a task together. 64 KiB.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { payload: 1 << 20, result: 1 << 20, headers: 64 << 10 }
    }
}

const NAME_MAX: usize = 500;
const QUEUE_MAX: usize = 100;

/// Task names are `[A-Za-z0-9_-]{1,500}`, as in App Engine.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if in_alphabet(name, NAME_MAX, b"_-") {
        return Ok(());
    }
    Err(Error::new(
        Kind::InvalidName,
        format!(
            "`{}` is not a task name: use 1 to {NAME_MAX} of A-Z a-z 0-9 _ - (hash or encode other text)",
            shown(name)
        ),
    ))
}

/// Queue names are `[A-Za-z0-9-]{1,100}`, as in App Engine.
pub(crate) fn check_queue(queue: &str) -> Result<()> {
    if in_alphabet(queue, QUEUE_MAX, b"-") {
        return Ok(());
    }
    Err(Error::new(
        Kind::InvalidQueue,
        format!("`{}` is not a queue name: use 1 to {QUEUE_MAX} of A-Z a-z 0-9 -", shown(queue)),
    ))
}

fn in_alphabet(text: &str, max: usize, extra: &[u8]) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || extra.contains(&byte))
}

/// A text as an error shows it: in marks, escaped and short, for it may be anything.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

/// As [`quoted`], without the marks.
fn shown(name: &str) -> String {
    let mut text: String = name.chars().take(60).flat_map(char::escape_debug).collect();
    if name.chars().nth(60).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_held_to_their_alphabet() {
        for good in ["a", "A-z_0", &"x".repeat(500)] {
            check_name(good).unwrap();
        }
        for bad in ["", "a b", "ä", "a/../b", "nul\0", "quote'", &"x".repeat(501)] {
            assert!(check_name(bad).unwrap_err().is_invalid_name(), "{bad:?}");
        }
    }

    #[test]
    fn queues_take_no_underscore() {
        check_queue("mail-2").unwrap();
        assert!(check_queue("mail_2").unwrap_err().is_invalid_queue());
        assert!(check_queue(&"q".repeat(101)).unwrap_err().is_invalid_queue());
    }

    #[test]
    fn a_huge_name_makes_a_short_message() {
        let error = check_name(&"\0".repeat(10_000)).unwrap_err();
        assert!(error.to_string().len() < 600, "{error}");
    }
}
