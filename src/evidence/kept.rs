//! What a bucket with Object Lock keeps of a tree that has grown: checkpoints and partial tiles that others have replaced.
//!
//! In: the tenants of which something was kept. Out: deletions, once the locks allow them. Guaranteed: what is needed stays: the newest
//! checkpoint, and each tile unless a full one has taken its place. What is kept harms nobody, so a process that starts anew need not
//! know of it: the next refusal makes it look again.

use std::{collections::HashSet, sync::PoisonError};

use object_store::path::Path;

use super::{Evidence, Shared, tile::TileId};
use crate::{error::Result, event::TenantId, paths, store::Deletion};

/// How a sweep went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Objects deleted.
    pub objects: usize,
    /// Objects that are still locked or held.
    pub locked: usize,
}

/// Which of the objects of a tenant's tree others have replaced.
fn replaced<'a>(tenant: &TenantId, listed: &[&'a Path]) -> Vec<&'a Path> {
    let tile = |path: &Path| paths::parse_proof_tile(tenant, path).and_then(TileId::parse);
    let full: HashSet<(u8, u64)> = listed
        .iter()
        .filter_map(|path| tile(path))
        .filter(|tile| tile.is_full())
        .map(|tile| (tile.level, tile.index))
        .collect();
    let checkpoints = paths::checkpoints(tenant);
    let size = |path: &Path| paths::parse_checkpoint(path).filter(|_| path.prefix_matches(&checkpoints));
    let newest = listed.iter().filter_map(|path| size(path)).max();
    let is_replaced = |path: &&&Path| match (tile(path), size(path)) {
        (Some(tile), _) => !tile.is_full() && full.contains(&(tile.level, tile.index)),
        (None, Some(size)) => Some(size) < newest,
        (None, None) => false,
    };
    listed.iter().filter(is_replaced).copied().collect()
}

impl Shared {
    pub(super) fn note_kept(&self, tenant: &TenantId) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone());
    }

    fn take_kept(&self) -> Vec<TenantId> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *kept).into_iter().collect()
    }
}

impl Evidence {
    /// Deletes what a locking bucket kept when it was replaced, as far as it allows it now.
    pub async fn sweep(&self) -> Swept {
        let mut total = Swept::default();
        for tenant in self.shared.take_kept() {
            match self.sweep_one(&tenant).await {
                Ok(swept) => {
                    total.objects += swept.objects;
                    total.locked += swept.locked;
                    if swept.locked > 0 {
                        self.shared.note_kept(&tenant);
                    }
                }
                Err(error) => {
                    self.shared.note_kept(&tenant);
                    tracing::warn!(%tenant, report = error.report(), "could not sweep a tree; the next sweep tries again");
                }
            }
        }
        total
    }

    async fn sweep_one(&self, tenant: &TenantId) -> Result<Swept> {
        let store = &self.shared.store;
        let listed = store.list(&paths::proof(tenant)).await?;
        let listed: Vec<&Path> = listed.iter().map(|object| &object.location).collect();
        let mut swept = Swept::default();
        for path in replaced(tenant, &listed) {
            match store.try_delete(path).await? {
                Deletion::Done => swept.objects += 1,
                Deletion::Refused => swept.locked += 1,
            }
        }
        Ok(swept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch the newest checkpoint or a tile that is needed being deleted, and old ones being kept.
    #[test]
    fn only_what_is_replaced_goes() {
        let tenant = TenantId::parse("acme").unwrap();
        let tile = |tile: &str| paths::proof_tile(&tenant, tile);
        let checkpoint = |size| paths::checkpoint(&tenant, size);
        let objects = [
            tile("0/000"),
            tile("0/000.p/7"),
            tile("0/000.p/255"),
            tile("0/001.p/7"),
            tile("1/000.p/1"),
            checkpoint(7),
            checkpoint(255),
            checkpoint(263),
            paths::checkpoint_copy(&tenant),
            paths::removal(&tenant, "2026-11-01".parse().unwrap(), 7),
        ];
        let listed: Vec<&Path> = objects.iter().collect();
        let expected = [&objects[1], &objects[2], &objects[5], &objects[6]];
        assert_eq!(replaced(&tenant, &listed), expected);
        assert!(replaced(&tenant, &[]).is_empty());
    }
}
