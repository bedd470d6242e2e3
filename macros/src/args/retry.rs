//! The `retry(…)` of an attribute.
//!
//! Owns its words and its tokens; never computes a backoff.

use std::time::Duration;

use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Error, LitInt, Result};

use super::entries::{self, Seen};
use super::{duration, nearest};
use crate::mistakes::Mistakes;

const WORDS: &[&str] = &["limit", "age_limit", "min_backoff", "max_backoff", "max_doublings"];

/// What was written; a word that was not written keeps the default of `Retry`.
#[derive(Default)]
pub(crate) struct Retry {
    limit: Option<u32>,
    age_limit: Option<Duration>,
    min_backoff: Option<Duration>,
    max_backoff: Option<Duration>,
    max_doublings: Option<u32>,
}

impl Retry {
    /// Reads the list between the parentheses after `retry`.
    pub(crate) fn parse(name: &Ident, input: ParseStream<'_>, mistakes: &mut Mistakes) -> Result<Retry> {
        if !input.peek(syn::token::Paren) {
            return Err(Error::new(
                name.span(),
                "`retry` is a list: `retry(limit = 5, min_backoff = \"1s\")`",
            ));
        }
        let list;
        syn::parenthesized!(list in input);
        if list.is_empty() {
            let example = "`retry()` says nothing: give a `limit`, or leave it out for the default policy";
            return Err(Error::new(name.span(), example));
        }
        let mut retry = Retry::default();
        let mut seen = Seen::default();
        entries::entries(&list, mistakes, |input, _| retry.word(input, &mut seen));
        if let (Some(min), Some(max)) = (retry.min_backoff, retry.max_backoff)
            && min > max
        {
            mistakes.missing(name.span(), "`min_backoff` is longer than `max_backoff`: swap the two");
        }
        Ok(retry)
    }

    fn word(&mut self, input: ParseStream<'_>, seen: &mut Seen) -> Result<()> {
        let name = input.call(Ident::parse_any)?;
        seen.once(&name)?;
        match name.to_string().as_str() {
            "limit" => self.limit = Some(number(input, &name)?),
            "age_limit" => self.age_limit = Some(duration::positive(input, &name, "2d")?),
            "min_backoff" => self.min_backoff = Some(duration::duration(input, &name, "1s")?),
            "max_backoff" => self.max_backoff = Some(duration::duration(input, &name, "1h")?),
            "max_doublings" => self.max_doublings = Some(number(input, &name)?),
            other => return Err(Error::new(name.span(), nearest::unknown(other, "`retry(…)`", WORDS))),
        }
        Ok(())
    }

    /// The constant expression of this policy.
    pub(crate) fn tokens(&self, delay: &TokenStream) -> TokenStream {
        let some = |value: TokenStream| quote!(::core::option::Option::Some(#value));
        let count = |count: u32| {
            let count = Literal::u32_unsuffixed(count);
            quote!(#count)
        };
        let limit = self.limit.map(count).map(some).map(|value| quote!(limit: #value,));
        let age_limit =
            self.age_limit.map(duration::tokens).map(some).map(|value| quote!(age_limit: #value,));
        let min_backoff = self.min_backoff.map(duration::tokens).map(|value| quote!(min_backoff: #value,));
        let max_backoff = self.max_backoff.map(duration::tokens).map(|value| quote!(max_backoff: #value,));
        let max_doublings = self.max_doublings.map(count).map(|value| quote!(max_doublings: #value,));
        quote! {
            #delay::Retry {
                #limit #age_limit #min_backoff #max_backoff #max_doublings
                ..#delay::Retry::DEFAULT
            }
        }
    }
}

fn number(input: ParseStream<'_>, name: &Ident) -> Result<u32> {
    entries::assign(input, name, "5")?;
    let wrong = |span| Error::new(span, format!("`{name}` takes a whole number: `{name} = 5`"));
    let literal = input.parse::<LitInt>().map_err(|cause| wrong(cause.span()))?;
    literal.base10_parse().map_err(|_| wrong(literal.span()))
}
