//! How often something may happen: `20/s`, `0.5/m`, `100/h`, `1000/d`, `0`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::limits;

/// More is no limit: no store dispatches a million tasks in a second.
const MOST_PER_SECOND: f64 = 1e6;

/// A number of times per second, minute, hour or day.
///
/// ```
/// use delay::queues::Rate;
///
/// let rate: Rate = "30/m".parse()?;
/// assert_eq!(rate.per_second(), 0.5);
/// assert_eq!(rate.to_string(), "30/m");
/// assert!("0".parse::<Rate>()?.is_paused());
/// # Ok::<(), delay::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// Not negative and finite, by all ways in which a rate is made.
    count: f64,
    per: Per,
}

/// The time in which a rate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Per {
    /// `s`
    Second,
    /// `m`
    Minute,
    /// `h`
    Hour,
    /// `d`, of 24 hours
    Day,
}

impl Per {
    const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Hour, Self::Day];

    fn letter(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
            Self::Day => "d",
        }
    }

    /// How long it is.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
        })
    }
}

impl Rate {
    /// Never: a queue of this rate is paused.
    pub const PAUSED: Self = Self { count: 0.0, per: Per::Second };

    /// `count` times per `per`.
    ///
    /// # Errors
    /// [`Error::is_invalid_option`] if `count` is negative, not a number, or more than a million per second.
    pub fn new(count: f64, per: Per) -> Result<Self> {
        let rate = Self { count, per };
        if count.is_finite() && !count.is_sign_negative() && rate.per_second() <= MOST_PER_SECOND {
            return Ok(rate);
        }
        let message = format!(
            "{count}/{} is not a rate: it has to be between 0 and 1000000 per second; leave it out for no limit",
            per.letter()
        );
        Err(Error::new(Kind::InvalidOption, message))
    }

    /// How often per second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        self.count / self.per.duration().as_secs_f64()
    }

    /// Whether it is 0.
    #[must_use]
    pub fn is_paused(self) -> bool {
        self.count == 0.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_paused() {
            return f.pad("0");
        }
        f.pad(&format!("{}/{}", self.count, self.per.letter()))
    }
}

impl FromStr for Rate {
    type Err = Error;

    /// Reads what App Engine read: digits with an optional fraction, `/`, and one of `s m h d`; or `0`.
    fn from_str(text: &str) -> Result<Self> {
        if text == "0" {
            return Ok(Self::PAUSED);
        }
        let parts = text.split_once('/').and_then(|(count, unit)| {
            let per = Per::ALL.into_iter().find(|per| per.letter() == unit)?;
            Some((number(count)?, per))
        });
        match parts {
            Some((count, per)) => Self::new(count, per),
            None => Err(Error::new(Kind::InvalidOption, complaint(text))),
        }
    }
}

/// `20`, `0.5`, `3.`: no sign, no exponent, no spaces.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(|first: char| first.is_ascii_digit())?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| text.parse().ok()).flatten()
}

fn complaint(text: &str) -> String {
    let shown = limits::quoted(text);
    match meant(text) {
        Some(rate) => format!("{shown} is not a rate, did you mean `{rate}`?"),
        None => format!(
            "{shown} is not a rate: write a number, `/` and one of s, m, h, d, such as `20/s`, `0.5/m` or `1000/d`; \
             `0` pauses"
        ),
    }
}

/// What was most likely meant: the number that the text begins with, and the first letter of what follows it.
fn meant(text: &str) -> Option<String> {
    let text = text.trim();
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (count, unit) = text.split_at(end);
    number(count)?;
    let unit = unit.trim_start_matches(['/', ' ']).trim_start_matches("per ").to_ascii_lowercase();
    let words = ["second", "minute", "hour", "day", "sec", "min", "hr"];
    let letter = match unit.as_str() {
        "" => "s",
        unit if unit.len() == 1 || words.contains(&unit.trim_end_matches('s')) => unit.get(..1)?,
        _ => return None,
    };
    let known = Per::ALL.into_iter().any(|per| per.letter() == letter);
    known.then(|| format!("{count}/{letter}"))
}

impl TryFrom<String> for Rate {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_the_original_read_them() {
        for (text, per_second, shown) in [
            ("20/s", 20.0, "20/s"),
            ("0.5/s", 0.5, "0.5/s"),
            ("3./s", 3.0, "3/s"),
            ("30/m", 0.5, "30/m"),
            ("36/h", 0.01, "36/h"),
            ("864/d", 0.01, "864/d"),
            ("0", 0.0, "0"),
            ("0/s", 0.0, "0"),
            ("0.0/d", 0.0, "0"),
            ("1000000/s", 1e6, "1000000/s"),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.per_second(), per_second, "{text}");
            assert_eq!(rate.to_string(), shown);
            assert_eq!(shown.parse::<Rate>().unwrap().per_second(), per_second);
        }
    }

    #[test]
    fn a_bad_rate_is_refused_with_what_was_meant() {
        for (text, says) in [
            ("20", "did you mean `20/s`?"),
            ("20/sec", "did you mean `20/s`?"),
            ("20 per minute", "did you mean `20/m`?"),
            ("5/hours", "did you mean `5/h`?"),
            (" 7/d ", "did you mean `7/d`?"),
            ("7s", "did you mean `7/s`?"),
            ("", "such as `20/s`"),
            ("/s", "such as `20/s`"),
            ("-1/s", "such as `20/s`"),
            ("1e3/s", "such as `20/s`"),
            ("1.2.3/s", "such as `20/s`"),
            ("inf/s", "such as `20/s`"),
            ("NaN/s", "such as `20/s`"),
            ("20/w", "such as `20/s`"),
            ("20/s/s", "such as `20/s`"),
            ("1000001/s", "leave it out for no limit"),
            ("9999999999999999999999999999999999999999999/d", "leave it out for no limit"),
        ] {
            let error = text.parse::<Rate>().unwrap_err();
            assert!(error.is_invalid_option());
            assert!(error.to_string().contains(says), "{text:?}: {error}");
        }
    }

    #[test]
    fn no_rate_is_negative_or_endless() {
        for count in [-1.0, -0.0, f64::NAN, f64::INFINITY] {
            assert!(Rate::new(count, Per::Day).is_err(), "{count}");
        }
    }
}
