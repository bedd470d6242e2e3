//! The linker symbol that makes a second function of one key in one crate a compile error.
//!
//! Owns its text; never decides what a duplicate is.
//!
//! The symbol stands for the crate, its target and its version, too, so that the same file in a package's library and
//! in its binary, or two versions of a package in one program, do not meet in the linker: the runtime judges those.

use crate::origin::Origin;

/// The symbol of the function that is known by `id`, whose key is `key`, in the crate of `origin`.
///
/// People read the key in it, when the compiler says that the symbol is defined already; the rest is a hash.
///
/// rustc writes the symbols of a `cdylib` and of a `dylib` into a linker script, whose names are letters, digits and
/// few signs: a blank, `/`, `:`, `%` or `@` in one makes such a crate fail to link. Everything else is `$` and two
/// hexadecimal digits, as in Rust's own symbols.
pub(crate) fn symbol(key: &str, id: &str, origin: &Origin) -> String {
    let target = origin.binary.as_deref().unwrap_or("lib");
    let crate_target = format!("{id}\0{}\0{target}\0{}", origin.crate_name, origin.version);
    let mut symbol = String::from("delay_func_key.");
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => symbol.push(char::from(byte)),
            byte => symbol.push_str(&format!("${byte:02X}")),
        }
    }
    symbol + &format!(".{:016x}", fnv1a(crate_target.as_bytes()))
}

/// FNV-1a over 64 bits: the same on every machine and in every release of Rust, so that builds are reproducible.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

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
    fn the_hash_is_fnv1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_text_shows_the_key_and_has_no_sign_that_a_linker_script_refuses() {
        let symbol = symbol("to one@v1 ü/%", "app/src/mail.rs:to one@v1 ü/%", &origin("app", None, "0.1.0"));
        let (shown, hash) = symbol.rsplit_once('.').unwrap();
        assert_eq!(shown, "delay_func_key.to$20one$40v1$20$C3$BC$2F$25");
        assert!(hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
    }

    #[test]
    fn file_library_binary_and_version_do_not_meet() {
        let symbols = [
            symbol("greet", "app/src/mail.rs:greet", &origin("app", None, "0.1.0")),
            symbol("greet", "app/src/post.rs:greet", &origin("app", None, "0.1.0")),
            symbol("greet", "global:greet", &origin("app", None, "0.1.0")),
            symbol("greet", "app/src/mail.rs:greet", &origin("app", Some("app"), "0.1.0")),
            symbol("greet", "app/src/mail.rs:greet", &origin("app", None, "0.2.0")),
            symbol("greet", "app/src/mail.rs:greet", &origin("other", None, "0.1.0")),
        ];
        assert_eq!(symbols.iter().collect::<HashSet<_>>().len(), symbols.len());
    }
}
