//! Tests of trees, proofs, notes and what the store holds of them.

mod published;
mod vectors;

use std::{collections::HashMap, sync::Mutex};

use ct_merkle::{ConsistencyProof, InclusionProof, RootHash, mem_backed_tree::MemoryBackedTree};
use proptest::prelude::*;
use sha2::Sha256;

use super::{
    reader::{Reader, Tiles, broken},
    *,
};
use crate::error::Result;

/// Tiles in memory, as a store would have them.
#[derive(Default)]
pub(super) struct InMemory(Mutex<HashMap<TileId, bytes::Bytes>>);

impl InMemory {
    pub(super) fn keep(&self, tiles: Vec<Tile>) {
        self.0.lock().unwrap().extend(tiles.into_iter().map(|tile| (tile.id, tile.bytes)));
    }
}

impl Tiles for InMemory {
    async fn tile(&self, tile: TileId) -> Result<bytes::Bytes> {
        let tiles = self.0.lock().unwrap();
        let found = tiles.get(&tile).or_else(|| tiles.get(&tile.filled())).cloned();
        let bytes = found.ok_or_else(|| broken(tile, "is missing"))?;
        Ok(bytes.slice(..usize::from(tile.width) * 32))
    }
}

pub(super) fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|number| Hash::leaf(&number.to_be_bytes())).collect()
}

/// Tiles of the tree, grown in batches of these sizes, and its edge.
pub(super) fn grown(leaves: &[Hash], batches: &[usize]) -> (InMemory, Edge) {
    let (tiles, mut edge, mut rest) = (InMemory::default(), Edge::default(), leaves);
    let mut sizes = batches.iter().copied().cycle();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(sizes.next().unwrap().clamp(1, rest.len()));
        tiles.keep(edge.append(now));
        rest = later;
    }
    (tiles, edge)
}

pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn independent(count: u64) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    (0..count).for_each(|number| tree.push(number.to_be_bytes().to_vec()));
    tree
}

fn of_digests(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Would catch a tree, a tile or a proof that another implementation of RFC 6962 (`ct-merkle`) does not agree with, and a root
    /// or a proof that depends on how leaves came in.
    #[test]
    fn proofs_agree_with_an_independent_implementation(
        size in prop_oneof![1_u64..20, 200_u64..300, 500_u64..3_000, 65_530_u64..65_700],
        batches in prop::collection::vec(1_usize..700, 1..6),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 4),
    ) {
        let leaves = leaves(size);
        let (tiles, edge) = grown(&leaves, &batches);
        let theirs = independent(size);
        let root = edge.root();
        prop_assert_eq!(&theirs.root().as_bytes().to_vec(), &root.0.to_vec());
        prop_assert_eq!(&Edge::from_tiles(size, Edge::tiles(size).into_iter().map(|id| {
            let bytes = wait(tiles.tile(id)).unwrap();
            (id, id.hashes(&bytes).unwrap())
        }).collect()), &edge);
        let their_root = RootHash::<Sha256>::new(root.0.into(), size);
        let mut reader = Reader::new(&tiles, size);
        prop_assert_eq!(wait(reader.root()).unwrap(), root);
        for pick in picks {
            let index = pick.index(size as usize) as u64;
            let proof = wait(reader.inclusion(index)).unwrap();
            let leaf = wait(reader.leaf(index)).unwrap();
            prop_assert_eq!(leaf, leaves[index as usize]);
            prop_assert_eq!(proof::root_by_inclusion(leaf, index, size, &proof), Some(root));
            let theirs_proof = theirs.prove_inclusion(index as usize);
            prop_assert_eq!(theirs_proof.as_bytes(), &of_digests(&proof)[..]);
            let ours = InclusionProof::<Sha256>::try_from_bytes(of_digests(&proof)).unwrap();
            prop_assert!(their_root.verify_inclusion(&index.to_be_bytes().to_vec(), index, &ours).is_ok());

            let old = index + 1;
            let proof = wait(reader.consistency(old)).unwrap();
            let old_root = grown(&leaves[..old as usize], &batches).1.root();
            prop_assert!(proof::is_consistent(old, old_root, size, root, &proof));
            if old < size {
                let ours = ConsistencyProof::<Sha256>::try_from_bytes(of_digests(&proof)).unwrap();
                let theirs_old = RootHash::<Sha256>::new(old_root.0.into(), old);
                prop_assert!(their_root.verify_consistency(&theirs_old, &ours).is_ok());
            }
        }
    }

    /// Would catch a proof that proves something else as well: another leaf, place, size, root, or with a hash more, less or changed.
    #[test]
    fn nothing_else_is_proven(size in 2_u64..700, pick in any::<prop::sample::Index>(), bit in 0_usize..256) {
        let leaves = leaves(size);
        let (tiles, edge) = grown(&leaves, &[100]);
        let (root, index) = (edge.root(), pick.index(size as usize) as u64);
        let mut reader = Reader::new(&tiles, size);
        let proof = wait(reader.inclusion(index)).unwrap();
        let leaf = leaves[index as usize];
        let proves = |leaf, index, size, proof: &[Hash]| proof::root_by_inclusion(leaf, index, size, proof) == Some(root);
        prop_assert!(proves(leaf, index, size, &proof));
        prop_assert!(!proves(leaves[(index as usize + 1) % size as usize], index, size, &proof));
        prop_assert!(!proves(leaf, (index + 1) % size, size, &proof));
        prop_assert!(!proves(leaf, index, index, &proof));
        prop_assert!(!proves(leaf, index, size, &proof[1..]));
        prop_assert!(!proves(leaf, index, size, &[&proof[..], &[leaf]].concat()));
        let flip = |proof: &[Hash]| {
            let mut wrong = proof.to_vec();
            let at = bit % wrong.len();
            wrong[at].0[bit / 8] ^= 1 << (bit % 8);
            wrong
        };
        prop_assert!(!proves(leaf, index, size, &flip(&proof)));

        let old = index.max(1);
        let old_root = grown(&leaves[..old as usize], &[100]).1.root();
        let proof = wait(reader.consistency(old)).unwrap();
        prop_assert!(proof::is_consistent(old, old_root, size, root, &proof));
        prop_assert!(!proof::is_consistent(old, root, size, root, &proof));
        prop_assert!(!proof::is_consistent(old, old_root, size, old_root, &proof));
        prop_assert!(!proof::is_consistent(old, old_root, size, root, &[]) || proof.is_empty());
        prop_assert!(!proof::is_consistent(old, old_root, size, root, &[&proof[..], &[leaf]].concat()));
        if !proof.is_empty() {
            prop_assert!(!proof::is_consistent(old, old_root, size, root, &flip(&proof)));
        }
    }
}

/// Would catch a proof for a leaf or an old tree that does not exist.
#[test]
fn what_is_not_there_is_not_proven() {
    let (root, leaf) = (Hash::leaf(b"x"), Hash::leaf(b"x"));
    assert_eq!(proof::root_by_inclusion(leaf, 0, 1, &[]), Some(root));
    assert_eq!(proof::root_by_inclusion(leaf, 1, 1, &[]), None);
    assert_eq!(proof::root_by_inclusion(leaf, 0, 0, &[]), None);
    assert!(proof::is_consistent(1, root, 1, root, &[]));
    assert!(proof::is_consistent(0, Hash::empty(), 1, root, &[]));
    assert!(!proof::is_consistent(0, root, 1, root, &[]));
    assert!(!proof::is_consistent(2, root, 1, root, &[]));
    assert!(wait(Reader::new(&InMemory::default(), 5).leaf(3)).is_err());
}
