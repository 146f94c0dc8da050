//! Evidence over real stores: trees level with their tables whatever fails, and every kind of tampering found and named.

mod faults;
mod offline;
mod served;
mod tampering;

use std::sync::Arc;

use arrow::{array::AsArray as _, datatypes::Int64Type};
use auditlake::{
    event::{TenantId, schema},
    evidence::{Checkpoint, Edge, Hash, leaves_of},
    server::Lake,
    table::{ReadOptions, Table},
};
use futures::TryStreamExt as _;

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

async fn table(lake: &Lake, name: &str) -> Arc<Table> {
    lake.tables().get(&tenant(name)).await.unwrap().unwrap()
}

/// The newest checkpoint in the store, whose signature has been checked.
async fn checkpoint(lake: &Lake, name: &str) -> Option<Checkpoint> {
    lake.evidence().of(&tenant(name)).checkpoint().await.unwrap().map(|(_, checkpoint)| checkpoint)
}

/// The leaves of all committed events, by their numbers; `None` where there is none.
async fn stored_leaves(table: &Table) -> Vec<Option<Hash>> {
    let snapshot = table.snapshot();
    let mut leaves = vec![None; snapshot.next_seq as usize];
    for file in snapshot.files.iter() {
        let batches: Vec<_> =
            table.read(file, &ReadOptions::default()).await.unwrap().try_collect().await.unwrap();
        for batch in batches {
            let seqs = batch[schema::SEQ].as_primitive::<Int64Type>().clone();
            for (seq, leaf) in seqs.values().iter().zip(leaves_of(&batch, |_| true).unwrap()) {
                assert_eq!(leaves[*seq as usize].replace(leaf), None, "number {seq} twice");
            }
        }
    }
    leaves
}

fn root_of(leaves: &[Hash]) -> Hash {
    let mut edge = Edge::default();
    edge.append(leaves);
    edge.root()
}

/// The tree in the store is that of the table: size, root, every leaf, and what commits say of it.
async fn check_level(lake: &Lake, name: &str) {
    // A process may die before anything is stored.
    let Some(table) = lake.tables().get(&tenant(name)).await.unwrap() else { return };
    let size = table.snapshot().next_seq as u64;
    let found = checkpoint(lake, name).await;
    let Some(checkpoint) = found else { return assert_eq!(size, 0, "{name} has no checkpoint") };
    assert_eq!(checkpoint.size, size, "{name}");
    let stored = lake.evidence().of(&tenant(name));
    let mut reader = stored.reader(size);
    let mut leaves = Vec::new();
    for (seq, leaf) in (0..).zip(stored_leaves(&table).await) {
        let in_tree = reader.leaf(seq).await.unwrap();
        assert!(leaf.is_none_or(|leaf| leaf == in_tree), "{name}: event {seq} is not its leaf");
        leaves.push(in_tree);
    }
    assert_eq!(checkpoint.root, root_of(&leaves), "{name}");
    assert_eq!(reader.root().await.unwrap(), checkpoint.root, "{name}");
    for (version, tree) in table.recorded_trees().await.unwrap() {
        let root = root_of(&leaves[..tree.size as usize]).to_base64();
        assert_eq!(
            tree.root_hash, root,
            "{name}: version {version} says another root of {} events",
            tree.size
        );
    }
}
