//! The refusal of `cron` and `time_zone` in a build without schedules.
//!
//! Owns its wording; has no way to judge an expression.

use proc_macro2::Ident;
use syn::{Error, LitStr, Result};

/// Whether the words can be used at all: they cannot.
pub(super) fn available(word: &Ident) -> Result<()> {
    let text = format!(
        "`{word}` needs the feature `cron` of `delay`: run `cargo add delay-func --rename delay --features cron`"
    );
    Err(Error::new(word.span(), text))
}

pub(super) fn expression(_text: &LitStr) -> Result<()> {
    Ok(())
}

pub(super) fn time_zone(_text: &LitStr) -> Result<()> {
    Ok(())
}
