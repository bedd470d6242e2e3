//! What croner and jiff say about an expression and a zone.
//!
//! Owns the wording; the runtime reads the same texts with the same crates.

use std::str::FromStr as _;

use croner::Cron;
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use proc_macro2::Ident;
use syn::{Error, LitStr, Result};

use crate::args::nearest::nearest;

/// Whether the words can be used at all: they can.
#[allow(clippy::unnecessary_wraps)] // they cannot without the feature
pub(super) fn available(_word: &Ident) -> Result<()> {
    Ok(())
}

/// Refuses what is no cron expression, and one that never comes true.
pub(super) fn expression(text: &LitStr) -> Result<()> {
    let written = text.value();
    let cron = Cron::from_str(&written).map_err(|cause| {
        let help =
            "write minute, hour, day, month and day of the week, such as \"0 3 * * *\", each day at three";
        // croner ends its sentences.
        let cause = cause.to_string();
        let cause = cause.trim_end_matches('.');
        Error::new(text.span(), format!("`{written}` is not a cron expression: {cause}; {help}"))
    })?;
    // From a fixed time on: what compiles does not depend on the day.
    match cron.find_next_occurrence(&Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC), true) {
        Ok(_) => Ok(()),
        Err(_) => {
            let never = format!("`{written}` never comes true: there is no such day in any year");
            Err(Error::new(text.span(), never))
        }
    }
}

/// Refuses what is no name of a time zone.
pub(super) fn time_zone(text: &LitStr) -> Result<()> {
    let written = text.value();
    // The bundled zones, not the system's: what compiles here does everywhere.
    let zones = TimeZoneDatabase::bundled();
    if zones.get(&written).is_ok() {
        return Ok(());
    }
    let names: Vec<String> = zones.available().map(|name| name.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let help = match nearest(&written, &names) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "write its name in the IANA database, such as \"Europe/Berlin\"".to_owned(),
    };
    Err(Error::new(text.span(), format!("`{written}` is not a time zone: {help}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> LitStr {
        LitStr::new(text, proc_macro2::Span::call_site())
    }

    #[test]
    fn expressions_of_five_six_and_seven_fields_are_taken() {
        for right in
            ["0 3 * * *", "*/10 * * * * *", "0 0 12 1 1 * 2030", "@daily", "0 0 29 2 *", "0 9 * * MON-FRI"]
        {
            assert!(expression(&literal(right)).is_ok(), "{right}");
        }
    }

    #[test]
    fn a_day_that_no_year_has_is_refused() {
        let text = expression(&literal("0 0 31 4 *")).unwrap_err().to_string();
        assert!(text.contains("never comes true"), "{text}");
    }

    #[test]
    fn a_near_zone_is_suggested() {
        let text = time_zone(&literal("Europe/Berlim")).unwrap_err().to_string();
        assert!(text.contains("did you mean `Europe/Berlin`?"), "{text}");
        assert!(time_zone(&literal("europe/berlin")).is_ok());
    }
}
