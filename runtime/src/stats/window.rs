//! Averages over the last minutes. Pure: times and readings are arguments, and time is the age of the process.

use std::collections::VecDeque;
use std::time::Duration;

/// No average looks further back.
const LONGEST: Duration = Duration::from_secs(600);

/// Samples nearer to each other than this become one: who asks often must not fill the memory.
const SPACING: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    cpu: Duration,
    ram: u64,
}

/// The samples of the last ten minutes, and the one before them: 122 at most.
#[derive(Debug, Default)]
pub(super) struct Window {
    samples: VecDeque<Sample>,
}

impl Window {
    /// Adds what was read when the process was `at` old.
    pub(super) fn add(&mut self, at: Duration, cpu: Duration, ram: u64) {
        let count = self.samples.len();
        // The last one is replaced while it is near to the one before it: so the one now is always there.
        if count >= 2 && self.samples[count - 1].at < self.samples[count - 2].at + SPACING {
            self.samples.pop_back();
        }
        self.samples.push_back(Sample { at, cpu, ram });
        // One that is older than all averages stays as the left end of the line across their beginning.
        while self.samples.len() >= 2 && self.samples[1].at + LONGEST <= at {
            self.samples.pop_front();
        }
    }

    /// CPU seconds per second over the last `span`, or over the process's life if that is shorter.
    pub(super) fn cpu_rate(&self, span: Duration) -> f64 {
        let Some(last) = self.samples.back() else { return 0.0 };
        let from = last.at.saturating_sub(span);
        let seconds = (last.at - from).as_secs_f64();
        let used = last.cpu.as_secs_f64() - self.cpu_at(from);
        if seconds > 0.0 { (used / seconds).max(0.0) } else { 0.0 }
    }

    /// CPU seconds at a time, on the straight line between the samples around it. A process begins at 0 with 0.
    fn cpu_at(&self, at: Duration) -> f64 {
        let mut before = (0.0, 0.0);
        for sample in &self.samples {
            let here = (sample.at.as_secs_f64(), sample.cpu.as_secs_f64());
            if sample.at >= at {
                let (step, gap) = (at.as_secs_f64() - before.0, here.0 - before.0);
                return if gap > 0.0 { before.1 + (here.1 - before.1) * step / gap } else { here.1 };
            }
            before = here;
        }
        before.1
    }

    /// Bytes on average over the last `span`, or since the first sample if that is shorter: the area below the line
    /// through the samples.
    pub(super) fn ram_average(&self, span: Duration) -> u64 {
        let Some(last) = self.samples.back() else { return 0 };
        let from = last.at.saturating_sub(span).as_secs_f64();
        let (mut area, mut width) = (0.0, 0.0);
        for (left, right) in self.samples.iter().zip(self.samples.iter().skip(1)) {
            let (start, end) = (left.at.as_secs_f64(), right.at.as_secs_f64());
            if end <= from || end <= start {
                continue;
            }
            let (low, high) = (left.ram as f64, right.ram as f64);
            let cut = start.max(from);
            let at_cut = low + (high - low) * (cut - start) / (end - start);
            area += (at_cut + high) / 2.0 * (end - cut);
            width += end - cut;
        }
        if width > 0.0 { (area / width).round() as u64 } else { last.ram }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn close(one: f64, other: f64) {
        assert!((one - other).abs() < 1e-9, "{one} is not {other}");
    }

    #[test]
    fn a_window_without_samples_says_nothing() {
        let window = Window::default();
        assert_eq!((window.cpu_rate(MINUTE), window.ram_average(MINUTE)), (0.0, 0));
    }

    #[test]
    fn a_young_process_is_averaged_over_its_life() {
        let mut window = Window::default();
        window.add(seconds(20.0), seconds(5.0), 100);
        close(window.cpu_rate(MINUTE), 0.25);
        close(window.cpu_rate(LONGEST), 0.25);
        assert_eq!(window.ram_average(MINUTE), 100);
    }

    #[test]
    fn averages_go_over_their_own_span_only() {
        let mut window = Window::default();
        // Nine quiet minutes with little memory, then a busy one with much.
        for n in 0..=54 {
            window.add(seconds(1000.0 + f64::from(n) * 10.0), seconds(50.0), 1000);
        }
        for n in 1..=6 {
            window.add(seconds(1540.0 + f64::from(n) * 10.0), seconds(50.0 + f64::from(n) * 20.0), 7000);
        }
        close(window.cpu_rate(MINUTE), 2.0);
        close(window.cpu_rate(LONGEST), 0.2);
        // The line rises over the first ten of the sixty seconds: 50 s of 7000 and 10 s of 4000 on average.
        assert_eq!(window.ram_average(MINUTE), 6500);
        assert_eq!(window.ram_average(LONGEST), (540 * 1000 + 10 * 4000 + 50 * 7000) / 600);
    }

    #[test]
    fn samples_far_apart_are_joined_by_a_line() {
        let mut window = Window::default();
        window.add(seconds(100.0), seconds(0.0), 0);
        window.add(seconds(3700.0), seconds(360.0), 3600);
        close(window.cpu_rate(MINUTE), 0.1);
        assert_eq!(window.ram_average(MINUTE), 3570);
        assert_eq!(window.ram_average(LONGEST), 3300);
    }

    #[test]
    fn who_asks_often_does_not_fill_the_memory_and_still_gets_the_last() {
        let mut window = Window::default();
        for n in 0..1_000_000_u64 {
            window.add(Duration::from_millis(n * 2), Duration::from_millis(n), n);
        }
        assert!(window.samples.len() <= 122, "{}", window.samples.len());
        close(window.cpu_rate(MINUTE), 0.5);
        assert_eq!(window.samples.back().map(|sample| sample.ram), Some(999_999));
        assert!(window.ram_average(MINUTE).abs_diff(999_999 - 15_000) < 10);
    }

    #[test]
    fn two_samples_of_one_moment_do_no_harm() {
        let mut window = Window::default();
        for cpu in [1.0, 1.5, 1.5] {
            window.add(seconds(0.0), seconds(cpu), 8);
        }
        assert!(window.cpu_rate(MINUTE).is_finite());
        assert_eq!(window.ram_average(MINUTE), 8);
    }
}
