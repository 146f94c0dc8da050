//! Decodes one file on a thread of its own, a batch or two ahead of whoever reads it.
//!
//! In: a data file. Out: its batches (text as views), each with its digest, which is computed here because this
//! is where a second core has time. Guaranteed: at most two decoded batches wait; dropping the [`Decoder`] ends
//! its thread.

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use tokio::sync::mpsc;

use super::digest::Digest;
use crate::{
    error::Result,
    table::{DataFile, ReadOptions, Table},
};

/// A file being decoded.
pub(crate) struct Decoder {
    file: String,
    batches: mpsc::Receiver<Result<(RecordBatch, Digest)>>,
}

impl Decoder {
    /// Begins to decode the rows of `file` that `options` choose; text is read as views whatever they say.
    pub(crate) fn start(table: Arc<Table>, file: Arc<DataFile>, options: ReadOptions) -> Self {
        let (sender, batches) = mpsc::channel(1);
        let path = file.path.clone();
        let options = ReadOptions { text_views: true, ..options };
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            runtime.block_on(async move {
                if let Err(error) = decode(&table, &file, &options, &sender).await {
                    // If no one listens any more, no one needs to know.
                    let _ = sender.send(Err(error)).await;
                }
            });
        });
        Self { file: path, batches }
    }

    /// The file's path in its table.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The next batch that is not empty, with its digest; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<(RecordBatch, Digest)>> {
        self.batches.recv().await.transpose()
    }
}

async fn decode(
    table: &Table,
    file: &DataFile,
    options: &ReadOptions,
    sender: &mpsc::Sender<Result<(RecordBatch, Digest)>>,
) -> Result<()> {
    let mut batches = table.read(file, options).await?;
    while let Some(batch) = batches.try_next().await? {
        if batch.num_rows() == 0 {
            continue;
        }
        let digest = Digest::of(&batch)?;
        if sender.send(Ok((batch, digest))).await.is_err() {
            break;
        }
    }
    Ok(())
}
