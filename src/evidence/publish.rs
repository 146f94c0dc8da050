//! One tenant's tree in the store: its head read and checked, its tiles and checkpoints written.
//!
//! In: leaves of committed events. Out: objects under `proof/tenant=…`. Guaranteed: the head that is given is the one that the
//! newest checkpoint signs, and the tiles lead to its root; a tree is only continued from there.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    Edge, Head, Shared,
    checkpoint::Checkpoint,
    hash::{HASH_BYTES, Hash},
    key::{SigningKey, Verifier},
    reader::{Reader, Tiles, broken},
    removal::Removal,
    tile::{LEAVES_MAX, Tile, TileId},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    limits::EVIDENCE_REQUESTS_MAX,
    paths,
};

/// A tenant's tree. Cheap to clone.
#[derive(Clone)]
pub struct Stored {
    shared: Arc<Shared>,
    tenant: TenantId,
}

/// Name of an object with a checkpoint.
#[derive(Clone, Debug)]
pub struct Named {
    /// The object.
    pub object: String,
    /// The size in its name.
    pub size: Option<u64>,
}

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
    pub(super) fn new(shared: Arc<Shared>, tenant: TenantId) -> Self {
        Self { shared, tenant }
    }

    /// The newest checkpoint as it was signed: the note, and what it says. `None` if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if no key of this deployment signed it.
    pub async fn checkpoint(&self) -> Result<Option<(String, Checkpoint)>> {
        let listed = self.shared.store.list(&paths::checkpoints(&self.tenant)).await?;
        let Some(size) = listed.iter().filter_map(|object| paths::parse_checkpoint(&object.location)).max()
        else {
            return Ok(None);
        };
        let key = paths::checkpoint(&self.tenant, size);
        let Some(bytes) = self.shared.store.get(&key).await? else {
            let message = format!("{key} was replaced while it was read");
            return Err(Error::new(ErrorKind::Unavailable, message));
        };
        let wrong = |reason: String| Error::new(ErrorKind::Corrupt, format!("{key}: {reason}"));
        let note = String::from_utf8(bytes.to_vec()).map_err(|error| wrong(error.to_string()))?;
        let checkpoint =
            Checkpoint::open(&note, &self.verifiers()).map_err(|error| wrong(error.to_string()))?;
        if checkpoint.size != size || Some(&checkpoint.origin) != self.origin().as_ref() {
            return Err(wrong(format!("it is of {} and {} leaves", checkpoint.origin, checkpoint.size)));
        }
        Ok(Some((note, checkpoint)))
    }

    /// All checkpoints in the store, by size, believed or not.
    ///
    /// # Errors
    /// As the store.
    pub async fn all_checkpoints(&self) -> Result<Vec<(Named, String)>> {
        let mut notes = Vec::new();
        for object in self.shared.store.list(&paths::checkpoints(&self.tenant)).await? {
            // One that goes meanwhile has been replaced by a newer one.
            let Some(bytes) = self.shared.store.get(&object.location).await? else { continue };
            let size = paths::parse_checkpoint(&object.location);
            let name = Named { object: object.location.to_string(), size };
            notes.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
        Ok(notes)
    }

    /// The copy of the newest checkpoint, as tools for C2SP tiles find it.
    ///
    /// # Errors
    /// As the store.
    pub async fn copied_checkpoint(&self) -> Result<Option<String>> {
        let copy = self.shared.store.get(&paths::checkpoint_copy(&self.tenant)).await?;
        Ok(copy.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Size of everything that is stored of it.
    ///
    /// # Errors
    /// As the store.
    pub async fn stored_bytes(&self) -> Result<u64> {
        let listed = self.shared.store.list(&paths::proof(&self.tenant)).await?;
        Ok(listed.iter().map(|object| object.size).sum())
    }

    /// The head as this process knows it, or as the store has it.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if the tiles do not lead to the root that the checkpoint signs.
    pub async fn head(&self) -> Result<Arc<Head>> {
        if let Some(head) = self.shared.heads.get(&self.tenant) {
            return Ok(head);
        }
        let head = Arc::new(self.load().await?);
        self.shared.heads.insert(self.tenant.clone(), Arc::clone(&head));
        Ok(head)
    }

    async fn load(&self) -> Result<Head> {
        let Some((note, checkpoint)) = self.checkpoint().await? else {
            return Ok(Head { edge: Edge::default(), root: Hash::empty(), note: None });
        };
        let tiles = stream::iter(Edge::tiles(checkpoint.size)).map(|tile| async move {
            let bytes = self.tile(tile).await?;
            let hashes = tile.hashes(&bytes).ok_or_else(|| broken(tile, "has another length"))?;
            Ok::<_, Error>((tile, hashes))
        });
        let tiles: HashMap<_, _> = tiles.buffer_unordered(EVIDENCE_REQUESTS_MAX).try_collect().await?;
        let edge = Edge::from_tiles(checkpoint.size, tiles);
        let root = edge.root();
        if root != checkpoint.root {
            let message = format!(
                "the tiles of tenant '{}' lead to another root than its checkpoint of {} events signs",
                self.tenant, checkpoint.size
            );
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(Head { edge, root, note: Some(note) })
    }

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
        if let Err(error) = self.clean_up(from, head.edge.size(), filled).await {
            let (tenant, report) = (&self.tenant, error.report());
            tracing::warn!(%tenant, report, "partial tiles that full ones replace were not removed");
        }
        Ok(head)
    }

    async fn put_tile(&self, tile: Tile) -> Result<()> {
        self.shared.store.put(&paths::proof_tile(&self.tenant, &tile.id.path()), tile.bytes).await
    }

    /// Removes the checkpoint before and the partial tiles of tiles that are full now. Only a tile that was begun before can
    /// have any.
    async fn clean_up(&self, from: u64, size: u64, filled: Vec<TileId>) -> Result<()> {
        let begun = Edge::tiles(from);
        let was_begun =
            |tile: &TileId| begun.iter().any(|old| (old.level, old.index) == (tile.level, tile.index));
        if from > 0 && from < size {
            self.shared.store.delete(&paths::checkpoint(&self.tenant, from)).await?;
        }
        for tile in filled.into_iter().filter(was_begun) {
            let folder = paths::proof_tile(&self.tenant, &tile.partial_folder());
            for object in self.shared.store.list(&folder).await? {
                self.shared.store.delete(&object.location).await?;
            }
        }
        Ok(())
    }

    /// Says, signed, that events are about to be removed because their days have expired.
    ///
    /// # Errors
    /// As the store; nothing may be removed then.
    pub async fn announce(
        &self,
        days: (chrono::NaiveDate, chrono::NaiveDate),
        version: u64,
        events: super::removal::Ranges,
    ) -> Result<()> {
        let keys: Vec<&SigningKey> = self.signing().iter().collect();
        let Some(origin) = self.origin().filter(|_| !keys.is_empty()) else { return Ok(()) };
        let note = Removal { origin, days, events }.sign(&keys);
        self.shared.store.put(&paths::removal(&self.tenant, days.1, version), note.into()).await
    }

    /// What was said to be removed, each with the name of its object; those that none of `verifiers` signed, with the reason.
    ///
    /// # Errors
    /// As the store.
    pub async fn removals(
        &self,
        verifiers: &[Verifier],
    ) -> Result<Vec<(String, Result<Removal, super::note::NoteError>)>> {
        let mut removals = Vec::new();
        for object in self.shared.store.list(&paths::removals(&self.tenant)).await? {
            let Some(bytes) = self.shared.store.get(&object.location).await? else { continue };
            let note = String::from_utf8_lossy(&bytes);
            removals.push((object.location.to_string(), Removal::open(&note, verifiers)));
        }
        Ok(removals)
    }

    /// A reader of the tree of `size` leaves.
    pub fn reader(&self, size: u64) -> Reader<'_, Self> {
        Reader::new(self, size)
    }

    /// All verifier keys, the current ones first.
    pub fn verifiers(&self) -> Vec<Verifier> {
        self.shared.identity.as_ref().map_or_else(Vec::new, |identity| identity.verifiers(&self.tenant))
    }

    /// The name that its checkpoints bear.
    pub fn origin(&self) -> Option<String> {
        self.shared.identity.as_ref().map(|identity| identity.origin(&self.tenant))
    }

    fn signing(&self) -> &[SigningKey] {
        self.shared.identity.as_ref().map_or(&[], |identity| &identity.signing)
    }

    async fn stored_tile(&self, tile: TileId) -> Result<Option<Bytes>> {
        self.shared.store.get(&paths::proof_tile(&self.tenant, &tile.path())).await
    }

    /// The tile cut out of one that is wider: the full one, or another that was begun later.
    async fn wider(&self, tile: TileId) -> Result<Option<Bytes>> {
        if let Some(full) = self.stored_tile(tile.filled()).await? {
            return Ok(Some(full));
        }
        let folder = paths::proof_tile(&self.tenant, &tile.partial_folder());
        let listed = self.shared.store.list(&folder).await?;
        let widths = listed.iter().filter_map(|object| object.location.filename()?.parse::<u16>().ok());
        match widths.filter(|width| *width > tile.width).min() {
            Some(width) => self.stored_tile(TileId { width, ..tile }).await,
            None => Ok(None),
        }
    }
}

impl Tiles for Stored {
    async fn tile(&self, tile: TileId) -> Result<Bytes> {
        let found = match self.stored_tile(tile).await? {
            Some(bytes) => Some(bytes),
            None if tile.is_full() => None,
            None => self.wider(tile).await?,
        };
        let bytes = found.ok_or_else(|| broken(tile, "is missing"))?;
        let length = usize::from(tile.width) * HASH_BYTES;
        if bytes.len() < length {
            return Err(broken(tile, "is too short"));
        }
        Ok(bytes.slice(..length))
    }
}
