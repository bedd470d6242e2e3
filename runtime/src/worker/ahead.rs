//! What a worker has claimed and not begun, and how much of that it may have.

use std::collections::VecDeque;

use crate::store::Claim;

/// The most tasks that are claimed ahead of the running ones.
const MOST: usize = 8000;

/// About the most bytes ahead of the running ones, judged by what was claimed before.
const MOST_BYTES: usize = 32 << 20;

/// The most that one turn claims: with several turns ahead, the store is at work on one while another is worked off.
pub(super) const MOST_AT_ONCE: usize = MOST / 4;

/// Claims, the most urgent first.
#[derive(Default)]
pub(super) struct Ahead {
    pub(super) claims: VecDeque<Claim>,
    /// How large claims have been on average lately, in bytes.
    size: usize,
}

fn size(claim: &Claim) -> usize {
    claim.payload.len() + claim.options.as_ref().map_or(0, Vec::len)
}

impl Ahead {
    pub(super) fn add(&mut self, claims: Vec<Claim>) {
        let bytes: usize = claims.iter().map(size).sum();
        if let Some(size) = bytes.checked_div(claims.len()) {
            // Large ones come back sooner than small ones are trusted.
            self.size = size.max(self.size / 2);
        }
        self.claims.extend(claims);
    }

    /// How many there may be.
    pub(super) fn most(&self) -> usize {
        MOST_BYTES.checked_div(self.size).map_or(MOST, |most| most.min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Fence;
    use crate::task::TaskId;
    use crate::time::Timestamp;

    fn claims(count: usize, size: usize) -> Vec<Claim> {
        let claim = || Claim {
            fence: Fence::new(TaskId::from_bytes([7; 16]), 1, false),
            attempt: 1,
            crashes: 0,
            age: Duration::ZERO,
            queue: "q".to_owned(),
            name: None,
            priority: 0,
            eta: Timestamp::from_micros(0),
            retry: None,
            options: None,
            payload: vec![0; size],
        };
        std::iter::repeat_with(claim).take(count).collect()
    }

    #[test]
    fn large_payloads_are_claimed_ahead_by_their_size() {
        let mut ahead = Ahead::default();
        assert_eq!(ahead.most(), MOST, "nothing is known yet");
        ahead.add(claims(3, 0));
        assert_eq!(ahead.most(), MOST);
        ahead.add([claims(1, 1 << 20), claims(1, 3 << 20)].concat());
        assert_eq!(ahead.most(), MOST_BYTES / (2 << 20));
        ahead.add(Vec::new());
        ahead.add(claims(5, 100));
        assert_eq!(ahead.most(), MOST_BYTES / (1 << 20), "they may come again");
        (0..20).for_each(|_| ahead.add(claims(1, 100)));
        assert_eq!((ahead.most(), ahead.claims.len()), (MOST, 30));
    }
}
