//! The words `cron` and `time_zone`.
//!
//! Owns what they may be, which croner and jiff say; never knows what is called at the times.

use proc_macro2::Ident;
use syn::parse::ParseStream;
use syn::{Error, LitStr, Result};

use super::entries;
use crate::mistakes::Mistakes;

#[cfg(not(feature = "cron"))]
mod absent;
#[cfg(feature = "cron")]
mod check;

#[cfg(not(feature = "cron"))]
use absent as check;

const EXAMPLE: &str = "0 3 * * *";

/// `cron = "0 3 * * *"`, `cron = ["0 9 * * MON-FRI", "0 10 * * SAT"]`
pub(crate) fn expressions(
    input: ParseStream<'_>,
    name: &Ident,
    mistakes: &mut Mistakes,
) -> Result<Vec<LitStr>> {
    check::available(name)?;
    entries::assign(input, name, &format!("\"{EXAMPLE}\""))?;
    if !input.peek(syn::token::Bracket) {
        let expression = entries::text_after(input, name, EXAMPLE)?;
        check::expression(&expression)?;
        return Ok(vec![expression]);
    }
    let list;
    syn::bracketed!(list in input);
    let expressions =
        super::texts(&list, "`cron` lists texts: `cron = [\"0 9 * * MON-FRI\", \"0 10 * * SAT\"]`")?;
    if expressions.is_empty() {
        return Err(Error::new(name.span(), "`cron` lists no expression: add one, or remove the word"));
    }
    for expression in &expressions {
        if let Err(mistake) = check::expression(expression) {
            mistakes.add(mistake);
        }
    }
    Ok(expressions)
}

/// `time_zone = "Europe/Berlin"`
pub(crate) fn time_zone(input: ParseStream<'_>, name: &Ident) -> Result<LitStr> {
    check::available(name)?;
    let zone = entries::text(input, name, "Europe/Berlin")?;
    check::time_zone(&zone)?;
    Ok(zone)
}
