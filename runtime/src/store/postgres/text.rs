//! Texts that hold a NUL, which PostgreSQL does not take: it is written as U+0001 `0`, and U+0001 itself as U+0001 `1`.
//! All other texts, nearly all there are, stay as they are.

use std::borrow::Cow;

const ESCAPE: char = '\u{1}';

/// As the database takes it.
pub(super) fn pack(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(ESCAPE, "\u{1}1").replace('\0', "\u{1}0"))
}

/// As it was.
pub(super) fn unpack(text: String) -> String {
    if text.contains(ESCAPE) { text.replace("\u{1}0", "\0").replace("\u{1}1", "\u{1}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_survives_and_plain_ones_are_not_copied() {
        for text in
            ["", "plain é", "\0", "\u{1}", "\u{1}0", "\u{1}1", "a\0\u{1}b", "\0\u{1}\0", "\u{1}\u{1}0\0"]
        {
            let packed = pack(text);
            assert!(!packed.contains('\0'));
            assert_eq!(unpack(packed.into_owned()), text);
        }
        assert!(matches!(pack("plain é"), Cow::Borrowed(_)));
    }
}
