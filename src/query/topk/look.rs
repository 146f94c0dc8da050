//! Looks at files and blocks.
//!
//! In: files, rows in memory, and a filter. Out: from when to when blocks go, and which of their rows pass. Guaranteed: a file that was
//! opened is not opened again while it is one of the last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::{error::Result, physical_plan::metrics::ExecutionPlanMetricsSet};

use super::{frontier::Step, memory::Memory, open::OpenFiles};
use crate::query::{
    block_times::{OfFile, Times},
    blocks::places,
    needle::{Access, NeedleFile, Opened, Reading, Source, numbers},
    places::Place,
};

/// What is looked at, and how.
pub(super) struct Look {
    pub(super) files: Vec<Arc<NeedleFile>>,
    pub(super) memory: Vec<Memory>,
    pub(super) reading: Arc<Reading>,
    pub(super) access: Arc<Access>,
    pub(super) metrics: ExecutionPlanMetricsSet,
    pub(super) open: Mutex<OpenFiles>,
    /// Held until nothing looks any more.
    pub(super) _place: Option<Arc<Place>>,
}

/// Where a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// In a file's block.
    File { file: usize, block: u64, row: u32 },
    /// In a batch in memory.
    Memory { batch: usize, row: u32 },
}

/// What a step found in a file.
pub(super) enum Done {
    Opened(usize, Arc<OfFile>),
    /// Blocks, and the rows of them that passed, with their times.
    Looked(usize, Vec<(u64, Vec<(u32, i64)>)>),
}

impl Look {
    /// The blocks of a file that may have a match.
    pub(super) fn blocks(&self, file: usize, known: &OfFile) -> impl Iterator<Item = (u64, Times)> {
        let of_file = Times::of(&self.files[file].kept.file);
        let numbers = numbers(&self.files[file].kept, self.access.blocks.rows()).into_iter();
        numbers.map(move |number| (number, known.times.get(number as usize).copied().unwrap_or(of_file)))
    }

    /// What reads a file. Who has read gives it back by [`Look::put_back`].
    pub(super) fn source(&self, number: usize) -> Source<'_> {
        let file = &self.files[number];
        self.unopened(number).with(self.open().lend(number, file.kept.file.size_bytes))
    }

    fn unopened(&self, number: usize) -> Source<'_> {
        let file = &self.files[number];
        let known = self.access.times.get(file.file.object_meta.location.as_ref());
        let source = Source::new(&self.access, file, (0, &self.metrics));
        source.with_row_bytes(known.map_or(0, |known| known.row_bytes))
    }

    /// Decoded bytes of a row of a file, about.
    pub(super) fn row_bytes(&self, number: usize) -> u64 {
        self.unopened(number).row_bytes()
    }

    /// Keeps a file open.
    pub(super) fn put_back(&self, file: usize, source: Source<'_>) {
        self.open().put(file, source.into_opened());
    }

    fn open(&self) -> MutexGuard<'_, OpenFiles> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn step(self: Arc<Self>, step: Step, keeps: bool) -> Result<Done> {
        // What is in memory is never waited for, and others want to run too.
        tokio::task::consume_budget().await;
        match step {
            Step::Open(file) => Ok(Done::Opened(file, self.times(file).await?)),
            Step::Look(file, numbers) => {
                let mut source = self.source(file).keeping(keeps);
                let blocks = self.look(&mut source, &numbers).await?;
                self.put_back(file, source);
                Ok(Done::Looked(file, blocks))
            }
        }
    }

    /// What is known of a file's blocks.
    async fn times(&self, number: usize) -> Result<Arc<OfFile>> {
        let file = &self.files[number];
        let location = file.file.object_meta.location.as_ref();
        if let Some(known) = self.access.times.get(location) {
            return Ok(known);
        }
        let opened = Opened::open(&self.access, file, (0, &self.metrics)).await?;
        let of_file = Times::of(&file.kept.file);
        let known = Arc::new(OfFile::new(opened.footer(), self.access.blocks.rows(), of_file));
        self.access.times.put(location, &known);
        self.open().put(number, Some(opened));
        Ok(known)
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
