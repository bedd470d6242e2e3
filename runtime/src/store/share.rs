//! How one claim is divided among queues: each gets its share, what one leaves the others may have, and no queue is
//! always first. Pure arithmetic over a `take` function; every store claims through it.

/// Takes up to `want` items from `queues`, `turn` deciding which queue is served first. `take(queue, n)` takes at most
/// `n` from a queue and says how many it got.
pub(crate) fn take_fairly<Q, E>(
    queues: &[Q],
    turn: usize,
    want: usize,
    mut take: impl FnMut(&Q, usize) -> Result<usize, E>,
) -> Result<(), E> {
    let mut open: Vec<&Q> = queues.iter().collect();
    if open.is_empty() {
        return Ok(());
    }
    let first = turn % open.len();
    open.rotate_left(first);
    let mut left = want;
    while left > 0 && !open.is_empty() {
        let share = left.div_ceil(open.len());
        let mut still_open = Vec::with_capacity(open.len());
        for queue in open {
            let ask = share.min(left);
            if ask == 0 {
                break;
            }
            let got = take(queue, ask)?;
            left -= got;
            if got == ask {
                still_open.push(queue);
            }
        }
        open = still_open;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn taken(stock: &[usize], turn: usize, want: usize) -> Vec<usize> {
        let mut left = stock.to_vec();
        let queues: Vec<usize> = (0..stock.len()).collect();
        take_fairly(&queues, turn, want, |queue, n| {
            let got = n.min(left[*queue]);
            left[*queue] -= got;
            Ok::<_, Infallible>(got)
        })
        .unwrap();
        stock.iter().zip(left).map(|(had, left)| had - left).collect()
    }

    #[test]
    fn each_queue_gets_its_share() {
        assert_eq!(taken(&[100, 100], 0, 10), [5, 5]);
    }

    #[test]
    fn what_one_queue_leaves_the_others_get() {
        assert_eq!(taken(&[1, 100, 2], 0, 30), [1, 27, 2]);
    }

    #[test]
    fn the_first_queue_changes_with_the_turn() {
        assert_eq!(taken(&[9, 9, 9], 0, 1), [1, 0, 0]);
        assert_eq!(taken(&[9, 9, 9], 1, 1), [0, 1, 0]);
        assert_eq!(taken(&[9, 9, 9], 5, 1), [0, 0, 1]);
    }

    #[test]
    fn empty_queues_end_the_round() {
        assert_eq!(taken(&[0, 0], 0, 10), [0, 0]);
        assert_eq!(taken(&[], 3, 10), Vec::<usize>::new());
    }
}
