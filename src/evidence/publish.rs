//! Growing a tree in the store: its tiles, its checkpoint, and what retention takes.
//!
//! In: leaves of committed events. Out: objects under `proof/tenant=…`. Guaranteed: a checkpoint is written after all tiles that it
//! needs, and what they replace goes after that; what is written does not depend on how many processes write it.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::{
    Edge, Head, Stored,
    checkpoint::Checkpoint,
    hash::Hash,
    key::SigningKey,
    removal::{Ranges, Removal},
    tile::{LEAVES_MAX, Tile, TileId},
};
use crate::{
    error::{Error, ErrorKind, Result},
    limits::EVIDENCE_REQUESTS_MAX,
    paths,
    store::Deletion,
};

/// Leaves appended and not published yet.
#[derive(Debug)]
pub struct Grown {
    from: u64,
    tiles: Vec<Tile>,
    edge: Edge,
    root: Hash,
}

impl Grown {
    /// Leaves of the tree with them.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Whether no leaf came.
    pub fn is_unchanged(&self) -> bool {
        self.from == self.edge.size()
    }

    /// Its root.
    pub fn root(&self) -> Hash {
        self.root
    }
}

impl Head {
    /// The tree with more leaves. Pure computation, for a thread that may block.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] past 2^48 leaves.
    pub fn grow(&self, leaves: &[Hash]) -> Result<Grown> {
        let mut edge = self.edge.clone();
        if edge.size() + leaves.len() as u64 > LEAVES_MAX {
            return Err(Error::new(ErrorKind::Limit, format!("a tree has at most {LEAVES_MAX} leaves")));
        }
        let tiles = edge.append(leaves);
        Ok(Grown { from: self.edge.size(), tiles, root: edge.root(), edge })
    }
}

impl Stored {
    /// Publishes leaves whose events are committed: the tiles, then the checkpoint; then what they replace goes.
    ///
    /// # Errors
    /// As the store: part of the tiles may then be there, which are right, and the head is as before.
    pub async fn publish(&self, grown: Grown) -> Result<Arc<Head>> {
        let Grown { from, tiles, edge, root } = grown;
        let origin = self.origin().filter(|_| !self.signing().is_empty());
        let Some(origin) = origin else {
            return Err(Error::new(ErrorKind::Internal, "no signing key was opened"));
        };
        let filled: Vec<TileId> = tiles.iter().map(|tile| tile.id).filter(|tile| tile.is_full()).collect();
        let puts = tiles.into_iter().map(|tile| self.put_tile(tile));
        stream::iter(puts).buffer_unordered(EVIDENCE_REQUESTS_MAX).try_collect::<()>().await?;
        let checkpoint = Checkpoint { origin, size: edge.size(), root };
        let keys: Vec<&SigningKey> = self.signing().iter().collect();
        let note = checkpoint.sign(&keys);
        let (by_size, copy) =
            (paths::checkpoint(&self.tenant, edge.size()), paths::checkpoint_copy(&self.tenant));
        let store = &self.shared.store;
        let (put, copied) =
            tokio::join!(store.put(&by_size, note.clone().into()), store.put(&copy, note.clone().into()));
        put.and(copied)?;
        let head = Arc::new(Head { edge, root, note: Some(note) });
        self.shared.heads.insert(self.tenant.clone(), Arc::clone(&head));
        match self.clean_up(from, head.edge.size(), filled).await {
            Ok(Deletion::Done) => {}
            Ok(Deletion::Refused) => self.shared.note_kept(&self.tenant),
            Err(error) => {
                let (tenant, report) = (&self.tenant, error.report());
                tracing::warn!(%tenant, report, "partial tiles that full ones replace were not removed");
            }
        }
        Ok(head)
    }

    async fn put_tile(&self, tile: Tile) -> Result<()> {
        self.shared.store.put(&paths::proof_tile(&self.tenant, &tile.id.path()), tile.bytes).await
    }

    /// Removes the checkpoint before and the partial tiles of tiles that are full now. Only a tile that was begun before can
    /// have any.
    async fn clean_up(&self, from: u64, size: u64, filled: Vec<TileId>) -> Result<Deletion> {
        let mut done = Deletion::Done;
        let begun = Edge::tiles(from);
        let was_begun =
            |tile: &TileId| begun.iter().any(|old| (old.level, old.index) == (tile.level, tile.index));
        if from > 0 && from < size {
            done = self.shared.store.try_delete(&paths::checkpoint(&self.tenant, from)).await?;
        }
        for tile in filled.into_iter().filter(was_begun) {
            let folder = paths::proof_tile(&self.tenant, &tile.partial_folder());
            for object in self.shared.store.list(&folder).await? {
                if self.shared.store.try_delete(&object.location).await? == Deletion::Refused {
                    done = Deletion::Refused;
                }
            }
        }
        Ok(done)
    }

    /// Says, signed, that events are about to be removed because their days have expired.
    ///
    /// # Errors
    /// As the store; nothing may be removed then.
    pub async fn announce(
        &self,
        days: (chrono::NaiveDate, chrono::NaiveDate),
        version: u64,
        events: Ranges,
    ) -> Result<()> {
        let keys: Vec<&SigningKey> = self.signing().iter().collect();
        let Some(origin) = self.origin().filter(|_| !keys.is_empty()) else { return Ok(()) };
        let note = Removal { origin, days, events }.sign(&keys);
        self.shared.store.put(&paths::removal(&self.tenant, days.1, version), note.into()).await
    }
}
