//! The hashes of RFC 6962, section 2.1: SHA-256 of leaves, of nodes, and of lists of either.
//!
//! In: bytes of leaves, hashes of subtrees. Out: hashes. Guaranteed: a leaf's hash is never a node's, because each is of other
//! first bytes. Leaf bytes are the canonical form of an event, which begins with `{`; whatever else becomes a leaf begins
//! otherwise, so that no format of leaves can be taken for another.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// Leaf of a number whose event had been removed before there was a tree.
const ABSENT_LEAF: &[u8] = b"auditlake/absent/v1\n";

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; HASH_BYTES]);

impl Hash {
    /// What a tree without leaves hashes to: the SHA-256 of nothing.
    pub fn empty() -> Self {
        Self(Sha256::digest(b"").into())
    }

    /// The leaf whose bytes are `entry`.
    pub fn leaf(entry: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
    }

    /// The leaf that stands for an event of which nothing was left when its tree was begun.
    pub fn absent() -> Self {
        Self::leaf(ABSENT_LEAF)
    }

    /// The node above two others.
    pub fn node(left: &Self, right: &Self) -> Self {
        let hasher = Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0);
        Self(hasher.finalize().into())
    }

    /// The hash of a list of subtrees of one size, of which the last may be smaller; [`Hash::empty`] of none.
    pub fn of_list(hashes: &[Self]) -> Self {
        let mut level = hashes.to_vec();
        if level.is_empty() {
            return Self::empty();
        }
        // Pairing from the left gives RFC 6962's tree: what has no partner moves up as it is.
        while level.len() > 1 {
            let pairs = level.chunks(2).map(|pair| match pair {
                [left, right] => Self::node(left, right),
                rest => rest[0],
            });
            level = pairs.collect();
        }
        level[0]
    }

    /// In base64, as checkpoints and proofs show it.
    pub fn to_base64(self) -> String {
        BASE64_STANDARD.encode(self.0)
    }

    /// What [`Hash::to_base64`] wrote; `None` for anything else.
    pub fn from_base64(text: &str) -> Option<Self> {
        Some(Self(BASE64_STANDARD.decode(text).ok()?.try_into().ok()?))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> serde::Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom(format!("{text:?} is not a SHA-256 in base64"));
        Self::from_base64(&text).ok_or_else(wrong)
    }
}
