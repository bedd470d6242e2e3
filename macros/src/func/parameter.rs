//! One parameter of a delayed function, checked.
//!
//! Owns which types and helper attributes a parameter may have, and how its value is stored and handed in; never writes
//! the code that does so.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, GenericArgument, LitStr, Pat, PatIdent, PatType, PathArguments, Type};

use super::faults;
use super::helper::{Default, Helpers};
use super::spell::spell;
use crate::mistakes::Mistakes;
use crate::place;

/// A parameter after the context.
pub(crate) struct Parameter {
    /// The name as written.
    pub(crate) name: Ident,
    /// The name that its value is stored under: as written, without `r#`.
    pub(crate) key: String,
    /// The type as written.
    pub(crate) ty: Type,
    pub(crate) role: Role,
}

/// Where the value comes from.
pub(crate) enum Role {
    /// Stored with the call.
    Argument { default: Option<Default>, renamed_from: Vec<LitStr> },
    /// Stored with the call as a list of any length.
    Rest { element: Type, renamed_from: Vec<LitStr> },
    /// Given by the worker.
    State,
}

impl Parameter {
    /// Checks one parameter. `None` means that it has no name, so that there can be no stub.
    pub(crate) fn check(typed: &PatType, attrs: &[Attribute], mistakes: &mut Mistakes) -> Option<Parameter> {
        let helpers = Helpers::parse(attrs, mistakes);
        refuse_cfg(typed, mistakes);
        let ty = faults::peel(&typed.ty).clone();
        let role = role(&ty, helpers, mistakes);
        match role {
            Role::State => faults::state(&ty, mistakes),
            Role::Argument { .. } | Role::Rest { .. } => faults::argument(&ty, mistakes),
        }
        let name = name(&typed.pat, mistakes)?;
        Some(Parameter { key: name.unraw().to_string(), name, ty, role })
    }

    /// The name in the expansion: lints about it are reported once, where it is written.
    pub(crate) fn local(&self) -> Ident {
        let mut name = self.name.clone();
        name.set_span(place::at(name.span()));
        name
    }

    /// Whether its value is stored with the call.
    pub(crate) fn is_stored(&self) -> bool {
        !matches!(self.role, Role::State)
    }

    /// Whether the function borrows it.
    pub(crate) fn is_reference(&self) -> bool {
        matches!(self.ty, Type::Reference(_))
    }

    /// `to: &str`, as the payload's description has it.
    pub(crate) fn described(&self) -> String {
        format!("{}: {}", self.key, spell(&self.ty))
    }

    /// What it was called before.
    pub(crate) fn renamed_from(&self) -> &[LitStr] {
        match &self.role {
            Role::Argument { renamed_from, .. } | Role::Rest { renamed_from, .. } => renamed_from,
            Role::State => &[],
        }
    }

    /// The type that owns the value while the function runs.
    pub(crate) fn owned(&self) -> TokenStream {
        let ty = &self.ty;
        let Type::Reference(reference) = ty else { return quote!(#ty) };
        let target = faults::peel(&reference.elem);
        match target {
            _ if matches!(self.role, Role::State) => quote!(#target),
            Type::Slice(slice) => {
                let element = &slice.elem;
                quote!(::std::vec::Vec<#element>)
            }
            Type::Path(path) if path.qself.is_none() => match path.path.segments.last() {
                Some(last) if last.ident == "str" => quote!(::std::string::String),
                Some(last) if last.arguments.is_none() && is_unsized(&last.ident) => {
                    quote!(<#target as ::std::borrow::ToOwned>::Owned)
                }
                _ => quote!(#target),
            },
            other => quote!(#other),
        }
    }
}

/// The standard library's borrowed types whose owned ones have another name.
fn is_unsized(ident: &Ident) -> bool {
    ["Path", "OsStr", "CStr"].iter().any(|name| ident == name)
}

fn role(ty: &Type, helpers: Helpers, mistakes: &mut Mistakes) -> Role {
    let Helpers { default, rest, state, renamed_from } = helpers;
    if let Some(state) = state {
        if let Some((span, _)) = default {
            mistakes.missing(span, "a state has no default: the worker gives it, or does not start");
        }
        if let Some(old) = renamed_from.first() {
            mistakes.at(old, "a state is not stored, so there is no older name of it: remove `rename_from`");
        }
        if rest.is_some() {
            mistakes.missing(state, "a parameter is a state or the rest of the arguments, not both");
        }
        return Role::State;
    }
    let Some(rest) = rest else {
        return Role::Argument { default: default.map(|(_, value)| value), renamed_from };
    };
    if let Some((span, _)) = default {
        mistakes.missing(span, "the rest of the arguments is empty when absent: remove `default`");
    }
    match element(ty) {
        Some(element) => Role::Rest { element: element.clone(), renamed_from },
        None => {
            mistakes.missing(
                rest,
                "the rest of the arguments is a list: `#[rest] xs: Vec<T>` or `#[rest] xs: &[T]`",
            );
            Role::Argument { default: None, renamed_from }
        }
    }
}

/// The `T` of `Vec<T>` and of `&[T]`.
fn element(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Reference(reference) => match faults::peel(&reference.elem) {
            Type::Slice(slice) => Some(&slice.elem),
            _ => None,
        },
        Type::Path(path) => {
            let last = path.path.segments.last().filter(|last| last.ident == "Vec")?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
            match arguments.args.first() {
                Some(GenericArgument::Type(element)) if arguments.args.len() == 1 => Some(element),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The plain name of a pattern.
fn name(pat: &Pat, mistakes: &mut Mistakes) -> Option<Ident> {
    match pat {
        Pat::Ident(PatIdent { by_ref: None, subpat: None, ident, .. }) => Some(ident.clone()),
        Pat::Wild(wild) => {
            mistakes.at(wild, "an argument is stored by its name: write `_name` instead of `_`");
            None
        }
        other => {
            let text = "an argument is stored by its name: name it here and take it apart in the body";
            mistakes.at(other, text);
            None
        }
    }
}

fn refuse_cfg(typed: &PatType, mistakes: &mut Mistakes) {
    for attr in &typed.attrs {
        if attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr") {
            let text =
                "what a stored call holds cannot depend on `cfg`: keep the parameter, or make two functions";
            mistakes.missing(attr.path().span(), text);
        }
    }
}
