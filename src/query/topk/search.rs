//! Searches blocks, from the end that the order begins at, until the first rows are found.
//!
//! In: what can be looked at, an order, how many rows. Out: rows, in parts, among which are the first so many and all that are of the same time as
//! the last of them. Guaranteed: few others are among them; however many are of one time, no more are held than was said, and what one step finds.

use std::sync::Arc;

use datafusion::error::Result;

use super::{
    frontier::{Direction, Frontier},
    leaders::Leaders,
    look::{At, Done, Look},
    steps::Steps,
};
use crate::query::block_times::Times;

/// Rows that are held until it is known whether they are among the first: 32 bytes each.
const ROWS_HELD_MAX: usize = 256 * 1_024;

/// A search that is under way.
pub(super) struct Search {
    look: Arc<Look>,
    direction: Direction,
    /// Those in memory that were taken in.
    batches: usize,
    frontier: Frontier,
    running: Steps,
    leaders: Leaders<At>,
}

impl Search {
    /// One that has found nothing yet.
    pub(super) fn new(look: Arc<Look>, direction: Direction, wanted: usize) -> Self {
        let times = look.files.iter().map(|file| Times::of(&file.kept.file));
        let frontier = Frontier::new(direction.clone(), times);
        let leaders = Leaders::new(wanted, ROWS_HELD_MAX);
        Self { look, direction, batches: 0, frontier, running: Steps::default(), leaders }
    }

    pub(super) fn look(&self) -> &Look {
        &self.look
    }

    /// Some of the rows, with their times; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<(i64, At)>>> {
        loop {
            if self.leaders.are_many() {
                return Ok(Some(self.take()));
            }
            // What is in memory comes first: it costs nothing, and leaves out most of the rest.
            if self.take_in_memory() {
                continue;
            }
            while self.running.may_begin()
                && let Some((bound, step)) =
                    self.frontier.step(self.leaders.least(), self.running.blocks_at_once())
            {
                let step = Arc::clone(&self.look).step(step, self.running.keeps());
                self.running.begin(bound, step);
            }
            match self.running.next(self.leaders.least()).await {
                Some(done) => self.take_in(done?),
                None => {
                    let rows = self.take();
                    return Ok((!rows.is_empty()).then_some(rows));
                }
            }
        }
    }

    /// Takes in one batch of those in memory; `false` if there is none left.
    fn take_in_memory(&mut self) -> bool {
        let batch = self.batches;
        let Some(memory) = self.look.memory.get(batch) else { return false };
        for (row, time) in &memory.rows {
            self.leaders.offer(self.direction.key(*time), At::Memory { batch, row: *row });
        }
        self.batches += 1;
        true
    }

    fn take_in(&mut self, done: Done) {
        match done {
            Done::Opened(file, times) => self.frontier.opened(file, self.look.blocks(file, &times)),
            Done::Looked(file, blocks) => {
                self.running.count(blocks.len());
                for (block, rows) in blocks {
                    for (row, time) in rows {
                        self.leaders.offer(self.direction.key(time), At::File { file, block, row });
                    }
                }
            }
        }
    }

    fn take(&mut self) -> Vec<(i64, At)> {
        // The key of a key is the time.
        self.leaders.take().into_iter().map(|(key, at)| (self.direction.key(key), at)).collect()
    }
}
