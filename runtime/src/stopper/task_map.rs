//! Counts by name and call site, for people to read. It never counts anything itself.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;

use super::names::Label;

/// How many run under each name and call site, largest first.
///
/// ```
/// # use delay::stopper::Stopper;
/// let stopper = Stopper::new();
/// let _admission = stopper.admit("mail")?;
/// let running = stopper.running_tasks();
/// assert_eq!(running.count("mail"), 1);
/// assert!(running.to_string().starts_with("1 x mail ("));
/// # Ok::<(), delay::stopper::Unavailable>(())
/// ```
///
/// It prints on one line; with `{:#}`, on one line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskMap {
    rows: Vec<TaskCount>,
}

/// One row of a [`TaskMap`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskCount {
    /// The name that the tasks were started with.
    pub name: &'static str,
    /// Where they were started.
    pub site: &'static Location<'static>,
    /// How many of them run.
    pub count: usize,
}

impl TaskMap {
    pub(super) fn new(counts: Vec<(Label, usize)>) -> Self {
        let mut sums = BTreeMap::new();
        for (Label { name, site }, count) in counts {
            let key = (name, site.file(), site.line(), site.column());
            sums.entry(key).or_insert(TaskCount { name, site, count: 0 }).count += count;
        }
        let mut rows: Vec<TaskCount> = sums.into_values().collect();
        // Stable: equal counts stay in the order of their names.
        rows.sort_by_key(|row| Reverse(row.count));
        Self { rows }
    }

    /// The rows, largest count first.
    pub fn iter(&self) -> impl Iterator<Item = &TaskCount> {
        self.rows.iter()
    }

    /// How many run under `name`, over all call sites.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.rows.iter().filter(|row| row.name == name).map(|row| row.count).sum()
    }

    /// How many run in all.
    #[must_use]
    pub fn total(&self) -> usize {
        self.rows.iter().map(|row| row.count).sum()
    }

    /// Whether nothing runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Display for TaskMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = if f.alternate() { "\n" } else { ", " };
        for (index, row) in self.rows.iter().enumerate() {
            let before = if index == 0 { "" } else { between };
            write!(f, "{before}{} x {} ({}:{})", row.count, row.name, row.site.file(), row.site.line())?;
        }
        Ok(())
    }
}
