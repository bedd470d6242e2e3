//! A task on its way out of a stub, and the checks that it passes before it goes into a store (G8).

use std::borrow::Cow;

use crate::codec;
use crate::error::{Error, Kind, Result};
use crate::id::TaskId;
use crate::limits::Limits;
use crate::queues::{DEFAULT_QUEUE, Mode, QueueConfig};
use crate::request::check_header;
use crate::store::unknown_queue;
use crate::task::{Due, Task, TaskOptions};

/// A task on its way out of a stub, not yet checked.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(crate) content: Content,
    pub(crate) function: &'static str,
    pub(crate) task: Task,
    /// Few have any, and all are moved about: kept apart.
    pub(crate) options: Option<Box<TaskOptions>>,
    /// The name and size of the largest argument.
    pub(crate) largest: Option<(&'static str, usize)>,
    /// The first mistake; told when the task is added, so that building reads as one chain.
    pub(crate) mistake: Option<Error>,
}

/// What the payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A call of a function.
    Call,
    /// A generic HTTP request.
    Request,
    /// Whatever those who lease tasks have agreed upon.
    Bytes,
}

impl Draft {
    /// A task of nothing but its payload, in the default queue. `function` is what errors call it.
    pub(crate) fn new(function: &'static str, content: Content) -> Self {
        Self {
            content,
            function,
            task: Task {
                id: TaskId::new(),
                queue: Cow::Borrowed(DEFAULT_QUEUE),
                name: None,
                due: Due::Now,
                priority: 0,
                tag: None,
                options: None,
                payload: Vec::new(),
            },
            options: None,
            largest: None,
            mistake: None,
        }
    }

    pub(crate) fn id(&self) -> TaskId {
        self.task.id
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.task.name.as_deref()
    }

    pub(crate) fn queue(&self) -> &str {
        &self.task.queue
    }

    pub(crate) fn options(&mut self) -> &mut TaskOptions {
        self.options.get_or_insert_default()
    }

    pub(crate) fn mistake(&mut self, error: Error) {
        self.mistake.get_or_insert(error);
    }

    /// Whether the queue is there, and of the mode that the content needs.
    pub(crate) fn fits(&self, configs: &[QueueConfig]) -> Result<()> {
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone());
        }
        let queue = self.queue();
        let config = configs.iter().find(|config| config.name == queue);
        if config.is_none() && queue != DEFAULT_QUEUE {
            return Err(unknown_queue(queue));
        }
        let mode = config.map_or(Mode::Push, |config| config.mode);
        let text = match (mode, self.content) {
            (Mode::Push, Content::Bytes) => {
                format!(
                    "the queue `{queue}` is for pushing, and this task is for pulling: put it into a queue of `mode: pull`"
                )
            }
            (Mode::Pull, Content::Call | Content::Request) => {
                format!("the queue `{queue}` is for pulling: nothing would run {}", self.function)
            }
            _ => return Ok(()),
        };
        Err(Error::new(Kind::InvalidQueueMode, text))
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
        if let Some(options) = self.options.filter(|options| !options.is_default()) {
            check_headers(self.function, self.content, &options.headers, limits)?;
            let packed = codec::to_vec(&*options);
            let packed =
                packed.map_err(|error| Error::with_source(Kind::Encode, "cannot pack the options", error))?;
            self.task.options = Some(packed);
        }
        Ok(self.task)
    }
}

fn check_headers(
    function: &str,
    content: Content,
    headers: &[(String, String)],
    limits: &Limits,
) -> Result<()> {
    let size: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > limits.headers {
        let text = format!("{function}: the headers take {size} bytes, {} are allowed", limits.headers);
        return Err(Error::new(Kind::HeadersTooLarge, text));
    }
    if content == Content::Request {
        headers.iter().try_for_each(|(name, value)| check_header(name, value))?;
    }
    Ok(())
}
