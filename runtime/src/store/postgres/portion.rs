//! What one statement takes: PostgreSQL gives no value, and no message, more than a gigabyte, and whoever is near it holds
//! several copies of it in memory.

use crate::task::Task;

/// More tasks than this go in several statements.
pub(super) const MOST: usize = 5000;

/// So do more bytes than this. One task alone is never too large.
pub(super) const LARGEST: usize = 16 << 20;

/// What one statement adds.
pub(super) struct Portion<'a> {
    /// Which of all tasks each is.
    pub(super) places: Vec<usize>,
    pub(super) tasks: Vec<&'a Task>,
}

/// What tasks take in a statement, in bytes, but for what is always small.
pub(super) fn size(tasks: &[Task]) -> usize {
    tasks.iter().map(size_of).sum()
}

fn size_of(task: &Task) -> usize {
    task.payload.len() + task.options.as_ref().map_or(0, Vec::len)
}

/// Tasks as one statement takes them, or several in one transaction. Several take names in their order, as one does: two
/// batches cannot wait for each other.
pub(super) fn portions<'a>(tasks: impl IntoIterator<Item = &'a Task>) -> Vec<Portion<'a>> {
    let mut tasks: Vec<(usize, &Task)> = tasks.into_iter().enumerate().collect();
    let size = tasks.iter().map(|(_, task)| size_of(task)).sum::<usize>();
    if tasks.len() > MOST || size > LARGEST {
        tasks.sort_by_key(|(_, task)| task.name.as_ref().map(|name| (&task.queue, name)));
    }
    let mut portions: Vec<Portion<'_>> = Vec::new();
    let mut left = 0;
    for (place, task) in tasks {
        let fits = portions.last().is_some_and(|portion| portion.tasks.len() < MOST) && size_of(task) <= left;
        if !fits {
            portions.push(Portion { places: Vec::new(), tasks: Vec::new() });
            left = LARGEST;
        }
        left = left.saturating_sub(size_of(task));
        let portion = portions.last_mut().expect("there is one");
        portion.places.push(place);
        portion.tasks.push(task);
    }
    portions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::{Content, Draft};

    fn task(size: usize) -> Task {
        Task { payload: vec![0; size], ..Draft::new("f", Content::Call).task }
    }

    fn places(tasks: &[Task]) -> Vec<Vec<usize>> {
        portions(tasks).into_iter().map(|portion| portion.places).collect()
    }

    #[test]
    fn no_portion_is_too_large_and_all_together_are_everything() {
        let sizes = [1 << 20, LARGEST, 0, LARGEST - 1, 1, 1, 2 * LARGEST, 7];
        let tasks = sizes.map(task);
        assert_eq!(places(&tasks), [&[0][..], &[1, 2], &[3, 4], &[5], &[6], &[7]]);
        assert!(places(&[]).is_empty());
        let many: Vec<Task> = (0..MOST * 2 + 1).map(|_| task(0)).collect();
        let counts: Vec<usize> = portions(&many).iter().map(|portion| portion.tasks.len()).collect();
        assert_eq!(counts, [MOST, MOST, 1]);
    }

    #[test]
    fn several_portions_take_names_in_the_order_of_queues_and_names() {
        let named = |queue: &'static str, name: &str| Task {
            queue: queue.into(),
            name: Some(name.into()),
            ..task(LARGEST / 2)
        };
        let tasks = [named("b", "a"), named("a", "z"), task(LARGEST / 2), named("a", "c"), named("a", "c")];
        assert_eq!(places(&tasks), [&[2, 3][..], &[4, 1], &[0]], "the first of equal names is the first");
        assert_eq!(places(&tasks[..2]), [[0, 1]], "one statement has an order of its own");
    }
}
