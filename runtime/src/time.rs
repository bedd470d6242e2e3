//! Points in time and lengths of time as the stores keep them. Reading a clock is `clock`'s business, never this file's.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Kind, Result};

/// A point in time, in whole microseconds since 1970-01-01T00:00:00Z.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// let eta = delay::Timestamp::from(SystemTime::now() + Duration::from_secs(60));
/// assert!(eta.to_string().ends_with('Z'));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the Unix epoch; negative before it.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The time that passed since `earlier`; zero if that lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }

    /// This time and `duration` more; the end of time at most.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// This time less `duration`.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Self(micros(since)),
            Err(before) => Self(-micros(before.duration())),
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        let length = Duration::from_micros(time.0.unsigned_abs());
        if time.0 < 0 { UNIX_EPOCH - length } else { UNIX_EPOCH + length }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 3339 ends with the year 9999 and humantime starts with 1970: outside of these, the bare number is the truth.
        const END: i64 = 253_402_300_800_000_000;
        if (0..END).contains(&self.0) {
            write!(f, "{}", humantime::format_rfc3339_micros((*self).into()))
        } else {
            write!(f, "{}us", self.0)
        }
    }
}

/// What can be given where a length of time is wanted: a [`Duration`], or a text such as `"90s"` or `"1h 30m"`.
pub trait IntoDuration {
    /// The length of time.
    ///
    /// # Errors
    /// [`Error::is_invalid_duration`] if a text is not a duration.
    fn into_duration(self) -> Result<Duration>;
}

impl IntoDuration for Duration {
    fn into_duration(self) -> Result<Duration> {
        Ok(self)
    }
}

impl IntoDuration for &str {
    fn into_duration(self) -> Result<Duration> {
        humantime::parse_duration(self).map_err(|error| {
            let message =
                format!("`{self}` is not a duration: write for example `250ms`, `90s`, `1h 30m` or `2d`");
            Error::with_source(Kind::InvalidDuration, message, error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_survives_the_way_to_system_time_and_back() {
        for micros in [0, 1, -1, 1_500_000_000_000_000, -86_400_000_000] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(Timestamp::from(SystemTime::from(time)), time);
        }
    }

    #[test]
    fn a_timestamp_reads_as_rfc_3339() {
        assert_eq!(Timestamp::from_micros(1_500_000_000_000_000).to_string(), "2017-07-14T02:40:00.000000Z");
    }

    #[test]
    fn times_outside_of_the_calendar_are_still_shown() {
        assert_eq!(Timestamp::from_micros(-1).to_string(), "-1us");
        assert_eq!(Timestamp::from_micros(i64::MAX).to_string(), format!("{}us", i64::MAX));
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        assert_eq!(Timestamp::from_micros(i64::MAX).after(Duration::MAX), Timestamp::from_micros(i64::MAX));
        assert_eq!(Timestamp::from_micros(5).since(Timestamp::from_micros(9)), Duration::ZERO);
    }

    #[test]
    fn a_bad_duration_teaches() {
        let error = "soon".into_duration().unwrap_err();
        assert!(error.is_invalid_duration());
        assert!(error.to_string().contains("1h 30m"), "{error}");
    }
}
