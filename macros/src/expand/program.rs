//! The program behind a stub: the module with what it may do, and the attempt that hands arguments to it.
//!
//! Owns both expressions; never decodes an argument itself.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

use crate::args::duration;
use crate::args::program::Program;
use crate::func::Model;

/// `static PROGRAM: … = …;`
pub(super) fn held(model: &Model<'_>, program: &Program) -> TokenStream {
    let delay = &model.args.delay;
    let Program { file, export, suspendable, checkpoint, memory, fuel, output, enqueues } = program;
    let size = |bytes: &u64| Literal::u64_unsuffixed(*bytes);
    let export = export.as_ref().map(|name| quote!(.export(#name)));
    let suspendable = suspendable.then(|| quote!(.suspendable(true)));
    let checkpoint = checkpoint.map(duration::tokens).map(|every| quote!(.checkpoint_every(#every)));
    let memory = memory.as_ref().map(size).map(|bytes| quote!(.memory(#bytes)));
    let fuel = fuel.as_ref().map(size).map(|fuel| quote!(.fuel(#fuel)));
    let output = output.as_ref().map(size).map(|bytes| quote!(.output(#bytes)));
    let enqueues = (!enqueues.is_empty()).then(|| quote!(.enqueues([#(#enqueues),*])));
    quote! {
        static PROGRAM: ::std::sync::LazyLock<#delay::__private::Program> = ::std::sync::LazyLock::new(|| {
            let module: &[u8] = ::core::include_bytes!(#file);
            #delay::__private::Program::from_bytes(module)
                #export #suspendable #checkpoint #memory #fuel #output #enqueues
        });
    }
}

/// The arguments, packed anew for the program, and the attempt. A result is kept if there is one to keep.
pub(super) fn attempt(model: &Model<'_>, ctx: &Ident) -> TokenStream {
    let delay = &model.args.delay;
    let count = Literal::usize_unsuffixed(model.stored().count());
    let packed = model.stored().map(|parameter| {
        let (key, name) = (&parameter.key, parameter.local());
        quote!(.argument(#key, &#name))
    });
    let end = Ident::new(if model.args.keep_result.is_some() { "keep" } else { "attempt" }, ctx.span());
    quote!(#delay::__private::Packed::new(#count) #(#packed)* .#end(#ctx, &PROGRAM)?)
}
