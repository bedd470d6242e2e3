//! The words `isolate`, `memory` and `cpu`.
//!
//! Owns what they may be; never knows what a process is.

use std::time::Duration;

use proc_macro2::Ident;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Error, LitStr, Result};

use super::entries::{self, Seen};
use super::{duration, nearest};
use crate::mistakes::Mistakes;

/// The program itself takes some.
const LEAST_MEMORY: u64 = 16 << 20;
/// More is a slip of the pen: no machine has it.
const MOST_MEMORY: u64 = 1 << 50;

const UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// `isolate = process`
pub(crate) fn isolate(input: ParseStream<'_>, name: &Ident) -> Result<Ident> {
    available(name)?;
    let help = "`isolate` takes a word: `isolate = process` runs the function in a process of its own";
    entries::assign(input, name, "process")?;
    let word = input.call(Ident::parse_any).map_err(|cause| Error::new(cause.span(), help))?;
    if word != "process" {
        return Err(Error::new(word.span(), nearest::unknown(&word.to_string(), "`isolate`", &["process"])));
    }
    Ok(word)
}

/// `memory = "256MiB"`
pub(crate) fn memory(input: ParseStream<'_>, name: &Ident) -> Result<u64> {
    available(name)?;
    let text = entries::text(input, name, "256MiB")?;
    let bytes = bytes(&text)?;
    let wrong = |why: &str| Err(Error::new(text.span(), format!("`{}` {why}", text.value())));
    match bytes {
        ..LEAST_MEMORY => wrong("is too little: the program itself takes some, 16MiB are the least"),
        LEAST_MEMORY..=MOST_MEMORY => Ok(bytes),
        _ => wrong("is more than any machine has"),
    }
}

/// `cpu = "30s"`
pub(crate) fn cpu(input: ParseStream<'_>, name: &Ident) -> Result<Duration> {
    available(name)?;
    duration::positive(input, name, "30s")
}

/// Limits are those of a process.
pub(crate) fn belongs(seen: &Seen, mistakes: &mut Mistakes) {
    for word in ["memory", "cpu"] {
        if let (Some(word), false) = (seen.word(word), seen.has("isolate")) {
            let text = format!(
                "`{word}` is a limit of a process, and without `isolate = process` the function has none of its own: add \
                 that, or remove this"
            );
            mistakes.at(word, text);
        }
    }
}

#[cfg(feature = "process")]
fn available(_word: &Ident) -> Result<()> {
    Ok(())
}

/// The refusal in a build without processes.
#[cfg(not(feature = "process"))]
fn available(word: &Ident) -> Result<()> {
    let text = format!(
        "`{word}` needs the feature `process` of `delay`: run `cargo add delay-func --rename delay --features process`"
    );
    Err(Error::new(word.span(), text))
}

fn bytes(text: &LitStr) -> Result<u64> {
    let written = text.value();
    let digits = written.len() - written.trim_start_matches(|char: char| char.is_ascii_digit()).len();
    let (number, unit) = written.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim());
    let bytes =
        number.parse::<u64>().ok().zip(unit).and_then(|(number, (_, unit))| number.checked_mul(*unit));
    bytes.ok_or_else(|| {
        let help = "write a whole number and a unit, such as \"64MiB\", \"256MiB\" or \"2GiB\"";
        Error::new(text.span(), format!("`{written}` is not a size: {help}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<u64> {
        bytes(&LitStr::new(text, proc_macro2::Span::call_site()))
    }

    #[cfg(not(feature = "process"))]
    #[test]
    fn without_the_feature_each_word_says_how_to_have_it() {
        let word = Ident::new("memory", proc_macro2::Span::call_site());
        assert!(available(&word).unwrap_err().to_string().ends_with("--features process`"));
    }

    #[test]
    fn units_are_read() {
        assert_eq!(written("256MiB").unwrap(), 256 << 20);
        assert_eq!(written("2 GiB").unwrap(), 2 << 30);
        assert_eq!(written("100MB").unwrap(), 100_000_000);
    }

    #[test]
    fn what_is_not_a_size_shows_sizes() {
        for text in ["256", "MiB", "1.5GiB", "256mb", "-1MiB", "99999999999TiB", ""] {
            assert!(written(text).unwrap_err().to_string().contains("\"256MiB\""), "{text}");
        }
    }
}
