//! Types as text, for people: `Vec<(u32, &str)>` rather than `Vec < (u32 , & str) >`.
//!
//! Owns the spacing; the text is shown and never parsed again.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;

/// The tokens of `tokens`, spaced as rustfmt would.
pub(crate) fn spell(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    write(&mut text, tokens.into_token_stream());
    text
}

fn write(text: &mut String, tokens: TokenStream) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(text, group.stream());
                text.push_str(close);
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' | ';' => text.extend([punct.as_char(), ' ']),
                '>' if text.ends_with('-') => {
                    text.pop();
                    text.push_str(" -> ");
                }
                '+' | '=' => text.extend([' ', punct.as_char(), ' ']),
                other => text.push(other),
            },
            word => {
                if text.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_spaced_as_people_write_them() {
        for written in [
            "String",
            "&str",
            "Vec<(u32, &str)>",
            "[u8; 32]",
            "::std::collections::HashMap<String, Vec<Option<u64>>>",
            "Box<dyn Fn(u32) -> bool + Send + 'static>",
            "&mut T",
            "<T as Trait<Item = u8>>::Out",
            "Cow<'static, str>",
        ] {
            assert_eq!(spell(written.parse::<TokenStream>().unwrap()), written);
        }
    }
}
