//! Comma-separated entries, read one after another.
//!
//! Owns the way on after a mistake, so that one wrong entry does not hide the next; never knows what an entry means.

use proc_macro2::{Ident, TokenTree};
use syn::parse::ParseStream;
use syn::{Error, Lit, LitStr, Result, Token};

use crate::mistakes::Mistakes;

/// Calls `read` at the start of every entry. An entry that fails is noted and left at its comma.
pub(crate) fn entries(
    input: ParseStream<'_>,
    mistakes: &mut Mistakes,
    mut read: impl FnMut(ParseStream<'_>, &mut Mistakes) -> Result<()>,
) {
    while !input.is_empty() {
        let entry = read(input, mistakes).and_then(|()| end_of_entry(input));
        if let Err(mistake) = entry {
            mistakes.add(mistake);
            skip_to_comma(input);
        }
        if input.parse::<Token![,]>().is_err() {
            break;
        }
    }
}

/// The text after `name =`.
pub(crate) fn text(input: ParseStream<'_>, name: &Ident, example: &str) -> Result<LitStr> {
    assign(input, name, &format!("\"{example}\""))?;
    text_after(input, name, example)
}

/// The text after the `=`.
pub(crate) fn text_after(input: ParseStream<'_>, name: &Ident, example: &str) -> Result<LitStr> {
    match input.parse::<Lit>() {
        Ok(Lit::Str(text)) if text.suffix().is_empty() => Ok(text),
        Ok(other) => Err(Error::new(other.span(), in_quotes(name, example))),
        Err(nothing) => Err(Error::new(nothing.span(), in_quotes(name, example))),
    }
}

/// The `=` after `name`.
pub(crate) fn assign(input: ParseStream<'_>, name: &Ident, example: &str) -> Result<()> {
    match input.parse::<Token![=]>() {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::new(name.span(), format!("`{name}` takes a value: `{name} = {example}`"))),
    }
}

fn in_quotes(name: &Ident, example: &str) -> String {
    format!("`{name}` takes text in quotes: `{name} = \"{example}\"`")
}

fn end_of_entry(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    Err(input.error("a comma belongs between the entries of an attribute"))
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.peek(Token![,]) && input.parse::<TokenTree>().is_ok() {}
}

/// The entries seen so far, each of which may be given once.
#[derive(Default)]
pub(crate) struct Seen(Vec<Ident>);

impl Seen {
    /// Whether `name` was given, rightly or wrongly.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.word(name).is_some()
    }

    /// `name` where it was given, rightly or wrongly.
    pub(crate) fn word(&self, name: &str) -> Option<&Ident> {
        self.0.iter().find(|seen| *seen == name)
    }

    /// Refuses `name` the second time.
    pub(crate) fn once(&mut self, name: &Ident) -> Result<()> {
        if self.0.contains(name) {
            return Err(Error::new(name.span(), format!("`{name}` is given twice: remove one of the two")));
        }
        self.0.push(name.clone());
        Ok(())
    }
}
