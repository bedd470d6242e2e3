//! The stub: the unit struct that queues calls.
//!
//! Owns its methods, and its outline for a function that has mistakes; never knows how a call is run.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;

use crate::func::Model;
use crate::func::name::pascal;
use crate::func::parameter::{Parameter, Role};
use crate::item::{Form, Item, belongs_to_the_static};
use crate::place;

/// The struct and its two methods.
pub(crate) fn stub(model: &Model<'_>) -> TokenStream {
    let delay = &model.args.delay;
    let this = receiver(model).map_or_else(|| quote!(Self::), |_| quote!(self.));
    let ctx = Ident::new("ctx", Span::mixed_site());
    let names = model.stored().map(Parameter::local);
    let stored = model.stored().map(stored);
    let call = quote!(#this task(#(#names),*).add(#ctx).await);
    // In two steps, each of which fits a line of `cargo expand`.
    let call_name = Ident::new("call", Span::mixed_site());
    let task = quote! {
        let #call_name = #delay::__private::Call::of::<Self>();
        #call_name #(#stored)*.task()
    };
    methods(model, &ctx, &call, &task)
}

/// The stub of a function that has mistakes: it has the right outline, so that its callers are not reported as well,
/// and is never run, because the mistakes are errors.
pub(crate) fn outline(model: &Model<'_>) -> TokenStream {
    let Model { args, stub, .. } = model;
    let delay = &args.delay;
    let ctx = Ident::new("ctx", Span::mixed_site());
    let never = quote!(::core::unreachable!());
    let methods = methods(model, &ctx, &never, &never);
    let value = value(model);
    let inner = model.item.inner_function();
    quote! {
        #methods
        impl #delay::Function for #stub {
            type Value = #value;
            #[allow(unused)]
            fn registration() -> &'static #delay::__private::Registration {
                #inner
                #never
            }
        }
    }
}

/// The struct alone, of a `static` that nothing more is known of.
pub(crate) fn bare(item: &Item) -> TokenStream {
    let Form::Static(name) = &item.form else { return TokenStream::new() };
    let stub = Ident::new(&pascal(&name.to_string()), name.span());
    let vis = &item.vis;
    // A struct of the static's own name is a value of that name.
    let static_item =
        (stub != *name).then(|| quote!(#[allow(missing_docs)] #vis static #name: #stub = #stub;));
    quote! {
        #[allow(missing_docs)]
        #vis struct #stub;
        #static_item
    }
}

fn methods(model: &Model<'_>, ctx: &Ident, call: &TokenStream, task: &TokenStream) -> TokenStream {
    let Model { item, args, stub, .. } = model;
    let delay = &args.delay;
    let vis = &item.vis;
    let cfgs: Vec<_> = item.attributes(&["cfg"]).collect();
    let docs = item.attributes(&["doc"]);
    let static_item = static_item(model);
    let receiver = receiver(model).map(|receiver| quote!(#receiver,));
    let parameters: Vec<TokenStream> = model.stored().map(parameter).collect();
    let value = value(model);
    let link = link(item);
    let about = format!(" Queues calls of {link}.");
    let about_call = format!(" Queues one call of {link}; it is stored durably when this returns.");
    let about_task = format!(" A call of {link} whose options can be set before it is added.");
    let blank = item.attributes(&["doc"]).next().map(|_| quote!(#[doc = ""]));
    quote! {
        #(#cfgs)*
        #[doc = #about]
        #blank
        #(#docs)*
        #vis struct #stub;
        #static_item
        #(#cfgs)*
        impl #stub {
            #[doc = #about_call]
            #vis async fn call(
                #receiver #ctx: impl #delay::Enqueue, #(#parameters),*
            ) -> #delay::Result<#delay::Handle<#value>> {
                #call
            }
            #[doc = #about_task]
            #vis fn task(#receiver #(#parameters),*) -> #delay::TaskBuilder<#value> {
                #task
            }
        }
    }
}

/// `static GREET: Greet = Greet;`
fn static_item(model: &Model<'_>) -> Option<TokenStream> {
    let Form::Static(name) = &model.item.form else { return None };
    let (vis, stub) = (&model.item.vis, &model.stub);
    let attrs = model.item.attrs.iter().filter(|attr| belongs_to_the_static(attr));
    Some(quote!(#(#attrs)* #vis static #name: #stub = #stub;))
}

/// The methods of a closure's stub are called on its `static`, those of a function's on its type.
fn receiver(model: &Model<'_>) -> Option<TokenStream> {
    matches!(model.item.form, Form::Static(_)).then(|| quote!(&self))
}

/// How rustdoc finds what is queued.
fn link(item: &Item) -> String {
    match &item.form {
        Form::Function => format!("[`{}()`]", item.sig.ident.unraw()),
        Form::Static(name) => format!("[`static@{}`]", name.unraw()),
        Form::Program => "this program".to_owned(),
    }
}

/// A parameter of the stub: as the function has it, but any iterator for the rest.
fn parameter(parameter: &Parameter) -> TokenStream {
    let Parameter { ty, role, .. } = parameter;
    let name = parameter.local();
    match role {
        Role::Rest { element, .. } => quote!(#name: impl ::core::iter::IntoIterator<Item = #element>),
        Role::Argument { .. } | Role::State => quote!(#name: #ty),
    }
}

/// `.argument("n", &n)`, reported at the type when that cannot be serialized.
fn stored(parameter: &Parameter) -> TokenStream {
    let Parameter { key, role, ty, .. } = parameter;
    let name = parameter.local();
    let key = Literal::string(key);
    let place = place::of_type(ty);
    match role {
        Role::Rest { .. } => quote_spanned!(place=> .rest(#key, #name)),
        _ if parameter.is_reference() => quote_spanned!(place=> .argument(#key, #name)),
        _ => quote_spanned!(place=> .argument(#key, &#name)),
    }
}

/// What a handle gives: the result's type when it is kept.
pub(crate) fn value(model: &Model<'_>) -> TokenStream {
    match (&model.args.keep_result, &model.output.value) {
        (Some(_), Some(ty)) => quote!(#ty),
        _ => quote!(()),
    }
}
