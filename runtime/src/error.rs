//! The one error type of the crate: opaque, with predicates. It says what happened, where, and what to do next.
//! It never repeats its source: walk [`std::error::Error::source`] for the cause.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::id::TaskId;

/// The crate's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong in `delay` itself. (What a delayed function returns is its own affair; see [`crate::Failure`].)
///
/// The kind is private; ask with the `is_…` predicates:
///
/// ```
/// # fn add() -> delay::Result<()> { Ok(()) }
/// match add() {
///     Err(error) if error.is_already_added() => println!("it was queued before"),
///     other => other?,
/// }
/// # Ok::<(), delay::Error>(())
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    task: Option<TaskId>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])+ $kind:ident => $is:ident,)+) => {
        /// What an [`Error`] is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($(#[$doc])+ $kind,)+ }

        impl Error {
            $($(#[$doc])+
            #[must_use]
            pub fn $is(&self) -> bool { self.0.kind == Kind::$kind })+
        }
    };
}

kinds! {
    /// The arguments are larger than the payload limit (1 MiB unless set otherwise).
    PayloadTooLarge => is_payload_too_large,
    /// The headers are larger than their limit.
    HeadersTooLarge => is_headers_too_large,
    /// The value that a function returned is larger than the limit for kept results.
    ResultTooLarge => is_result_too_large,
    /// What a suspended program would leave behind is larger than a store takes.
    SnapshotTooLarge => is_snapshot_too_large,
    /// A task name is not made of 1 to 500 of `A-Z a-z 0-9 _ -`.
    InvalidName => is_invalid_name,
    /// A queue name is not made of 1 to 100 of `A-Z a-z 0-9 -`.
    InvalidQueue => is_invalid_queue,
    /// Both a delay and an eta were given, or a time that cannot be.
    InvalidEta => is_invalid_eta,
    /// A tag is longer than 500 bytes.
    InvalidTag => is_invalid_tag,
    /// The path, the method or a header of an HTTP task is not one.
    InvalidRequest => is_invalid_request,
    /// A text is not a duration such as `90s` or `1h 30m`.
    InvalidDuration => is_invalid_duration,
    /// A text is not a cron expression such as `0 3 * * *`, it never comes true, or a time zone is not known.
    #[cfg_attr(not(feature = "cron"), allow(dead_code))]
    InvalidCron => is_invalid_cron,
    /// An option of a task, a runtime or a store URL makes no sense.
    InvalidOption => is_invalid_option,
    /// A configuration file has mistakes; its source names them with their places.
    InvalidConfig => is_invalid_config,
    /// A task of this name is pending, or was not long ago.
    AlreadyAdded => is_already_added,
    /// Two tasks of one batch have the same name.
    DuplicateName => is_duplicate_name,
    /// No queue of this name is configured.
    UnknownQueue => is_unknown_queue,
    /// The queue is for pulling, and this is for pushing, or the other way round.
    InvalidQueueMode => is_invalid_queue_mode,
    /// The queue is paused: nothing is leased from it.
    QueuePaused => is_queue_paused,
    /// The task is done or deleted, and its name is still taken.
    Tombstoned => is_tombstoned,
    /// The lease on a task has run out; others may have leased it since.
    LeaseExpired => is_lease_expired,
    /// An argument or a value cannot be written as MessagePack.
    Encode => is_encode,
    /// Bytes cannot be read as what they should be.
    Decode => is_decode,
    /// No store is known by the scheme of the URL.
    UnknownScheme => is_unknown_scheme,
    /// The store's file cannot be opened: it is missing, a directory, or not permitted.
    Unreadable => is_unreadable,
    /// The store's file is damaged or is not a database.
    Corrupt => is_corrupt,
    /// The database belongs to another application.
    ForeignDatabase => is_foreign_database,
    /// The store was made by a newer version of `delay`.
    NewerSchema => is_newer_schema,
    /// The database has none of `delay`'s tables.
    NoSchema => is_no_schema,
    /// The store can be read but not written.
    ReadOnly => is_read_only,
    /// The disk is full; what was acknowledged is safe.
    DiskFull => is_disk_full,
    /// The store does not answer, or is busy for too long. Trying again may help.
    Unavailable => is_unavailable,
    /// No delayed function is linked into this program.
    NoFunctions => is_no_functions,
    /// Two functions claim one identity.
    DuplicateFunction => is_duplicate_function,
    /// Functions need a `#[state]` that nobody provided.
    MissingState => is_missing_state,
    /// The worker that writes has lost its lease; a newer attempt counts.
    StaleLease => is_stale_lease,
    /// There is no such task.
    UnknownTask => is_unknown_task,
    /// The task is in a state in which this cannot be done.
    WrongState => is_wrong_state,
    /// The task has failed for good.
    TaskFailed => is_task_failed,
    /// The task is held: no worker can run it, and somebody has to act.
    TaskHeld => is_task_held,
    /// The task was cancelled.
    TaskCancelled => is_task_cancelled,
    /// The task is done, but its value was not kept, or no longer is.
    ResultGone => is_result_gone,
    /// The machine does not grant the isolation that processes were to have; the message names what is missing.
    #[cfg_attr(not(feature = "process"), allow(dead_code))]
    NotIsolated => is_not_isolated,
    /// The runtime is stopping and takes nothing new.
    Stopping => is_stopping,
    /// Anything else that the store or the system reports.
    Other => is_other,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner { kind, message: message.into(), task: None, source: None }))
    }

    pub(crate) fn with_source(
        kind: Kind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self(Arc::new(Inner { kind, message: message.into(), task: None, source: Some(source.into()) }))
    }

    pub(crate) fn about(kind: Kind, task: TaskId, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner { kind, message: message.into(), task: Some(task), source: None }))
    }

    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The task that the error is about: for [`is_already_added`](Self::is_already_added) the one that has the name.
    #[must_use]
    pub fn task(&self) -> Option<TaskId> {
        self.0.task
    }

    /// The message followed by every cause, joined by `: `.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// An error and all its causes on one line.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `fn main() -> delay::Result<()>` prints this form: make it one that a person can read.
        write!(f, "{}", self.chain())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
