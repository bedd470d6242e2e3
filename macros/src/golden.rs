//! Golden expansions: what the attributes make of the files in `tests/golden`, as `cargo expand` would show it.
//!
//! Every `name.rs` there is expanded and compared with `name.expanded.rs`; `UPDATE_GOLDEN=1` writes the latter anew.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{Attribute, File, Item, Meta};

use crate::identity::Canonical;
use crate::origin::Origin;
use crate::{expand, main_fn};

/// How many lines the submission's macro expands to, as `cargo expand` prints it.
const SUBMISSION: usize = 16;
/// How many lines fewer the guard of the registration takes when the compiler has evaluated its condition.
const CONDITION: usize = 3;
/// What a function of two arguments may expand to, the function itself not counted.
const MOST: usize = 59;
/// What can be expanded with the feature `cron` alone.
const SCHEDULED: &str = "scheduled.rs";
/// What can be expanded with the feature `process` alone.
const ISOLATED: &str = "isolated.rs";

#[test]
fn expansions_are_the_golden_ones() {
    let update = env::var_os("UPDATE_GOLDEN").is_some();
    let inputs = inputs();
    assert!(inputs.len() >= 10, "{} files in {}", inputs.len(), folder().display());
    let mut wrong = Vec::new();
    for input in inputs {
        let golden = input.with_extension("expanded.rs");
        let expanded = expand_file(&input);
        if update {
            fs::write(&golden, &expanded).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != expanded {
            wrong.push(format!("--- {} should now be:\n{expanded}", golden.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nif this is meant, run with UPDATE_GOLDEN=1", wrong.join("\n"));
}

#[test]
fn a_function_of_two_arguments_expands_to_less_than_sixty_lines() {
    for name in ["two-arguments.rs", SCHEDULED] {
        let expanded = expand_file(&folder().join(name));
        let (_function, ours) = expanded.split_once("/// Queues calls").unwrap();
        let Some((ours, submitted)) = ours.split_once("::delay::__private::inventory::submit!") else {
            assert!(name == SCHEDULED && !cfg!(feature = "cron"), "{name} is refused:\n{expanded}");
            continue;
        };
        assert_eq!(submitted.lines().count(), 3, "nothing follows the submission");
        let lines = ours.lines().count() - CONDITION + SUBMISSION;
        assert!(lines <= MOST, "{lines} lines:\n{expanded}");
    }
}

/// What is written out can be read by whoever looks at `cargo expand`, and panics nowhere.
#[test]
fn expansions_name_absolute_paths_and_never_panic() {
    for input in inputs().iter().filter(|input| !input.ends_with("mistakes.rs")) {
        let expanded = expand_file(input);
        for word in ["unwrap", "expect(", "panic", "unreachable", "todo"] {
            assert!(!expanded.contains(word), "{word} in {}", input.display());
        }
        // What stands in these without `::core`, `::std` or `::delay` before it could be the user's own.
        for name in ["Option::", "Result::", "Duration::", "Vec::new", "Default::default"] {
            for (at, _) in expanded.match_indices(name) {
                assert!(expanded[..at].ends_with("::"), "{name} without a path in {}", input.display());
            }
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn inputs() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let mut inputs: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|ending| ending == "rs"))
        .filter(|file| !file.to_string_lossy().ends_with(".expanded.rs"))
        .filter(|file| cfg!(feature = "cron") || !file.ends_with(SCHEDULED))
        .filter(|file| cfg!(feature = "process") || !file.ends_with(ISOLATED))
        .collect();
    inputs.sort();
    inputs
}

fn expand_file(input: &Path) -> String {
    let text = fs::read_to_string(input).unwrap_or_else(|cause| panic!("{}: {cause}", input.display()));
    let mut expanded = TokenStream::new();
    for mut item in syn::parse_file(&text).unwrap().items {
        // A declaration without a body is no item that syn knows.
        let mut declared = match &item {
            Item::Verbatim(tokens) => Some(declaration(tokens.clone())),
            _ => None,
        };
        let attrs = match &mut declared {
            Some((attrs, _)) => attrs,
            None => attributes(&mut item),
        };
        let ours = attrs.iter().position(|attr| attr.path().segments[0].ident == "delay");
        let Some(attr) = ours.map(|at| attrs.remove(at)) else {
            item.to_tokens(&mut expanded);
            continue;
        };
        let words = match &attr.meta {
            Meta::List(list) => list.tokens.clone(),
            _ => TokenStream::new(),
        };
        let item = match declared {
            Some((attrs, rest)) => quote!(#(#attrs)* #rest),
            None => item.to_token_stream(),
        };
        expanded.extend(match attr.path().segments[1].ident.to_string().as_str() {
            "main" => main_fn::main(words, item),
            "program" => expand::program(words, item, &origin()),
            _ => expand::function(words, item, &origin()),
        });
    }
    let file: File = syn::parse2(quote!(#expanded)).unwrap();
    prettyplease::unparse(&file)
}

/// The attributes of a declaration, and what follows them.
fn declaration(tokens: TokenStream) -> (Vec<Attribute>, TokenStream) {
    let read = |input: syn::parse::ParseStream<'_>| Ok((input.call(Attribute::parse_outer)?, input.parse()?));
    syn::parse::Parser::parse2(read, tokens).unwrap()
}

fn attributes(item: &mut Item) -> &mut Vec<Attribute> {
    match item {
        Item::Fn(item) => &mut item.attrs,
        Item::Static(item) => &mut item.attrs,
        Item::Struct(item) => &mut item.attrs,
        _ => panic!("the golden files hold functions, statics and structs"),
    }
}

fn origin() -> Origin {
    Origin {
        package: "app".to_owned(),
        version: "0.1.0".to_owned(),
        crate_name: "app".to_owned(),
        binary: None,
        file: Canonical { file: "src/mail.rs".to_owned(), known: true },
        line: 12,
    }
}
