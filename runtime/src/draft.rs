//! A task on its way out of a stub, and the checks that it passes before it goes into a store (G8).

use crate::codec;
use crate::error::{Error, Kind, Result};
use crate::id::TaskId;
use crate::limits::Limits;
use crate::task::{Task, TaskOptions};

/// A task on its way out of a stub, not yet checked.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(crate) function: &'static str,
    pub(crate) task: Task,
    pub(crate) options: TaskOptions,
    /// The name and size of the largest argument.
    pub(crate) largest: Option<(&'static str, usize)>,
    /// The first mistake; told when the task is added, so that building reads as one chain.
    pub(crate) mistake: Option<Error>,
}

impl Draft {
    pub(crate) fn id(&self) -> TaskId {
        self.task.id
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.task.name.as_deref()
    }

    pub(crate) fn queue(&self) -> &str {
        &self.task.queue
    }

    pub(crate) fn mistake(&mut self, error: Error) {
        self.mistake.get_or_insert(error);
    }

    /// The task itself, if it may go in.
    pub(crate) fn check(mut self, limits: &Limits) -> Result<Task> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let size = self.task.payload.len();
        if size > limits.payload {
            let largest = self.largest.map_or_else(String::new, |(name, size)| {
                format!("; its largest argument, `{name}`, takes {size}")
            });
            let text = format!(
                "{}: the call takes {size} bytes, {} are allowed{largest}: store large data elsewhere and pass a \
                 reference to it, or raise `Limits::payload`",
                self.function, limits.payload
            );
            return Err(Error::new(Kind::PayloadTooLarge, text));
        }
        let headers: usize = self.options.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if headers > limits.headers {
            let text = format!(
                "{}: the headers take {headers} bytes, {} are allowed",
                self.function, limits.headers
            );
            return Err(Error::new(Kind::HeadersTooLarge, text));
        }
        if !self.options.is_default() {
            let packed = codec::to_vec(&self.options);
            let packed =
                packed.map_err(|error| Error::with_source(Kind::Encode, "cannot pack the options", error))?;
            self.task.options = Some(packed);
        }
        Ok(self.task)
    }
}
