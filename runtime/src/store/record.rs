//! Tasks and workers as people see them, and which of them to list.

use crate::id::TaskId;
use crate::outcome::Hold;
use crate::store::WorkerId;
use crate::task::TaskState;
use crate::time::Timestamp;

/// A task as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRecord {
    /// Its identity.
    pub id: TaskId,
    /// Its queue.
    pub queue: String,
    /// Its name.
    pub name: Option<String>,
    /// Its label.
    pub tag: Option<String>,
    /// Where it stands.
    pub state: TaskState,
    /// Lower runs first.
    pub priority: i16,
    /// When it is or was due.
    pub eta: Timestamp,
    /// Attempts spent, the running one included.
    pub attempt: u32,
    /// How often it was claimed.
    pub epoch: i64,
    /// How often a process died under it.
    pub crashes: u32,
    /// When it was added.
    pub created: Timestamp,
    /// When it came to its end.
    pub finished: Option<Timestamp>,
    /// Who has it.
    pub worker: Option<WorkerId>,
    /// Why it is held.
    pub hold: Option<Hold>,
    /// The last error.
    pub error: Option<String>,
    /// Packed [`crate::task::TaskOptions`].
    pub options: Option<Vec<u8>>,
    /// The invocation.
    pub payload: Vec<u8>,
    /// The packed value, while it is kept.
    pub result: Option<Vec<u8>>,
}

/// Which tasks to list; every field that is set narrows the choice.
#[derive(Clone, Debug)]
pub struct Filter {
    /// In this state.
    pub state: Option<TaskState>,
    /// In this queue.
    pub queue: Option<String>,
    /// With this name.
    pub name: Option<String>,
    /// Whose payload begins with these bytes (see `codec::invocation_prefix`).
    pub payload_prefix: Option<Vec<u8>>,
    /// Beyond this one, in the direction of the listing.
    pub beyond: Option<TaskId>,
    /// The direction.
    pub order: Order,
    /// At most so many; 100 unless told.
    pub limit: usize,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            state: None,
            queue: None,
            name: None,
            payload_prefix: None,
            beyond: None,
            order: Order::default(),
            limit: 100,
        }
    }
}

/// The direction of a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// From the oldest to the newest.
    #[default]
    OldestFirst,
    /// From the newest to the oldest.
    NewestFirst,
}

/// How many tasks of a queue are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The queue.
    pub queue: String,
    /// The state.
    pub state: TaskState,
    /// How many.
    pub tasks: u64,
}

/// A worker as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRecord {
    /// Its number.
    pub id: WorkerId,
    /// Its name.
    pub name: String,
    /// When it enlisted.
    pub enlisted: Timestamp,
    /// When its lease runs out unless it beats.
    pub lease_until: Timestamp,
    /// What it can run.
    pub functions: Vec<String>,
}
