//! The registration: what a program knows of one of its functions.
//!
//! Owns the static and its submission at link time; never runs anything.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{handler, program, stub};
use crate::args::duration;
use crate::func::Model;
use crate::func::output::Shape;
use crate::func::parameter::Parameter;
use crate::origin::Origin;
use crate::place::{self, moved};
use crate::symbol::symbol;

/// The implementation of `Function`, and its submission.
pub(crate) fn registration(model: &Model<'_>, origin: &Origin) -> TokenStream {
    let Model { item, args, stub, .. } = model;
    let delay = &args.delay;
    let cfgs: Vec<_> = item.attributes(&["cfg"]).collect();
    let value = stub::value(model);
    let inner = item.inner_function();
    let is_plain = model.output.shape == Shape::Plain && args.program.is_none();
    let plain = is_plain.then(|| quote!(use #delay::__private::PlainValue as _;));
    let deprecated = item.attributes(&["deprecated"]).next().map(|_| quote!(#[allow(deprecated)]));
    let program = args.program.as_ref().map(|program| program::held(model, program));
    let held = held(model, origin);
    quote! {
        #(#cfgs)*
        impl #delay::Function for #stub {
            type Value = #value;
            #deprecated
            fn registration() -> &'static #delay::__private::Registration {
                #plain
                #inner
                #program
                #held
                &REGISTRATION
            }
        }
        #(#cfgs)*
        #delay::__private::inventory::submit! {
            #delay::__private::Entry(<#stub as #delay::Function>::registration)
        }
    }
}

/// The static. Its tokens are placed at the key, because the compiler reports a second symbol of one name there.
fn held(model: &Model<'_>, origin: &Origin) -> TokenStream {
    let Model { args, id, aliases, .. } = model;
    let delay = &args.delay;
    let (key, place_of_key) = match &args.key {
        Some(key) => (key.text.value(), place::at(key.text.span())),
        None => (String::new(), Span::call_site()),
    };
    let name = Ident::new("REGISTRATION", place_of_key);
    let at_key = moved(delay, place_of_key);
    let ty = quote_spanned!(place_of_key=> #at_key::__private::Registration);
    let symbol = symbol(&key, id, origin);
    let parameters = model.stored().map(Parameter::described);
    let states = model.parameters.iter().filter(|parameter| !parameter.is_stored()).map(|parameter| {
        let owned = parameter.owned();
        let place = place::of_type(&parameter.ty);
        let delay = moved(delay, place);
        quote_spanned!(place=> #delay::__private::State::of::<#owned>())
    });
    let place = attribute(delay, origin);
    let known = origin.file.known;
    let options = options(model);
    let start = handler::handler(model);
    quote_spanned! {place_of_key=>
        // A crate's tests may be linked with the crate itself, through a dependency that only they have.
        #[cfg_attr(not(test), unsafe(export_name = #symbol))]
        static #name: #ty = #ty {
            function: #id,
            aliases: &[#(#aliases),*],
            place: #place,
            known_path: #known,
            parameters: &[#(#parameters),*],
            states: &[#(#states),*],
            options: #options,
            start: #start,
        };
    }
}

/// Where the attribute stands.
fn attribute(delay: &TokenStream, origin: &Origin) -> TokenStream {
    let Origin { package, version, file, .. } = origin;
    let file = &file.file;
    let line = Literal::usize_unsuffixed(origin.line);
    quote!(#delay::__private::Place::new(#package, #version, #file, #line))
}

/// What was written, over the defaults.
fn options(model: &Model<'_>) -> TokenStream {
    let args = model.args;
    let delay = &args.delay;
    let some = |value: TokenStream| quote!(::core::option::Option::Some(#value));
    let queue = args.queue.as_ref().map(|name| quote!(queue: #name,));
    let priority = args.priority.map(|priority| {
        let priority = Literal::i16_unsuffixed(priority);
        quote!(priority: #priority,)
    });
    let retry =
        args.retry.as_ref().map(|retry| some(retry.tokens(delay))).map(|retry| quote!(retry: #retry,));
    let timeout = args.timeout.map(duration::tokens).map(some).map(|timeout| quote!(timeout: #timeout,));
    let keep = args.keep_result.as_ref().map(|kept| some(duration::tokens(kept.duration)));
    let keep = keep.map(|keep| quote!(keep_result: #keep,));
    let mut base = quote!(#delay::__private::Options::DEFAULT);
    if !args.cron.is_empty() {
        let expressions = &args.cron;
        let zone = args.time_zone.as_ref().map_or_else(|| "UTC".to_owned(), |zone| zone.value());
        base = quote!(#base.cron(&[#(#expressions),*], #zone));
    }
    if args.isolate.is_some() {
        let memory = args.memory.map(Literal::u64_unsuffixed).map(|bytes| some(quote!(#bytes)));
        let cpu = args.cpu.map(duration::tokens).map(some);
        let none = || quote!(::core::option::Option::None);
        let (memory, cpu) = (memory.unwrap_or_else(none), cpu.unwrap_or_else(none));
        base = quote!(#base.isolate(#memory, #cpu));
    }
    if queue.is_none() && priority.is_none() && retry.is_none() && timeout.is_none() && keep.is_none() {
        return base;
    }
    quote! {
        #delay::__private::Options {
            #queue #priority #retry #timeout #keep
            ..#base
        }
    }
}
