//! Inclusion and consistency proofs (RFC 6962, 2.1.1 and 2.1.2): which hashes they are made of, and what they prove.
//!
//! In: sizes, places, hashes. Out: the subtrees whose hashes make up a proof, or whether a proof holds. Pure; `reader` gets the
//! hashes. Guaranteed: a proof that holds proves what it says to whoever trusts the root, and nothing else.

use std::ops::Range;

use super::hash::Hash;

/// Hashes that a proof can have at most: two a level of a tree of 2^64 leaves.
pub const PROOF_HASHES_MAX: usize = 128;

/// The ranges of leaves whose hashes prove that leaf `index` is in a tree of `size` leaves, the deepest first.
pub fn inclusion_ranges(index: u64, size: u64) -> Vec<Range<u64>> {
    let (mut ranges, mut tree) = (Vec::new(), 0..size);
    while tree.end - tree.start > 1 {
        let middle = tree.start + split(tree.end - tree.start);
        let (within, beside) = if index < middle {
            (tree.start..middle, middle..tree.end)
        } else {
            (middle..tree.end, tree.start..middle)
        };
        ranges.push(beside);
        tree = within;
    }
    ranges.reverse();
    ranges
}

/// The ranges of leaves whose hashes prove that the tree of `size` leaves begins with the tree of `old` leaves.
pub fn consistency_ranges(old: u64, size: u64) -> Vec<Range<u64>> {
    if old == 0 || old >= size {
        return Vec::new();
    }
    let (mut ranges, mut tree, mut whole) = (Vec::new(), 0..size, true);
    while old != tree.end {
        let middle = tree.start + split(tree.end - tree.start);
        if old <= middle {
            ranges.push(middle..tree.end);
            tree.end = middle;
        } else {
            ranges.push(tree.start..middle);
            tree.start = middle;
            whole = false;
        }
    }
    if !whole {
        ranges.push(tree);
    }
    ranges.reverse();
    ranges
}

/// The largest power of two below `size`, which is at least 2.
pub fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// The root of the tree of `size` leaves that has `leaf` at `index`, by an inclusion proof; `None` if it cannot be one.
pub fn root_by_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    if index >= size || proof.len() != inclusion_ranges(index, size).len() {
        return None;
    }
    let (mut place, mut last, mut hash) = (index, size - 1, leaf);
    for beside in proof {
        if place % 2 == 1 || place == last {
            hash = Hash::node(beside, &hash);
            while place.is_multiple_of(2) && place > 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = Hash::node(&hash, beside);
        }
        place >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

/// Whether a tree of `size` leaves and root `root` begins with the tree of `old` leaves and root `old_root`.
pub fn is_consistent(old: u64, old_root: Hash, size: u64, root: Hash, proof: &[Hash]) -> bool {
    if old > size {
        return false;
    }
    if old == size || old == 0 {
        let same = old == size && old_root == root;
        return proof.is_empty() && (same || (old == 0 && old_root == Hash::empty()));
    }
    // RFC 9162, 2.1.4.2: an old tree that is whole is its own first hash.
    let mut hashes = proof.iter().copied();
    let first = if old.is_power_of_two() { Some(old_root) } else { hashes.next() };
    let Some(first) = first else { return false };
    let (mut place, mut last) = (old - 1, size - 1);
    while place % 2 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut hash) = (first, first);
    for beside in hashes {
        if last == 0 {
            return false;
        }
        if place % 2 == 1 || place == last {
            old_hash = Hash::node(&beside, &old_hash);
            hash = Hash::node(&beside, &hash);
            while place.is_multiple_of(2) && place > 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = Hash::node(&hash, &beside);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == old_root && hash == root
}
