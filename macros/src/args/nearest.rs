//! The nearest word to a misspelt one.
//!
//! Owns the measure and the sentence that suggests; never knows which words an attribute has.

/// How many single-character edits may lie between a word and what was meant by it.
const FAR: usize = 3;

/// The word of `words` that `typed` was most likely meant to be.
pub(crate) fn nearest<'a>(typed: &str, words: &[&'a str]) -> Option<&'a str> {
    words
        .iter()
        .map(|word| (distance(typed, word), *word))
        .filter(|(distance, word)| *distance < FAR && *distance < word.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The sentence for a word that is none of `words`; `place` says where it stands.
pub(crate) fn unknown(typed: &str, place: &str, words: &[&str]) -> String {
    let listed = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match nearest(typed, words) {
        Some(meant) => format!("{place} has no word `{typed}`, did you mean `{meant}`? There are: {listed}"),
        None => format!("{place} has no word `{typed}`; there are: {listed}"),
    }
}

/// Levenshtein's distance: how many insertions, deletions and replacements turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_edits() {
        assert_eq!(distance("queue", "queue"), 0);
        assert_eq!(distance("qeue", "queue"), 1);
        assert_eq!(distance("timout", "timeout"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_is_not() {
        assert_eq!(nearest("quue", &["queue", "retry"]), Some("queue"));
        assert_eq!(nearest("retries", &["queue", "retry"]), None);
        assert_eq!(nearest("xy", &["ab"]), None);
    }

    #[test]
    fn the_sentence_lists_the_words() {
        assert_eq!(
            unknown("quue", "`#[delay::func]`", &["queue", "retry"]),
            "`#[delay::func]` has no word `quue`, did you mean `queue`? There are: `queue`, `retry`"
        );
    }
}
