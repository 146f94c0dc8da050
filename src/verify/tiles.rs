//! The tree by its tiles: the root against the checkpoint, then each tile against the hash that the tile above has of it.
//!
//! In: the tiles in the store, a checkpoint that is believed. Out: findings, and which tiles of leaves are not to be believed.
//! Guaranteed: whatever is not named here is what the checkpoint signs. A damaged tile above the leaves is made anew from those
//! below it, so that only itself is named.

use std::{collections::HashMap, sync::Arc};

use futures::{StreamExt, TryStreamExt, stream};
use quick_cache::sync::Cache;

use super::{Finding, Kind, unless_broken};
use crate::{
    error::Result,
    evidence::{Checkpoint, Edge, Hash, Stored, TileId, Tiles as _, tile::TILE_WIDTH},
    limits::{EVIDENCE_REQUESTS_MAX, VERIFY_TILES_MAX},
};

/// The leaves of one tile, as far as they can be read.
pub(super) type Leaves = Option<Arc<Vec<Hash>>>;

/// What is known of the tiles of leaves, by their place.
pub(super) struct Checked {
    /// Those that do not fit, with the hash that they should have; `None`: not known either.
    pub(super) damaged: HashMap<u64, Option<Hash>>,
    /// Some of those that do.
    pub(super) leaves: Cache<u64, Leaves>,
}

impl Default for Checked {
    fn default() -> Self {
        Self { damaged: HashMap::new(), leaves: Cache::new(VERIFY_TILES_MAX) }
    }
}

/// A tile that is full, and the hash that its tree needs it to have.
type Expected = (TileId, Option<Hash>);

/// Checks all tiles of the tree that `checkpoint` signs.
pub(super) async fn check(tree: &Stored, checkpoint: &Checkpoint, add: &impl Fn(Finding)) -> Result<Checked> {
    let mut checked = Checked::default();
    let mut level = edge(tree, checkpoint, &mut checked, add).await?;
    // From the top down; each round is one level.
    while !level.is_empty() {
        level.sort_by_key(|(tile, _)| std::cmp::Reverse(tile.level));
        let top = level[0].0.level;
        let (now, mut next): (Vec<Expected>, Vec<Expected>) =
            level.into_iter().partition(|(tile, _)| tile.level == top);
        let checks = now.into_iter().map(|(tile, expected)| async move {
            let found = stored(tree, tile, add).await?;
            Ok::<_, crate::error::Error>((tile, expected, found))
        });
        let mut checks = stream::iter(checks).buffered(EVIDENCE_REQUESTS_MAX);
        while let Some((tile, expected, found)) = checks.try_next().await? {
            next.extend(below(tree, tile, expected, found, &mut checked, add).await?);
        }
        level = next;
    }
    Ok(checked)
}

/// The right edge against the root; gives the full tiles that it refers to.
async fn edge(
    tree: &Stored,
    checkpoint: &Checkpoint,
    checked: &mut Checked,
    add: &impl Fn(Finding),
) -> Result<Vec<Expected>> {
    let ids = Edge::tiles(checkpoint.size);
    let (mut tiles, mut is_whole) = (HashMap::new(), true);
    for tile in &ids {
        match stored(tree, *tile, add).await? {
            Some(hashes) => drop(tiles.insert(*tile, hashes)),
            None => is_whole = false,
        }
    }
    let fits = is_whole && Edge::from_tiles(checkpoint.size, tiles.clone()).root() == checkpoint.root;
    let mut expected = Vec::new();
    if !fits {
        let names: Vec<String> = ids.iter().map(|tile| tile.path()).collect();
        let detail = format!(
            "one of the tiles {names:?} is not what the checkpoint of {} events signs",
            checkpoint.size
        );
        if is_whole {
            add(Finding::new(Kind::Tile, detail));
        }
        checked.damaged.extend(ids.iter().filter(|tile| tile.level == 0).map(|tile| (tile.index, None)));
    }
    for tile in ids.iter().filter(|tile| tile.level > 0) {
        let hashes = tiles.get(tile).cloned().unwrap_or_default();
        let first = tile.index * TILE_WIDTH;
        for place in 0..u64::from(tile.width) {
            let child = TileId { level: tile.level - 1, index: first + place, width: TILE_WIDTH as u16 };
            let hash = hashes.get(place as usize).copied();
            // A tile that may be damaged itself proves nothing of those below it, but tells where to look.
            expected.push((child, hash));
        }
    }
    Ok(expected)
}

/// What follows from a full tile for those below it.
async fn below(
    tree: &Stored,
    tile: TileId,
    expected: Option<Hash>,
    found: Option<Vec<Hash>>,
    checked: &mut Checked,
    add: &impl Fn(Finding),
) -> Result<Vec<Expected>> {
    let fits = |hashes: &Vec<Hash>| expected.is_none_or(|expected| Hash::of_list(hashes) == expected);
    let is_missing = found.is_none();
    let good = found.filter(fits);
    if good.is_none() && !is_missing {
        add(Finding::new(
            Kind::Tile,
            format!("tile {} is not what the tree above it was made of", tile.path()),
        ));
    }
    if tile.level == 0 {
        match good {
            Some(hashes) => checked.leaves.insert(tile.index, Some(Arc::new(hashes))),
            None => drop(checked.damaged.insert(tile.index, expected)),
        }
        return Ok(Vec::new());
    }
    let hashes = match good {
        Some(hashes) => hashes.into_iter().map(Some).collect(),
        None => rebuilt(tree, tile, expected).await?,
    };
    let child = |place: u64| TileId {
        level: tile.level - 1,
        index: tile.index * TILE_WIDTH + place,
        width: TILE_WIDTH as u16,
    };
    Ok((0..).zip(hashes).map(|(place, hash)| (child(place), hash)).collect())
}

/// The hashes of a tile as those below it say; unknown if even they do not lead to what is expected.
async fn rebuilt(tree: &Stored, tile: TileId, expected: Option<Hash>) -> Result<Vec<Option<Hash>>> {
    let mut hashes = Vec::new();
    for place in 0..TILE_WIDTH {
        let child = TileId {
            level: tile.level - 1,
            index: tile.index * TILE_WIDTH + place,
            width: TILE_WIDTH as u16,
        };
        let found = stored(tree, child, &|_| {}).await?;
        hashes.push(found.map(|found| Hash::of_list(&found)));
    }
    let known: Option<Vec<Hash>> = hashes.iter().copied().collect();
    let fits = known.is_some_and(|known| expected.is_some_and(|expected| Hash::of_list(&known) == expected));
    if fits { Ok(hashes) } else { Ok(vec![None; TILE_WIDTH as usize]) }
}

async fn stored(tree: &Stored, tile: TileId, add: &impl Fn(Finding)) -> Result<Option<Vec<Hash>>> {
    let bytes = unless_broken(tree.tile(tile).await, add, Kind::Tile)?;
    Ok(bytes.and_then(|bytes| tile.hashes(&bytes)))
}
