//! Decodes one file, batch by batch, each with its digest.
//!
//! In: a data file. Out: its batches (text as views, which share the decoded pages). Guaranteed: the file is
//! fetched from when the [`Decoder`] starts and decoded only as it is read, so that an input waiting its turn
//! costs no more than its bytes.

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use tokio::task::JoinHandle;

use super::digest::Digest;
use crate::{
    error::{Error, ErrorKind, Result},
    table::{BatchStream, DataFile, ReadOptions, Table},
};

/// A file being decoded.
pub(crate) struct Decoder {
    file: String,
    state: State,
}

enum State {
    Opening(JoinHandle<Result<BatchStream>>),
    Open(BatchStream),
    Closed,
}

impl Decoder {
    /// Begins to fetch `file`; `options` choose its rows, text is read as views whatever they say.
    pub(crate) fn start(table: Arc<Table>, file: Arc<DataFile>, options: ReadOptions) -> Self {
        let path = file.path.clone();
        let options = ReadOptions { text_views: true, ..options };
        let opening = tokio::spawn(async move { table.read(&file, &options).await });
        Self { file: path, state: State::Opening(opening) }
    }

    /// The file's path in its table.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The next batch that is not empty, with its digest; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<(RecordBatch, Digest)>> {
        if let State::Opening(opening) = &mut self.state {
            let died = |cause| Error::with_source(ErrorKind::Internal, "the task opening a file died", cause);
            self.state = State::Open(opening.await.map_err(died)??);
        }
        let State::Open(batches) = &mut self.state else { return Ok(None) };
        while let Some(batch) = batches.try_next().await? {
            if batch.num_rows() > 0 {
                let digest = Digest::of(&batch)?;
                return Ok(Some((batch, digest)));
            }
        }
        self.state = State::Closed;
        Ok(None)
    }
}
