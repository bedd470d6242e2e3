//! The handler: takes the arguments of a stored call and runs the function.
//!
//! Owns the closure that becomes `Registration::start`; never knows how a call was stored.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;

use super::program;
use crate::func::Model;
use crate::func::helper::Default;
use crate::func::output::Shape;
use crate::func::parameter::{Parameter, Role};
use crate::place::{self, moved};

/// `|ctx, mut arguments| {…}`
pub(crate) fn handler(model: &Model<'_>) -> TokenStream {
    let delay = &model.args.delay;
    // Names of the macro's own, which a parameter called `ctx` does not meet.
    let ctx = Ident::new("ctx", Span::mixed_site());
    let arguments = Ident::new("arguments", Span::mixed_site());

    let attempt_name = Ident::new("attempt", Span::mixed_site());

    let mut takes = Vec::new();
    for parameter in model.stored() {
        for old in parameter.renamed_from() {
            let key = &parameter.key;
            let old = old.value();
            takes.push(quote!(#arguments.rename(#old, #key);));
        }
    }
    takes.extend(model.args.removed.iter().map(|name| quote!(#arguments.ignore(#name);)));
    takes.extend(model.stored().map(|parameter| take(parameter, &arguments)));
    let mutable = (!takes.is_empty()).then(|| quote!(mut));

    let states = model.parameters.iter().filter(|parameter| !parameter.is_stored());
    let states = states.map(|parameter| state(parameter, delay, &ctx));
    let values = model.parameters.iter().map(|parameter| {
        let name = parameter.local();
        // A state is a reference already when the function borrows it.
        if parameter.is_reference() && parameter.is_stored() { quote!(&#name) } else { quote!(#name) }
    });
    let mut function = model.item.sig.ident.clone();
    function.set_span(place::at(function.span()));
    let place = function.span();
    let call = quote_spanned!(place=> #function(&#ctx, #(#values),*));
    let attempt = if model.args.program.is_some() {
        program::attempt(model, &ctx)
    } else if model.item.sig.asyncness.is_some() {
        let returned = returned(model, &quote_spanned!(place=> #call.await));
        let delay = moved(delay, place);
        quote_spanned!(place=> #delay::__private::Attempt::future(async move { #(#states)* #returned }))
    } else {
        let returned = returned(model, &call);
        quote!(#delay::__private::Attempt::blocking(move || { #(#states)* #returned }))
    };
    quote! {
        |#ctx, #mutable #arguments| {
            #(#takes)*
            let #attempt_name = #attempt;
            #arguments.finish().map(|()| #attempt_name)
        }
    }
}

/// `let n = arguments.required::<u32>("n")?;`
fn take(parameter: &Parameter, arguments: &Ident) -> TokenStream {
    let Parameter { key, role, ty, .. } = parameter;
    let name = parameter.local();
    let owned = parameter.owned();
    let place = place::of_type(ty);
    let taken = match role {
        Role::Argument { default: None, .. } | Role::State => {
            quote_spanned!(place=> required::<#owned>(#key))
        }
        Role::Argument { default: Some(Default::OfType), .. } => {
            quote_spanned!(place=> optional::<#owned>(#key, ::core::default::Default::default))
        }
        Role::Argument { default: Some(Default::Expr(value)), .. } => {
            quote_spanned!(place=> optional::<#owned>(#key, || #value))
        }
        Role::Rest { .. } => quote_spanned!(place=> optional::<#owned>(#key, ::std::vec::Vec::new)),
    };
    quote!(let #name = #arguments.#taken?;)
}

/// `let db: &Pool = ::delay::__private::state::<Pool>(&ctx);`
fn state(parameter: &Parameter, delay: &TokenStream, ctx: &Ident) -> TokenStream {
    let (name, ty) = (parameter.local(), &parameter.ty);
    let owned = parameter.owned();
    let place = place::of_type(ty);
    let delay = moved(delay, place);
    let held = quote_spanned!(place=> #delay::__private::state::<#owned>(&#ctx));
    match ty {
        Type::Reference(_) => quote!(let #name: #ty = #held;),
        _ => {
            let cloned = quote_spanned!(place=> ::core::clone::Clone::clone(#held));
            quote!(let #name: #ty = #cloned;)
        }
    }
}

/// What the function returned, as the framework's outcome.
fn returned(model: &Model<'_>, call: &TokenStream) -> TokenStream {
    let place = model.output.span.map_or_else(Span::call_site, place::at);
    let delay = moved(&model.args.delay, place);
    match (model.output.shape, &model.args.keep_result) {
        (Shape::Result, Some(_)) => quote_spanned!(place=> #delay::__private::Returned::keep_result(#call)),
        (Shape::Result, None) => quote_spanned!(place=> #delay::__private::Returned::result(#call)),
        (Shape::Unit, _) => quote!(#delay::__private::Returned::value(#call)),
        (Shape::Plain, Some(_)) => quote_spanned!(place=> #delay::__private::Plain(#call).keep()),
        (Shape::Plain, None) => quote_spanned!(place=> #delay::__private::Plain(#call).returned()),
    }
}
