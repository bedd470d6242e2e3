//! How much memory an instance may still take: what both engines ask before they grow anything.

use super::Caps;
use crate::process::control::{Control, Intent};
use crate::process::suspend::MOST_FRAME_PAGES;

const FRAMES: usize = MOST_FRAME_PAGES as usize * (64 << 10);

/// What is taken, and what may be.
#[derive(Debug)]
pub(super) struct Budget {
    caps: Caps,
    control: Control,
    memory: usize,
    elements: usize,
    /// What was taken before the last growth was allowed: an engine may fail to do it, or ask for it again.
    before: (usize, usize),
    /// Whether a snapshot is being restored, frames and all.
    pub(super) restoring: bool,
    /// Whether something was refused: what a program dies of after that has a cause.
    pub(super) refused: bool,
}

impl Budget {
    pub(super) fn new(caps: Caps, control: Control) -> Self {
        Self { caps, control, memory: 0, elements: 0, before: (0, 0), restoring: false, refused: false }
    }

    /// Whether a memory may grow from `current` to `desired` bytes.
    pub(super) fn memory(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        // A program that unwinds writes its frames: it would be a pity to lose it to its own limit.
        let unwinds = self.restoring || self.control.intent() == Intent::Suspend;
        let frames = if unwinds { FRAMES } else { 0 };
        let most = self.caps.memory.saturating_add(frames);
        let taken = self.memory.saturating_sub(current).saturating_add(desired);
        self.decide(
            taken <= most && maximum.is_none_or(|maximum| desired <= maximum),
            taken > most,
            |budget| {
                budget.memory = taken;
            },
        )
    }

    /// Whether a table may grow.
    pub(super) fn elements(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        let taken = self.elements.saturating_sub(current).saturating_add(desired);
        let over = taken > self.caps.elements;
        self.decide(!over && maximum.is_none_or(|maximum| desired <= maximum), over, |budget| {
            budget.elements = taken;
        })
    }

    /// The growth that was allowed last has not happened.
    #[cfg_attr(not(feature = "wasmi"), allow(dead_code))]
    pub(super) fn undo(&mut self) {
        (self.memory, self.elements) = self.before;
    }

    fn decide(&mut self, allowed: bool, over: bool, take: impl FnOnce(&mut Self)) -> bool {
        if allowed {
            self.before = (self.memory, self.elements);
            take(self);
        }
        self.refused |= over;
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: Caps = Caps { memory: 100, elements: 10, fuel: None };

    #[test]
    fn all_memories_together_stay_within_the_cap() {
        let mut budget = Budget::new(CAPS, Control::default());
        assert!(budget.memory(0, 60, None));
        assert!(budget.memory(0, 40, None));
        assert!(!budget.refused);
        assert!(!budget.memory(40, 41, None));
        assert!(budget.refused);
        assert!(budget.memory(60, 10, None), "less is always allowed");
        assert!(budget.memory(40, 41, None));
    }

    #[test]
    fn a_growth_that_did_not_happen_is_not_counted() {
        let mut budget = Budget::new(CAPS, Control::default());
        assert!(budget.memory(0, 60, None));
        assert!(budget.memory(0, 40, None));
        budget.undo();
        assert!(budget.memory(0, 40, None));
        assert!(!budget.memory(0, 1, None));
    }

    #[test]
    fn a_memorys_own_maximum_is_not_the_hosts_refusal() {
        let mut budget = Budget::new(CAPS, Control::default());
        assert!(!budget.memory(0, 60, Some(50)));
        assert!(!budget.elements(0, 5, Some(4)));
        assert!(!budget.refused);
    }

    #[test]
    fn frames_come_on_top_while_a_program_is_suspended() {
        let control = Control::default();
        let mut budget = Budget::new(CAPS, control.clone());
        control.suspend();
        assert!(budget.memory(0, FRAMES + 100, None));
        assert!(!budget.memory(0, 1, None));
    }
}
