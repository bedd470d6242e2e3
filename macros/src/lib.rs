//! The attributes of [`delay`](https://docs.rs/delay-func): [`macro@func`] and [`macro@main`].
//!
//! Owns their entry points and their documentation. Use them through the `delay` crate, which exports both.
//!
//! The way of an attribute: words ([`args`]) and item ([`item`]) are read, checked against each other ([`func`]), and
//! written out ([`expand`]). Mistakes are collected on the way and reported together ([`mistakes`]).

use proc_macro::TokenStream;

use origin::Origin;

mod args;
mod expand;
mod func;
mod identity;
mod item;
mod main_fn;
mod mistakes;
mod origin;
mod symbol;

#[proc_macro_attribute]
pub fn func(words: TokenStream, item: TokenStream) -> TokenStream {
    expand::function(words.into(), item.into(), &Origin::of_this_expansion()).into()
}

#[proc_macro_attribute]
pub fn main(words: TokenStream, item: TokenStream) -> TokenStream {
    main_fn::main(words.into(), item.into()).into()
}
