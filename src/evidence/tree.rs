//! The tree as it grows: only its right edge is kept, which is all that appending needs.
//!
//! In: leaf hashes in order. Out: the tiles that they change, and the root. Guaranteed: what comes out does not depend on how
//! the leaves were cut into batches; memory is at most one tile a level.

use std::collections::HashMap;

use super::{
    hash::Hash,
    tile::{LEVELS_MAX, TILE_WIDTH, Tile, TileId},
};

/// The tiles of a tree that are not full, one a level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// The hashes of each level's last tile; empty where the last one is full.
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The tiles that [`Edge::from_tiles`] needs for a tree of `size` leaves.
    pub fn tiles(size: u64) -> Vec<TileId> {
        let in_level = |level: u8| size >> (8 * u32::from(level));
        let partial = |level: u8| in_level(level) % TILE_WIDTH != 0;
        let last = |level: u8| TileId::holding(level, in_level(level) - 1, size);
        (0..LEVELS_MAX).filter(|level| partial(*level)).filter_map(last).collect()
    }

    /// The edge of a tree of `size` leaves, from the hashes of its [`Edge::tiles`].
    pub fn from_tiles(size: u64, mut tiles: HashMap<TileId, Vec<Hash>>) -> Self {
        let mut levels = vec![Vec::new(); usize::from(LEVELS_MAX)];
        for tile in Self::tiles(size) {
            levels[usize::from(tile.level)] = tiles.remove(&tile).unwrap_or_default();
        }
        while levels.last().is_some_and(Vec::is_empty) {
            levels.pop();
        }
        Self { size, levels }
    }

    /// Leaves of the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that it takes in memory, about.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.levels.iter().map(|level| level.capacity() * size_of::<Hash>()).sum::<usize>()
    }

    /// Appends leaves; gives all tiles that are new or have grown, each once, as it is afterwards.
    pub fn append(&mut self, leaves: &[Hash]) -> Vec<Tile> {
        let mut tiles = Vec::new();
        let mut changed = vec![false; usize::from(LEVELS_MAX)];
        for leaf in leaves {
            self.push(*leaf, &mut changed, &mut tiles);
        }
        for (level, hashes) in (0_u8..).zip(&self.levels) {
            if changed[usize::from(level)] && !hashes.is_empty() {
                tiles.push(Tile::of(level, (self.size >> (8 * u32::from(level))) / TILE_WIDTH, hashes));
            }
        }
        tiles
    }

    fn push(&mut self, leaf: Hash, changed: &mut [bool], tiles: &mut Vec<Tile>) {
        self.size += 1;
        let (mut hash, mut level) = (leaf, 0);
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[level];
            hashes.push(hash);
            changed[level] = true;
            if (hashes.len() as u64) < TILE_WIDTH {
                return;
            }
            let index = (self.size >> (8 * level)) / TILE_WIDTH - 1;
            tiles.push(Tile::of(level as u8, index, hashes));
            hash = Hash::of_list(hashes);
            hashes.clear();
            level += 1;
        }
    }

    /// The root hash (RFC 6962, 2.1).
    pub fn root(&self) -> Hash {
        let mut below: Option<Hash> = None;
        for hashes in &self.levels {
            let mut list = hashes.clone();
            list.extend(below);
            if !list.is_empty() {
                below = Some(Hash::of_list(&list));
            }
        }
        below.unwrap_or_else(Hash::empty)
    }
}
