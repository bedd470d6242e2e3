//! Where generated tokens stand: at the user's token that an error about them is to be shown at.
//!
//! Owns the spans of the expansion; never writes any of its tokens.

use proc_macro2::{Span, TokenStream};
use syn::Type;
use syn::spanned::Spanned as _;

/// At `span`, in code that is known as generated: the user's lints are not run over it.
pub(crate) fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// At a type.
pub(crate) fn of_type(ty: &Type) -> Span {
    at(ty.span())
}

/// A path as if it stood at `place`: an expression that began elsewhere would be shown from there on.
pub(crate) fn moved(path: &TokenStream, place: Span) -> TokenStream {
    let tokens = path.clone().into_iter();
    tokens
        .map(|mut token| {
            token.set_span(place);
            token
        })
        .collect()
}
