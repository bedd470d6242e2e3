//! Task ids from the command line or, where `-` is written, from standard input.

use std::collections::HashSet;
use std::io::{BufRead, stdin};

use super::complaint::Complaint;
use super::exit::Exit;
use crate::task::TaskId;

/// How to say that ids come from standard input.
pub(super) const STDIN: &str = "-";

/// The ids in the order in which they were given, each once.
pub(super) fn ids(words: &[String]) -> Result<Vec<TaskId>, Complaint> {
    gather(words, || stdin().lock())
}

/// One id.
pub(super) fn id(word: &str) -> Result<TaskId, Complaint> {
    word.parse::<TaskId>().map_err(|error| Complaint::usage(error.to_string()))
}

fn gather<R: BufRead>(words: &[String], input: impl Fn() -> R) -> Result<Vec<TaskId>, Complaint> {
    let mut ids = Vec::new();
    for word in words {
        if word == STDIN {
            for line in input().lines() {
                let line = line.map_err(|error| {
                    Complaint::new(Exit::Failed, format!("cannot read ids from standard input: {error}"))
                })?;
                // The first word of a line will do, so `delay tasks | grep … | delay retry -` works.
                if let Some(word) = line.split_whitespace().next().filter(|word| *word != "ID") {
                    ids.push(id(word)?);
                }
            }
        } else {
            ids.push(id(word)?);
        }
    }
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(*id));
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids_from(words: &[&str], input: &'static str) -> Result<Vec<TaskId>, Complaint> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        gather(&words, || input.as_bytes())
    }

    const ONE: &str = "019abcde-0000-7000-8000-000000000001";
    const TWO: &str = "019abcde-0000-7000-8000-000000000002";

    #[test]
    fn ids_keep_their_order_and_come_once() {
        let ids = ids_from(&[TWO, ONE, TWO], "").unwrap();
        assert_eq!(ids, [TWO.parse().unwrap(), ONE.parse().unwrap()]);
    }

    #[test]
    fn a_listing_can_be_piped_in() {
        let listing = "ID  STATE\n019abcde-0000-7000-8000-000000000001  failed\n\n";
        assert_eq!(ids_from(&[STDIN, TWO], listing).unwrap(), [ONE.parse().unwrap(), TWO.parse().unwrap()]);
    }

    #[test]
    fn a_word_that_is_no_id_is_a_mistake_in_the_command() {
        assert_eq!(ids_from(&[ONE, "17"], "").unwrap_err().exit, Exit::Usage);
        assert_eq!(ids_from(&[STDIN], "nonsense\n").unwrap_err().exit, Exit::Usage);
    }
}
