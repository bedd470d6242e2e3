//! The way to the store. Whoever comes as an operator finds a store or is told; only `migrate` makes one.

use std::sync::Arc;

use super::complaint::Complaint;
use crate::schemes::{self, Look};
use crate::store::{Retention, Store};

/// The URL that was given, one way or the other.
pub(super) fn url(given: Option<&str>) -> Result<&str, Complaint> {
    given.filter(|url| !url.is_empty()).ok_or_else(|| {
        Complaint::usage("no store was named")
            .help("say `--store sqlite:jobs.db`, or set the variable DELAY_STORE to it")
    })
}

/// Opens a store that is there, to read it.
pub(super) async fn look(url: &str) -> Result<Box<Look>, Complaint> {
    schemes::look(url).await.map_err(Complaint::unopened)
}

/// Opens a store that is there, to change its tasks. To be closed.
pub(super) async fn open(url: &str) -> Result<Arc<dyn Store>, Complaint> {
    // Opening makes files and tables; looking first does not, and knows what is wrong.
    drop(look(url).await?);
    schemes::open(url, Retention::default()).await.map_err(Complaint::unopened)
}
