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
    table::{DataFile, OpenFile, ReadOptions, Table},
};

/// A file being decoded.
pub(crate) struct Decoder {
    file: String,
    state: State,
}

enum State {
    Opening(JoinHandle<Result<OpenFile>>),
    Open(OpenFile),
    Closed,
}

impl Decoder {
    /// Begins to fetch `file`; `options` choose its rows, text is read as views whatever they say.
    pub(crate) fn start(table: Arc<Table>, file: Arc<DataFile>, options: ReadOptions) -> Self {
        let path = file.path.clone();
        let options = ReadOptions { text_views: true, ..options };
        let opening = tokio::spawn(async move { table.open_file(&file, &options).await });
        Self { file: path, state: State::Opening(opening) }
    }

    /// The file's path in its table.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The next batch that is not empty, with its digest; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<(RecordBatch, Digest)>> {
        let Some(file) = self.opened().await? else { return Ok(None) };
        while let Some(batch) = file.batches.try_next().await? {
            if batch.num_rows() > 0 {
                let digest = Digest::of(&batch)?;
                return Ok(Some((batch, digest)));
            }
        }
        self.state = State::Closed;
        Ok(None)
    }

    /// Memory that decoding takes; nothing once it is through.
    pub(crate) async fn memory_bytes(&mut self) -> Result<u64> {
        Ok(self.opened().await?.map_or(0, |file| file.memory_bytes))
    }

    async fn opened(&mut self) -> Result<Option<&mut OpenFile>> {
        if let State::Opening(opening) = &mut self.state {
            let died = |cause| Error::with_source(ErrorKind::Internal, "the task opening a file died", cause);
            self.state = State::Open(opening.await.map_err(died)??);
        }
        match &mut self.state {
            State::Open(file) => Ok(Some(file)),
            State::Opening(_) | State::Closed => Ok(None),
        }
    }
}
