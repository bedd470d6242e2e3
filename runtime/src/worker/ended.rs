//! What has ended in a worker and is not settled.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::outcome::Transition;
use crate::store::Settlement;

/// The most bytes of values and errors in one turn. One settlement alone is never too large.
const LARGEST: usize = 16 << 20;

/// No attempt begins while more bytes than this wait to be settled.
const MOST_BYTES: usize = 2 * LARGEST;

/// Settlements, in the order in which their attempts ended.
#[derive(Default)]
pub(super) struct Ended {
    settlements: VecDeque<Settlement>,
    /// Of their values and errors.
    bytes: usize,
    since: Option<Instant>,
}

fn size(settlement: &Settlement) -> usize {
    match &settlement.transition {
        Transition::Succeed(kept) => kept.as_ref().map_or(0, |kept| kept.value.len()),
        Transition::Retry { error, .. } | Transition::Fail { error } | Transition::Hold { error, .. } => {
            error.len()
        }
        Transition::Cancel { reason } => reason.len(),
        Transition::Snooze { .. } | Transition::Refund => 0,
    }
}

impl Ended {
    pub(super) fn push(&mut self, settlement: Settlement) {
        self.bytes += size(&settlement);
        self.since.get_or_insert_with(Instant::now);
        self.settlements.push_back(settlement);
    }

    /// What the next turn settles: all there is, or as much as one turn takes.
    pub(super) fn take(&mut self) -> Vec<Settlement> {
        let mut bytes = 0;
        let fits = |settlement: &Settlement| {
            bytes += size(settlement);
            bytes <= LARGEST
        };
        let count = self.settlements.iter().map(fits).take_while(|fits| *fits).count();
        let taken: Vec<_> = self.settlements.drain(..count.max(1).min(self.settlements.len())).collect();
        self.bytes -= taken.iter().map(size).sum::<usize>();
        self.since = (!self.settlements.is_empty()).then(Instant::now);
        taken
    }

    /// What a turn has failed to settle: it is the first again.
    pub(super) fn put_back(&mut self, settlements: Vec<Settlement>) {
        self.bytes += settlements.iter().map(size).sum::<usize>();
        settlements.into_iter().rev().for_each(|settlement| self.settlements.push_front(settlement));
        if !self.settlements.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn len(&self) -> usize {
        self.settlements.len()
    }

    /// Whether nothing more should end before some of it is settled.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > MOST_BYTES
    }

    /// Since when some have waited.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outcome::Kept;
    use crate::store::Fence;
    use crate::task::TaskId;

    fn success(epoch: i64, size: usize) -> Settlement {
        let fence = Fence::new(TaskId::from_bytes([7; 16]), epoch, false);
        let kept = Kept { value: vec![0; size], keep: Duration::ZERO };
        Settlement { fence, transition: Transition::Succeed(Some(kept)) }
    }

    fn epochs(settlements: &[Settlement]) -> Vec<i64> {
        settlements.iter().map(|settlement| settlement.fence.epoch).collect()
    }

    #[tokio::test]
    async fn one_turn_takes_what_is_not_too_large_and_the_next_ones_the_rest() {
        let mut ended = Ended::default();
        assert!(ended.take().is_empty());
        for (epoch, size) in [LARGEST / 2, LARGEST / 2, 1, 2 * LARGEST, 0].into_iter().enumerate() {
            ended.push(success(epoch as i64, size));
        }
        assert!(ended.is_full());
        let first = ended.take();
        assert_eq!(epochs(&first), [0, 1]);
        ended.put_back(first);
        assert_eq!(epochs(&ended.take()), [0, 1], "what was not settled is the first again");
        assert_eq!(epochs(&ended.take()), [2]);
        assert!(ended.since().is_some() && !ended.is_full());
        assert_eq!(epochs(&ended.take()), [3], "alone it is never too large");
        assert_eq!(epochs(&ended.take()), [4]);
        assert!(ended.since().is_none() && ended.take().is_empty());
    }
}
