//! Chance that can be had again: every choice of a run follows from one printed number (SplitMix64).

use std::time::Duration;

/// A stream of choices.
#[derive(Debug, Clone)]
pub struct Seed(u64);

impl Seed {
    /// From `CHAOS_SEED`, else from the clock; printed, so that a run that found something can be repeated.
    ///
    /// # Panics
    /// When `CHAOS_SEED` is no number.
    #[expect(clippy::disallowed_methods, reason = "another seed in every run")]
    pub fn of_this_run(name: &str) -> Self {
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let number = std::env::var("CHAOS_SEED")
            .map_or(u64::from(clock.subsec_nanos()), |text| text.parse().expect("CHAOS_SEED is a number"));
        println!("{name}: CHAOS_SEED={number}");
        Self(number)
    }

    /// Another stream, which does not depend on how much of this one was used.
    #[must_use]
    pub const fn branch(&self, number: u64) -> Self {
        Self(self.0 ^ number.wrapping_add(1).wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// Below `bound`, which is not 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % bound
    }

    /// True in one of `chances`.
    pub const fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    /// A time of `from..to` milliseconds.
    pub const fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}
