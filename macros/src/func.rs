//! The checked model of a delayed function: an item and an attribute's words that fit each other.
//!
//! Owns every check that needs both, and reports all that fail; never writes code (see `expand.rs`).

use std::collections::HashMap;

use proc_macro2::Ident;
use syn::{FnArg, LitStr, PatType, Safety, Signature, Type};

use crate::args::{Args, Scope};
use crate::item::Item;
use crate::mistakes::Mistakes;
use crate::origin::Origin;
use output::Output;
use parameter::{Parameter, Role};

pub(crate) mod alias;
mod faults;
pub(crate) mod helper;
pub(crate) mod name;
pub(crate) mod output;
pub(crate) mod parameter;
mod spell;

/// What an expansion is written from.
pub(crate) struct Model<'a> {
    pub(crate) item: &'a Item,
    pub(crate) args: &'a Args,
    /// The stub's name.
    pub(crate) stub: Ident,
    /// The full identity.
    pub(crate) id: String,
    /// The full older identities.
    pub(crate) aliases: Vec<String>,
    /// The parameters after the context.
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) output: Output,
}

impl<'a> Model<'a> {
    /// Checks `item` against `args`. `None` means that not even the stub's outline is known; a model together with
    /// mistakes is good for that outline only.
    pub(crate) fn check(
        item: &'a Item,
        args: &'a Args,
        origin: &Origin,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let plain = refuse_modifiers(&item.sig, mistakes);
        let data = context(item, mistakes);
        let parameters = parameters(item, data, mistakes);
        if let Some(parameters) = &parameters {
            rest_is_last(parameters, mistakes);
            names_are_distinct(parameters, &args.removed, mistakes);
            if args.program.is_some() {
                nothing_is_lent(parameters, mistakes);
            }
            if !args.cron.is_empty() {
                nobody_gives_arguments(parameters, mistakes);
            }
            if args.isolate.is_some() {
                state_stays_behind(parameters, mistakes);
            }
        }
        let output = Output::check(&item.sig.output, args.keep_result.as_ref(), mistakes);
        let name = item.name();
        let stub = name::stub(name, &item.sig).map_err(|text| mistakes.at(name, text));
        let id = identity(args, origin);
        let aliases = aliases(args, origin, &id, mistakes);
        let parameters = parameters.filter(|_| plain)?;
        Some(Model { item, args, stub: stub.ok()?, id, aliases, parameters, output })
    }

    /// The parameters whose values are stored with a call.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| parameter.is_stored())
    }
}

/// Refuses what a function that is called later cannot be; whether a stub has everything it needs to know.
fn refuse_modifiers(sig: &Signature, mistakes: &mut Mistakes) -> bool {
    if let Some(word) = &sig.constness {
        mistakes.at(word, "a delayed function runs later, never at compile time: remove `const`");
    }
    if let Safety::Unsafe(word) = &sig.safety {
        mistakes.at(word, "a worker cannot keep a caller's promises: remove `unsafe`");
    }
    if let Some(abi) = &sig.abi {
        mistakes.at(abi, "a delayed function is called by Rust: remove `extern`");
    }
    let mut plain = true;
    let generics = &sig.generics;
    for parameter in &generics.params {
        plain = false;
        let text = match parameter {
            syn::GenericParam::Lifetime(_) => {
                "a delayed function has no lifetimes of its own: write `&T`, without one"
            }
            _ => {
                "a delayed function cannot be generic: a stored call has to know its types, write one for each"
            }
        };
        mistakes.at(parameter, text);
    }
    if let Some(clause) = generics.where_clause.as_ref().filter(|_| generics.params.is_empty()) {
        mistakes.at(clause, "a delayed function is not generic, so it needs no `where`");
    }
    if let Some(variadic) = &sig.variadic {
        plain = false;
        mistakes.at(variadic, "for any number of arguments take a list: `#[rest] xs: Vec<T>`");
    }
    plain
}

/// Checks the first parameter; how many parameters are the context's.
fn context(item: &Item, mistakes: &mut Mistakes) -> usize {
    let rule = "the first parameter of a delayed function is `&Context`";
    let Some(first) = item.sig.inputs.first() else {
        mistakes.missing(item.sig.paren_token.span.join(), format!("{rule}: write `(ctx: &Context)`"));
        return 0;
    };
    let typed = match first {
        FnArg::Typed(typed) => typed,
        FnArg::Receiver(_) => return 0,
    };
    let skipped = match faults::peel(&typed.ty) {
        Type::Reference(reference) if is_context(&reference.elem) => {
            if let Some(word) = &reference.mutability {
                mistakes.at(word, format!("{rule}, shared: remove `mut`"));
            }
            if let Some(lifetime) = reference.lifetime.as_ref().filter(|lifetime| lifetime.ident == "static")
            {
                mistakes
                    .at(lifetime, format!("{rule}, which lives as long as the attempt: remove `'static`"));
            }
            1
        }
        owned if is_context(owned) => {
            mistakes.at(owned, format!("{rule}: write `&Context` instead of `Context`"));
            1
        }
        other => {
            mistakes.at(
                other,
                format!("{rule}, this one is `{}`: put `ctx: &Context` before it", spell::spell(other)),
            );
            0
        }
    };
    if skipped == 1 {
        for helper in item.helpers.first().into_iter().flatten() {
            mistakes.at(
                helper,
                "the context is given by the worker: this attribute belongs to a later parameter",
            );
        }
    }
    skipped
}

/// Whether `ty` is a path whose last part is `Context`.
fn is_context(ty: &Type) -> bool {
    let Type::Path(path) = faults::peel(ty) else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "Context" && last.arguments.is_none())
}

fn parameters(item: &Item, context: usize, mistakes: &mut Mistakes) -> Option<Vec<Parameter>> {
    let mut parameters = Some(Vec::new());
    for (input, helpers) in item.sig.inputs.iter().zip(&item.helpers).skip(context) {
        let checked = match input {
            FnArg::Typed(typed) if is_untyped(typed) => None,
            FnArg::Typed(typed) => Parameter::check(typed, helpers, mistakes),
            FnArg::Receiver(receiver) => {
                let text =
                    "a delayed function stands by itself: remove `self`, and take what it needs as arguments";
                mistakes.at(receiver, text);
                None
            }
        };
        match (&mut parameters, checked) {
            (Some(parameters), Some(parameter)) => parameters.push(parameter),
            _ => parameters = None,
        }
    }
    parameters
}

/// A closure's parameter without a type, which was reported when it was read.
fn is_untyped(typed: &PatType) -> bool {
    matches!(*typed.ty, Type::Infer(_))
}

fn rest_is_last(parameters: &[Parameter], mistakes: &mut Mistakes) {
    let stored: Vec<&Parameter> = parameters.iter().filter(|parameter| parameter.is_stored()).collect();
    let rests: Vec<usize> =
        (0..stored.len()).filter(|at| matches!(stored[*at].role, Role::Rest { .. })).collect();
    for (nth, at) in rests.iter().enumerate() {
        if nth > 0 {
            mistakes.at(&stored[*at].name, "only one parameter can hold the rest of the arguments");
        } else if *at + rests.len() < stored.len() {
            mistakes.at(
                &stored[*at].name,
                "the rest of the arguments comes last: move this parameter to the end",
            );
        }
    }
}

/// A program is no part of this process.
fn nothing_is_lent(parameters: &[Parameter], mistakes: &mut Mistakes) {
    for parameter in parameters.iter().filter(|parameter| !parameter.is_stored()) {
        let text = "a program is not lent state: it has what is stored with the call, and what it imports";
        mistakes.at(&parameter.name, text);
    }
}

/// A schedule calls without arguments.
fn nobody_gives_arguments(parameters: &[Parameter], mistakes: &mut Mistakes) {
    for parameter in parameters {
        if let Role::Argument { default: None, .. } = parameter.role {
            let key = &parameter.key;
            let text = format!(
                "a schedule calls without arguments, so nobody gives `{key}`: put `#[default]`, `#[default = …]` or \
                 `#[state]` before it, or remove `cron` and give it with `Runtime::builder(…).schedule(…)`"
            );
            mistakes.at(&parameter.name, text);
        }
    }
}

/// A process of its own has nothing of the worker's memory.
fn state_stays_behind(parameters: &[Parameter], mistakes: &mut Mistakes) {
    for parameter in parameters.iter().filter(|parameter| !parameter.is_stored()) {
        let text = "state lives in the worker, and a function with `isolate = process` does not: make what it needs \
                    inside of it, or take it as an argument";
        mistakes.at(&parameter.name, text);
    }
}

/// Every name that a stored call may hold means one thing.
fn names_are_distinct(parameters: &[Parameter], removed: &[LitStr], mistakes: &mut Mistakes) {
    let mut meanings: HashMap<String, String> = HashMap::new();
    for parameter in parameters.iter().filter(|parameter| parameter.is_stored()) {
        meanings.insert(parameter.key.clone(), format!("the parameter `{}`", parameter.key));
    }
    for parameter in parameters {
        for old in parameter.renamed_from() {
            let meaning = format!("an older name of `{}`", parameter.key);
            let name = old.value();
            if let Some(other) = meanings.insert(name.clone(), meaning) {
                let key = &parameter.key;
                mistakes.at(
                    old,
                    format!("`{name}` is {other} already, so it cannot be an older name of `{key}`"),
                );
            }
        }
    }
    for name in removed {
        if let Some(other) = meanings.insert(name.value(), "a removed parameter".to_owned()) {
            mistakes
                .at(name, format!("`{}` is {other} already, so it cannot be a removed one", name.value()));
        }
    }
}

fn identity(args: &Args, origin: &Origin) -> String {
    let (key, scope) = match &args.key {
        Some(key) => (key.text.value(), key.scope),
        None => (String::new(), Scope::File),
    };
    match scope {
        Scope::File => format!("{}/{}:{key}", origin.package, origin.file.file),
        Scope::Global => format!("global:{key}"),
    }
}

fn aliases(args: &Args, origin: &Origin, id: &str, mistakes: &mut Mistakes) -> Vec<String> {
    let mut aliases = Vec::new();
    for written in &args.aliases {
        match alias::resolve(&written.value(), &origin.package, &origin.file.file) {
            Ok(alias) if alias == id => {
                mistakes.at(written, "this is what the function is known by now: remove it")
            }
            Ok(alias) if aliases.contains(&alias) => mistakes.at(written, "this alias is given twice"),
            Ok(alias) => aliases.push(alias),
            Err(text) => mistakes.at(written, text),
        }
    }
    aliases
}
