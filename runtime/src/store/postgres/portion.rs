//! What one statement takes: PostgreSQL gives no value, and no message, more than a gigabyte, and whoever is near it holds
//! several copies of it in memory.

use crate::task::Task;

/// More tasks than this go in several statements.
const MOST: usize = 5000;

/// So do more bytes than this. One task alone is never too large.
pub(super) const LARGEST: usize = 16 << 20;

/// What tasks take in a statement, in bytes, but for what is always small.
pub(super) fn size(tasks: &[Task]) -> usize {
    let size = |task: &Task| task.payload.len() + task.options.as_ref().map_or(0, Vec::len);
    tasks.iter().map(size).sum()
}

/// Tasks as so many statements take them, in their order.
pub(super) fn portions(mut tasks: &[Task]) -> impl Iterator<Item = &[Task]> {
    std::iter::from_fn(move || {
        let mut left = LARGEST;
        let fits = |task: &Task| {
            let fits = left.checked_sub(size(std::slice::from_ref(task)));
            left = fits.unwrap_or(0);
            fits.is_some()
        };
        let count = tasks.iter().take(MOST).map(fits).take_while(|fits| *fits).count();
        let (portion, rest) = tasks.split_at(count.max(1).min(tasks.len()));
        tasks = rest;
        (!portion.is_empty()).then_some(portion)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::{Content, Draft};

    fn task(size: usize) -> Task {
        Task { payload: vec![0; size], ..Draft::new("f", Content::Call).task }
    }

    #[test]
    fn nothing_is_lost_between_portions_and_none_is_too_large() {
        let sizes = [1 << 20, LARGEST, 0, LARGEST - 1, 1, 1, 2 * LARGEST, 7];
        let tasks: Vec<Task> = sizes.map(task).into();
        let cut: Vec<Vec<usize>> =
            portions(&tasks).map(|portion| portion.iter().map(|task| task.payload.len()).collect()).collect();
        let expected = [&[1 << 20][..], &[LARGEST, 0], &[LARGEST - 1, 1], &[1], &[2 * LARGEST], &[7]];
        assert_eq!(cut, expected);
        assert_eq!(portions(&[]).count(), 0);
        let many: Vec<Task> = (0..MOST * 2 + 1).map(|_| task(0)).collect();
        assert_eq!(portions(&many).map(<[Task]>::len).collect::<Vec<_>>(), [MOST, MOST, 1]);
    }
}
