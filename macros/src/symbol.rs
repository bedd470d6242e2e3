//! The linker symbol that makes a second function of one key in one crate a compile error.
//!
//! Owns its text; never decides what a duplicate is.
//!
//! The symbol names the crate, its target and its version, so that the same file in a package's library and in its
//! binary, or two versions of a package in one program, do not meet in the linker: the runtime judges those.

use std::fmt::Write as _;

use crate::origin::Origin;

/// The symbol of the function that is known by `id` in the crate of `origin`.
///
/// rustc writes the symbols of a `cdylib` and of a `dylib` into a linker script, whose names are letters, digits and
/// few signs: a blank, `/`, `:`, `%` or `@` in one makes such a crate fail to link. Everything else is `$` and two
/// hexadecimal digits, which is what Rust's own symbols do.
pub(crate) fn symbol(id: &str, origin: &Origin) -> String {
    let target = origin.binary.as_deref().unwrap_or("lib");
    let text = format!("{id}.{}.{target}.{}", origin.crate_name, origin.version);
    let mut symbol = String::from("delay_func_key.");
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => symbol.push(char::from(byte)),
            byte => {
                // Writing to a String does not fail.
                let _ = write!(symbol, "${byte:02X}");
            }
        }
    }
    symbol
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Canonical;

    fn origin(crate_name: &str, binary: Option<&str>, version: &str) -> Origin {
        Origin {
            package: "app".to_owned(),
            version: version.to_owned(),
            crate_name: crate_name.to_owned(),
            binary: binary.map(str::to_owned),
            file: Canonical { file: "src/mail.rs".to_owned(), known: true },
            line: 1,
        }
    }

    #[test]
    fn the_text_reads_well_and_has_no_sign_that_a_linker_script_refuses() {
        let symbol = symbol("app/src/mail.rs:to one@v1 ü", &origin("app", None, "0.1.0"));
        assert_eq!(symbol, "delay_func_key.app$2Fsrc$2Fmail.rs$3Ato$20one$40v1$20$C3$BC.app.lib.0.1.0");
    }

    #[test]
    fn library_binary_and_version_do_not_meet() {
        let id = "app/src/mail.rs:greet";
        let origins = [
            origin("app", None, "0.1.0"),
            origin("app", Some("app"), "0.1.0"),
            origin("app", None, "0.2.0"),
            origin("other", None, "0.1.0"),
        ];
        let symbols: std::collections::HashSet<String> = origins.iter().map(|o| symbol(id, o)).collect();
        assert_eq!(symbols.len(), origins.len());
    }

    #[test]
    fn two_keys_never_give_one_symbol() {
        let origin = origin("app", None, "0.1.0");
        assert_ne!(symbol("app/a.rs:k$20", &origin), symbol("app/a.rs:k ", &origin));
    }
}
