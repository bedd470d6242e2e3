//! The attributes of a parameter: `#[default]`, `#[rest]`, `#[state]`, `#[rename_from]`.
//!
//! Owns what each may say; never decides which may stand together (see `parameter.rs`).

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Attribute, Error, Expr, ExprLit, Lit, LitStr, Meta, Result, Token};

use crate::args::nearest::nearest;
use crate::mistakes::Mistakes;

const OURS: &[&str] = &["default", "rest", "state", "rename_from"];

/// What the compiler itself allows on a parameter.
const OTHERS: &[&str] = &["allow", "cfg", "cfg_attr", "deny", "doc", "expect", "forbid", "warn"];

/// The helper attributes of one parameter.
#[derive(Default)]
pub(crate) struct Helpers {
    pub(crate) default: Option<(Span, Default)>,
    pub(crate) rest: Option<Span>,
    pub(crate) state: Option<Span>,
    pub(crate) renamed_from: Vec<LitStr>,
}

/// What an absent argument is.
pub(crate) enum Default {
    /// `#[default]`
    OfType,
    /// `#[default = expr]`, `#[default(expr)]`
    Expr(Expr),
}

/// Whether an attribute is one of ours, or so nearly one that it can only be a slip.
pub(crate) fn is_ours(attr: &Attribute) -> bool {
    let Some(name) = attr.path().get_ident().map(ToString::to_string) else { return false };
    let name = name.as_str();
    OURS.contains(&name) || (!OTHERS.contains(&name) && nearest(name, OURS).is_some())
}

impl Helpers {
    /// Reads the attributes that [`is_ours`] picked.
    pub(crate) fn parse(attrs: &[Attribute], mistakes: &mut Mistakes) -> Helpers {
        let mut helpers = Helpers::default();
        for attr in attrs {
            if let Err(mistake) = helpers.add(attr) {
                mistakes.add(mistake);
            }
        }
        helpers
    }

    fn add(&mut self, attr: &Attribute) -> Result<()> {
        let span = attr.path().span();
        let name = attr.path().get_ident().map(ToString::to_string).unwrap_or_default();
        let again = match name.as_str() {
            "default" => self.default.replace((span, default(attr)?)).is_some(),
            "rest" => self.rest.replace(bare(attr, "rest")?).is_some(),
            "state" => self.state.replace(bare(attr, "state")?).is_some(),
            "rename_from" => {
                self.renamed_from.extend(rename_from(attr)?);
                false
            }
            other => {
                let meant = nearest(other, OURS).unwrap_or_default();
                return Err(Error::new(span, format!("`#[{other}]` is nothing: did you mean `#[{meant}]`?")));
            }
        };
        if again {
            return Err(Error::new(span, format!("`#[{name}]` is given twice: remove one of the two")));
        }
        Ok(())
    }
}

fn default(attr: &Attribute) -> Result<Default> {
    match &attr.meta {
        Meta::Path(_) => Ok(Default::OfType),
        Meta::NameValue(pair) => Ok(Default::Expr(pair.value.clone())),
        Meta::List(list) => list.parse_args().map(Default::Expr).map_err(|cause| {
            let help = "`#[default(…)]` holds one expression, such as `#[default(vec![1, 2])]`";
            Error::new(cause.span(), format!("{help}: {cause}"))
        }),
    }
}

fn bare(attr: &Attribute, name: &str) -> Result<Span> {
    match &attr.meta {
        Meta::Path(path) => Ok(path.span()),
        other => Err(Error::new_spanned(other, format!("`#[{name}]` takes no value"))),
    }
}

fn rename_from(attr: &Attribute) -> Result<Vec<LitStr>> {
    let help = "`rename_from` names what the parameter was called before: `#[rename_from = \"old\"]`";
    let wrong = |span| Error::new(span, help);
    match &attr.meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(old), .. }) => Ok(vec![old.clone()]),
            other => Err(Error::new_spanned(other, help)),
        },
        Meta::List(list) => {
            let olds = list.parse_args_with(Punctuated::<LitStr, Token![,]>::parse_terminated);
            let olds: Vec<LitStr> = olds.map_err(|cause| wrong(cause.span()))?.into_iter().collect();
            if olds.is_empty() { Err(wrong(attr.path().span())) } else { Ok(olds) }
        }
        Meta::Path(path) => Err(wrong(path.span())),
    }
}
