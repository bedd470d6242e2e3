//! A task that was leased: what its consumer sees of it.

use crate::codec;
use crate::context::Headers;
use crate::error::{Error, Kind, Result};
use crate::id::TaskId;
use crate::store::TaskRecord;
use crate::task::TaskOptions;
use crate::time::Timestamp;

/// A task that is leased. It holds the right to change the lease and to end the task, as long as the lease lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct Leased(pub(super) TaskRecord);

impl Leased {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.0.id
    }

    /// What it goes by in its queue: its name, or else its id.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.name.clone().unwrap_or_else(|| self.0.id.to_string())
    }

    /// Its tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.0.tag.as_deref()
    }

    /// What was put into it.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.0.payload
    }

    /// When the lease runs out, by the store's clock.
    #[must_use]
    pub fn eta(&self) -> Timestamp {
        self.0.eta
    }

    /// How often it was leased before.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.0.attempt.saturating_sub(1)
    }

    /// The headers that it was given.
    ///
    /// # Errors
    /// [`Error::is_decode`] if they are damaged.
    pub fn headers(&self) -> Result<Headers> {
        let Some(options) = &self.0.options else { return Ok(Headers::default()) };
        let options: TaskOptions = codec::from_slice(options)
            .map_err(|error| Error::with_source(Kind::Decode, "the task's options are damaged", error))?;
        Ok(Headers::new(options.headers))
    }
}
