//! Searches blocks, from the end that the order begins at, until the first rows are found.
//!
//! In: what can be looked at, an order, how many rows. Out: rows, in parts, among which are the first so many and all that are of the same time as
//! the last of them. Guaranteed: few others are among them; no more are held than was said, whatever is of one time.

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
    frontier: Frontier,
    running: Steps,
    leaders: Leaders<At>,
}

impl Search {
    /// One that has looked at what is in memory.
    pub(super) fn new(look: Arc<Look>, direction: Direction, wanted: usize) -> Self {
        let times = look.files.iter().map(|file| Times::of(&file.kept.file));
        let frontier = Frontier::new(direction.clone(), times);
        let mut leaders = Leaders::new(wanted, ROWS_HELD_MAX);
        for (batch, memory) in look.memory.iter().enumerate() {
            for (row, time) in &memory.rows {
                leaders.offer(direction.key(*time), At::Memory { batch, row: *row });
            }
        }
        Self { look, direction, frontier, running: Steps::default(), leaders }
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
