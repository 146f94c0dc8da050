//! Writes a segment, field by field, streaming.
//!
//! In: pieces, their counts, and for each field its hashes in ascending order with the codes of each. Out: a durable
//! object and the [`Segment`] to read it by. Guaranteed: memory stays below one upload part, one chunk and the
//! directories; nothing refers to a segment before it is complete.

use object_store::{buffered::BufWriter, path::Path};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::{
    builder::Done,
    counts::PieceCounts,
    field::Field,
    format::{self, FieldEntry, Footer, Piece, Section},
    postings::{ChunkWriter, Shape},
    segment::Segment,
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    limits, paths,
    store::Store,
    telemetry,
};

/// Bytes of one part of a multipart upload; smaller segments are one put.
const UPLOAD_PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts of one segment on their way at once.
const UPLOAD_PARTS_AT_ONCE: usize = 2;
/// Encoded chunks are handed on when there is so much of them.
const PENDING_BYTES: usize = 256 * 1024;

/// Bits of a hash that a last segment keeps beyond those that tell its values apart: one value in 2^5 that is not
/// there seems to be, in one block.
const SPARE_BITS: u32 = 5;

/// Bits of a hash in a segment of `rows`: all that may ever be needed while it can still be merged, and then only what
/// tells its own values apart.
fn hash_bits(rows: u64, distinct: f64) -> u32 {
    if rows < limits::INDEX_SEGMENT_ROWS_MAX / 2 {
        return limits::INDEX_HASH_BITS;
    }
    (distinct.max(1.0).log2().ceil() as u32 + SPARE_BITS).min(limits::INDEX_HASH_BITS)
}

/// The shape of a field's postings in a segment of `rows` and `codes`, for about `distinct` hashes.
pub(crate) fn shape(rows: u64, distinct: f64, codes: u32) -> Shape {
    Shape::new(distinct, hash_bits(rows, distinct), codes)
}

/// A segment being written.
pub(crate) struct SegmentWriter {
    id: Uuid,
    key: Path,
    upload: BufWriter,
    position: u64,
    generation: u32,
    block_rows: u32,
    pieces: Vec<Piece>,
    fields: Vec<FieldEntry>,
    directories: Vec<Vec<u8>>,
}

impl SegmentWriter {
    /// Starts a segment of `pieces`; nothing reaches the store yet.
    pub(crate) fn new(
        store: &Store,
        tenant: &TenantId,
        generation: u32,
        block_rows: u32,
        pieces: Vec<Piece>,
    ) -> Self {
        let id = telemetry::unique_id();
        let key = paths::index_segment(tenant, id);
        let upload = BufWriter::with_capacity(store.object_store(), key.clone(), UPLOAD_PART_BYTES)
            .with_max_concurrency(UPLOAD_PARTS_AT_ONCE);
        let (fields, directories) = (Vec::new(), Vec::new());
        Self { id, key, upload, position: 0, generation, block_rows, pieces, fields, directories }
    }

    /// Rows of all pieces.
    pub(crate) fn rows(&self) -> u64 {
        self.pieces.iter().map(|piece| u64::from(piece.rows)).sum()
    }

    /// Codes of all pieces.
    pub(crate) fn codes(&self) -> u32 {
        self.pieces.iter().map(|piece| piece.codes(self.block_rows)).sum()
    }

    /// Hands on what `field` has encoded, once it is worth it.
    pub(crate) async fn drain(&mut self, field: &mut FieldWriter) -> Result<()> {
        if field.encoded.len() < PENDING_BYTES {
            return Ok(());
        }
        let encoded = std::mem::take(&mut field.encoded);
        self.send(encoded).await
    }

    /// Completes a field.
    pub(crate) async fn end_field(&mut self, field: FieldWriter) -> Result<()> {
        let (entry, directory, encoded) = field.finish(self.position);
        self.send(encoded).await?;
        self.fields.push(entry);
        self.directories.push(directory);
        Ok(())
    }

    /// Completes the segment, which is then durable.
    pub(crate) async fn finish(mut self, counts: &[PieceCounts]) -> Result<Segment> {
        let counts = self.section(format::pack(&counts)?).await?;
        for number in 0..self.directories.len() {
            let directory = std::mem::take(&mut self.directories[number]);
            self.fields[number].directory = self.section(directory).await?;
        }
        let footer = Footer {
            generation: self.generation,
            block_rows: self.block_rows,
            pieces: std::mem::take(&mut self.pieces),
            fields: std::mem::take(&mut self.fields),
            counts,
        };
        self.send(footer.to_bytes()?).await?;
        self.upload.shutdown().await.map_err(|cause| self.failed(cause.into()))?;
        Ok(Segment::new(self.id, self.key, self.position, footer))
    }

    /// Gives the segment up; what an upload leaves, the sweep finds.
    pub(crate) async fn abandon(mut self) {
        if let Err(cause) = self.upload.abort().await {
            tracing::debug!(key = %self.key, %cause, "an unfinished segment of the index was not given up");
        }
    }

    async fn section(&mut self, bytes: Vec<u8>) -> Result<Section> {
        let crc = crc32fast::hash(&bytes);
        let section = Section { offset: self.position, bytes: bytes.len() as u64, crc };
        self.send(bytes).await?;
        Ok(section)
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.position += bytes.len() as u64;
        self.upload.put(bytes.into()).await.map_err(|cause| self.failed(cause.into()))
    }

    fn failed(&self, cause: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::with_source(ErrorKind::Unavailable, format!("write segment {} of the index", self.key), cause)
    }
}

/// One field's postings being written.
pub(crate) struct FieldWriter {
    field: Field,
    shape: Shape,
    /// The hash in progress, cut, and its codes.
    hash: Option<u32>,
    codes: Vec<u32>,
    chunk: ChunkWriter,
    /// Offset and checksum of each chunk that is complete.
    directory: Vec<u8>,
    /// Bytes of all complete chunks.
    bytes: u64,
    encoded: Vec<u8>,
    hashes: u64,
    postings: u64,
}

impl FieldWriter {
    pub(crate) fn new(field: Field, shape: Shape) -> Self {
        Self {
            field,
            shape,
            hash: None,
            codes: Vec::new(),
            chunk: ChunkWriter::default(),
            directory: Vec::new(),
            bytes: 0,
            encoded: Vec::new(),
            hashes: 0,
            postings: 0,
        }
    }

    /// Adds a hash of 32 bits, not below the last one, and its codes, in any order.
    pub(crate) fn push(&mut self, hash: u32, codes: impl IntoIterator<Item = u32>) {
        let hash = self.shape.cut(hash);
        if self.hash != Some(hash) {
            self.end_hash();
            self.hash = Some(hash);
        }
        self.codes.extend(codes);
    }

    fn end_hash(&mut self) {
        let Some(hash) = self.hash.take() else { return };
        self.codes.sort_unstable();
        self.codes.dedup();
        self.end_chunks_before(self.shape.chunk_of(hash));
        self.chunk.push(hash, &self.codes);
        self.hashes += 1;
        self.postings += self.codes.len() as u64;
        self.codes.clear();
    }

    fn end_chunks_before(&mut self, chunk: usize) {
        while self.directory.len() / format::DIRECTORY_ENTRY_BYTES < chunk {
            let bytes = self.chunk.finish(&self.shape);
            self.directory.extend_from_slice(&(self.bytes as u32).to_le_bytes());
            self.directory.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
            self.bytes += bytes.len() as u64;
            self.encoded.extend_from_slice(&bytes);
        }
    }

    /// The entry, for a field whose last bytes are about to stand at `position`; its directory; those bytes.
    fn finish(mut self, position: u64) -> (FieldEntry, Vec<u8>, Vec<u8>) {
        self.end_hash();
        self.end_chunks_before(self.shape.chunks());
        let sent = self.bytes - self.encoded.len() as u64;
        let entry = FieldEntry {
            name: self.field.name().to_owned(),
            shape: self.shape,
            hashes: self.hashes,
            postings: self.postings,
            chunks: Section { offset: position - sent, bytes: self.bytes, crc: 0 },
            directory: Section::default(),
        };
        (entry, self.directory, self.encoded)
    }
}

/// Writes what a builder has collected as a segment.
pub(crate) async fn write(store: &Store, tenant: &TenantId, done: Done) -> Result<Segment> {
    let mut writer = SegmentWriter::new(store, tenant, 0, done.block_rows, done.pieces);
    let rows = writer.rows();
    for (field, mut postings) in Field::all().zip(done.postings) {
        // Runs that are sorted already, one for each piece.
        postings.sort();
        let distinct = postings.chunk_by(|a, b| a.0 == b.0).count();
        let mut of_field = FieldWriter::new(field, shape(rows, distinct as f64, done.codes));
        for of_hash in postings.chunk_by(|a, b| a.0 == b.0) {
            of_field.push(of_hash[0].0, of_hash.iter().map(|(_, code)| *code));
        }
        writer.end_field(of_field).await?;
    }
    writer.finish(&done.counts).await
}
