//! The mistakes found in one use of an attribute.
//!
//! Owns their collection, so that all of them are reported at once; never decides what a mistake is.

use std::fmt::Display;

use proc_macro2::Span;
use quote::ToTokens;
use syn::Error;

/// Every mistake found so far, each with the tokens that it is about.
#[derive(Default)]
pub(crate) struct Mistakes {
    found: Option<Error>,
}

impl Mistakes {
    /// A mistake that `tokens` are to be underlined for.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, text: impl Display) {
        self.add(Error::new_spanned(tokens, text));
    }

    /// A mistake at a place that has no tokens of its own, such as something missing.
    pub(crate) fn missing(&mut self, place: Span, text: impl Display) {
        self.add(Error::new(place, text));
    }

    /// A mistake that a parser found.
    pub(crate) fn add(&mut self, mistake: Error) {
        match &mut self.found {
            Some(found) => found.combine(mistake),
            None => self.found = Some(mistake),
        }
    }

    /// All of them as one error, or `None` when there is none.
    pub(crate) fn into_error(self) -> Option<Error> {
        self.found
    }
}
