//! Which function people mean: an identity in full, its key, or any part of it that only one function has.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::complaint::Complaint;
use super::walk::{Choice, walk};
use crate::codec::Invocation;
use crate::registry::Registry;
use crate::schemes::Look;
use crate::store::{Filter, TaskRecord};

/// The identity that a task's payload names, if it is an invocation.
pub(super) fn function_of(record: &TaskRecord) -> Option<&str> {
    Invocation::parse(&record.payload).ok().map(|invocation| invocation.function)
}

/// The identity by which this program knows a function, where it knows it by an alias; else the name itself.
pub(super) fn canonical(function: &str) -> &str {
    let linked = Registry::linked().ok().and_then(|registry| registry.find(function));
    linked.map_or(function, |linked| linked.function)
}

/// The identity that `text` means, among the functions of this program, of the workers, and of the tasks that `filter`
/// lets through.
pub(super) async fn resolve(text: &str, store: &Look, filter: &Filter) -> Result<String, Complaint> {
    let mut known: BTreeSet<String> =
        Registry::linked().map_err(Complaint::failed)?.identities().into_iter().collect();
    for worker in store.workers().await.map_err(Complaint::failed)? {
        known.extend(worker.functions);
    }
    if known.contains(text) {
        return Ok(canonical(text).to_owned());
    }
    // A part is unique only if no task names another function that has it.
    let all = Filter { limit: usize::MAX, ..filter.clone() };
    let gather = |record: TaskRecord| {
        if let Some(function) = function_of(&record).filter(|function| !known.contains(*function)) {
            known.insert(function.to_owned());
        }
        ControlFlow::Continue(())
    };
    walk(store, Choice { filter: all, function: None }, gather).await.map_err(Complaint::failed)?;
    choose(text, &known)
}

fn choose(text: &str, known: &BTreeSet<String>) -> Result<String, Complaint> {
    let key_is = |function: &&String| function.split_once(':').is_some_and(|(_, key)| key == text);
    let exact: Vec<&String> = known.get(text).into_iter().collect();
    let by_key: Vec<&String> = known.iter().filter(key_is).collect();
    let by_part: Vec<&String> = known.iter().filter(|function| function.contains(text)).collect();
    let found = [exact, by_key, by_part].into_iter().find(|found| !found.is_empty()).unwrap_or_default();
    // A function and its alias are one.
    let found: BTreeSet<&str> = found.into_iter().map(|function| canonical(function)).collect();
    match Vec::from_iter(found).as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => {
            let message = format!("no function is known as `{text}`");
            Err(Complaint::usage(message).help("`delay functions` lists those that are known"))
        }
        several => {
            let names: Vec<String> = several.iter().map(|name| format!("`{name}`")).collect();
            let message = format!("`{text}` may be any of {} functions: {}", names.len(), names.join(", "));
            Err(Complaint::usage(message).help("write more of the one that you mean"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose_among(text: &str) -> Result<String, String> {
        let known =
            ["app/src/mail.rs:welcome", "app/src/mail.rs:welcome-back", "web/src/mail.rs:bye", "global:x"];
        choose(text, &known.map(str::to_owned).into()).map_err(|complaint| complaint.to_string())
    }

    #[test]
    fn an_identity_goes_before_a_key_and_a_key_before_a_part() {
        assert_eq!(choose_among("app/src/mail.rs:welcome").unwrap(), "app/src/mail.rs:welcome");
        assert_eq!(choose_among("welcome").unwrap(), "app/src/mail.rs:welcome");
        assert_eq!(choose_among("x").unwrap(), "global:x");
        assert_eq!(choose_among("back").unwrap(), "app/src/mail.rs:welcome-back");
        assert_eq!(choose_among("web/").unwrap(), "web/src/mail.rs:bye");
    }

    #[test]
    fn a_part_that_two_functions_have_is_refused_with_both() {
        let error = choose_among("welc").unwrap_err();
        assert!(error.contains("mail.rs:welcome`") && error.contains("mail.rs:welcome-back`"), "{error}");
    }

    #[test]
    fn what_nobody_knows_is_refused() {
        assert_eq!(choose_among("hello").unwrap_err(), "no function is known as `hello`");
    }
}
