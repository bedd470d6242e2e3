//! Low watermarks: where a claim may begin to walk. What was claimed leaves dead entries at the front of the index, and
//! while somebody holds an old snapshot nothing can remove them; without a mark each claim would walk over all of them.
//!
//! A mark is this process's own, per queue and priority: below it, it has seen nothing ready. Tasks may appear below it:
//! - what comes back keeps its old place, and stands in an index of its own that is walked from its start;
//! - what is added now can be committed a little later: a mark stays `LAG` behind the clock;
//! - what is committed later than that is told by its notification, and found by the sweep of the next upkeep.
//!
//! So a mark is never the truth, only a place to begin; tasks are late, not lost, when it is wrong.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

/// How far a mark stays behind the clock, in microseconds.
pub(super) const LAG: i64 = 100_000;

/// Marks of more priorities than this are not worth their keep.
const PRIORITIES: usize = 16;

/// The marks of one process.
#[derive(Debug)]
pub(super) struct Marks {
    queues: HashMap<String, BTreeMap<i16, i64>>,
    /// Nothing scheduled is due before this.
    due: i64,
    /// When the next scheduled task is due, as far as the last turn could see; the least number if nobody has looked.
    next: i64,
    /// The latest time that the store's clock has shown, and when.
    seen: i64,
    seen_at: Instant,
}

/// Where to walk: per queue the ranges `from..=to` (counted from 1) of the other lists. The first range is the whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    pub(super) queues: Vec<String>,
    pub(super) from: Vec<i32>,
    pub(super) to: Vec<i32>,
    pub(super) first: Vec<i16>,
    pub(super) last: Vec<i16>,
    pub(super) low: Vec<i64>,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            queues: HashMap::new(),
            due: i64::MIN,
            next: i64::MIN,
            seen: i64::MIN,
            seen_at: Instant::now(),
        }
    }
}

impl Marks {
    /// The ranges of these queues; of all that have marks, if none are named.
    pub(super) fn ranges(&self, queues: Option<&[String]>) -> Ranges {
        let mut ranges = Ranges::default();
        ranges.add(i16::MIN, i16::MAX, i64::MIN);
        let none = BTreeMap::new();
        let mut add = |queue: &String, marks: &BTreeMap<i16, i64>| {
            let from = ranges.first.len() as i32 + 1;
            let mut next = Some(i16::MIN);
            for (priority, low) in marks {
                if let Some(first) = next.filter(|first| first < priority) {
                    ranges.add(first, priority - 1, i64::MIN);
                }
                ranges.add(*priority, *priority, *low);
                next = priority.checked_add(1);
            }
            if let Some(first) = next {
                ranges.add(first, i16::MAX, i64::MIN);
            }
            ranges.queues.push(queue.clone());
            ranges.from.push(from);
            ranges.to.push(ranges.first.len() as i32);
        };
        match queues {
            Some(queues) => {
                queues.iter().for_each(|queue| add(queue, self.queues.get(queue).unwrap_or(&none)))
            }
            None => self.queues.iter().for_each(|(queue, marks)| add(queue, marks)),
        }
        ranges
    }

    /// Where promotion may begin to walk.
    pub(super) fn due(&self) -> i64 {
        self.due
    }

    /// A claim at `now` has walked through a queue as far as `last` (priority and eta), or to its end.
    pub(super) fn walked(&mut self, queue: &str, now: i64, last: Option<(i16, i64)>) {
        let most = now.saturating_sub(LAG);
        if let Some((priority, eta)) = last {
            let marks = self.queues.entry(queue.to_owned()).or_default();
            if marks.len() < PRIORITIES {
                marks.entry(priority).or_insert(i64::MIN);
            }
            for (other, low) in marks.range_mut(..=priority) {
                *low = (*low).max(if *other < priority { most } else { eta.min(most) });
            }
        } else if let Some(marks) = self.queues.get_mut(queue) {
            marks.values_mut().for_each(|low| *low = (*low).max(most));
        }
    }

    /// Everything due at `now` has been promoted.
    pub(super) fn promoted(&mut self, now: i64) {
        self.due = self.due.max(now.saturating_sub(LAG));
    }

    /// The store's clock shows `now`. If it has gone back, what is added now may stand below the marks.
    pub(super) fn see(&mut self, now: i64) {
        if now < self.seen.saturating_sub(LAG / 2) {
            *self = Self::default();
        }
        if now > self.seen {
            (self.seen, self.seen_at) = (now, Instant::now());
        }
    }

    /// When the next scheduled task is due, seen from a turn.
    pub(super) fn scheduled(&mut self, next: Option<i64>) {
        self.next = next.unwrap_or(i64::MAX);
    }

    /// Whether a scheduled task may be due by now; without a `now`, by what the store's clock is to be expected to show.
    /// What was added since the last turn is overlooked, until the next turn has seen it.
    pub(super) fn may_be_due(&self, now: Option<i64>) -> bool {
        let passed = i64::try_from(self.seen_at.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.next <= now.unwrap_or(self.seen.saturating_add(passed)).saturating_add(LAG)
    }

    /// Something has appeared at `eta`, or is scheduled since.
    pub(super) fn lower(&mut self, eta: i64) {
        self.due = self.due.min(eta);
        self.next = i64::MIN;
        for low in self.queues.values_mut().flat_map(BTreeMap::values_mut) {
            *low = (*low).min(eta);
        }
    }

    /// The places below which nothing should be: queues, priorities, and marks.
    pub(super) fn places(&self) -> (Vec<String>, Vec<i16>, Vec<i64>) {
        let (mut queues, mut priorities, mut lows) = (Vec::new(), Vec::new(), Vec::new());
        for (queue, marks) in &self.queues {
            for (priority, low) in marks.iter().filter(|(_, low)| **low > i64::MIN) {
                queues.push(queue.clone());
                priorities.push(*priority);
                lows.push(*low);
            }
        }
        (queues, priorities, lows)
    }

    /// Begins anew: the fate of a claim is unknown, or the server is another one.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Ranges {
    fn add(&mut self, first: i16, last: i16, low: i64) {
        self.first.push(first);
        self.last.push(last);
        self.low.push(low);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000_000;

    /// Whether a claim would come by.
    fn is_walked(marks: &Marks, queue: &str, priority: i16, eta: i64) -> bool {
        let ranges = marks.ranges(Some(&[queue.to_owned()]));
        (ranges.from[0]..=ranges.to[0]).map(|n| n as usize - 1).any(|n| {
            (ranges.first[n]..=ranges.last[n]).contains(&priority)
                && (priority, eta) >= (ranges.first[n], ranges.low[n])
        })
    }

    #[test]
    fn without_marks_everything_is_walked() {
        let marks = Marks::default();
        for priority in [i16::MIN, 0, i16::MAX] {
            assert!(is_walked(&marks, "q", priority, i64::MIN));
        }
    }

    #[test]
    fn what_was_walked_is_not_walked_again_in_its_queue_and_priority() {
        let mut marks = Marks::default();
        marks.walked("q", NOW, Some((0, NOW - 2 * LAG)));
        assert!(!is_walked(&marks, "q", 0, NOW - 2 * LAG - 1));
        assert!(is_walked(&marks, "q", 0, NOW - 2 * LAG));
        assert!(
            is_walked(&marks, "q", -1, 0) && is_walked(&marks, "q", 1, 0) && is_walked(&marks, "other", 0, 0)
        );
    }

    #[test]
    fn every_priority_is_in_one_range() {
        let mut marks = Marks::default();
        for priority in [i16::MIN, -1, 0, 7, i16::MAX] {
            marks.walked("q", NOW, Some((priority, 0)));
        }
        let ranges = marks.ranges(Some(&["q".to_owned()]));
        let mut next = i32::from(i16::MIN);
        for n in 1..ranges.first.len() {
            assert_eq!(i32::from(ranges.first[n]), next);
            next = i32::from(ranges.last[n]) + 1;
        }
        assert_eq!(next, i32::from(i16::MAX) + 1);
    }

    #[test]
    fn a_mark_stays_behind_the_clock() {
        let mut marks = Marks::default();
        marks.walked("q", NOW, Some((0, NOW)));
        marks.walked("q", NOW, None);
        assert!(is_walked(&marks, "q", 0, NOW - LAG));
        assert!(!is_walked(&marks, "q", 0, NOW - LAG - 1));
    }

    #[test]
    fn the_end_of_a_queue_moves_all_its_marks() {
        let mut marks = Marks::default();
        marks.walked("q", NOW, Some((0, 5)));
        marks.walked("q", NOW, Some((3, 5)));
        assert!(!is_walked(&marks, "q", 0, NOW - LAG - 1), "the more urgent ones were walked to their end");
        assert!(is_walked(&marks, "q", 3, 5));
        marks.walked("q", NOW, None);
        assert!(!is_walked(&marks, "q", 3, 5));
    }

    #[test]
    fn what_appears_below_lowers_the_marks() {
        let mut marks = Marks::default();
        marks.walked("q", NOW, Some((0, NOW)));
        marks.promoted(NOW);
        marks.lower(7);
        assert!(is_walked(&marks, "q", 0, 7));
        assert_eq!(marks.due(), 7);
    }

    #[test]
    fn a_clock_that_goes_back_begins_anew() {
        let mut marks = Marks::default();
        marks.see(NOW);
        marks.walked("q", NOW, Some((0, NOW)));
        marks.see(NOW - 1);
        assert!(!is_walked(&marks, "q", 0, 0));
        marks.see(NOW - LAG);
        assert!(is_walked(&marks, "q", 0, 0));
    }
}
