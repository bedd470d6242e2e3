//! The expansion of `#[delay::func]`: item, stub, handler and registration, in the order in which they are read.
//!
//! Owns the way from the tokens of an attribute to those of its expansion; never checks anything itself.

use proc_macro2::TokenStream;
use quote::quote;

use crate::args::Args;
use crate::func::Model;
use crate::item;
use crate::mistakes::Mistakes;
use crate::origin::Origin;

mod handler;
mod registration;
mod stub;

const PLACE: &str = "`#[delay::func]` goes on a function, `async fn welcome(ctx: &Context, …)`, or on a `static` that \
                     holds a closure";

/// What replaces an item that `#[delay::func(words)]` is on. The item is there even when there are mistakes, so that
/// they are not drowned in the errors of everything that uses it.
pub(crate) fn function(words: TokenStream, tokens: TokenStream, origin: &Origin) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let args = Args::parse(words, &mut mistakes);
    let item = match item::parse(tokens.clone(), PLACE, &mut mistakes) {
        Ok(item) => item,
        Err(mistake) => {
            mistakes.add(mistake);
            let errors = mistakes.into_error().map(syn::Error::into_compile_error);
            return quote!(#tokens #errors);
        }
    };
    let model = Model::check(&item, &args, origin, &mut mistakes);
    let function = item.function();
    match mistakes.into_error() {
        None => {
            let expansion = model.map(|model| {
                let stub = stub::stub(&model);
                let registration = registration::registration(&model, origin);
                quote!(#stub #registration)
            });
            quote!(#function #expansion)
        }
        Some(error) => {
            let errors = error.into_compile_error();
            let outline = match model {
                Some(model) => stub::outline(&model),
                None => stub::bare(&item),
            };
            quote!(#function #outline #errors)
        }
    }
}
