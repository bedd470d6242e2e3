//! The older identities of a function: `aliases = ["src/old_file.rs:key", …]`.
//!
//! Owns the way from what is written to full identities; never looks one up.

/// The folders that a package's own files lie in, by Cargo's convention.
const FOLDERS: &[&str] = &["src", "tests", "examples", "benches", "$OUT_DIR", ".."];

/// The full identity that `written` means in a file of `package`.
///
/// `global:key` is a global key. `path:key` is a file of this package, `package/path:key` a file of any package: it is
/// the latter when the path begins with this package's name, or when its second part is a folder such as `src` and its
/// first one is not. `./path:key` is always a file of this package.
pub(crate) fn resolve(written: &str, package: &str, file: &str) -> Result<String, String> {
    if let Some(key) = written.strip_prefix("global:") {
        return if key.is_empty() { Err(no_key(written)) } else { Ok(written.to_owned()) };
    }
    let Some((path, key)) = split(written) else {
        return Err(format!(
            "`{written}` has no file: write \"{file}:{written}\" for an older key in this file"
        ));
    };
    if key.is_empty() {
        return Err(no_key(written));
    }
    if path.is_empty() || path.starts_with('/') {
        return Err(format!("an alias has a path inside a package: \"src/old_file.rs:{key}\""));
    }
    if path.contains('\\') {
        return Err(format!("identities have `/` on every platform: \"{}:{key}\"", path.replace('\\', "/")));
    }
    if let Some(own) = path.strip_prefix("./") {
        return Ok(format!("{package}/{own}:{key}"));
    }
    let mut parts = path.split('/');
    let first = parts.next().unwrap_or_default();
    let second = parts.next().unwrap_or_default();
    let full =
        (first == package && !second.is_empty()) || (!FOLDERS.contains(&first) && FOLDERS.contains(&second));
    Ok(if full { written.to_owned() } else { format!("{package}/{path}:{key}") })
}

/// The path and the key. A key may hold colons and so may the path of a drive, so a file's ending decides first.
fn split(written: &str) -> Option<(&str, &str)> {
    match written.find(".rs:") {
        Some(at) => Some((&written[..at + 3], &written[at + 4..])),
        None => written.split_once(':'),
    }
}

fn no_key(written: &str) -> String {
    format!("`{written}` has no key after the colon")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_become_full_identities() {
        for (written, expected) in [
            ("src/old.rs:welcome", "app/src/old.rs:welcome"),
            ("old/file.rs:welcome", "app/old/file.rs:welcome"),
            ("main.rs:welcome", "app/main.rs:welcome"),
            ("app/src/old.rs:welcome", "app/src/old.rs:welcome"),
            ("app/jobs/old.rs:welcome", "app/jobs/old.rs:welcome"),
            ("billing/src/mail.rs:welcome", "billing/src/mail.rs:welcome"),
            ("billing/$OUT_DIR/mail.rs:welcome", "billing/$OUT_DIR/mail.rs:welcome"),
            ("billing/../shared/mail.rs:welcome", "billing/../shared/mail.rs:welcome"),
            ("src/src/mail.rs:welcome", "app/src/src/mail.rs:welcome"),
            ("../shared/src/mail.rs:welcome", "app/../shared/src/mail.rs:welcome"),
            ("./jobs/src/mail.rs:welcome", "app/jobs/src/mail.rs:welcome"),
            ("./app/old.rs:welcome", "app/app/old.rs:welcome"),
            ("src/old.rs:a:b/c", "app/src/old.rs:a:b/c"),
            ("app/C:/jobs/a.rs:k", "app/C:/jobs/a.rs:k"),
            ("global:welcome", "global:welcome"),
            ("global:a:b", "global:a:b"),
        ] {
            assert_eq!(resolve(written, "app", "src/mail.rs").as_deref(), Ok(expected), "{written}");
        }
    }

    #[test]
    fn an_alias_without_a_path_or_a_key_is_refused() {
        for (written, part) in [
            ("welcome", "\"src/mail.rs:welcome\""),
            ("src/old.rs:", "no key"),
            ("global:", "no key"),
            (":welcome", "path inside a package"),
            ("/src/old.rs:welcome", "path inside a package"),
            (r"src\old.rs:welcome", "\"src/old.rs:welcome\""),
        ] {
            let text = resolve(written, "app", "src/mail.rs").unwrap_err();
            assert!(text.contains(part), "{written}: {text}");
        }
    }
}
