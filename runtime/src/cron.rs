//! When a schedule ticks: cron expressions in a time zone. The only file of the runtime that knows croner and jiff.

use std::fmt;
use std::str::FromStr as _;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

/// The headers that a tick's task comes with.
pub(crate) mod header {
    pub(crate) const CRON: &str = "Delay-Cron";
    pub(crate) const TIME_ZONE: &str = "Delay-Time-Zone";
    /// The tick's time, in RFC 3339: an eta moves with each retry, this does not.
    pub(crate) const TICK: &str = "Delay-Tick";
}

/// Cron expressions, and the time zone that they are meant in.
///
/// An expression has five fields: minute, hour, day of the month, month, day of the week (`SUN` is 0 and 7). Each is
/// `*`, a number, a name (`MON`, `JAN`), a range `1-5`, a list `1,15`, or steps `*/10`. `L` is the last day of the month
/// (`FRI#L` the last Friday), `15W` the weekday nearest to the 15th, `MON#2` the second Monday. If both days are given, one
/// of them is enough. Six fields begin with the second, seven end with the year. `@hourly`, `@daily`, `@weekly`,
/// `@monthly` and `@yearly` are short for the obvious.
///
/// ```
/// use delay::Cron;
///
/// let nightly = Cron::new("0 3 * * *")?.time_zone("Europe/Berlin")?;
/// let opening = Cron::any_of(["0 9 * * MON-FRI", "0 10 * * SAT"])?; // UTC
/// assert_eq!(nightly.to_string(), "0 3 * * * (Europe/Berlin)");
/// # let _ = opening;
/// # Ok::<(), delay::Error>(())
/// ```
///
/// # When the clocks change
///
/// An expression with one time of day, such as `30 2 * * *`, ticks once on each of its days: if the clocks skip that
/// time, at the first moment after the gap; if they show it twice, the first time. All other expressions, such as
/// `*/30 * * * *` or `0 1,2 * * *`, tick whenever the clock shows one of their times: not in the gap, and twice in an
/// hour that comes twice.
#[derive(Clone, Debug)]
pub struct Cron {
    lines: Vec<(String, croner::Cron)>,
    zone: TimeZone,
    zone_name: String,
}

impl Cron {
    /// One expression, in UTC.
    ///
    /// # Errors
    /// [`Error::is_invalid_cron`] if it is not a cron expression, or one that never comes true.
    pub fn new(expression: &str) -> Result<Self> {
        Self::any_of([expression])
    }

    /// The times of all these expressions, in UTC; a time that two of them have is one tick.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if there is none.
    pub fn any_of<'a>(expressions: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let lines = expressions.into_iter().map(line).collect::<Result<Vec<_>>>()?;
        if lines.is_empty() {
            return Err(Error::new(Kind::InvalidCron, "a schedule without an expression would never tick"));
        }
        Ok(Self { lines, zone: TimeZone::UTC, zone_name: "UTC".to_owned() })
    }

    /// The zone that the expressions are meant in, by its name in the IANA database. Its rules are the system's, or the
    /// program's own where the system does not know it.
    ///
    /// # Errors
    /// [`Error::is_invalid_cron`] if there is no such zone.
    pub fn time_zone(mut self, name: &str) -> Result<Self> {
        let zone = jiff::tz::db().get(name).or_else(|_| TimeZoneDatabase::bundled().get(name));
        self.zone = zone.map_err(|error| {
            let text =
                format!("`{}` is not a time zone: write for example `Europe/Berlin`", name.escape_debug());
            Error::with_source(Kind::InvalidCron, text, error)
        })?;
        name.clone_into(&mut self.zone_name);
        Ok(self)
    }

    /// The first tick after a time, which is not a tick itself; none if there is none before the year 5000.
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// let next = delay::Cron::new("0 3 * * *")?.next_after(SystemTime::UNIX_EPOCH);
    /// assert_eq!(next.unwrap().to_string(), "1970-01-01T03:00:00.000000Z");
    /// # Ok::<(), delay::Error>(())
    /// ```
    #[must_use]
    pub fn next_after(&self, time: impl Into<Timestamp>) -> Option<Timestamp> {
        let time = time.into();
        let zoned = jiff::Timestamp::from_microsecond(time.as_micros()).ok()?.to_zoned(self.zone.clone());
        let next = |(_, cron): &(String, croner::Cron)| {
            let next = cron.find_next_occurrence(&zoned, false).ok()?;
            Some(Timestamp::from_micros(next.timestamp().as_microsecond()))
        };
        self.lines.iter().filter_map(next).filter(|next| *next > time).min()
    }

    /// Whether a time is a tick.
    pub(crate) fn is_tick(&self, time: Timestamp) -> bool {
        self.next_after(Timestamp::from_micros(time.as_micros() - 1)) == Some(time)
    }

    /// The expressions, as written, `; ` between them.
    pub(crate) fn expressions(&self) -> String {
        self.lines.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// The zone, as written.
    pub(crate) fn zone_name(&self) -> &str {
        &self.zone_name
    }
}

fn line(text: &str) -> Result<(String, croner::Cron)> {
    let shown = || text.chars().take(100).collect::<String>().escape_debug().to_string();
    let cron = croner::Cron::from_str(text).map_err(|error| {
        let text = format!(
            "`{}` is not a cron expression: write minute, hour, day, month and day of the week, such as `0 3 * * *`",
            shown()
        );
        Error::with_source(Kind::InvalidCron, text, error)
    })?;
    let epoch = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    match cron.find_next_occurrence(&epoch, true) {
        Ok(_) => Ok((text.to_owned(), cron)),
        Err(_) => {
            Err(Error::new(Kind::InvalidCron, format!("`{}` never comes true: no such day exists", shown())))
        }
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.expressions(), self.zone_name)
    }
}

/// What can be given where a schedule's times are wanted: a [`Cron`], or one expression, which is then in UTC.
pub trait IntoCron {
    /// The times.
    ///
    /// # Errors
    /// As [`Cron::new`].
    fn into_cron(self) -> Result<Cron>;
}

impl IntoCron for Cron {
    fn into_cron(self) -> Result<Cron> {
        Ok(self)
    }
}

impl IntoCron for &str {
    fn into_cron(self) -> Result<Cron> {
        Cron::new(self)
    }
}

#[cfg(test)]
mod tests;
