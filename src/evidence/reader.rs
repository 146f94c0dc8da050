//! Hashes of any part of a tree, from its tiles.
//!
//! In: where tiles come from ([`Tiles`]), the tree's size. Out: hashes, proofs, roots. Guaranteed: each tile is fetched once by
//! one reader; a tile that is missing or too short is an error that names it. Whether tiles are right, only a root that they
//! lead to can tell.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
};

use super::{
    hash::Hash,
    proof,
    tile::{TILE_WIDTH, TileId},
};
use crate::error::{Error, ErrorKind, Result};

/// Tiles that a reader keeps at hand.
const TILES_KEPT: usize = 64;

/// Where tiles are: a store, a server, a file.
pub trait Tiles {
    /// The bytes of a tile of this width.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if there is none, or one too short.
    fn tile(&self, tile: TileId) -> impl Future<Output = Result<bytes::Bytes>> + Send;
}

/// A tree of a given size, read from tiles.
pub struct Reader<'tiles, T> {
    tiles: &'tiles T,
    size: u64,
    kept: HashMap<TileId, Vec<Hash>>,
    order: VecDeque<TileId>,
}

impl<'tiles, T: Tiles> Reader<'tiles, T> {
    /// Reads the tree of `size` leaves.
    pub fn new(tiles: &'tiles T, size: u64) -> Self {
        Self { tiles, size, kept: HashMap::new(), order: VecDeque::new() }
    }

    /// The root.
    pub async fn root(&mut self) -> Result<Hash> {
        if self.size == 0 {
            return Ok(Hash::empty());
        }
        self.range(0..self.size).await
    }

    /// The root of the tree of its first `size` leaves.
    pub async fn root_at(&mut self, size: u64) -> Result<Hash> {
        if size == 0 {
            return Ok(Hash::empty());
        }
        self.range(0..size.min(self.size)).await
    }

    /// The hash of leaf `index`.
    pub async fn leaf(&mut self, index: u64) -> Result<Hash> {
        self.node(0, index).await
    }

    /// What proves that leaf `index` is in the tree.
    pub async fn inclusion(&mut self, index: u64) -> Result<Vec<Hash>> {
        self.ranges(proof::inclusion_ranges(index, self.size)).await
    }

    /// What proves that the tree begins with its first `old` leaves.
    pub async fn consistency(&mut self, old: u64) -> Result<Vec<Hash>> {
        self.ranges(proof::consistency_ranges(old, self.size)).await
    }

    async fn ranges(&mut self, ranges: Vec<Range<u64>>) -> Result<Vec<Hash>> {
        let mut hashes = Vec::with_capacity(ranges.len());
        for range in ranges {
            hashes.push(self.range(range).await?);
        }
        Ok(hashes)
    }

    /// The hash of a range that is a subtree, or the rest of the tree after one.
    async fn range(&mut self, range: Range<u64>) -> Result<Hash> {
        let (mut rest, mut subtrees) = (range, Vec::new());
        while rest.end - rest.start > 1 && !(rest.end - rest.start).is_power_of_two() {
            let middle = rest.start + proof::split(rest.end - rest.start);
            subtrees.push(self.complete(rest.start..middle).await?);
            rest.start = middle;
        }
        let mut hash = self.complete(rest).await?;
        for left in subtrees.iter().rev() {
            hash = Hash::node(left, &hash);
        }
        Ok(hash)
    }

    /// The hash of a complete subtree.
    async fn complete(&mut self, range: Range<u64>) -> Result<Hash> {
        let height = (range.end - range.start).trailing_zeros();
        self.node(height, range.start >> height).await
    }

    async fn node(&mut self, height: u32, place: u64) -> Result<Hash> {
        let (level, within) = ((height / 8) as u8, height % 8);
        let first = place << within;
        let Some(tile) = TileId::holding(level, first, self.size) else {
            let message = format!("a tree of {} leaves has no hash {place} at height {height}", self.size);
            return Err(Error::new(ErrorKind::Internal, message));
        };
        let hashes = self.tile(tile).await?;
        let start = (first % TILE_WIDTH) as usize;
        let part = hashes.get(start..start + (1 << within)).ok_or_else(|| broken(tile, "is too short"))?;
        Ok(Hash::of_list(part))
    }

    async fn tile(&mut self, tile: TileId) -> Result<&[Hash]> {
        if !self.kept.contains_key(&tile) {
            let bytes = self.tiles.tile(tile).await?;
            let hashes = tile.hashes(&bytes).ok_or_else(|| broken(tile, "has another length"))?;
            if self.order.len() == TILES_KEPT
                && let Some(oldest) = self.order.pop_front()
            {
                self.kept.remove(&oldest);
            }
            self.order.push_back(tile);
            self.kept.insert(tile, hashes);
        }
        Ok(&self.kept[&tile])
    }
}

/// The error about a tile that is not as it should be.
pub(super) fn broken(tile: TileId, what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("tile {} {what}", tile.path()))
}
