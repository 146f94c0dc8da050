//! Seeded choices that are the same on every machine and with every version of the `rand` crates: nothing but
//! the words of a ChaCha stream and integer arithmetic.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One stream of choices.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut words = ChaCha8Rng::from_seed(key);
        words.set_stream(stream);
        Self(words)
    }

    pub(super) fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound`; `bound` must not be 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `from..to`.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from)
    }

    pub(super) fn chance(&mut self, permille: u64) -> bool {
        self.below(1_000) < permille
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// Chooses among `n` things by given weights.
pub(super) struct Weighted {
    cumulative: Vec<u64>,
}

impl Weighted {
    pub(super) fn new(weights: impl Iterator<Item = u64>) -> Self {
        let cumulative = weights
            .scan(0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        Self { cumulative }
    }

    /// Zipf's law: the thing of rank `r` (from 0) is chosen in proportion to `1 / (r + 1)`.
    pub(super) fn zipf(count: usize) -> Self {
        Self::new((1..=count as u64).map(|rank| (1 << 32) / rank))
    }

    pub(super) fn pick(&self, dice: &mut Dice) -> usize {
        let total = self.cumulative.last().copied().unwrap_or(1);
        let drawn = dice.below(total);
        self.cumulative.partition_point(|&sum| sum <= drawn)
    }
}

/// Spreads a number over all 64 bits, so that derived ids look unrelated (the finaliser of SplitMix64).
pub(super) fn mix(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
