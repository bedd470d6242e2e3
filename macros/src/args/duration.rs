//! Durations written as text, `"90s"`, `"2m"`, `"1h 30m"`, `"2d"`.
//!
//! Owns their reading at compile time and their tokens; never knows what a duration is for.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::ParseStream;
use syn::{Error, LitStr, Result};

use super::entries;

/// Longer is a slip of the pen, and would overflow a time of day when added to it.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// The duration after `name =`.
pub(crate) fn duration(input: ParseStream<'_>, name: &syn::Ident, example: &str) -> Result<Duration> {
    read(&entries::text(input, name, example)?)
}

/// The duration after `name =`, which has to be longer than nothing.
pub(crate) fn positive(input: ParseStream<'_>, name: &syn::Ident, example: &str) -> Result<Duration> {
    let text = entries::text(input, name, example)?;
    let duration = read(&text)?;
    if duration.is_zero() {
        return Err(Error::new(text.span(), format!("`{name}` has to be longer than zero")));
    }
    Ok(duration)
}

fn read(text: &LitStr) -> Result<Duration> {
    let written = text.value();
    let duration = humantime::parse_duration(&written).map_err(|cause| {
        let help = "write a number and a unit, such as \"500ms\", \"90s\", \"2m\", \"1h 30m\" or \"2d\"";
        Error::new(text.span(), format!("`{written}` is not a duration: {cause}; {help}"))
    })?;
    if !duration.subsec_nanos().is_multiple_of(1_000_000) {
        let finer =
            format!("`{written}` is finer than a millisecond, which is the smallest step that is kept");
        return Err(Error::new(text.span(), finer));
    }
    if duration > LONGEST {
        return Err(Error::new(text.span(), format!("`{written}` is longer than a century")));
    }
    Ok(duration)
}

/// The constant expression of a duration: whole seconds read best, the rest is in milliseconds.
pub(crate) fn tokens(duration: Duration) -> TokenStream {
    if duration.subsec_nanos() == 0 {
        let seconds = proc_macro2::Literal::u64_unsuffixed(duration.as_secs());
        return quote!(::core::time::Duration::from_secs(#seconds));
    }
    let millis = duration.as_secs() * 1000 + u64::from(duration.subsec_millis());
    let millis = proc_macro2::Literal::u64_unsuffixed(millis);
    quote!(::core::time::Duration::from_millis(#millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<Duration> {
        read(&LitStr::new(text, proc_macro2::Span::call_site()))
    }

    #[test]
    fn units_are_read() {
        assert_eq!(written("2m").unwrap(), Duration::from_secs(120));
        assert_eq!(written("1h 30m").unwrap(), Duration::from_secs(5400));
        assert_eq!(written("2d").unwrap(), Duration::from_secs(172_800));
        assert_eq!(written("1.5s").unwrap(), Duration::from_millis(1500));
    }

    #[test]
    fn a_missing_unit_is_a_mistake_that_shows_units() {
        let text = written("5").unwrap_err().to_string();
        assert!(text.contains("time unit needed") && text.contains("\"500ms\""), "{text}");
    }

    #[test]
    fn less_than_a_millisecond_is_refused() {
        assert!(written("10us").unwrap_err().to_string().contains("finer than a millisecond"));
    }

    #[test]
    fn more_than_a_century_is_refused() {
        assert!(written("101 years").unwrap_err().to_string().contains("longer than a century"));
        assert!(written("99 years").is_ok());
    }

    #[test]
    fn whole_seconds_are_written_in_seconds() {
        assert_eq!(
            tokens(Duration::from_secs(2)).to_string(),
            quote!(::core::time::Duration::from_secs(2)).to_string()
        );
        assert_eq!(
            tokens(Duration::from_millis(1500)).to_string(),
            quote!(::core::time::Duration::from_millis(1500)).to_string()
        );
    }
}
