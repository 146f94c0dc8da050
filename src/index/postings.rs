//! Postings: for each hash, the blocks of rows that hold a value of that hash, a chunk at a time.
//!
//! In: hashes in ascending order, each with ascending codes of blocks. Out: bytes. Guaranteed: they read back as
//! they were, in order; damaged bytes give an error or other postings, never a panic (a checksum outside tells
//! which).
//!
//! A chunk holds the hashes of one equal slice of all hashes: since hashes are spread evenly, chunks have about the
//! same length, and the right one is found by arithmetic. In a chunk:
//!
//! ```text
//! gamma(number of hashes + 1)
//! for each hash: rice(gap to the hash before) gamma(number of codes)
//!   one code: fixed(code)      several: rice(gap to the code before) for each
//! ```
//!
//! A hash that is met once costs some log2(hashes / values) + 1.5 bits for itself, 1 for the count, and
//! log2(codes) for the place, whatever the number of files: a filter for each file would pay for its own
//! false positives in each of them.

use super::bits::{BitReader, BitWriter};

/// Hashes of a chunk, on average.
const CHUNK_HASHES: f64 = 1_024.0;

/// How one field's postings are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Shape {
    /// Bits kept of each 32-bit hash, the highest ones.
    pub(crate) hash_bits: u32,
    /// Chunks, as a power of two.
    pub(crate) chunk_bits: u32,
    /// Rice parameter of the gaps between hashes.
    pub(crate) gap_bits: u32,
    /// Codes are below this.
    pub(crate) codes: u32,
}

impl Shape {
    /// The shape for about `distinct` hashes of `hash_bits` bits and codes below `codes`.
    pub(crate) fn new(distinct: f64, hash_bits: u32, codes: u32) -> Self {
        let hash_bits = hash_bits.min(32);
        let distinct = distinct.max(1.0);
        let chunk_bits = ((distinct / CHUNK_HASHES).log2().ceil().max(0.0) as u32).min(hash_bits);
        let mean_gap = 2_f64.powi(hash_bits as i32) / distinct;
        // The best parameter for gaps that are geometrically distributed.
        let gap_bits = ((mean_gap * std::f64::consts::LN_2).log2().floor().max(0.0) as u32).min(31);
        Self { hash_bits, chunk_bits, gap_bits, codes }
    }

    /// Number of chunks.
    pub(crate) fn chunks(&self) -> usize {
        1 << self.chunk_bits
    }

    /// A 32-bit hash as this field keeps it.
    pub(crate) fn cut(&self, hash: u32) -> u32 {
        hash.checked_shr(32 - self.hash_bits).unwrap_or(0)
    }

    /// The chunk of a hash that is cut.
    pub(crate) fn chunk_of(&self, hash: u32) -> usize {
        hash.checked_shr(self.low_bits()).unwrap_or(0) as usize
    }

    /// What of a hash is not told by its chunk.
    fn low(&self, hash: u32) -> u32 {
        (u64::from(hash) & ((1_u64 << self.low_bits()) - 1)) as u32
    }

    fn low_bits(&self) -> u32 {
        self.hash_bits - self.chunk_bits
    }

    /// Bits of a single code.
    fn code_bits(&self) -> u32 {
        self.codes.saturating_sub(1).checked_ilog2().map_or(0, |bits| bits + 1)
    }

    /// Rice parameter of the gaps between `count` codes.
    fn code_gap_bits(&self, count: u32) -> u32 {
        (self.codes / count.max(1)).checked_ilog2().unwrap_or(0)
    }
}

/// Collects one chunk.
#[derive(Debug, Default)]
pub(crate) struct ChunkWriter {
    /// Each hash and the number of its codes.
    hashes: Vec<(u32, u32)>,
    /// The codes of all, one after another.
    codes: Vec<u32>,
    bits: BitWriter,
}

impl ChunkWriter {
    /// Adds a hash, cut and greater than all before, and its ascending codes.
    pub(crate) fn push(&mut self, hash: u32, codes: &[u32]) {
        debug_assert!(self.hashes.last().is_none_or(|(last, _)| *last < hash));
        debug_assert!(!codes.is_empty() && codes.is_sorted_by(|a, b| a < b));
        self.hashes.push((hash, codes.len() as u32));
        self.codes.extend_from_slice(codes);
    }

    /// The chunk's bytes; the writer is empty again. No bytes for no hashes.
    pub(crate) fn finish(&mut self, shape: &Shape) -> Vec<u8> {
        if self.hashes.is_empty() {
            return Vec::new();
        }
        self.bits.gamma(self.hashes.len() as u32 + 1);
        let mut codes = self.codes.as_slice();
        let mut next = 0;
        for (hash, count) in self.hashes.drain(..) {
            let low = shape.low(hash);
            self.bits.rice(low - next, shape.gap_bits);
            next = low.wrapping_add(1);
            let (own, rest) = codes.split_at(count as usize);
            write_codes(&mut self.bits, shape, own);
            codes = rest;
        }
        self.codes.clear();
        self.bits.finish()
    }
}

fn write_codes(bits: &mut BitWriter, shape: &Shape, codes: &[u32]) {
    let count = codes.len() as u32;
    bits.gamma(count);
    if let [only] = codes {
        return bits.fixed(*only, shape.code_bits());
    }
    let gap_bits = shape.code_gap_bits(count);
    let mut next = 0;
    for code in codes {
        bits.rice(code - next, gap_bits);
        next = code + 1;
    }
}

/// Goes through one chunk.
#[derive(Debug)]
pub(crate) struct ChunkReader<'a> {
    shape: Shape,
    chunk: u32,
    bits: BitReader<'a>,
    left: u32,
    next: u32,
}

/// A chunk that is no chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("postings are damaged")]
pub(crate) struct Damaged;

impl<'a> ChunkReader<'a> {
    /// Reads chunk number `chunk`.
    pub(crate) fn new(bytes: &'a [u8], shape: Shape, chunk: usize) -> Result<Self, Damaged> {
        let mut bits = BitReader::new(bytes);
        let left = if bytes.is_empty() { 0 } else { bits.gamma().ok_or(Damaged)? - 1 };
        Ok(Self { shape, chunk: chunk as u32, bits, left, next: 0 })
    }

    /// The next hash, its codes put in place of what is in `codes`; `None` at the end.
    pub(crate) fn next(&mut self, codes: &mut Vec<u32>) -> Result<Option<u32>, Damaged> {
        codes.clear();
        let Some((hash, count)) = self.next_hash()? else { return Ok(None) };
        self.codes(count, |code| codes.push(code))?;
        Ok(Some(hash))
    }

    /// The codes of `hash`, which is cut and belongs to this chunk; none if it is not there.
    pub(crate) fn find(mut self, hash: u32, found: impl FnMut(u32)) -> Result<(), Damaged> {
        while let Some((here, count)) = self.next_hash()? {
            if here > hash {
                break;
            }
            if here == hash {
                return self.codes(count, found);
            }
            self.codes(count, |_| {})?;
        }
        Ok(())
    }

    fn next_hash(&mut self) -> Result<Option<(u32, u32)>, Damaged> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let gap = self.bits.rice(self.shape.gap_bits).ok_or(Damaged)?;
        let low = self.next.checked_add(gap).ok_or(Damaged)?;
        self.next = low.wrapping_add(1);
        let count = self.bits.gamma().ok_or(Damaged)?;
        if count > self.shape.codes {
            return Err(Damaged);
        }
        let high = (u64::from(self.chunk) << self.shape.low_bits()) as u32;
        Ok(Some((high | low, count)))
    }

    fn codes(&mut self, count: u32, mut found: impl FnMut(u32)) -> Result<(), Damaged> {
        if count == 1 {
            found(self.bits.fixed(self.shape.code_bits()).ok_or(Damaged)?);
            return Ok(());
        }
        let bits = self.shape.code_gap_bits(count);
        let mut next = 0_u32;
        for _ in 0..count {
            let gap = self.bits.rice(bits).ok_or(Damaged)?;
            let code = next.checked_add(gap).filter(|code| *code < self.shape.codes).ok_or(Damaged)?;
            found(code);
            next = code + 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    type Lists = BTreeMap<u32, BTreeSet<u32>>;

    fn any_lists() -> impl Strategy<Value = (u32, u32, Lists)> {
        (1_u32..3_000, prop_oneof![Just(32_u32), 8_u32..32]).prop_flat_map(|(codes, hash_bits)| {
            let most = ((1_u64 << hash_bits) - 1) as u32;
            let list = prop::collection::btree_set(0..codes, 1..20);
            let lists = prop::collection::btree_map(0..=most, list, 0..300);
            (Just(codes), Just(hash_bits), lists)
        })
    }

    fn encode(shape: &Shape, lists: &Lists) -> Vec<Vec<u8>> {
        let mut chunks = Vec::new();
        for chunk in 0..shape.chunks() {
            let mut writer = ChunkWriter::default();
            for (hash, codes) in lists.iter().filter(|(hash, _)| shape.chunk_of(**hash) == chunk) {
                writer.push(*hash, &codes.iter().copied().collect::<Vec<_>>());
            }
            chunks.push(writer.finish(shape));
        }
        chunks
    }

    proptest! {
        /// Would catch a posting lost, moved to another hash or block, or found where there is none; with shapes
        /// that fit the number of hashes badly, too.
        #[test]
        fn postings_read_back((codes, hash_bits, lists) in any_lists(), expected in 1_u32..100_000) {
            let shape = Shape::new(f64::from(expected), hash_bits, codes);
            let chunks = encode(&shape, &lists);
            let mut read = Lists::new();
            for (number, bytes) in chunks.iter().enumerate() {
                let mut reader = ChunkReader::new(bytes, shape, number).unwrap();
                let mut codes = Vec::new();
                while let Some(hash) = reader.next(&mut codes).unwrap() {
                    read.insert(hash, codes.iter().copied().collect());
                }
            }
            prop_assert_eq!(&read, &lists);
            for hash in lists.keys().flat_map(|hash| [*hash, hash.wrapping_add(1)]) {
                let hash = (u64::from(hash) & ((1_u64 << hash_bits) - 1)) as u32;
                let chunk = shape.chunk_of(hash);
                let mut found = BTreeSet::new();
                ChunkReader::new(&chunks[chunk], shape, chunk)
                    .unwrap()
                    .find(hash, |code| { found.insert(code); })
                    .unwrap();
                prop_assert_eq!(found, lists.get(&hash).cloned().unwrap_or_default());
            }
        }

        /// Would catch a panic, or a loop without an end, on damaged bytes.
        #[test]
        fn damaged_chunks_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), codes in 1_u32..5_000) {
            let shape = Shape::new(500.0, 24, codes);
            if let Ok(mut reader) = ChunkReader::new(&bytes, shape, 0) {
                let mut codes = Vec::new();
                while let Ok(Some(_)) = reader.next(&mut codes) {}
            }
        }
    }

    /// Would catch a code that wastes bits: 16,384 hashes met once, in one of 1,024 places, need 10 bits for the
    /// place and about 8 for the hash (6 for one false answer in 64, and two that every coding of a set has).
    #[test]
    fn single_postings_cost_what_they_should() {
        let shape = Shape::new(16_384.0, 20, 1_024);
        let step = (1_u32 << 20) / 16_384;
        let lists: Lists = (0..16_384_u32)
            .map(|n| (n * step + n.wrapping_mul(2_654_435_761) % step, BTreeSet::from([n % 1_024])))
            .collect();
        let bytes: usize = encode(&shape, &lists).iter().map(Vec::len).sum();
        let bits = bytes as f64 * 8.0 / 16_384.0;
        assert!(bits < 19.5, "{bits} bits a posting");
    }
}
