//! Looks at blocks, from the end that the order begins at, until the first rows are found.
//!
//! In: files, rows in memory, and a filter. Out: where the first rows are. Guaranteed: they are among those found; so many blocks are
//! looked at at the same time, and so many ahead, as were looked at before in vain, within a bound: a page whose rows are at the
//! end reads one block, and one whose rows are rare waits for a store that is far away a few times and not a thousand.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::{
    common::runtime::SpawnedTask,
    error::{DataFusionError, Result},
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};

use super::{
    frontier::{Direction, Frontier, Step},
    leaders::Leaders,
    open::OpenFiles,
};
use crate::{
    event::TenantId,
    query::{
        block_times::{Times, of_blocks},
        blocks::places,
        needle::{Access, NeedleFile, Opened, Reading, Source},
    },
};

/// Steps at the same time, to begin with and at most.
const AT_ONCE: std::ops::RangeInclusive<usize> = 2..=16;
/// Blocks of a file that are looked at in one step, at most.
const BLOCKS_AT_ONCE_MAX: usize = 16;
/// Blocks that one question may bring into memory: a million events. What goes through more will not come back before others have
/// taken their place.
const BLOCKS_KEPT_MAX: usize = 1_024;
/// Steps after which it is worth while to look on all threads.
const STEPS_ALONE: usize = 8;

/// What is looked at, and how.
pub(super) struct Look {
    pub(super) files: Vec<Arc<NeedleFile>>,
    pub(super) memory: Vec<Memory>,
    pub(super) reading: Arc<Reading>,
    pub(super) access: Arc<Access>,
    pub(super) metrics: ExecutionPlanMetricsSet,
}

/// Rows that are in no file yet: those that pass the filter.
pub(super) struct Memory {
    pub(super) batch: RecordBatch,
    /// Whose they are.
    pub(super) tenant: TenantId,
    /// Where they are in the batch, and when they occurred.
    pub(super) rows: Vec<(u32, i64)>,
}

/// Where a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// In a file's block.
    File { file: usize, block: u64, row: u32 },
    /// In a batch in memory.
    Memory { batch: usize, row: u32 },
}

/// What a step found.
enum Done {
    Opened(Arc<[Times]>),
    /// Blocks, and the rows of them that passed, with their times.
    Looked(Vec<(u64, Vec<(u32, i64)>)>),
}

/// A step's file, what it found, and the file if it is open.
type Outcome = Result<(usize, Done, Option<Opened>)>;

impl Look {
    /// The first `wanted` rows, and their equals, with their keys.
    pub(super) async fn first(
        self: &Arc<Self>,
        direction: &Direction,
        wanted: usize,
    ) -> Result<Vec<(i64, At)>> {
        let mut leaders = self.leaders_in_memory(direction, wanted);
        let times = self.files.iter().map(|file| Times::of(&file.kept.file));
        let mut frontier = Frontier::new(direction.clone(), times);
        let mut open = OpenFiles::default();
        let mut running = Steps::default();
        loop {
            while running.may_begin()
                && let Some((bound, step)) = frontier.step(leaders.least(), running.blocks_at_once())
            {
                let file = step.file();
                running.begin(bound, Arc::clone(self).step(step, open.take(file), running.keeps()));
            }
            let Some(outcome) = running.next(leaders.least()).await else { return Ok(leaders.finish()) };
            let (file, done, opened) = outcome?;
            open.put(file, opened);
            match done {
                Done::Opened(times) => frontier.opened(file, self.blocks(file, &times)),
                Done::Looked(blocks) => {
                    running.count(blocks.len());
                    for (block, rows) in blocks {
                        for (row, time) in rows {
                            leaders.offer(direction.key(time), At::File { file, block, row });
                        }
                    }
                }
            }
        }
    }

    fn leaders_in_memory(&self, direction: &Direction, wanted: usize) -> Leaders<At> {
        let mut leaders = Leaders::new(wanted);
        for (batch, memory) in self.memory.iter().enumerate() {
            for (row, time) in &memory.rows {
                leaders.offer(direction.key(*time), At::Memory { batch, row: *row });
            }
        }
        leaders
    }

    /// The blocks of a file that may have a match.
    fn blocks(&self, file: usize, times: &[Times]) -> impl Iterator<Item = (u64, Times)> {
        let of_file = Times::of(&self.files[file].kept.file);
        let numbers = self.source(&self.files[file]).numbers().into_iter();
        numbers.map(move |number| (number, times.get(number as usize).copied().unwrap_or(of_file)))
    }

    pub(super) fn source<'a>(&'a self, file: &'a NeedleFile) -> Source<'a> {
        Source::new(&self.access, file, (0, &self.metrics))
    }

    async fn step(self: Arc<Self>, step: Step, opened: Option<Opened>, keeps: bool) -> Outcome {
        // What is in memory is never waited for, and others want to run too.
        tokio::task::consume_budget().await;
        match step {
            Step::Open(file) => {
                let (times, opened) = self.times(&self.files[file]).await?;
                Ok((file, Done::Opened(times), opened))
            }
            Step::Look(file, numbers) => {
                let mut source = self.source(&self.files[file]).with(opened).keeping(keeps);
                let blocks = self.look(&mut source, &numbers).await?;
                Ok((file, Done::Looked(blocks), source.into_opened()))
            }
        }
    }

    /// The times of a file's blocks, and the file if it had to be opened for them.
    async fn times(&self, file: &NeedleFile) -> Result<(Arc<[Times]>, Option<Opened>)> {
        let location = file.file.object_meta.location.as_ref();
        if let Some(times) = self.access.times.get(location) {
            return Ok((times, None));
        }
        let opened = Opened::open(&self.access, file, (0, &self.metrics)).await?;
        let of_file = Times::of(&file.kept.file);
        let times: Arc<[Times]> = of_blocks(opened.footer(), self.access.blocks.rows(), of_file).into();
        self.access.times.put(location, &times);
        Ok((times, Some(opened)))
    }

    /// The rows of these blocks that pass.
    async fn look(&self, source: &mut Source<'_>, numbers: &[u64]) -> Result<Vec<(u64, Vec<(u32, i64)>)>> {
        let mut found: Vec<_> = numbers.iter().map(|number| (*number, Vec::new())).collect();
        for part in source.parts_of(numbers) {
            let matched = self.reading.matches(source, &part).await?;
            let pieces: Vec<_> = matched.iter().map(|(piece, _)| piece.clone()).collect();
            let times = self.reading.times(source, &pieces).await?;
            for ((piece, passed), times) in matched.into_iter().zip(times) {
                let Some((_, rows)) = found.iter_mut().find(|(number, _)| *number == piece.number()) else {
                    continue;
                };
                let row = |place: &u32| (piece.row(*place), times.value(*place as usize));
                rows.extend(places(&passed).iter().map(row));
            }
        }
        Ok(found)
    }
}

impl Step {
    fn file(&self) -> usize {
        let (Self::Open(file) | Self::Look(file, _)) = self;
        *file
    }
}

/// Steps that are under way, with the greatest keys that they may find.
#[derive(Default)]
struct Steps {
    futures: FuturesUnordered<BoxFuture<'static, (usize, Outcome)>>,
    bounds: Vec<(usize, i64)>,
    begun: usize,
    blocks: usize,
}

impl Steps {
    fn may_begin(&self) -> bool {
        self.bounds.len() < (self.begun / 2).clamp(*AT_ONCE.start(), *AT_ONCE.end())
    }

    fn blocks_at_once(&self) -> usize {
        (self.blocks / 2).clamp(1, BLOCKS_AT_ONCE_MAX)
    }

    /// Whether what is looked at is kept in memory.
    fn keeps(&self) -> bool {
        self.blocks < BLOCKS_KEPT_MAX
    }

    fn count(&mut self, blocks: usize) {
        self.blocks += blocks;
    }

    fn begin(&mut self, bound: i64, step: impl Future<Output = Outcome> + Send + 'static) {
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
    async fn next(&mut self, least: Option<i64>) -> Option<Outcome> {
        let is_wanted = |(_, bound): &(usize, i64)| least.is_none_or(|least| *bound >= least);
        if !self.bounds.iter().any(is_wanted) {
            return None;
        }
        let (number, outcome) = self.futures.next().await?;
        self.bounds.retain(|(other, _)| *other != number);
        Some(outcome)
    }
}

fn stopped(error: tokio::task::JoinError) -> Outcome {
    Err(DataFusionError::External(Box::new(error)))
}
