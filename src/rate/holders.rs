//! Who has spent what: buckets by whoever they belong to, of bounded number.
//!
//! Guaranteed: there are never more than `max`; who owes nothing is forgotten, which changes nothing; only if all `max`
//! owe something are others forgotten, those that owe least first, an eighth at once so that it is seldom.

use std::{borrow::Borrow, collections::HashMap, hash::Hash};

use super::bucket::Bucket;

/// Below this many there is no point in looking for some to forget.
const SWEEP_AT_MIN: usize = 1_024;

/// `N` buckets for each holder.
#[derive(Debug)]
pub(super) struct Holders<K, const N: usize> {
    buckets: HashMap<K, [Bucket; N]>,
    max: usize,
    /// How many there have to be before the next look for some to forget.
    sweep_at: usize,
}

impl<K: Hash + Eq, const N: usize> Holders<K, N> {
    pub(super) fn new(max: usize) -> Self {
        Self { buckets: HashMap::new(), max, sweep_at: SWEEP_AT_MIN.min(max) }
    }

    /// The buckets of a holder, full ones if it has none.
    pub(super) fn of<Q>(&mut self, holder: &Q, owned: impl FnOnce() -> K, now: i64) -> &mut [Bucket; N]
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if !self.buckets.contains_key(holder) {
            self.make_room(now);
        }
        self.buckets.entry(owned()).or_insert([Bucket::default(); N])
    }

    /// The buckets of a holder as they would be, without making any.
    pub(super) fn look<Q>(&self, holder: &Q) -> [Bucket; N]
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.buckets.get(holder).copied().unwrap_or([Bucket::default(); N])
    }

    fn make_room(&mut self, now: i64) {
        if self.buckets.len() < self.sweep_at {
            return;
        }
        self.buckets.retain(|_, buckets| owes(buckets, now) > 0);
        if self.buckets.len() >= self.max {
            self.forget_an_eighth();
        }
        self.sweep_at = (2 * self.buckets.len()).clamp(SWEEP_AT_MIN.min(self.max), self.max);
    }

    /// What all owe was settled just now.
    fn forget_an_eighth(&mut self) {
        let mut debts: Vec<i64> = self.buckets.values().map(owes_most).collect();
        let mut left = (debts.len() / 8).max(1);
        let (_, last, _) = debts.select_nth_unstable(left - 1);
        let last = *last;
        self.buckets.retain(|_, buckets| {
            let forgotten = left > 0 && owes_most(buckets) <= last;
            left -= usize::from(forgotten);
            !forgotten
        });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }
}

fn owes<const N: usize>(buckets: &mut [Bucket; N], now: i64) -> i64 {
    buckets.iter_mut().for_each(|bucket| bucket.settle(now));
    owes_most(buckets)
}

fn owes_most<const N: usize>(buckets: &[Bucket; N]) -> i64 {
    buckets.iter().map(Bucket::owes_micros).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{
        super::bucket::{Quota, SECOND},
        *,
    };

    const QUOTA: Quota = Quota { rate: 10, window: SECOND, windows: 1 };

    fn spend(holders: &mut Holders<u32, 1>, holder: u32, tokens: u64, now: i64) {
        let [bucket] = holders.of(&holder, || holder, now);
        bucket.settle_for(QUOTA, now);
        bucket.take(QUOTA, tokens);
    }

    /// Would catch a table that grows with everyone who ever asked.
    #[test]
    fn who_owes_nothing_is_forgotten() {
        let mut holders = Holders::new(1 << 20);
        for holder in 0..100_000 {
            spend(&mut holders, holder, 1, i64::from(holder) * SECOND);
        }
        assert!(holders.len() <= SWEEP_AT_MIN, "{}", holders.len());
    }

    /// Would catch a flood of newcomers that makes the server forget who owes most, or remember without end.
    #[test]
    fn past_the_cap_who_owes_least_is_forgotten() {
        let mut holders = Holders::new(800);
        spend(&mut holders, 0, 1_000, 0);
        for holder in 1..10_000 {
            spend(&mut holders, holder, 1, 0);
            assert!(holders.len() <= 800);
        }
        assert!(holders.look(&0)[0].until_any(QUOTA) > 0, "the greatest debtor was forgotten");
    }
}
