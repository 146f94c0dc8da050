//! Steps that are under way at the same time.
//!
//! In: steps, and what they may find. Out: what they found, as they end. Guaranteed: so many blocks are looked at at the same time, and so many
//! ahead, as were looked at before in vain, within a bound: a page whose rows are at the end reads a block or two, and one whose rows
//! are rare waits for a store that is far away a few times and not a thousand. Whatever is under way ends when this goes.

use std::ops::RangeInclusive;

use datafusion::{
    common::runtime::SpawnedTask,
    error::{DataFusionError, Result},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};

use super::look::Done;

/// Steps at the same time, to begin with and at most.
const AT_ONCE: RangeInclusive<usize> = 2..=16;
/// Blocks of a file that are looked at in one step, at most.
const BLOCKS_AT_ONCE_MAX: usize = 16;
/// Blocks that one question may bring into memory: a million events. What goes through more will not come back before others have
/// taken their place.
const BLOCKS_KEPT_MAX: usize = 1_024;
/// Steps after which it is worth while to look on all threads.
const STEPS_ALONE: usize = 8;

/// Steps that are under way, with the greatest keys that they may find.
#[derive(Default)]
pub(super) struct Steps {
    futures: FuturesUnordered<BoxFuture<'static, (usize, Result<Done>)>>,
    bounds: Vec<(usize, i64)>,
    begun: usize,
    blocks: usize,
}

impl Steps {
    /// Whether there is room for one more.
    pub(super) fn may_begin(&self) -> bool {
        self.bounds.len() < (self.begun / 2).clamp(*AT_ONCE.start(), *AT_ONCE.end())
    }

    /// How many blocks of a file the next step should look at.
    pub(super) fn blocks_at_once(&self) -> usize {
        (self.blocks / 2).clamp(1, BLOCKS_AT_ONCE_MAX)
    }

    /// Whether what is looked at is kept in memory.
    pub(super) fn keeps(&self) -> bool {
        self.blocks < BLOCKS_KEPT_MAX
    }

    /// So many blocks were looked at.
    pub(super) fn count(&mut self, blocks: usize) {
        self.blocks += blocks;
    }

    /// Begins a step that finds no key greater than `bound`.
    pub(super) fn begin(&mut self, bound: i64, step: impl Future<Output = Result<Done>> + Send + 'static) {
        let number = self.begun;
        self.begun += 1;
        self.bounds.push((number, bound));
        self.futures.push(match number < STEPS_ALONE {
            true => step.map(move |outcome| (number, outcome)).boxed(),
            false => {
                let task = SpawnedTask::spawn(step);
                async move { (number, task.join_unwind().await.unwrap_or_else(stopped)) }.boxed()
            }
        });
    }

    /// What a step found; `None` if no step that is under way can find keys from `least` on.
    pub(super) async fn next(&mut self, least: Option<i64>) -> Option<Result<Done>> {
        let is_wanted = |(_, bound): &(usize, i64)| least.is_none_or(|least| *bound >= least);
        if !self.bounds.iter().any(is_wanted) {
            // What is under way is of no use: it ends here.
            (self.bounds, self.futures) = Default::default();
            return None;
        }
        let (number, outcome) = self.futures.next().await?;
        self.bounds.retain(|(other, _)| *other != number);
        Some(outcome)
    }
}

fn stopped(error: tokio::task::JoinError) -> Result<Done> {
    Err(DataFusionError::External(Box::new(error)))
}
