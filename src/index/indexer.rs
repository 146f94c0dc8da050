//! Indexes data files beside those who write them.
//!
//! In: the rows of files, as they are written, and then word that the files are committed. Out: segments that are
//! asked from then on. Guaranteed: it never fails its caller: what goes wrong is logged, and the files count
//! as not indexed until compaction makes up for it.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::{
    Indexes,
    builder::Builder,
    catalog::{TenantIndex, Written},
};
use crate::{
    error::{Error, Result},
    event::TenantId,
};

/// Indexes the files of one commit of one tenant.
#[derive(Debug)]
pub struct Indexer {
    index: Arc<TenantIndex>,
    /// `None` if the index is off, or after a failure.
    builder: Option<Builder>,
    written: Vec<Written>,
}

impl Indexer {
    /// An indexer for files of `tenant`; it does nothing if the index is off.
    pub fn new(indexes: &Indexes, tenant: &TenantId) -> Self {
        let builder = indexes.enabled().then(|| Builder::new(indexes.shared.settings.block_rows));
        Self { index: indexes.of(tenant), builder, written: Vec::new() }
    }

    /// What follows are the rows of the file at `path`, relative to its table, from the first on.
    pub fn begin_file(&mut self, path: &str) {
        if let Some(builder) = &mut self.builder {
            builder.begin_file(path);
        }
    }

    /// Adds the next rows of the file. Computes; large batches are not for the threads of connections.
    pub fn add(&mut self, batch: &RecordBatch) {
        let added = self.builder.as_mut().map_or(Ok(()), |builder| builder.add(batch));
        if let Err(cause) = added {
            self.give_up(&cause);
        }
    }

    /// Writes what there is, if it is much. To be called after each batch.
    pub async fn spill(&mut self) {
        if self.builder.as_ref().is_some_and(Builder::is_full) {
            let written = self.write(true).await;
            self.keep(written);
        }
    }

    /// Writes what is left. The segments are durable then, and not asked before [`Indexer::publish`].
    pub async fn finish(&mut self) {
        let written = self.write(false).await;
        self.keep(written);
    }

    /// The files are committed: their segments are asked from now on.
    pub async fn publish(self) {
        self.index.publish(self.written).await;
    }

    async fn write(&mut self, file_goes_on: bool) -> Result<Option<Written>> {
        match &mut self.builder {
            Some(builder) => self.index.write(builder, file_goes_on).await,
            None => Ok(None),
        }
    }

    fn keep(&mut self, written: Result<Option<Written>>) {
        match written {
            Ok(written) => self.written.extend(written),
            Err(cause) => self.give_up(&cause),
        }
    }

    /// Half an index of a file is none: its pieces would not cover it.
    fn give_up(&mut self, cause: &Error) {
        self.builder = None;
        let cause = cause.report();
        tracing::warn!(
            cause,
            "files are committed without an index; queries read them whole until compaction"
        );
    }
}
