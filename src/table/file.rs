//! Writes one Parquet file of one tenant and day, streaming, in bounded memory.
//!
//! In: batches of [`stored_schema`](crate::event::schema::stored_schema), sorted by (`occurred_at`, `seq`), all
//! of one tenant and UTC day. Out: a durable object and its [`DataFile`] with exact row count and statistics.
//! Guaranteed: nothing refers to the file until its `DataFile` is committed; memory stays below one row group,
//! one upload part and one batch; large batches are encoded off the async runtime.

use std::io;

use arrow::array::RecordBatch;
use bytes::Bytes;
use chrono::NaiveDate;
use object_store::{buffered::BufWriter, path::Path};
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    errors::ParquetError,
    file::metadata::ParquetMetaData,
};
use tokio::io::AsyncWriteExt;

use super::{
    ids::{self, IdCache},
    layout::{self, Settings},
    snapshot::DataFile,
    stats,
};
use crate::{
    error::{Error, ErrorKind, Result},
    paths::{self, TableFolder},
    store::Store,
    telemetry::{self, Clock},
};

/// Bytes of one part of a multipart upload; smaller files are one put.
const UPLOAD_PART_BYTES: usize = 8 * 1024 * 1024;

/// Parts of one file on their way at once.
const UPLOAD_PARTS_AT_ONCE: usize = 2;

/// Bytes of the pieces in which the encoder's output is kept: a row group in one piece would be copied as it grows, and
/// the allocator would keep the room for it.
const PIECE_BYTES: usize = 1024 * 1024;

/// Work below this is done in place: handing it to another thread would cost more than it takes.
const INLINE_BYTES_MAX: usize = 256 * 1024;

/// Writes one file. Call [`FileWriter::write`] in order, then [`FileWriter::finish`]; on giving up,
/// [`FileWriter::abandon`] removes what was uploaded.
pub struct FileWriter {
    key: Path,
    relative: String,
    day: NaiveDate,
    clock: Clock,
    cache: IdCache,
    settings: Settings,
    encoder: Option<ArrowWriter<Pieces>>,
    upload: BufWriter,
    in_place: bool,
    remembers_ids: bool,
    id_hashes: Vec<u64>,
    rows: u64,
    size_bytes: u64,
}

impl FileWriter {
    /// Starts a file; nothing reaches the store yet.
    pub(crate) fn new(
        store: &Store,
        folder: &TableFolder,
        day: NaiveDate,
        settings: &Settings,
        clock: &Clock,
        cache: &IdCache,
    ) -> Self {
        let relative = paths::data_file_name(day, telemetry::unique_id());
        let key = folder.data_file(&relative);
        let upload = BufWriter::with_capacity(store.object_store(), key.clone(), UPLOAD_PART_BYTES)
            .with_max_concurrency(UPLOAD_PARTS_AT_ONCE);
        Self {
            upload,
            key,
            relative,
            day,
            clock: clock.clone(),
            cache: cache.clone(),
            settings: settings.clone(),
            encoder: None,
            in_place: false,
            remembers_ids: true,
            id_hashes: Vec::new(),
            rows: 0,
            size_bytes: 0,
        }
    }

    /// Encodes on the caller's thread whatever the size of batches: for callers off the async runtime.
    pub fn encoding_in_place(mut self) -> Self {
        self.in_place = true;
        self
    }

    /// Does not remember the hashes of the file's ids: for a file that nobody is about to send events to.
    pub fn forgetting_ids(mut self) -> Self {
        self.remembers_ids = false;
        self
    }

    /// The file's path, relative to its table.
    pub fn path(&self) -> &str {
        &self.relative
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of the file so far, the row group in progress included (as estimated by the encoder).
    pub fn size_bytes(&self) -> u64 {
        let in_progress = self.encoder.as_ref().map_or(0, ArrowWriter::in_progress_size);
        self.size_bytes + in_progress as u64
    }

    /// Encodes `batch`, and uploads the row groups it completes.
    ///
    /// The columns must be those of the stored schema; text may be `Utf8View`, in all batches alike. Fails on settings that
    /// Parquet does not know.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        if self.remembers_ids {
            ids::hash_ids(&batch, &mut self.id_hashes)?;
        }
        let mut encoder = match self.encoder.take() {
            Some(encoder) => encoder,
            None => self.start(&batch)?,
        };
        let elsewhere = !self.in_place && batch.get_array_memory_size() > INLINE_BYTES_MAX;
        let encode = move || encoder.write(&batch).map(|()| encoder);
        let mut encoder = run(elsewhere, encode).await?.map_err(|cause| self.encode_error(cause))?;
        let encoded = encoder.inner_mut().take();
        self.encoder = Some(encoder);
        self.send(encoded).await
    }

    /// Completes the file, which is then durable, and remembers the hashes of its ids.
    ///
    /// Fails with [`ErrorKind::Invalid`] if nothing was written: an empty file helps no one.
    pub async fn finish(mut self) -> Result<DataFile> {
        let Some(mut encoder) = self.encoder.take() else {
            return Err(Error::new(ErrorKind::Invalid, format!("no rows were written to {}", self.key)));
        };
        let elsewhere = !self.in_place && encoder.in_progress_size() > INLINE_BYTES_MAX;
        let close = move || encoder.finish().map(|metadata| (metadata, encoder));
        let (metadata, mut encoder) =
            run(elsewhere, close).await?.map_err(|cause| self.encode_error(cause))?;
        self.send(encoder.inner_mut().take()).await?;
        self.upload.shutdown().await.map_err(|cause| self.upload_error(cause))?;
        if self.remembers_ids {
            let hashes = std::mem::take(&mut self.id_hashes);
            self.cache.remember(&self.key, ids::sorted(hashes));
        }
        Ok(self.describe(&metadata))
    }

    /// Gives the file up: aborts its upload, or deletes what is already there.
    pub async fn abandon(mut self) -> Result<()> {
        // A multipart upload that was begun is aborted; a file not yet begun leaves nothing.
        self.upload.abort().await.map_err(|cause| {
            Error::with_source(ErrorKind::Unavailable, format!("abort the upload of {}", self.key), cause)
        })
    }

    fn describe(&self, metadata: &ParquetMetaData) -> DataFile {
        DataFile {
            path: self.relative.clone(),
            day: self.day,
            rows: self.rows,
            size_bytes: self.size_bytes,
            added_at_ms: self.clock.now_millis(),
            stats: stats::from_parquet(metadata),
        }
    }

    /// The encoder. The Arrow schema stays out of the file: readers take the types from Parquet's own schema.
    fn start(&self, first: &RecordBatch) -> Result<ArrowWriter<Pieces>> {
        let properties = layout::writer_properties(&self.settings, first)?;
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        ArrowWriter::try_new_with_options(Pieces::default(), first.schema(), options)
            .map_err(|cause| self.encode_error(cause))
    }

    async fn send(&mut self, encoded: Vec<Bytes>) -> Result<()> {
        for piece in encoded {
            self.size_bytes += piece.len() as u64;
            self.upload.put(piece).await.map_err(|cause| {
                Error::with_source(ErrorKind::Unavailable, format!("upload {}", self.key), cause)
            })?;
        }
        Ok(())
    }

    fn encode_error(&self, cause: ParquetError) -> Error {
        Error::with_source(ErrorKind::Internal, format!("encode {}", self.key), cause)
    }

    fn upload_error(&self, cause: std::io::Error) -> Error {
        Error::with_source(ErrorKind::Unavailable, format!("upload {}", self.key), cause)
    }
}

/// What the encoder has put out and nobody has taken yet.
#[derive(Debug, Default)]
struct Pieces {
    full: Vec<Bytes>,
    last: Vec<u8>,
}

impl Pieces {
    fn take(&mut self) -> Vec<Bytes> {
        let last = std::mem::take(&mut self.last);
        let mut pieces = std::mem::take(&mut self.full);
        pieces.extend(Some(last).filter(|last| !last.is_empty()).map(Bytes::from));
        pieces
    }
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES - self.last.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.last.extend_from_slice(taken);
        if self.last.len() == PIECE_BYTES {
            self.full.push(Bytes::from(std::mem::take(&mut self.last)));
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `work` here, or on the blocking pool.
async fn run<T: Send + 'static>(elsewhere: bool, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    if !elsewhere {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|cause| Error::with_source(ErrorKind::Internal, "the thread encoding a file died", cause))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Would catch bytes that are lost, doubled or out of order where one piece ends and the next begins.
    #[test]
    fn pieces_are_what_was_written() {
        let written: Vec<u8> = (0..PIECE_BYTES * 2 + 7).map(|at| (at % 251) as u8).collect();
        let mut pieces = Pieces::default();
        written.chunks(70_001).for_each(|chunk| pieces.write_all(chunk).unwrap());
        let taken = pieces.take();
        assert_eq!(taken.iter().map(Bytes::len).collect::<Vec<_>>(), [PIECE_BYTES, PIECE_BYTES, 7]);
        assert_eq!(taken.concat(), written);
        assert!(pieces.take().is_empty());
    }
}
