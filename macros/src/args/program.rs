//! The words of `#[delay::program(…)]` that a function does not have: the module, and what it may do.
//!
//! Owns the way from one list of words to a function's and a program's; the function's are read by [`Args`].

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, Lit, LitInt, LitStr, Result, Token};

use super::entries::{self, Seen};
use super::{Args, WORDS, duration, nearest, size};
use crate::mistakes::Mistakes;

const OWN: &[&str] = &["file", "export", "suspendable", "checkpoint", "memory", "fuel", "output", "enqueues"];

/// What is said about the module.
#[derive(Default)]
pub(crate) struct Program {
    pub(crate) file: Option<LitStr>,
    pub(crate) export: Option<LitStr>,
    pub(crate) suspendable: bool,
    pub(crate) checkpoint: Option<Duration>,
    pub(crate) memory: Option<u64>,
    pub(crate) fuel: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) enqueues: Vec<LitStr>,
}

/// Reads the tokens between the attribute's parentheses; every mistake is noted and the rest is read on.
pub(crate) fn parse(tokens: TokenStream, mistakes: &mut Mistakes) -> Args {
    let mut program = Program::default();
    let mut seen = Seen::default();
    let mut function = TokenStream::new();
    let mut key = false;
    let mut checkpoint = None;
    let read = |input: ParseStream<'_>| {
        entries::entries(input, mistakes, |input, _| {
            let name = input.fork().call(Ident::parse_any).ok();
            match name {
                Some(name) if OWN.contains(&name.to_string().as_str()) => {
                    let name = input.call(Ident::parse_any)?;
                    seen.once(&name)?;
                    if name == "checkpoint" {
                        checkpoint = Some(name.span());
                    }
                    program.word(&name, input)
                }
                Some(name) if is_nobodys(&name, input) => {
                    let words: Vec<&str> = of_functions().chain(OWN.iter().copied()).collect();
                    Err(Error::new(
                        name.span(),
                        nearest::unknown(&name.to_string(), "`#[delay::program]`", &words),
                    ))
                }
                name => {
                    key |= input.peek(Lit) || name.is_some_and(|name| name == "global");
                    let entry = rest_of_entry(input)?;
                    function.extend(quote!(#entry,));
                    Ok(())
                }
            }
        });
        Ok(())
    };
    if let Err(mistake) = read.parse2(tokens) {
        mistakes.add(mistake);
    }
    if !key {
        let help = "a program has a key, which stored calls find it by: `#[delay::program(\"report\", file = \"report.wasm\")]`";
        mistakes.missing(Span::call_site(), help);
        function.extend(quote!("missing"));
    }
    if program.file.is_none() && !seen.has("file") {
        let help = "a program has a module: add `file = \"report.wasm\"`, beside this file";
        mistakes.missing(Span::call_site(), help);
    }
    if let Some(span) = checkpoint.filter(|_| !program.suspendable) {
        mistakes.missing(span, "what is stored while it runs can be suspended: add `suspendable`");
    }
    let mut args = Args::parse(function, mistakes);
    args.program = Some(program);
    args
}

/// Whether a word is neither a program's nor a function's. A word without a value may be a key without its quotes.
fn is_nobodys(name: &Ident, input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    let alone = ahead.call(Ident::parse_any).is_ok() && (ahead.is_empty() || ahead.peek(Token![,]));
    !alone && !of_functions().any(|word| name == word)
}

/// The words that a program has as a function does: it needs no process of its own, and its limits are others.
fn of_functions() -> impl Iterator<Item = &'static str> {
    WORDS.iter().copied().filter(|word| !["isolate", "memory", "cpu"].contains(word))
}

/// The tokens up to the next comma.
fn rest_of_entry(input: ParseStream<'_>) -> Result<TokenStream> {
    let mut entry = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        entry.extend([input.parse::<TokenTree>()?]);
    }
    Ok(entry)
}

impl Program {
    fn word(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        match name.to_string().as_str() {
            "file" => self.file = Some(entries::text(input, name, "report.wasm")?),
            "export" => self.export = Some(entries::text(input, name, "run")?),
            "suspendable" => self.suspendable = true,
            "checkpoint" => self.checkpoint = Some(duration::positive(input, name, "10s")?),
            "memory" => self.memory = Some(size::size(input, name, "32MiB")?),
            "fuel" => self.fuel = Some(fuel(input, name)?),
            "output" => self.output = Some(size::size(input, name, "64KiB")?),
            _ => self.enqueues = functions(input, name)?,
        }
        Ok(())
    }
}

fn fuel(input: ParseStream<'_>, name: &Ident) -> Result<u64> {
    entries::assign(input, name, "1_000_000_000")?;
    let wrong = |span| Error::new(span, "`fuel` is a number of instructions: `fuel = 1_000_000_000`");
    let literal = input.parse::<LitInt>().map_err(|cause| wrong(cause.span()))?;
    literal.base10_parse().map_err(|_| wrong(literal.span()))
}

/// `enqueues = ["app/src/mail.rs:welcome", …]`
fn functions(input: ParseStream<'_>, name: &Ident) -> Result<Vec<LitStr>> {
    let example = "[\"app/src/mail.rs:welcome\"]";
    entries::assign(input, name, example)?;
    if !input.peek(syn::token::Bracket) {
        return Err(input.error(format!("`enqueues` takes a list of identities: `enqueues = {example}`")));
    }
    let list;
    syn::bracketed!(list in input);
    super::texts(&list, &format!("`enqueues` lists texts: `enqueues = {example}`"))
}
