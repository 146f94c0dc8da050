//! A segment as bytes: what stands where, and what its footer says.
//!
//! ```text
//! chunks of field 0 │ chunks of field 1 │ … │ counts │ directory 0 │ directory 1 │ … │ footer │ trailer
//!
//! chunk       postings of one slice of the field's hashes (see `postings`)
//! counts      zstd of JSON: for each piece, how many events of each action and outcome
//! directory   for each chunk: its offset among the field's chunks, and its CRC-32 (two little-endian u32)
//! footer      zstd of JSON ([`Footer`])
//! trailer     length of the footer, its CRC-32 (two little-endian u32), then "ALSKIP01"
//! ```
//!
//! Guaranteed: whatever is read of a segment was compared with a checksum first. A bit that flips costs time, and
//! never an event in an answer.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{field::Field, postings::Shape};
use crate::error::{Error, ErrorKind, Result};

/// The end of every segment; another format gets another number.
const MAGIC: &[u8; 8] = b"ALSKIP01";
/// Bytes of the trailer.
pub(crate) const TRAILER_BYTES: usize = 16;
/// Bytes of one entry of a directory.
pub(crate) const DIRECTORY_ENTRY_BYTES: usize = 8;

const ZSTD_LEVEL: i32 = 3;
/// Largest JSON text that a segment may unpack to.
const JSON_BYTES_MAX: usize = 256 << 20;

/// What a segment says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Footer {
    /// 0 for what a commit writes; one more than its inputs' for what a merge writes.
    pub(crate) generation: u32,
    /// Rows of a block.
    pub(crate) block_rows: u32,
    /// The pieces of files that are indexed, in the order of their codes.
    pub(crate) pieces: Vec<Piece>,
    /// The fields.
    pub(crate) fields: Vec<FieldEntry>,
    /// Where the counts are.
    pub(crate) counts: Section,
}

/// Rows of one file that stand together in a segment. A piece has one code for each block, and then one that stands
/// for all blocks, for values that are nearly everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// Path of the file, relative to its table.
    pub(crate) file: String,
    /// Number of its first row in the file.
    pub(crate) first_row: u64,
    /// How many rows.
    pub(crate) rows: u32,
}

impl Piece {
    /// Blocks of `block_rows` rows.
    pub(crate) fn blocks(&self, block_rows: u32) -> u32 {
        self.rows.div_ceil(block_rows.max(1))
    }

    /// Codes that the piece takes.
    pub(crate) fn codes(&self, block_rows: u32) -> u32 {
        self.blocks(block_rows) + 1
    }
}

/// One field's postings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FieldEntry {
    /// [`Field::name`].
    pub(crate) name: String,
    /// How they are coded.
    pub(crate) shape: Shape,
    /// Different hashes.
    pub(crate) hashes: u64,
    /// Hashes times blocks.
    pub(crate) postings: u64,
    /// The chunks.
    pub(crate) chunks: Section,
    /// The directory.
    pub(crate) directory: Section,
}

/// Bytes of a segment. The checksum of chunks is in the directory, for each by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Section {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) crc: u32,
}

impl Section {
    /// Where it stands.
    pub(crate) fn range(&self) -> std::ops::Range<u64> {
        self.offset..self.offset + self.bytes
    }
}

impl Footer {
    /// The entry of `field`; a segment of another version may lack it.
    pub(crate) fn field(&self, field: Field) -> Option<&FieldEntry> {
        self.fields.iter().find(|entry| entry.name == field.name())
    }

    /// The first code of each piece, and the number of all codes.
    pub(crate) fn bases(&self) -> Vec<u32> {
        let mut next = 0;
        let mut bases = Vec::with_capacity(self.pieces.len() + 1);
        for piece in &self.pieces {
            bases.push(next);
            next += piece.codes(self.block_rows);
        }
        bases.push(next);
        bases
    }

    /// Rows of all pieces.
    pub(crate) fn rows(&self) -> u64 {
        self.pieces.iter().map(|piece| u64::from(piece.rows)).sum()
    }

    /// Footer and trailer.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = pack(self)?;
        let (length, crc) = (bytes.len() as u32, crc32fast::hash(&bytes));
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(MAGIC);
        Ok(bytes)
    }

    /// The footer at the end of `tail`, or how many bytes of the end are needed.
    pub(crate) fn from_tail(tail: &[u8]) -> Result<Result<Self, usize>> {
        let Some((before, trailer)) = tail.split_last_chunk::<TRAILER_BYTES>() else {
            return Err(damaged("it is shorter than a trailer"));
        };
        let [length, crc] = [0, 4].map(|at| little_endian(trailer, at));
        if trailer[8..] != MAGIC[..] {
            return Err(damaged("it does not end like a segment"));
        }
        let length = length as usize;
        let Some(start) = before.len().checked_sub(length) else { return Ok(Err(length + TRAILER_BYTES)) };
        let footer = &before[start..];
        if crc32fast::hash(footer) != crc {
            return Err(damaged("its footer does not match its checksum"));
        }
        unpack(footer).map(Ok)
    }
}

/// A little-endian `u32` of `bytes`, which reach that far.
pub(crate) fn little_endian(bytes: &[u8], at: usize) -> u32 {
    let four = bytes[at..at + 4].try_into().expect("four bytes");
    u32::from_le_bytes(four)
}

/// A hash of which the highest `bits` were kept, as 32 bits again.
pub(crate) fn widened(hash: u32, bits: u32) -> u32 {
    hash.checked_shl(32 - bits).unwrap_or(0)
}

/// zstd of JSON.
pub(crate) fn pack(value: &impl Serialize) -> Result<Vec<u8>> {
    let failed = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Error::with_source(ErrorKind::Internal, "encode a segment of the index", cause)
    };
    let json = serde_json::to_vec(value).map_err(|cause| failed(cause.into()))?;
    zstd::bulk::compress(&json, ZSTD_LEVEL).map_err(|cause| failed(cause.into()))
}

/// The inverse of [`pack`].
pub(crate) fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let json = zstd::bulk::decompress(bytes, JSON_BYTES_MAX)
        .map_err(|cause| Error::with_source(ErrorKind::Corrupt, "it cannot be unpacked", cause))?;
    serde_json::from_slice(&json)
        .map_err(|cause| Error::with_source(ErrorKind::Corrupt, "it does not say what it should", cause))
}

/// `bytes` if they match `crc`.
pub(crate) fn checked(bytes: Bytes, crc: u32, what: &str) -> Result<Bytes> {
    if crc32fast::hash(&bytes) == crc { Ok(bytes) } else { Err(damaged(what)) }
}

pub(crate) fn damaged(reason: &str) -> Error {
    Error::new(ErrorKind::Corrupt, reason)
}
