//! One file of an export on its way to its destination.
//!
//! In: batches, or row groups as they are stored. Out: an object, and what the manifest says of it. Guaranteed: the object appears when it is complete, and not before;
//! memory is bounded by the encoder and the parts on their way; size and SHA-256 are those of the bytes sent.

use arrow::{
    array::{AsArray, RecordBatch},
    compute::{max, min},
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use bytes::Bytes;
use chrono::NaiveDate;
use object_store::buffered::BufWriter;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::{
    destination::Open,
    encode::{Compression, Content, Copied, Encoder, Format},
    job::{File, Range},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::schema::{OCCURRED_AT, SEQ},
    limits::{EXPORT_PART_BYTES, EXPORT_PARTS_AT_ONCE},
    table::RowGroup,
    telemetry::hex,
};

/// How its bytes are made.
enum Made {
    Encoded(Box<Encoder>),
    Copied(Box<Copied>),
}

/// A file that is being written.
pub(super) struct Output {
    made: Made,
    upload: Upload,
    rows: u64,
    range: Option<Range>,
}

impl Output {
    pub(super) fn begin(
        destination: &Open,
        name: String,
        (format, compression): (Format, Compression),
        content: &Content,
    ) -> Result<Self> {
        let made = Made::Encoded(Box::new(Encoder::new(format, compression, content)?));
        Ok(Self { made, upload: Upload::begin(destination, name), rows: 0, range: None })
    }

    /// One that is put together of row groups.
    pub(super) fn begin_copy(destination: &Open, name: String) -> Result<Self> {
        let made = Made::Copied(Box::new(Copied::new()?));
        Ok(Self { made, upload: Upload::begin(destination, name), rows: 0, range: None })
    }

    /// Whether it takes batches.
    pub(super) fn is_encoded(&self) -> bool {
        matches!(self.made, Made::Encoded(_))
    }

    /// Its size so far, about.
    pub(super) fn size_bytes(&self) -> u64 {
        match &self.made {
            Made::Encoded(encoder) => encoder.encoded_bytes(),
            Made::Copied(copied) => copied.encoded_bytes(),
        }
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let Made::Encoded(encoder) = &mut self.made else { return Err(mixed()) };
        encoder.write(batch)?;
        let ready = encoder.take();
        self.rows += batch.num_rows() as u64;
        self.spans(range(batch));
        self.upload.send(ready).await
    }

    /// Appends a row group, all of whose events are of `day`.
    pub(super) async fn copy(&mut self, group: &RowGroup, day: NaiveDate) -> Result<u64> {
        let Made::Copied(copied) = &mut self.made else { return Err(mixed()) };
        copied.append(group, day)?;
        let ready = copied.take();
        let rows = group.metadata.row_group(group.number).num_rows().max(0) as u64;
        self.rows += rows;
        self.upload.send(ready).await?;
        Ok(rows)
    }

    /// Its events span this, too.
    pub(super) fn spans(&mut self, range: Option<Range>) {
        self.range = match (self.range, range) {
            (Some(left), Some(right)) => Some(left.joined(right)),
            (left, right) => left.or(right),
        };
    }

    /// Completes it: it is at its destination.
    pub(super) async fn finish(self) -> Result<File> {
        let Self { made, mut upload, rows, range } = self;
        let rest = match made {
            Made::Encoded(encoder) => encoder.finish()?,
            Made::Copied(copied) => copied.finish()?,
        };
        upload.send(rest).await?;
        let (name, bytes, sha256) = upload.complete().await?;
        Ok(File { name, rows, bytes, sha256, range })
    }

    /// Gives it up; nothing of it is ever seen.
    pub(super) async fn abandon(self) {
        self.upload.abandon().await;
    }
}

fn mixed() -> Error {
    Error::new(ErrorKind::Internal, "a file is encoded or put together, not both")
}

/// Bytes on their way.
struct Upload {
    name: String,
    writer: BufWriter,
    digest: Sha256,
    bytes: u64,
}

impl Upload {
    fn begin(destination: &Open, name: String) -> Self {
        let (objects, key) = (destination.objects.clone(), destination.key(&name));
        let writer = BufWriter::with_capacity(objects, key, EXPORT_PART_BYTES)
            .with_max_concurrency(EXPORT_PARTS_AT_ONCE);
        Self { name, writer, digest: Sha256::new(), bytes: 0 }
    }

    async fn send(&mut self, bytes: Bytes) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.digest.update(&bytes);
        self.bytes += bytes.len() as u64;
        let put = self.writer.put(bytes).await;
        put.map_err(|error| failed(&self.name, error))
    }

    /// Name, size and SHA-256.
    async fn complete(mut self) -> Result<(String, u64, String)> {
        // It aborts by itself what it cannot complete.
        self.writer.shutdown().await.map_err(|error| failed(&self.name, error))?;
        let sha256 = hex(&self.digest.finalize());
        Ok((self.name, self.bytes, sha256))
    }

    async fn abandon(mut self) {
        if let Err(error) = self.writer.abort().await {
            // It is not visible; a bucket's rule for incomplete uploads removes what is left.
            tracing::debug!(%error, file = self.name, "an upload could not be aborted");
        }
    }
}

fn failed(name: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::with_source(ErrorKind::Unavailable, format!("write {name} to the destination"), error)
}

impl Range {
    fn joined(self, other: Self) -> Self {
        Self {
            first_occurred_at: self.first_occurred_at.min(other.first_occurred_at),
            last_occurred_at: self.last_occurred_at.max(other.last_occurred_at),
            seq_min: self.seq_min.min(other.seq_min),
            seq_max: self.seq_max.max(other.seq_max),
        }
    }
}

/// What the events of a batch span; `None` if it has no events.
fn range(batch: &RecordBatch) -> Option<Range> {
    let times = batch.column_by_name(OCCURRED_AT)?.as_primitive_opt::<TimestampMicrosecondType>()?;
    let seqs = batch.column_by_name(SEQ)?.as_primitive_opt::<Int64Type>()?;
    Some(Range {
        first_occurred_at: min(times)?,
        last_occurred_at: max(times)?,
        seq_min: min(seqs)?,
        seq_max: max(seqs)?,
    })
}
