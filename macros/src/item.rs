//! The item that an attribute is on: a function, or a `static` that holds a closure.
//!
//! Owns its parts and its way back into tokens, helper attributes taken off; never checks what the parts mean. The body
//! stays the tokens that it was, so that a half-written one is reported by the compiler, at its own place.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, quote};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Error, Expr, ExprClosure, FnArg, Generics, Pat, PatType, Result, Safety, Signature,
    StaticMutability, Token, Type, Visibility,
};

use crate::func::helper;
use crate::mistakes::Mistakes;

/// The parts of the item.
pub(crate) struct Item {
    pub(crate) form: Form,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    /// The signature without helper attributes.
    pub(crate) sig: Signature,
    /// The helper attributes of each parameter of `sig`.
    pub(crate) helpers: Vec<Vec<Attribute>>,
    /// The body with its braces.
    pub(crate) body: TokenStream,
}

/// How the function was written.
pub(crate) enum Form {
    /// `async fn greet(…) {…}`
    Function,
    /// `static GREET: _ = async |…| {…};`, by the name of the static.
    Static(Ident),
    /// `fn report(…) -> T;`, whose body is a program's module.
    Program,
}

/// Reads the item. What can be put right is noted in `mistakes`; an error means that this is no item for the attribute,
/// which `place` then says the right place of.
pub(crate) fn parse(tokens: TokenStream, place: &str, mistakes: &mut Mistakes) -> Result<Item> {
    let read = |input: ParseStream<'_>| {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis: Visibility = input.parse()?;
        if input.peek(Token![static]) {
            return parse_static(attrs, vis, input, mistakes);
        }
        if !is_function(input) {
            return Err(input.error(place));
        }
        let sig: Signature = input.parse()?;
        if input.peek(Token![;]) {
            return Err(input.error("this attribute needs a body to run, and a method of a trait has none"));
        }
        Ok(Item::new(Form::Function, attrs, vis, sig, input.parse()?))
    };
    read.parse2(tokens)
}

/// Reads the declaration of a program, `fn report(title: &str) -> String;`, as a function whose first parameter is the
/// context, so that it is looked at as one.
pub(crate) fn parse_declaration(tokens: TokenStream, place: &str, mistakes: &mut Mistakes) -> Result<Item> {
    let read = |input: ParseStream<'_>| {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis: Visibility = input.parse()?;
        if !is_function(input) {
            return Err(input.error(place));
        }
        let mut sig: Signature = input.parse()?;
        if input.peek(syn::token::Brace) {
            let body: TokenStream = input.parse()?;
            mistakes.at(body, "a program's body is its module: write `;` instead of this");
        } else {
            let _: Token![;] = input.parse()?;
        }
        if let Some(word) = sig.asyncness.take() {
            mistakes.at(word, "a program runs by itself: remove `async`");
        }
        sig.inputs.insert(0, syn::parse_quote!(ctx: &Context));
        Ok(Item::new(Form::Program, attrs, vis, sig, TokenStream::new()))
    };
    read.parse2(tokens)
}

impl Item {
    fn new(
        form: Form,
        attrs: Vec<Attribute>,
        vis: Visibility,
        mut sig: Signature,
        body: TokenStream,
    ) -> Item {
        let helpers = sig.inputs.iter_mut().map(take_helpers).collect();
        Item { form, attrs, vis, sig, helpers, body }
    }

    /// The name that was written.
    pub(crate) fn name(&self) -> &Ident {
        match &self.form {
            Form::Function | Form::Program => &self.sig.ident,
            Form::Static(name) => name,
        }
    }

    /// The function as it was written, helper attributes taken off; empty for a `static`, which becomes the stub.
    pub(crate) fn function(&self) -> TokenStream {
        match self.form {
            Form::Function => {
                let Item { attrs, vis, sig, body, .. } = self;
                quote!(#(#attrs)* #vis #sig #body)
            }
            Form::Static(_) | Form::Program => TokenStream::new(),
        }
    }

    /// The closure of a `static` as a function of its own.
    pub(crate) fn inner_function(&self) -> TokenStream {
        match self.form {
            Form::Function | Form::Program => TokenStream::new(),
            Form::Static(_) => {
                let attrs = self.attrs.iter().filter(|attr| !belongs_to_the_static(attr));
                let Item { sig, body, .. } = self;
                quote!(#(#attrs)* #sig #body)
            }
        }
    }

    /// The attributes whose name is one of `names`.
    pub(crate) fn attributes<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = &'a Attribute> {
        self.attrs.iter().filter(move |attr| names.iter().any(|name| attr.path().is_ident(name)))
    }
}

/// Documentation and the like; lints and other attributes are about the code inside the closure.
pub(crate) fn belongs_to_the_static(attr: &Attribute) -> bool {
    ["doc", "cfg", "deprecated"].iter().any(|name| attr.path().is_ident(name))
}

/// Whether what follows are a function's words up to `fn`.
fn is_function(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    while ahead.peek(Token![const])
        || ahead.peek(Token![async])
        || ahead.peek(Token![unsafe])
        || ahead.peek(Token![extern])
        || ahead.peek(syn::LitStr)
    {
        let _ = ahead.parse::<proc_macro2::TokenTree>();
    }
    ahead.peek(Token![fn])
}

fn parse_static(
    attrs: Vec<Attribute>,
    vis: Visibility,
    input: ParseStream<'_>,
    mistakes: &mut Mistakes,
) -> Result<Item> {
    let _: Token![static] = input.parse()?;
    if let StaticMutability::Mut(word) = input.parse()? {
        mistakes.at(word, "a delayed closure is not mutable: remove `mut`");
    }
    let name: Ident = input.parse()?;
    let _: Token![:] = input.parse()?;
    let ty: Type = input.parse()?;
    if !matches!(ty, Type::Infer(_)) {
        mistakes.at(
            ty,
            format!("the attribute makes the type of a delayed closure: write `static {name}: _ = …`"),
        );
    }
    let _: Token![=] = input.parse()?;
    let help =
        format!("a delayed `static` holds a closure: `static {name}: _ = async |ctx: &Context| {{ … }};`");
    let expr = input.parse::<Expr>()?;
    let _: Token![;] = input.parse()?;
    let Expr::Closure(closure) = expr else {
        return Err(Error::new_spanned(expr, help));
    };
    let (sig, body) = signature(&name, closure, mistakes);
    Ok(Item::new(Form::Static(name), attrs, vis, sig, body))
}

/// The closure as a function: its signature and its body in braces.
fn signature(name: &Ident, closure: ExprClosure, mistakes: &mut Mistakes) -> (Signature, TokenStream) {
    if let Some(lifetimes) = &closure.lifetimes {
        mistakes.at(lifetimes, "a delayed closure has no lifetimes: remove `for<…>`");
    }
    let mut inputs = Punctuated::new();
    for input in closure.inputs {
        match input {
            Pat::Type(typed) => inputs.push(FnArg::Typed(typed)),
            untyped => {
                mistakes.at(
                    &untyped,
                    "the type of a parameter has to be written: `|ctx: &Context, name: String|`",
                );
                inputs.push(FnArg::Typed(unknown_type(untyped)));
            }
        }
    }
    let sig = Signature {
        constness: closure.constness,
        asyncness: closure.asyncness,
        safety: Safety::Default,
        abi: None,
        fn_token: Token![fn](name.span()),
        ident: inner_name(name),
        generics: Generics::default(),
        paren_token: syn::token::Paren(name.span()),
        inputs,
        variadic: None,
        output: closure.output,
    };
    let body = match *closure.body {
        Expr::Block(block) if block.label.is_none() && block.attrs.is_empty() => block.to_token_stream(),
        other => quote!({ #other }),
    };
    (sig, body)
}

/// `GREET` is `greet`; a name that is a keyword in lower case gets an underscore.
fn inner_name(name: &Ident) -> Ident {
    let lower = name.unraw().to_string().to_lowercase();
    let text = if syn::parse_str::<Ident>(&lower).is_ok() { lower } else { format!("{lower}_") };
    Ident::new(&text, name.span())
}

/// A parameter whose type was not written, so that the others can still be looked at.
fn unknown_type(pat: Pat) -> PatType {
    let span = pat.span();
    let ty = Type::Infer(syn::TypeInfer { attrs: Vec::new(), underscore_token: Token![_](span) });
    PatType { attrs: Vec::new(), pat: Box::new(pat), colon_token: Token![:](span), ty: Box::new(ty) }
}

/// The attributes that are the macro's own, taken off a parameter.
fn take_helpers(input: &mut FnArg) -> Vec<Attribute> {
    let attrs = match input {
        FnArg::Receiver(receiver) => &mut receiver.attrs,
        FnArg::Typed(typed) => &mut typed.attrs,
    };
    let (helpers, others) = std::mem::take(attrs).into_iter().partition(helper::is_ours);
    *attrs = others;
    helpers
}
