//! One token bucket, exact in integers.
//!
//! In: a quota, the time, what is spent. Out: what is left, and how long to wait. Guaranteed: nothing is lost to rounding,
//! however often it is asked; a bucket that owes nothing is the same as one that never was.
//!
//! A token is divided into as many grains as its quota's window has microseconds, so that in each microsecond a whole
//! number of grains comes back: as many as the quota has tokens a window.

/// Microseconds of a second.
pub(super) const SECOND: i64 = 1_000_000;

/// So many tokens a window, of which so many may be saved up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    /// Tokens that come back in a window; at least 1.
    pub(super) rate: u32,
    /// The window in microseconds, which is also how many grains a token has.
    pub(super) window: i64,
    /// Windows whose tokens are in a full bucket; at least 1.
    pub(super) windows: u32,
}

impl Quota {
    /// Tokens in a full bucket.
    pub(super) fn tokens(self) -> i64 {
        i64::from(self.rate).saturating_mul(i64::from(self.windows))
    }

    /// Seconds in which an empty bucket fills.
    pub(super) fn seconds(self) -> i64 {
        (self.window / SECOND).saturating_mul(i64::from(self.windows))
    }

    fn grains(self) -> i64 {
        self.tokens().saturating_mul(self.window)
    }
}

/// What was spent and has not come back yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Grains between here and full; more than a full bucket has is a debt.
    missing: i64,
    /// When that was true.
    at: i64,
    /// The rate at which it comes back: that of the quota it was last asked with.
    rate: u32,
}

impl Bucket {
    /// Lets come back what came back until `now`.
    pub(super) fn settle(&mut self, now: i64) {
        let elapsed = i128::from(now.saturating_sub(self.at).max(0));
        let back = (elapsed * i128::from(self.rate)).min(i128::from(self.missing));
        self.missing -= i64::try_from(back).unwrap_or(self.missing);
        self.at = self.at.max(now);
    }

    /// The same, and from here on at the rate of `quota`, which may have changed.
    pub(super) fn settle_for(&mut self, quota: Quota, now: i64) {
        self.settle(now);
        self.rate = quota.rate;
    }

    /// Of two buckets of one quota the one that has less at `now`.
    pub(super) fn emptier(mut one: Self, mut other: Self, now: i64) -> Self {
        one.settle(now);
        other.settle(now);
        if other.missing > one.missing { other } else { one }
    }

    /// Spends whole tokens, more than there are if need be.
    pub(super) fn take(&mut self, quota: Quota, tokens: u64) {
        let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
        self.missing = self.missing.saturating_add(tokens.saturating_mul(quota.window));
    }

    /// Spends millionths of a token; exact if a window is a whole number of seconds.
    pub(super) fn take_micros(&mut self, quota: Quota, micros: u64) {
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        self.missing = self.missing.saturating_add(micros.saturating_mul(quota.window / SECOND));
    }

    /// Microseconds until there is a whole token.
    pub(super) fn until_token(&self, quota: Quota) -> i64 {
        self.until(quota, quota.window)
    }

    /// Microseconds until there is anything at all.
    pub(super) fn until_any(&self, quota: Quota) -> i64 {
        self.until(quota, 1)
    }

    /// Microseconds until it is full.
    pub(super) fn until_full(&self, quota: Quota) -> i64 {
        self.until(quota, quota.grains())
    }

    fn until(&self, quota: Quota, grains: i64) -> i64 {
        let lacking = grains.saturating_sub(quota.grains().saturating_sub(self.missing)).max(0);
        let rate = i64::from(quota.rate);
        lacking / rate + i64::from(lacking % rate != 0)
    }

    /// Whole tokens that are left.
    pub(super) fn left(&self, quota: Quota) -> i64 {
        quota.grains().saturating_sub(self.missing).max(0) / quota.window
    }

    /// Microseconds until it owes nothing, at its own rate: how much would be forgiven if it were forgotten.
    pub(super) fn owes_micros(&self) -> i64 {
        match self.missing {
            0 => 0,
            missing => missing / i64::from(self.rate.max(1)) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const THREE: Quota = Quota { rate: 3, window: SECOND, windows: 2 };

    fn settled(mut bucket: Bucket, quota: Quota, now: i64) -> Bucket {
        bucket.settle_for(quota, now);
        bucket
    }

    /// Would catch a bucket that gives more than its rate, or never gives what it should.
    #[test]
    fn tokens_come_back_at_their_rate() {
        let mut bucket = settled(Bucket::default(), THREE, 0);
        assert_eq!((bucket.left(THREE), bucket.until_token(THREE), bucket.until_full(THREE)), (6, 0, 0));
        bucket.take(THREE, 6);
        assert_eq!((bucket.left(THREE), bucket.until_token(THREE)), (0, 333_334));
        assert_eq!(settled(bucket, THREE, 333_333).left(THREE), 0);
        assert_eq!(settled(bucket, THREE, 333_334).left(THREE), 1);
        assert_eq!(settled(bucket, THREE, 1_999_999).left(THREE), 5);
        let full = settled(bucket, THREE, 2_000_000);
        assert_eq!((full.left(THREE), full.owes_micros()), (6, 0));
    }

    /// Would catch a request larger than the bucket that is never let in, or one that costs nothing.
    #[test]
    fn a_debt_is_paid_back_before_anything_else() {
        let mut bucket = settled(Bucket::default(), THREE, 0);
        bucket.take(THREE, 9);
        assert_eq!(bucket.left(THREE), 0);
        assert_eq!(bucket.until_any(THREE), 1_000_001);
        assert_eq!(settled(bucket, THREE, 1_000_001).until_any(THREE), 0);
    }

    /// Would catch query time that is charged in the wrong unit.
    #[test]
    fn parts_of_a_token_are_spent_exactly() {
        let minute = Quota { rate: 60, window: 60 * SECOND, windows: 1 };
        let mut bucket = settled(Bucket::default(), minute, 0);
        bucket.take_micros(minute, 500_000);
        assert_eq!((bucket.left(minute), bucket.until_full(minute)), (59, 500_000));
        bucket.take_micros(minute, 500_000);
        assert_eq!((bucket.left(minute), bucket.until_full(minute)), (59, 1_000_000));
    }

    proptest! {
        /// Would catch grains that are lost, or made, by looking often.
        #[test]
        fn looking_changes_nothing(
            rate in 1_u32..100_000,
            spent in 0_u64..1_000_000,
            steps in proptest::collection::vec(0_i64..500_000, 1..50),
        ) {
            let quota = Quota { rate, window: SECOND, windows: 5 };
            let mut often = settled(Bucket::default(), quota, 0);
            often.take(quota, spent);
            let once = often;
            let mut now = 0;
            for step in steps {
                now += step;
                often.settle_for(quota, now);
            }
            prop_assert_eq!(often, settled(once, quota, now));
        }

        /// Would catch a limit beyond which numbers wrap around, so that a debtor becomes rich.
        #[test]
        fn the_largest_numbers_do_not_wrap(rate in u32::MAX - 3..=u32::MAX, tokens in any::<u64>()) {
            let quota = Quota { rate, window: 60 * SECOND, windows: 3_600 };
            let mut bucket = settled(Bucket::default(), quota, 0);
            bucket.take(quota, tokens);
            bucket.take(quota, tokens);
            prop_assert!(bucket.left(quota) <= quota.tokens());
            prop_assert!(tokens < u64::from(u32::MAX) * 7_200 || bucket.until_any(quota) > 0);
            bucket.settle(i64::MAX);
            prop_assert!(bucket.until_any(quota) >= 0);
        }
    }
}
