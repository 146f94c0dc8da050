//! Reads a segment: its footer once, then single chunks of postings.
//!
//! In: a segment's object. Out: the codes of a hash. Guaranteed: every byte was checked against its checksum; a
//! segment that is damaged or gone is an error, which the caller turns into "not indexed". A question of one value costs
//! one small request, and one more the first time for the field's directory; both are kept in a cache of bounded size.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use object_store::{ObjectStoreExt, path::Path};
use quick_cache::{Weighter, sync::Cache};
use uuid::Uuid;

use super::{
    counts::{PieceCounts, SegmentCounts},
    field::Field,
    format::{self, DIRECTORY_ENTRY_BYTES, FieldEntry, Footer, Piece, Section},
    postings::{ChunkReader, Damaged},
};
use crate::{
    error::{Error, ErrorKind, Result},
    store::Store,
};

/// Read first of a segment: all of a small one, the footer of most.
const TAIL_BYTES: u64 = 64 * 1024;

/// What a cached piece takes beside its bytes.
const ENTRY_BYTES: u64 = 128;

/// Parts of segments that were read and checked: by segment and offset.
pub(crate) type PartCache = Cache<(Uuid, u64), Part, BySize>;

/// A part of a segment.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// As it is stored.
    Bytes(Bytes),
    /// The counts, unpacked: that takes longer than to add them up.
    Counts(Arc<SegmentCounts>),
}

/// Weighs cached parts by the memory they take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BySize;

impl Weighter<(Uuid, u64), Part> for BySize {
    fn weight(&self, _: &(Uuid, u64), part: &Part) -> u64 {
        let bytes = match part {
            Part::Bytes(bytes) => bytes.len() as u64,
            Part::Counts(counts) => counts.memory_bytes(),
        };
        bytes + ENTRY_BYTES
    }
}

/// Where segments are, and what is kept of them.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) store: Store,
    pub(crate) cache: PartCache,
}

/// What looking something up took.
#[derive(Debug, Default)]
pub struct Cost {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Cost {
    /// Requests to the store.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Bytes fetched from the store.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// A segment that can be read.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: Uuid,
    pub(crate) key: Path,
    pub(crate) size_bytes: u64,
    pub(crate) footer: Footer,
    /// First code of each piece, then the number of codes.
    bases: Vec<u32>,
    /// All of it, if it is small.
    whole: Option<Bytes>,
}

impl Segment {
    /// A segment just written.
    pub(crate) fn new(id: Uuid, key: Path, size_bytes: u64, footer: Footer) -> Self {
        Self { id, key, size_bytes, bases: footer.bases(), footer, whole: None }
    }

    /// Reads the footer of the segment at `key`.
    pub(crate) async fn open(store: &Store, id: Uuid, key: Path, size_bytes: u64) -> Result<Self> {
        let mut wanted = TAIL_BYTES.min(size_bytes);
        loop {
            let tail = fetch(store, &key, size_bytes - wanted..size_bytes).await?;
            match Footer::from_tail(&tail).map_err(|cause| named(&key, cause))? {
                Ok(footer) => {
                    let whole = (wanted == size_bytes).then_some(tail);
                    return Ok(Self { whole, ..Self::new(id, key, size_bytes, footer) });
                }
                Err(bytes) if bytes as u64 <= size_bytes => wanted = bytes as u64,
                Err(_) => return Err(named(&key, format::damaged("its footer is longer than it is"))),
            }
        }
    }

    /// Calls `found` with every piece, and its block (`None`: all), that holds a value of `field` with this hash.
    pub(crate) async fn find(
        &self,
        access: &Access,
        cost: &Cost,
        field: Field,
        hash: u32,
        mut found: impl FnMut(usize, Option<u32>) + Send,
    ) -> Result<()> {
        let Some(entry) = self.footer.field(field) else {
            return Err(named(&self.key, format::damaged(&format!("it has no field '{}'", field.name()))));
        };
        let hash = entry.shape.cut(hash);
        let chunk = entry.shape.chunk_of(hash);
        let bytes = self.chunk(access, cost, entry, chunk).await?;
        ChunkReader::new(&bytes, entry.shape, chunk)
            .and_then(|reader| {
                reader.find(hash, |code| {
                    let (piece, block) = self.place(code);
                    found(piece, block);
                })
            })
            .map_err(|cause| self.damaged(cause))
    }

    /// The piece of a code, and its block; `None`: all its blocks.
    pub(crate) fn place(&self, code: u32) -> (usize, Option<u32>) {
        let piece = self.bases.partition_point(|base| *base <= code).saturating_sub(1);
        let block = code - self.bases[piece];
        let blocks = self.footer.pieces.get(piece).map_or(0, |piece| piece.blocks(self.footer.block_rows));
        (piece, (block < blocks).then_some(block))
    }

    /// Rows of `block` of `piece` in its file.
    pub(crate) fn rows(&self, piece: &Piece, block: Option<u32>) -> Range<u64> {
        let end = piece.first_row + u64::from(piece.rows);
        let Some(block) = block else { return piece.first_row..end };
        let start = piece.first_row + u64::from(block) * u64::from(self.footer.block_rows);
        start..(start + u64::from(self.footer.block_rows)).min(end)
    }

    /// The counts of each piece.
    pub(crate) async fn counts(&self, access: &Access, cost: &Cost) -> Result<Arc<SegmentCounts>> {
        let section = self.footer.counts;
        let key = (self.id, section.offset);
        if let Some(Part::Counts(counts)) = access.cache.get(&key) {
            return Ok(counts);
        }
        let bytes = self.read(access, cost, section, "its counts do not match their checksum").await?;
        let counts: Vec<PieceCounts> = format::unpack(&bytes).map_err(|cause| named(&self.key, cause))?;
        if counts.len() != self.footer.pieces.len() {
            return Err(named(&self.key, format::damaged("it does not count all its pieces")));
        }
        let counts = Arc::new(SegmentCounts::new(counts));
        access.cache.insert(key, Part::Counts(Arc::clone(&counts)));
        Ok(counts)
    }

    /// The bytes of one chunk.
    async fn chunk(&self, access: &Access, cost: &Cost, entry: &FieldEntry, chunk: usize) -> Result<Bytes> {
        let directory = self.directory(access, cost, entry).await?;
        let (range, crc) = chunk_place(entry, &directory, chunk).map_err(|cause| self.damaged(cause))?;
        let section = Section { offset: range.start, bytes: range.end - range.start, crc };
        self.section(access, cost, section, "postings do not match their checksum").await
    }

    /// The directory of a field.
    pub(crate) async fn directory(&self, access: &Access, cost: &Cost, entry: &FieldEntry) -> Result<Bytes> {
        let directory =
            self.section(access, cost, entry.directory, "a directory does not match its checksum").await?;
        match directory.len() == entry.shape.chunks() * DIRECTORY_ENTRY_BYTES {
            true => Ok(directory),
            false => Err(named(&self.key, format::damaged("a directory is too short"))),
        }
    }

    /// Reads through the cache.
    async fn section(&self, access: &Access, cost: &Cost, section: Section, what: &str) -> Result<Bytes> {
        if self.whole.is_some() || section.bytes == 0 {
            return self.read(access, cost, section, what).await;
        }
        let key = (self.id, section.offset);
        if let Some(Part::Bytes(bytes)) = access.cache.get(&key) {
            return Ok(bytes);
        }
        let bytes = self.read(access, cost, section, what).await?;
        access.cache.insert(key, Part::Bytes(bytes.clone()));
        Ok(bytes)
    }

    /// Reads a section and checks it.
    async fn read(&self, access: &Access, cost: &Cost, section: Section, what: &str) -> Result<Bytes> {
        if section.bytes == 0 {
            return Ok(Bytes::new());
        }
        let range = section.range();
        let bytes = match &self.whole {
            Some(whole) if range.end <= self.size_bytes => {
                whole.slice(range.start as usize..range.end as usize)
            }
            Some(_) => return Err(named(&self.key, format::damaged("a section is beyond its end"))),
            None => {
                let bytes = fetch(&access.store, &self.key, range).await?;
                cost.add(bytes.len());
                bytes
            }
        };
        format::checked(bytes, section.crc, what).map_err(|cause| named(&self.key, cause))
    }

    /// Reads past the cache, for merges: chunks `chunks` of a field, one after another.
    pub(crate) async fn run(
        &self,
        store: &Store,
        entry: &FieldEntry,
        directory: &Bytes,
        chunks: Range<usize>,
    ) -> Result<Vec<Bytes>> {
        let places = chunks.map(|chunk| chunk_place(entry, directory, chunk)).collect::<Result<Vec<_>, _>>();
        let places = places.map_err(|cause| self.damaged(cause))?;
        let (Some((first, _)), Some((last, _))) = (places.first(), places.last()) else {
            return Ok(Vec::new());
        };
        let all = first.start..last.end;
        let bytes = if all.is_empty() { Bytes::new() } else { fetch(store, &self.key, all.clone()).await? };
        let mut chunks = Vec::with_capacity(places.len());
        for (range, crc) in places {
            let part = bytes.slice((range.start - all.start) as usize..(range.end - all.start) as usize);
            let part = format::checked(part, crc, "postings do not match their checksum");
            chunks.push(part.map_err(|cause| named(&self.key, cause))?);
        }
        Ok(chunks)
    }

    pub(crate) fn damaged(&self, cause: Damaged) -> Error {
        Error::with_source(ErrorKind::Corrupt, format!("segment {} of the index", self.key), cause)
    }
}

/// Where a chunk stands in its segment, and its checksum.
pub(crate) fn chunk_place(
    entry: &FieldEntry,
    directory: &Bytes,
    chunk: usize,
) -> Result<(Range<u64>, u32), Damaged> {
    let at = chunk * DIRECTORY_ENTRY_BYTES;
    let (start, crc) = (format::little_endian(directory, at), format::little_endian(directory, at + 4));
    let next = at + DIRECTORY_ENTRY_BYTES;
    let end = match next < directory.len() {
        true => u64::from(format::little_endian(directory, next)),
        false => entry.chunks.bytes,
    };
    let start = u64::from(start);
    if start > end || end > entry.chunks.bytes {
        return Err(Damaged);
    }
    Ok((entry.chunks.offset + start..entry.chunks.offset + end, crc))
}

async fn fetch(store: &Store, key: &Path, range: Range<u64>) -> Result<Bytes> {
    let wanted = range.end.saturating_sub(range.start);
    match store.object_store().get_range(key, range).await {
        Ok(bytes) if bytes.len() as u64 == wanted => Ok(bytes),
        Ok(_) => Err(named(key, format::damaged("it is shorter than it was"))),
        Err(cause @ object_store::Error::NotFound { .. }) => {
            Err(Error::with_source(ErrorKind::NotFound, format!("segment {key} of the index is gone"), cause))
        }
        Err(cause) => {
            Err(Error::with_source(ErrorKind::Unavailable, format!("read segment {key} of the index"), cause))
        }
    }
}

fn named(key: &Path, cause: Error) -> Error {
    let kind = cause.kind();
    Error::with_source(kind, format!("segment {key} of the index"), cause)
}
