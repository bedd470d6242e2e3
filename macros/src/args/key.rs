//! What a key and a queue's name may be.
//!
//! Owns the two rules and their wording; the runtime checks the same names again where they arrive as data.

use syn::{Error, LitStr, Result};

const KEY_BYTES: usize = 200;
const QUEUE_BYTES: usize = 100;

/// A key is any text of 1 to 200 bytes without control characters.
pub(crate) fn check_key(key: &LitStr) -> Result<()> {
    let text = key.value();
    let fault = if text.is_empty() {
        "a key cannot be empty: it is what a stored call finds its function by".to_owned()
    } else if let Some(control) = text.chars().find(|c| c.is_control()) {
        format!("a key has no control characters: remove {control:?}")
    } else if text.len() > KEY_BYTES {
        format!("a key has at most {KEY_BYTES} bytes, this one has {}", text.len())
    } else {
        return Ok(());
    };
    Err(Error::new(key.span(), fault))
}

/// A queue's name is 1 to 100 ASCII letters, digits and hyphens.
pub(crate) fn check_queue(name: &LitStr) -> Result<()> {
    let text = name.value();
    let fault = if text.is_empty() {
        "a queue's name cannot be empty".to_owned()
    } else if let Some(other) = text.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        format!("a queue's name has ASCII letters, digits and `-` only: remove {other:?}")
    } else if text.len() > QUEUE_BYTES {
        format!("a queue's name has at most {QUEUE_BYTES} characters, this one has {}", text.len())
    } else {
        return Ok(());
    };
    Err(Error::new(name.span(), fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> LitStr {
        LitStr::new(text, proc_macro2::Span::call_site())
    }

    #[test]
    fn a_key_is_any_text_without_control_characters() {
        assert!(check_key(&literal("welcome email / v2: ünïcode")).is_ok());
        assert!(check_key(&literal(&"k".repeat(200))).is_ok());
        for wrong in ["", "a\nb", "a\u{7f}", &"k".repeat(201)] {
            assert!(check_key(&literal(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_queue_name_is_letters_digits_and_hyphens() {
        assert!(check_queue(&literal("mail-2")).is_ok());
        assert!(check_queue(&literal(&"q".repeat(100))).is_ok());
        for wrong in ["", "ma il", "mail_2", "mäil", &"q".repeat(101)] {
            assert!(check_queue(&literal(wrong)).is_err(), "{wrong:?}");
        }
    }
}
