//! Child tokens that the stopper cancels: a token's own tree gives it one parent, a link gives it the stopper as the
//! other. It never polls and never spawns.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::roll::{Place, Roll};
use super::{Stopper, shard};

impl Stopper {
    /// A child of `parent` that is also cancelled when the stopper begins to quiesce.
    ///
    /// So it is cancelled by its own `cancel`, by `parent` or by the stopper, whichever is first, and its own touches
    /// nothing but itself. A stopper that already quiesces hands out a cancelled one. For tasks that should give up
    /// early: without, a stop waits until they end by themselves.
    ///
    /// ```
    /// # use delay::stopper::Stopper;
    /// # use tokio_util::sync::CancellationToken;
    /// let (stopper, request) = (Stopper::new(), CancellationToken::new());
    /// let token = stopper.cancel_on_quiesce(&request);
    /// stopper.request_stop();
    /// assert!(token.is_cancelled());
    /// assert!(!request.is_cancelled());
    /// ```
    pub fn cancel_on_quiesce(&self, parent: &CancellationToken) -> CancelLink {
        CancelLink::new(parent, &self.shared.on_quiesce)
    }

    /// A child of `parent` that is also cancelled when all tasks have ended; as
    /// [`cancel_on_quiesce`](Self::cancel_on_quiesce), for what tasks still need while they end.
    pub fn cancel_on_stop(&self, parent: &CancellationToken) -> CancelLink {
        CancelLink::new(parent, &self.shared.on_stop)
    }
}

/// A [`CancellationToken`] tied to a stopper. Dropping it cancels the token and forgets the tie, so that no clone of
/// the token is left behind that nobody would ever cancel.
#[must_use = "the token is cancelled when its link is dropped"]
pub struct CancelLink {
    token: CancellationToken,
    roll: Arc<Roll<CancellationToken>>,
    place: Option<Place>,
}

impl CancelLink {
    pub(super) fn new(parent: &CancellationToken, roll: &Arc<Roll<CancellationToken>>) -> Self {
        let token = parent.child_token();
        // Enter first, then nothing: the roll either cancels the token or refuses it, and then we do.
        let place = match roll.enter(shard::of_thread(), token.clone()) {
            Ok(place) => Some(place),
            Err(refused) => {
                refused.cancel();
                None
            }
        };
        Self { token, roll: Arc::clone(roll), place }
    }

    /// The token itself, to be cloned into what is to be cancelled.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}

impl Deref for CancelLink {
    type Target = CancellationToken;

    fn deref(&self) -> &CancellationToken {
        &self.token
    }
}

impl Drop for CancelLink {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.roll.leave(place);
        }
        self.token.cancel();
    }
}

impl fmt::Debug for CancelLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelLink").field("is_cancelled", &self.token.is_cancelled()).finish_non_exhaustive()
    }
}
