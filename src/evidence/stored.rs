//! One tenant's tree as it is in the store, read and checked.
//!
//! In: objects under `proof/tenant=…`. Out: checkpoints, tiles, proofs, the head from which the tree goes on. Guaranteed: the head
//! that is given is the one that the newest checkpoint signs, and the tiles lead to its root.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Edge, Head, Shared,
    bundle::{Bundle, FORMAT, leaf_of_json},
    checkpoint::Checkpoint,
    hash::{HASH_BYTES, Hash},
    key::{SigningKey, Verifier},
    note::NoteError,
    reader::{Reader, Tiles, broken},
    removal::Removal,
    tile::TileId,
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    limits::EVIDENCE_REQUESTS_MAX,
    paths,
};

/// How often checkpoints are listed anew because those listed were replaced before they were read.
const CHECKPOINT_LISTINGS_MAX: usize = 8;

/// A tenant's tree. Cheap to clone.
#[derive(Clone)]
pub struct Stored {
    pub(super) shared: Arc<Shared>,
    pub(super) tenant: TenantId,
}

#[derive(Deserialize)]
struct Numbered {
    seq: Option<u64>,
}

/// Name of an object with a checkpoint.
#[derive(Clone, Debug)]
pub struct Named {
    /// The object.
    pub object: String,
    /// The size in its name.
    pub size: Option<u64>,
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
        let newest = self.newest_checkpoint().await?;
        let Some((name, note)) = newest.filter(|(name, _)| name.size.is_some()) else { return Ok(None) };
        let wrong = |reason: String| Error::new(ErrorKind::Corrupt, format!("{}: {reason}", name.object));
        let opened = Checkpoint::open(&note, &self.verifiers());
        let checkpoint = opened.map_err(|error| wrong(error.to_string()))?;
        if Some(checkpoint.size) != name.size || Some(&checkpoint.origin) != self.origin().as_ref() {
            return Err(wrong(format!("it is of {} and {} leaves", checkpoint.origin, checkpoint.size)));
        }
        Ok(Some((note, checkpoint)))
    }

    /// The checkpoint with the largest size in its name, believed or not. Where old ones are locked there are many.
    ///
    /// # Errors
    /// As the store.
    pub async fn newest_checkpoint(&self) -> Result<Option<(Named, String)>> {
        let folder = paths::checkpoints(&self.tenant);
        for _ in 0..CHECKPOINT_LISTINGS_MAX {
            let listed = self.shared.store.list(&folder).await?;
            let newest = listed.iter().max_by_key(|object| paths::parse_checkpoint(&object.location));
            let Some(newest) = newest else { return Ok(None) };
            // One that goes meanwhile has been replaced by a newer one.
            let Some(bytes) = self.shared.store.get(&newest.location).await? else { continue };
            let size = paths::parse_checkpoint(&newest.location);
            let name = Named { object: newest.location.to_string(), size };
            return Ok(Some((name, String::from_utf8_lossy(&bytes).into_owned())));
        }
        Err(Error::new(ErrorKind::Unavailable, format!("{folder} changes faster than it can be read")))
    }

    /// All checkpoints in the store, by size, believed or not: one, but for what a crash leaves and for what is locked.
    ///
    /// # Errors
    /// As the store.
    pub async fn all_checkpoints(&self) -> Result<Vec<(Named, String)>> {
        let folder = paths::checkpoints(&self.tenant);
        for _ in 0..CHECKPOINT_LISTINGS_MAX {
            let (listed, mut notes) = (self.shared.store.list(&folder).await?, Vec::new());
            for object in &listed {
                // One that goes meanwhile has been replaced by a newer one.
                let Some(bytes) = self.shared.store.get(&object.location).await? else { continue };
                let size = paths::parse_checkpoint(&object.location);
                let name = Named { object: object.location.to_string(), size };
                notes.push((name, String::from_utf8_lossy(&bytes).into_owned()));
            }
            if listed.is_empty() || !notes.is_empty() {
                return Ok(notes);
            }
        }
        Err(Error::new(ErrorKind::Unavailable, format!("{folder} changes faster than it can be read")))
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

    /// What was said to be removed, each with the name of its object; those that none of `verifiers` signed, with the reason.
    ///
    /// # Errors
    /// As the store.
    pub async fn removals(
        &self,
        verifiers: &[Verifier],
    ) -> Result<Vec<(String, Result<Removal, NoteError>)>> {
        let mut removals = Vec::new();
        for object in self.shared.store.list(&paths::removals(&self.tenant)).await? {
            let Some(bytes) = self.shared.store.get(&object.location).await? else { continue };
            let note = String::from_utf8_lossy(&bytes);
            removals.push((object.location.to_string(), Removal::open(&note, verifiers)));
        }
        Ok(removals)
    }

    /// What proves an event, in its API form, under the checkpoint of `note`.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if the checkpoint does not cover it, [`ErrorKind::Corrupt`] if it is not the event that its leaf
    /// was made of.
    pub async fn prove(&self, note: &str, event: String) -> Result<Bundle> {
        let broken = |error| Error::with_source(ErrorKind::Internal, "an event is no JSON", error);
        let event = RawValue::from_string(event).map_err(broken)?;
        let numbered: Numbered = serde_json::from_str(event.get()).map_err(broken)?;
        let size = Checkpoint::parse(note).map_or(0, |checkpoint| checkpoint.size);
        let Some(seq) = numbered.seq.filter(|seq| *seq < size) else {
            let message = "the event is durable, and no checkpoint covers it yet: ask again once its tenant's events were committed";
            return Err(Error::new(ErrorKind::Conflict, message));
        };
        let mut reader = self.reader(size);
        let leaf_hash = reader.leaf(seq).await?;
        if leaf_of_json(event.get(), Some(seq))? != leaf_hash {
            let message =
                format!("event {seq} is not the one that its leaf was made of: see auditlake verify");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let inclusion = reader.inclusion(seq).await?;
        Ok(Bundle {
            format: FORMAT.to_owned(),
            event,
            seq,
            leaf_hash,
            inclusion,
            checkpoint: note.to_owned(),
        })
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

    pub(super) fn signing(&self) -> &[SigningKey] {
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
