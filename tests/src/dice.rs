//! Randomness that can be had again: the seed is printed, and `DELAY_SEED` sets it.

use std::time::{SystemTime, UNIX_EPOCH};

/// A stream of random numbers (SplitMix64, Steele et al. 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream that `DELAY_SEED` names, or a new one; says which.
    ///
    /// # Panics
    /// If `DELAY_SEED` is not a number.
    #[must_use]
    pub fn for_this_run() -> Self {
        let seed = match std::env::var("DELAY_SEED") {
            Ok(seed) => seed.parse().expect("DELAY_SEED is a number"),
            Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64),
        };
        println!("DELAY_SEED={seed}");
        Self::new(seed)
    }

    /// A number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }
}
