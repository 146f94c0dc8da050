//! Evidence: a Merkle tree over each tenant's events, its tiles and signed checkpoints, so that nobody need trust the server.
//!
//! In: the leaf hashes of committed events in the order of `seq`. Out: tiles (C2SP tlog-tiles) and checkpoints (C2SP
//! tlog-checkpoint, Ed25519) under `proof/tenant=…`; proofs from them. Guaranteed:
//!
//! - Nothing is ever published that is not committed: tiles and checkpoints are written after the Delta commit, from the same
//!   hashes. A commit attempt that failed, or that a writer makes which has lost its store, leaves nothing here; whoever publishes
//!   the tiles of a committed range writes the same bytes. After a crash the rest is made from the committed files.
//! - A checkpoint is written after all tiles that it needs. Each size has its own object: an old writer cannot put an
//!   older one in the place of a newer.
//! - Memory is one edge a tenant, in a cache with a cap.
//!
//! | part | does |
//! |---|---|
//! | [`hash`], [`proof`] | RFC 6962: hashes, what proofs are made of, what they prove |
//! | [`tile`], [`tree`], [`reader`] | the tree in tiles: cut, grown, read |
//! | [`key`], [`note`], [`checkpoint`] | keys, signed notes, checkpoints |
//! | [`removal`] | what retention has removed |
//! | [`bundle`] | what a customer keeps of one event |
//! | `leaf` | the leaves of rows |
//! | `identity` | the deployment's name and keys |
//! | `stored`, `publish` | a tree in the store: read and checked, grown |
//! | `kept` | what a bucket with Object Lock keeps of what was replaced |

pub mod bundle;
pub mod checkpoint;
pub mod hash;
mod identity;
mod kept;
pub mod key;
mod leaf;
pub mod note;
pub mod proof;
mod publish;
pub mod reader;
pub mod removal;
mod stored;
#[cfg(test)]
mod tests;
pub mod tile;
pub mod tree;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use quick_cache::{Weighter, sync::Cache};
use serde::{Deserialize, Serialize};

use self::identity::Identity;
pub use self::{
    checkpoint::Checkpoint,
    hash::Hash,
    key::{PublicKey, SigningKey, Verifier},
    leaf::leaves_of,
    publish::Grown,
    reader::{Reader, Tiles},
    removal::Removal,
    stored::{Named, Stored},
    tile::{Tile, TileId},
    tree::Edge,
};
use crate::{error::Result, event::TenantId, paths, store::Store, telemetry::Clock};

/// Section `[evidence]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether trees are kept.
    pub enabled: bool,
    /// The name that checkpoints bear before `/` and the tenant, as `audit.example.com`; chosen once. If it is not set at the
    /// first start, one is made.
    pub origin: Option<String>,
    /// The file of the key that signs, made if it is missing. If it is not set: beside the store's folder, or for a bucket in the
    /// working folder. The variable `AUDITLAKE_SIGNING_KEY` gives the key itself instead.
    pub key_file: Option<PathBuf>,
    /// The file of a key that signs as well, while customers change to the verifier key of the new one.
    pub previous_key_file: Option<PathBuf>,
    /// Memory for the right edges of trees, all tenants together.
    pub cache_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, origin: None, key_file: None, previous_key_file: None, cache_bytes: 16 << 20 }
    }
}

/// The trees of all tenants of a store. Cheap to clone: clones share.
#[derive(Clone)]
pub struct Evidence {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    /// `None`: nothing was ever signed here, and this process does not.
    identity: Option<Identity>,
    heads: Cache<TenantId, Arc<Head>, HeadBytes>,
    /// The tenants of which a locking bucket kept what had been replaced.
    kept: Mutex<BTreeSet<TenantId>>,
}

/// The state of one tree.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its right edge.
    pub edge: Edge,
    /// Its root.
    pub root: Hash,
    /// The checkpoint's note; `None` for a tree without leaves that was never signed.
    pub note: Option<String>,
}

#[derive(Clone)]
struct HeadBytes;

impl Weighter<TenantId, Arc<Head>> for HeadBytes {
    fn weight(&self, _tenant: &TenantId, head: &Arc<Head>) -> u64 {
        (head.edge.memory_bytes() + head.note.as_ref().map_or(0, String::len) + 256) as u64
    }
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.shared.identity.as_ref().map(|identity| &identity.name);
        f.debug_struct("Evidence")
            .field("origin", &name)
            .field("signs", &self.signs())
            .finish_non_exhaustive()
    }
}

impl Evidence {
    /// For a writer. `key` is the signing key's text, if the environment gives it. If evidence is off, what was written before
    /// can still be read.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Invalid`] if the key cannot be read or made, or the name is another than before.
    pub async fn open(store: &Store, clock: &Clock, settings: &Settings, key: Option<&str>) -> Result<Self> {
        if !settings.enabled {
            return Self::open_to_read(store, settings).await;
        }
        let identity = Identity::of_writer(store, clock, settings, key).await?;
        Ok(Self::with(store, Some(identity), settings))
    }

    /// For a process that only reads.
    ///
    /// # Errors
    /// As the store.
    pub async fn open_to_read(store: &Store, settings: &Settings) -> Result<Self> {
        Ok(Self::with(store, Identity::of_reader(store).await?, settings))
    }

    fn with(store: &Store, identity: Option<Identity>, settings: &Settings) -> Self {
        let heads = Cache::with_weighter(1_024, settings.cache_bytes, HeadBytes);
        let shared = Shared { store: store.clone(), identity, heads, kept: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Whether this process keeps trees.
    pub fn signs(&self) -> bool {
        self.shared.identity.as_ref().is_some_and(|identity| !identity.signing.is_empty())
    }

    /// The name that a tenant's checkpoints bear; `None` if nothing was ever signed.
    pub fn origin(&self, tenant: &TenantId) -> Option<String> {
        self.shared.identity.as_ref().map(|identity| identity.origin(tenant))
    }

    /// All keys that have ever signed a tenant's checkpoints, the current ones first.
    pub fn verifiers(&self, tenant: &TenantId) -> Vec<Verifier> {
        self.shared.identity.as_ref().map_or_else(Vec::new, |identity| identity.verifiers(tenant))
    }

    /// The tenants that have a tree.
    ///
    /// # Errors
    /// As the store.
    pub async fn tenants(&self) -> Result<Vec<TenantId>> {
        let folders = self.shared.store.list_folders(&paths::proofs_root()).await?;
        Ok(folders.iter().filter_map(paths::parse_proof).collect())
    }

    /// A tenant's tree in the store.
    pub fn of(&self, tenant: &TenantId) -> Stored {
        Stored::new(Arc::clone(&self.shared), tenant.clone())
    }
}
