//! `#[delay::main]`: the `main` that starts the asynchronous runtime.
//!
//! Owns its words and its expansion; the runtime itself is built by `delay::__private::main`.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::spanned::Spanned as _;
use syn::{Error, LitInt, Result};

use crate::args::entries::{self, Seen};
use crate::args::{self, nearest};
use crate::item::{self, Form, Item};
use crate::mistakes::Mistakes;
use crate::place;

const WORDS: &[&str] = &["flavor", "worker_threads", "crate"];
const PLACE: &str = "`#[delay::main]` goes on a function: `async fn main()`";
const FLAVORS: &[&str] = &["multi_thread", "current_thread"];

/// What replaces the function that `#[delay::main(words)]` is on.
pub(crate) fn main(words: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let options = Options::parse(words, &mut mistakes);
    let item = match item::parse(tokens.clone(), PLACE, &mut mistakes) {
        Ok(item) => item,
        Err(mistake) => {
            mistakes.add(mistake);
            let errors = mistakes.into_error().map(syn::Error::into_compile_error);
            return quote!(#tokens #errors);
        }
    };
    check(&item, &mut mistakes);
    match mistakes.into_error() {
        None => expand(&item, &options),
        Some(error) => {
            let errors = error.into_compile_error();
            let outline = outline(&item);
            quote!(#outline #errors)
        }
    }
}

/// The words of the attribute.
struct Options {
    delay: TokenStream,
    flavor: Option<Ident>,
    worker_threads: Option<usize>,
}

impl Options {
    fn parse(tokens: TokenStream, mistakes: &mut Mistakes) -> Options {
        let mut options = Options { delay: quote!(::delay), flavor: None, worker_threads: None };
        let mut seen = Seen::default();
        let read = |input: ParseStream<'_>| {
            entries::entries(input, mistakes, |input, _| options.word(input, &mut seen));
            Ok(())
        };
        if let Err(mistake) = read.parse2(tokens) {
            mistakes.add(mistake);
        }
        let current = options.flavor.as_ref().filter(|flavor| *flavor == "CurrentThread");
        if let (Some(flavor), Some(_)) = (current, options.worker_threads) {
            let text = "`current_thread` has no worker threads: remove one of the two";
            mistakes.missing(flavor.span(), text);
        }
        options
    }

    fn word(&mut self, input: ParseStream<'_>, seen: &mut Seen) -> Result<()> {
        let name = input.call(Ident::parse_any)?;
        seen.once(&name)?;
        match name.to_string().as_str() {
            "flavor" => {
                let text = entries::text(input, &name, "current_thread")?;
                let flavor = match text.value().as_str() {
                    "multi_thread" => "MultiThread",
                    "current_thread" => "CurrentThread",
                    other => {
                        return Err(Error::new(text.span(), nearest::unknown(other, "`flavor`", FLAVORS)));
                    }
                };
                self.flavor = Some(Ident::new(flavor, text.span()));
            }
            "worker_threads" => self.worker_threads = Some(threads(input, &name)?),
            "crate" => self.delay = args::crate_path(input, &name)?,
            other => return Err(Error::new(name.span(), nearest::unknown(other, "`#[delay::main]`", WORDS))),
        }
        Ok(())
    }
}

fn threads(input: ParseStream<'_>, name: &Ident) -> Result<usize> {
    entries::assign(input, name, "4")?;
    let wrong = |span| Error::new(span, "`worker_threads` is a number from 1: `worker_threads = 4`");
    let literal = input.parse::<LitInt>().map_err(|cause| wrong(cause.span()))?;
    literal.base10_parse().ok().filter(|threads| *threads > 0).ok_or_else(|| wrong(literal.span()))
}

fn check(item: &Item, mistakes: &mut Mistakes) {
    let sig = &item.sig;
    if let Form::Static(name) = &item.form {
        mistakes.at(name, PLACE);
        return;
    }
    if sig.asyncness.is_none() {
        mistakes.at(sig.fn_token, "`#[delay::main]` starts an asynchronous function: write `async fn`");
    }
    if !sig.inputs.is_empty() {
        mistakes.at(&sig.inputs, "`main` takes no arguments: read `std::env::args()` in its body");
    }
    if !sig.generics.params.is_empty() {
        mistakes.at(&sig.generics, "`main` cannot be generic");
    }
    if let Some(word) = &sig.constness {
        mistakes.at(word, "`main` runs when the program does: remove `const`");
    }
    if let syn::Safety::Unsafe(word) = &sig.safety {
        mistakes.at(word, "`main` is called by the system: remove `unsafe`");
    }
    if let Some(abi) = &sig.abi {
        mistakes.at(abi, "`main` is called by Rust: remove `extern`");
    }
}

/// `fn main() -> T { async fn main() -> T {…} … }`: the body keeps its own types, `?` and return type included.
fn expand(item: &Item, options: &Options) -> TokenStream {
    let Item { attrs, vis, sig, body, .. } = item;
    let delay = &options.delay;
    let name = &sig.ident;
    let (output, inner) = (&sig.output, &sig.generics.where_clause);
    let place = place::at(output.span());
    let run = if options.flavor.is_none() && options.worker_threads.is_none() {
        quote_spanned!(place=> #delay::__private::main(#name()))
    } else {
        let flavor = options.flavor.as_ref().map(|flavor| {
            let flavor = Ident::new(&flavor.to_string(), Span::call_site());
            quote!(flavor: #delay::__private::Flavor::#flavor,)
        });
        let threads = options.worker_threads.map(|threads| {
            let threads = Literal::usize_unsuffixed(threads);
            quote!(worker_threads: ::core::option::Option::Some(#threads),)
        });
        quote! {
            #delay::__private::main_with(
                #delay::__private::MainOptions { #flavor #threads ..#delay::__private::MainOptions::DEFAULT },
                #name(),
            )
        }
    };
    quote! {
        #(#attrs)*
        #vis fn #name() #output #inner {
            async fn #name() #output #body
            #run
        }
    }
}

/// A `main` that has the mistakes taken off, so that the program is not also reported to have none.
fn outline(item: &Item) -> TokenStream {
    let Item { attrs, vis, sig, body, .. } = item;
    match item.form {
        Form::Static(_) | Form::Program => TokenStream::new(),
        Form::Function if sig.ident == "main" => {
            let inner = quote!(#sig #body);
            quote! {
                #(#attrs)*
                #[allow(unused)]
                #vis fn main() {
                    #inner
                }
            }
        }
        Form::Function => item.function(),
    }
}
