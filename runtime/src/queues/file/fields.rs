//! The words of a map: each known, each once; and the report in which every mistake is gathered.

use super::remark::Remark;
use super::tree::{Entry, Node, Place, Value};
use super::values;
use crate::limits;

/// What a reading has found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    mistakes: Vec<Remark>,
    remarks: Vec<Remark>,
}

impl Report {
    pub(super) fn mistake(&mut self, at: Place, text: String) {
        self.mistakes.push(Remark::at(at, text));
    }

    pub(super) fn remark(&mut self, at: Place, text: String) {
        self.remarks.push(Remark::at(at, text));
    }

    /// The mistakes, and the remarks.
    pub(super) fn into_parts(self) -> (Vec<Remark>, Vec<Remark>) {
        (self.mistakes, self.remarks)
    }
}

/// A map's entries whose words are known, each once.
pub(super) struct Fields<'a> {
    known: Vec<&'a Entry>,
}

impl<'a> Fields<'a> {
    /// Checks the words of a map; what is not a map is a mistake and gives none.
    pub(super) fn of(node: &'a Node, what: &str, words: &[&str], report: &mut Report) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            let listed = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            let text = format!("{what}: expected words ({listed}), found {}", values::found(node));
            report.mistake(node.at, text);
            return None;
        };
        let mut known: Vec<&Entry> = Vec::new();
        for entry in entries {
            if !words.contains(&entry.key.as_str()) {
                report.mistake(entry.at, unknown(&entry.key, what, words));
            } else if let Some(first) = known.iter().find(|other| other.key == entry.key) {
                let text = format!("{what} has `{}` twice: first in line {}", entry.key, first.at.line);
                report.mistake(entry.at, text);
            } else {
                known.push(entry);
            }
        }
        Some(Self { known })
    }

    /// The entry of a word, unless it says nothing.
    pub(super) fn entry(&self, word: &str) -> Option<&'a Entry> {
        self.known
            .iter()
            .find(|entry| entry.key == word && !matches!(entry.node.value, Value::Nothing))
            .copied()
    }

    /// The value of a word; none if it is missing, says nothing, or, with a mistake, is no such value.
    pub(super) fn read<T>(
        &self,
        word: &str,
        report: &mut Report,
        read: impl FnOnce(&Node) -> Result<T, String>,
    ) -> Option<T> {
        let entry = self.entry(word)?;
        read(&entry.node)
            .map_err(|mistake| report.mistake(entry.node.at, format!("`{word}`: {mistake}")))
            .ok()
    }
}

/// The sentence about a word that is none of `words`.
fn unknown(typed: &str, what: &str, words: &[&str]) -> String {
    let shown = limits::quoted(typed);
    let near = words.iter().map(|word| (strsim::damerau_levenshtein(&typed.to_lowercase(), word), word));
    // A third of a word may be wrong, or hyphens may stand for underscores; beyond that it is another word.
    let near = near
        .filter(|(distance, word)| *distance <= word.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance);
    match near {
        Some((_, word)) => format!("{what} has no {shown}, did you mean `{word}`?"),
        None => {
            let listed = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            format!("{what} has no {shown}; there are: {listed}")
        }
    }
}
