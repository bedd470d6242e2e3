//! The stub's name: the function's, in PascalCase.
//!
//! Owns the conversion and the clashes it may lead to; never writes the stub.

use proc_macro2::Ident;
use syn::ext::IdentExt as _;
use syn::visit::{self, Visit};
use syn::{Path, Signature};

/// The name of the stub for `name`, or why there can be none.
pub(crate) fn stub(name: &Ident, signature: &Signature) -> Result<Ident, String> {
    let written = name.unraw().to_string();
    let pascal = pascal(&written);
    if pascal == written {
        return Err(format!(
            "`{written}` is in PascalCase, as the name of its stub has to be: write it in snake_case, or a `static` in \
             capitals, of more than one letter"
        ));
    }
    let stub = syn::parse_str::<Ident>(&pascal).map_err(|_| {
        let shown =
            if pascal.is_empty() { "have no name".to_owned() } else { format!("be called `{pascal}`") };
        format!("the stub of `{written}` would {shown}: give the function another name")
    })?;
    if uses(signature, &pascal) {
        return Err(format!(
            "the stub of `{written}` would be called `{pascal}`, which its signature uses for something else: give \
             the function another name, such as `do_{written}`"
        ));
    }
    Ok(Ident::new(&stub.to_string(), name.span()))
}

/// `send_2fa_mail` is `Send2faMail`, `SEND_MAIL` is `SendMail`.
pub(crate) fn pascal(name: &str) -> String {
    let shouted = !name.chars().any(char::is_lowercase);
    let mut pascal = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        pascal.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        if shouted {
            pascal.extend(letters.flat_map(char::to_lowercase));
        } else {
            pascal.push_str(letters.as_str());
        }
    }
    pascal
}

/// Whether a type in `signature` is called `name`, with no module before it.
fn uses(signature: &Signature, name: &str) -> bool {
    struct Search<'a> {
        name: &'a str,
        found: bool,
    }
    impl<'ast> Visit<'ast> for Search<'_> {
        fn visit_path(&mut self, path: &'ast Path) {
            let first = path.segments.first().filter(|_| path.leading_colon.is_none());
            self.found |= first.is_some_and(|first| first.ident == self.name);
            visit::visit_path(self, path);
        }
    }
    let mut search = Search { name, found: false };
    search.visit_signature(signature);
    search.found
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::format_ident;
    use syn::parse_quote;

    #[test]
    fn names_become_pascal_case() {
        for (name, expected) in [
            ("welcome", "Welcome"),
            ("send_2fa_mail", "Send2faMail"),
            ("_private", "Private"),
            ("a__b_", "AB"),
            ("sendMail", "SendMail"),
            ("SEND_MAIL", "SendMail"),
            ("grüße_öffnen", "GrüßeÖffnen"),
            ("x", "X"),
        ] {
            assert_eq!(pascal(name), expected, "{name}");
        }
    }

    #[test]
    fn a_raw_name_loses_its_mark() {
        let signature = parse_quote!(async fn r#type(ctx: &Context));
        assert_eq!(stub(&format_ident!("r#type"), &signature).unwrap(), "Type");
    }

    #[test]
    fn a_name_that_leaves_no_room_for_a_stub_is_refused() {
        let signature = parse_quote!(async fn x(ctx: &Context, at: when::Sent) -> Result<Receipt, Error>);
        for name in ["Welcome", "_self", "__", "_1", "receipt", "context", "result"] {
            assert!(stub(&format_ident!("{name}"), &signature).is_err(), "{name}");
        }
        for name in ["sent", "receipts", "do_receipt"] {
            assert!(stub(&format_ident!("{name}"), &signature).is_ok(), "{name}");
        }
    }
}
