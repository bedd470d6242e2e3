//! What a delayed function returns.
//!
//! Owns the reading of the return type: a `Result` by its name, or a plain value; never writes the code that turns it
//! into an outcome.

use syn::spanned::Spanned as _;
use syn::{GenericArgument, PathArguments, ReturnType, Type};

use super::faults;
use crate::args::Kept;
use crate::mistakes::Mistakes;

/// The return type.
pub(crate) struct Output {
    pub(crate) shape: Shape,
    /// The value's type on success; `None` is `()`.
    pub(crate) value: Option<Type>,
    /// The type as written, which errors about it are to point at.
    pub(crate) span: Option<proc_macro2::Span>,
}

/// How success is told from failure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `()`: whatever returns has succeeded.
    Unit,
    /// A value: so, too.
    Plain,
    /// A type whose name is `Result`.
    Result,
}

impl Output {
    /// Reads the return type, and checks it against `keep_result`.
    pub(crate) fn check(written: &ReturnType, kept: Option<&Kept>, mistakes: &mut Mistakes) -> Output {
        let unit = Output { shape: Shape::Unit, value: None, span: None };
        let output = match written {
            ReturnType::Default => unit,
            ReturnType::Type(_, ty) if faults::opaque(ty, mistakes) => return unit,
            ReturnType::Type(_, ty) => Output { span: Some(ty.span()), ..read(faults::peel(ty), mistakes) },
        };
        match (kept, &output.value) {
            (Some(kept), None) => {
                let text =
                    "there is no result to keep: the function returns `()`. Return a value, or remove this";
                mistakes.missing(kept.word, text);
            }
            (Some(_), Some(value)) => faults::kept(value, mistakes),
            (None, _) => {}
        }
        output
    }
}

fn read(ty: &Type, mistakes: &mut Mistakes) -> Output {
    let value = |ty: &Type| Some(ty.clone()).filter(|ty| !is_unit(ty));
    match ty {
        ty if is_unit(ty) => Output { shape: Shape::Unit, value: None, span: None },
        Type::Never(never) => {
            mistakes.at(never, "a delayed function comes to an end: return `()` or a `Result`");
            Output { shape: Shape::Unit, value: None, span: None }
        }
        Type::Path(path) => {
            let Some(last) = path.path.segments.last().filter(|last| last.ident == "Result") else {
                return Output { shape: Shape::Plain, value: value(ty), span: None };
            };
            // `fmt::Result` has no arguments and `io::Result<T>` has one: the value is the first, or `()`.
            let first = match &last.arguments {
                PathArguments::AngleBracketed(arguments) => {
                    arguments.args.iter().find_map(|argument| match argument {
                        GenericArgument::Type(ty) => Some(faults::peel(ty)),
                        _ => None,
                    })
                }
                _ => None,
            };
            Output { shape: Shape::Result, value: first.and_then(value), span: None }
        }
        ty => Output { shape: Shape::Plain, value: value(ty), span: None },
    }
}

fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}
