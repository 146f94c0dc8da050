//! One WAL segment as bytes: an Arrow IPC stream that any Arrow reader opens, and a checksummed trailer.
//!
//! ```text
//! Arrow IPC stream                 schema metadata: see the META_ constants
//! trailer, 24 bytes, little endian:
//!   0  magic "ALWALv1\n"           8 bytes
//!   8  length of the stream        u64
//!  16  CRC-32 of the stream        u32   (IEEE 802.3)
//!  20  CRC-32 of bytes 0..20       u32
//! ```
//!
//! A reader of the stream stops at its end mark and never sees the trailer. Without a valid trailer the
//! object was not written to its end ([`SegmentError::Torn`]); with one, and another checksum, it was
//! damaged afterwards ([`SegmentError::Damaged`]).

use std::{collections::HashMap, io::Cursor};

use arrow::{
    array::RecordBatch,
    ipc::{reader::StreamReader, writer::StreamWriter},
};
use bytes::Bytes;

use crate::event::schema;

const MAGIC: &[u8; 8] = b"ALWALv1\n";
const TRAILER_BYTES: usize = 24;

/// Who wrote it; makes the bytes of each attempt unique, so that a writer knows its own object again.
const META_WRITER: &str = "auditlake.writer";
/// JSON text with the answers to keep; opaque to the WAL.
const META_ANSWERS: &str = "auditlake.answers";
/// Set on a tombstone: the epoch that closed this slot.
const META_SEALED_BY: &str = "auditlake.sealed_by";

/// What one segment holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// A text that no other attempt to write a segment uses.
    pub writer: String,
    /// Accepted events, [`schema::accepted_schema`].
    pub batches: Vec<RecordBatch>,
    /// JSON text to give back at replay; empty if there is none.
    pub answers: String,
    /// A tombstone: the epoch that closed this slot so that no write can use it.
    pub sealed_by: Option<u64>,
}

/// Why bytes are not a segment.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The object ends before its trailer: the write was cut short and cannot have been acknowledged.
    #[error("torn: no trailer after {bytes} bytes")]
    Torn {
        /// Length of the object.
        bytes: usize,
    },
    /// The object was complete once and is not what was written.
    #[error("damaged: {reason}")]
    Damaged {
        /// What does not match.
        reason: String,
    },
}

impl Segment {
    /// A tombstone that closes a slot in the name of `epoch`.
    pub fn tombstone(writer: String, epoch: u64) -> Self {
        Self { writer, sealed_by: Some(epoch), ..Self::default() }
    }

    /// Number of events.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The segment's bytes: stream and trailer.
    ///
    /// # Errors
    /// Fails if a batch does not have the accepted columns.
    pub fn encode(&self) -> Result<Bytes, arrow::error::ArrowError> {
        let mut metadata = HashMap::from([(META_WRITER.to_owned(), self.writer.clone())]);
        if !self.answers.is_empty() {
            metadata.insert(META_ANSWERS.to_owned(), self.answers.clone());
        }
        if let Some(epoch) = self.sealed_by {
            metadata.insert(META_SEALED_BY.to_owned(), epoch.to_string());
        }
        let schema = schema::accepted_schema().as_ref().clone().with_metadata(metadata);
        let data: usize = self.batches.iter().map(RecordBatch::get_array_memory_size).sum();
        let mut writer = StreamWriter::try_new(Vec::with_capacity(data + 8_192), &schema)?;
        for batch in &self.batches {
            writer.write(batch)?;
        }
        let mut bytes = writer.into_inner()?;
        let trailer = trailer(&bytes);
        bytes.extend_from_slice(&trailer);
        Ok(bytes.into())
    }

    /// Reads a segment back, checksums first.
    ///
    /// # Errors
    /// See [`SegmentError`].
    pub fn decode(bytes: &Bytes) -> Result<Self, SegmentError> {
        let stream = verified_stream(bytes)?;
        let damaged = |error: arrow::error::ArrowError| SegmentError::Damaged { reason: error.to_string() };
        let reader = StreamReader::try_new(Cursor::new(stream), None).map_err(damaged)?;
        let metadata = reader.schema().metadata().clone();
        let accepted = schema::accepted_schema();
        let mut batches = Vec::new();
        for batch in reader {
            let batch = batch.map_err(damaged)?;
            let (schema, rows) = (batch.schema(), batch.num_rows());
            let Some(batch) = schema::completed(&schema, batch.columns(), rows, &accepted) else {
                return Err(SegmentError::Damaged { reason: "its columns are not those of an event".into() });
            };
            batches.push(batch);
        }
        let sealed_by = match metadata.get(META_SEALED_BY) {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| SegmentError::Damaged {
                reason: format!("{META_SEALED_BY} is {text:?}, not an epoch"),
            })?),
        };
        Ok(Self {
            writer: metadata.get(META_WRITER).cloned().unwrap_or_default(),
            answers: metadata.get(META_ANSWERS).cloned().unwrap_or_default(),
            batches,
            sealed_by,
        })
    }
}

fn trailer(stream: &[u8]) -> [u8; TRAILER_BYTES] {
    let mut trailer = [0; TRAILER_BYTES];
    trailer[..8].copy_from_slice(MAGIC);
    trailer[8..16].copy_from_slice(&(stream.len() as u64).to_le_bytes());
    trailer[16..20].copy_from_slice(&crc32fast::hash(stream).to_le_bytes());
    let own = crc32fast::hash(&trailer[..20]);
    trailer[20..].copy_from_slice(&own.to_le_bytes());
    trailer
}

/// The stream without its trailer, after both checksums were found to match.
fn verified_stream(bytes: &Bytes) -> Result<&[u8], SegmentError> {
    let torn = SegmentError::Torn { bytes: bytes.len() };
    let Some(split) = bytes.len().checked_sub(TRAILER_BYTES) else { return Err(torn) };
    let (stream, found) = bytes.split_at(split);
    let own = crc32fast::hash(&found[..20]).to_le_bytes();
    if &found[..8] != MAGIC || found[20..] != own {
        return Err(torn);
    }
    if found[8..16] != (stream.len() as u64).to_le_bytes() {
        return Err(SegmentError::Damaged { reason: "its length is not what its trailer says".into() });
    }
    if found[16..20] != crc32fast::hash(stream).to_le_bytes() {
        return Err(SegmentError::Damaged { reason: "its checksum does not match".into() });
    }
    Ok(stream)
}
