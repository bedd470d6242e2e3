//! A list for the usual handful of arguments.
//!
//! Owns where items are kept: the first ones in place, the others in a vector. It never removes one.

/// Few functions have more parameters, and for those one allocation does not matter.
const INLINE: usize = 8;

/// A list whose first items need no allocation.
#[derive(Debug)]
pub(super) struct Few<T> {
    first: [T; INLINE],
    count: usize,
    more: Vec<T>,
}

impl<T: Copy + Default> Default for Few<T> {
    fn default() -> Self {
        Self { first: [T::default(); INLINE], count: 0, more: Vec::new() }
    }
}

impl<T> Few<T> {
    /// Whether there are so few items that none needed an allocation.
    pub(super) fn is_inline(&self) -> bool {
        self.more.is_empty()
    }

    pub(super) fn push(&mut self, item: T) {
        match self.first.get_mut(self.count) {
            Some(place) => {
                *place = item;
                self.count += 1;
            }
            None => self.more.push(item),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.first[..self.count].iter().chain(&self.more)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.first[..self.count].iter_mut().chain(&mut self.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_listed_in_order_however_many_there_are() {
        for count in [0, 1, INLINE - 1, INLINE, INLINE + 1, 100] {
            let mut few = Few::default();
            (0..count).for_each(|item| few.push(item));
            assert_eq!(few.is_inline(), count <= INLINE);
            assert!(few.iter().copied().eq(0..count));
            few.iter_mut().for_each(|item| *item += 1);
            assert!(few.iter().copied().eq(1..=count));
        }
    }
}
