//! Texts for a terminal: foreign ones made harmless, long ones short, times in the words of a person.

use std::time::Duration;

use crate::time::Timestamp;

/// A text without the characters that could steer a terminal; lines stay.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push('\n'),
            '\t' => out.push(' '),
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.extend(character.escape_unicode());
            }
            _ if character.is_control() => out.extend(character.escape_unicode()),
            _ => out.push(character),
        }
    }
    out
}

/// A text on one line, of at most `characters`.
pub(super) fn short(text: &str, characters: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = plain(&words.join(" "));
    match line.char_indices().nth(characters) {
        Some(_) => line.chars().take(characters.saturating_sub(1)).chain(['…']).collect(),
        None => line,
    }
}

/// A length of time in its largest unit: `250ms`, `45s`, `12m`, `3h`, `5d`.
pub(super) fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0 => format!("{}ms", length.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A time as seen from now: `3m ago`, `in 2h`.
pub(super) fn relative(time: Timestamp, now: Timestamp) -> String {
    if time > now {
        format!("in {}", span(time.since(now)))
    } else {
        format!("{} ago", span(now.since(time)))
    }
}

/// A time in full: `2026-01-31T12:00:00.000000Z (3m ago)`.
pub(super) fn full(time: Timestamp, now: Timestamp) -> String {
    format!("{time} ({})", relative(time, now))
}

/// `1 task`, `2 tasks`.
pub(super) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_text_cannot_steer_a_terminal() {
        assert_eq!(plain("a\x1b[31m\u{202e}b\nc\r"), "a\\u{1b}[31m\\u{202e}b\nc\\u{d}");
    }

    #[test]
    fn a_long_text_is_cut_and_put_on_one_line() {
        assert_eq!(short("one\n  two   three", 9), "one two …");
        assert_eq!(short("ünï", 3), "ünï");
        assert_eq!(short("", 3), "");
    }

    #[test]
    fn times_are_told_in_their_largest_unit() {
        let second = 1_000_000;
        let now = Timestamp::from_micros(1_000_000 * second);
        for (seconds, expected) in [
            (0, "0ms ago"),
            (-59, "59s ago"),
            (-60, "1m ago"),
            (3600, "in 1h"),
            (172_799, "in 47h"),
            (172_800, "in 2d"),
        ] {
            let time = Timestamp::from_micros(now.as_micros() + seconds * second);
            assert_eq!(relative(time, now), expected);
        }
    }
}
