//! Sizes written as text, `"64KiB"`, `"32MiB"`, `"1GiB"`.
//!
//! Owns their reading at compile time; never knows what a size is for.

use syn::parse::ParseStream;
use syn::{Error, Ident, LitStr, Result};

use super::entries;

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// The bytes after `name =`, more than none.
pub(crate) fn size(input: ParseStream<'_>, name: &Ident, example: &str) -> Result<u64> {
    read(&entries::text(input, name, example)?)
}

fn read(text: &LitStr) -> Result<u64> {
    let written = text.value();
    let help = || {
        let text_of = format!(
            "`{written}` is not a size: write a number and a unit, such as \"64KiB\", \"32MiB\" or \"1GiB\""
        );
        Error::new(text.span(), text_of)
    };
    let unit = UNITS.iter().find_map(|(unit, bytes)| Some((written.strip_suffix(unit)?, bytes)));
    let (number, bytes) = unit.ok_or_else(help)?;
    let number: u64 = number.trim_end().parse().map_err(|_| help())?;
    number.checked_mul(*bytes).filter(|size| *size > 0).ok_or_else(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<u64> {
        read(&LitStr::new(text, proc_macro2::Span::call_site())).ok()
    }

    #[test]
    fn a_size_is_a_number_and_a_unit() {
        assert_eq!(of("64KiB"), Some(65_536));
        assert_eq!(of("32 MiB"), Some(32 << 20));
        assert_eq!(of("1GiB"), Some(1 << 30));
        assert_eq!(of("17B"), Some(17));
        for wrong in ["", "64", "64KB", "MiB", "0MiB", "-1B", "1.5MiB", "99999999999GiB"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
