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

const PROGRAM_PLACE: &str = "`#[delay::program]` goes on a declaration: `fn report(title: &str) -> String;`";

mod handler;
mod program;
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
    written(&item, &args, origin, mistakes)
}

/// What replaces the declaration that `#[delay::program(words)]` is on: the stub, whose handler hands the arguments to the
/// module.
pub(crate) fn program(words: TokenStream, tokens: TokenStream, origin: &Origin) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let args = crate::args::program::parse(words, &mut mistakes);
    let item = match item::parse_declaration(tokens.clone(), PROGRAM_PLACE, &mut mistakes) {
        Ok(item) => item,
        Err(mistake) => {
            mistakes.add(mistake);
            let errors = mistakes.into_error().map(syn::Error::into_compile_error);
            return quote!(#errors);
        }
    };
    written(&item, &args, origin, mistakes)
}

/// The expansion of an item and words that were read, with all that is wrong with them.
fn written(item: &item::Item, args: &Args, origin: &Origin, mut mistakes: Mistakes) -> TokenStream {
    let model = Model::check(item, args, origin, &mut mistakes);
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
                None => stub::bare(item),
            };
            quote!(#function #outline #errors)
        }
    }
}
