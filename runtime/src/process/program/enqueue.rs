//! Tasks that programs add: what may be added, and under which id.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::Enqueues;
use crate::codec::{self, Invocation};
use crate::draft::{Content, Draft};
use crate::id::TaskId;
use crate::limits::{check_name, check_queue};
use crate::process::engine::Fault;
use crate::process::trap::Trap;
use crate::registry::Options;
use crate::task::{Due, Task};

/// The options of a task, as a program writes them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    queue: Option<String>,
    name: Option<String>,
    delay: Option<u64>,
    priority: Option<i16>,
}

/// The task that a program wants added, if it may.
pub(super) fn draft(payload: &[u8], options: &[u8], allowed: &Enqueues, id: TaskId) -> Result<Draft, Fault> {
    let invocation = Invocation::parse(payload).map_err(|error| violation(error.to_string()))?;
    let function = invocation.function;
    let permitted = match allowed {
        Enqueues::Any => true,
        Enqueues::Only(functions) => functions.iter().any(|allowed| allowed == function),
    };
    if !permitted {
        let text = format!("it may not enqueue calls of `{function}`: allow it with `Program::enqueues`");
        return Err(Fault::new(Trap::AbiDeficiency, text));
    }
    let wanted = match options {
        [] => Wanted::default(),
        options => codec::from_slice::<Wanted>(options)
            .map_err(|error| violation(format!("the options of a task: {error}")))?,
    };
    let queue = wanted.queue.map_or(Cow::Borrowed(Options::DEFAULT.queue), Cow::Owned);
    check_queue(&queue).map_err(|error| violation(error.to_string()))?;
    if let Some(name) = &wanted.name {
        check_name(name).map_err(|error| violation(error.to_string()))?;
    }
    let due = wanted.delay.map_or(Due::Now, |millis| Due::In(Duration::from_millis(millis)));
    let priority = wanted.priority.unwrap_or(0);
    let payload = payload.to_vec();
    let task = Task { id, queue, name: wanted.name, due, priority, tag: None, options: None, payload };
    Ok(Draft { task, ..Draft::new("a program's task", Content::Call) })
}

fn violation(text: String) -> Fault {
    Fault::new(Trap::AbiViolation, text)
}

/// The id of the `number`th task that a task's program adds. The same call has the same id whenever it is repeated, and a
/// store adds an id once; another call at its place, which only a program can make whose inputs have changed, has another.
pub(super) fn derived(parent: TaskId, number: u64, payload: &[u8], options: &[u8]) -> TaskId {
    let mut hash = Sha256::new();
    hash.update(parent.as_bytes());
    hash.update(number.to_le_bytes());
    hash.update((payload.len() as u64).to_le_bytes());
    hash.update(payload);
    hash.update(options);
    let hash = hash.finalize();
    let mut id = [0; 16];
    // The parent's time, so that the id sorts near it; version and variant as in every id.
    id[..6].copy_from_slice(&parent.as_bytes()[..6]);
    id[6..].copy_from_slice(&hash[..10]);
    id[6] = 0x70 | (id[6] & 0x0f);
    id[8] = 0x80 | (id[8] & 0x3f);
    TaskId::from_bytes(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::InvocationWriter;

    fn payload() -> Vec<u8> {
        let mut writer = InvocationWriter::new("app/src/mail.rs:welcome", 1);
        writer.argument("to", "ada");
        writer.finish().unwrap().bytes
    }

    #[test]
    fn the_same_call_at_the_same_place_has_the_same_id() {
        let parent = TaskId::new();
        let id = derived(parent, 1, b"call", b"");
        assert_eq!(derived(parent, 1, b"call", b""), id);
        let others = [
            derived(TaskId::new(), 1, b"call", b""),
            derived(parent, 2, b"call", b""),
            derived(parent, 1, b"other", b""),
            derived(parent, 1, b"cal", b"l"),
        ];
        assert!(!others.contains(&id));
        assert_eq!(id.as_bytes()[..6], parent.as_bytes()[..6]);
    }

    #[test]
    fn a_program_enqueues_what_it_may_and_nothing_else() {
        let (payload, id) = (payload(), TaskId::new());
        let none = Enqueues::Only(Vec::new());
        assert_eq!(draft(&payload, &[], &none, id).unwrap_err().trap, Trap::AbiDeficiency);
        let this = Enqueues::Only(vec!["app/src/mail.rs:welcome".into()]);
        let draft = draft(&payload, &[], &this, id).unwrap();
        assert_eq!((draft.task.payload, draft.task.id), (payload, id));
    }

    #[test]
    fn options_are_read_and_checked() {
        #[derive(serde::Serialize)]
        struct Given {
            queue: &'static str,
            delay: u64,
            priority: i16,
        }
        let options = codec::to_vec(&Given { queue: "mail", delay: 1500, priority: -3 }).unwrap();
        let draft_of = |options: &[u8]| draft(&payload(), options, &Enqueues::Any, TaskId::new());
        let task = draft_of(&options).unwrap().task;
        assert_eq!((&*task.queue, task.priority), ("mail", -3));
        assert_eq!(task.due, Due::In(Duration::from_millis(1500)));
        for wrong in [&b"\x81\xa5queue\xa3a b"[..], b"\x81\xa5color\x01", b"\xc1", b"\x81"] {
            assert_eq!(draft_of(wrong).unwrap_err().trap, Trap::AbiViolation, "{wrong:?}");
        }
    }

    #[test]
    fn a_payload_that_is_none_is_a_violation() {
        let fault = draft(b"\x93\x01\x02\x03", &[], &Enqueues::Any, TaskId::new()).unwrap_err();
        assert_eq!(fault.trap, Trap::AbiViolation);
    }
}
