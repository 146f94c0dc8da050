//! Which ids are uncommitted, and with what content: the arbiter between two requests with one id.

use std::collections::HashMap;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::TimestampMicrosecondType,
};
use sha2::{Digest, Sha256};

use crate::event::schema;

const DAY_MICROS: i64 = 24 * 3_600_000_000;

/// A fingerprint of an id and its event's day: 128 bits of SHA-256, so that no one can make two that look alike.
///
/// The day belongs to it because committed ids are looked up in the files of their day: whether an id is taken must
/// not depend on what was committed when.
pub(super) type IdHash = u128;

/// The fingerprints of a batch's ids, row by row.
pub(super) fn id_hashes(batch: &RecordBatch) -> Vec<IdHash> {
    let ids = batch
        .column_by_name(schema::ID)
        .and_then(|column| column.as_any().downcast_ref::<arrow::array::StringArray>())
        .expect("an accepted batch has a text column id");
    let times = batch
        .column_by_name(schema::OCCURRED_AT)
        .expect("an accepted batch has a column occurred_at")
        .as_primitive::<TimestampMicrosecondType>();
    (0..ids.len()).map(|row| id_hash(ids.value(row), times.value(row).div_euclid(DAY_MICROS))).collect()
}

fn id_hash(id: &str, day: i64) -> IdHash {
    let digest = Sha256::new().chain_update(day.to_le_bytes()).chain_update(id.as_bytes()).finalize();
    let half: [u8; 16] = digest[..16].try_into().expect("SHA-256 has 32 bytes");
    u128::from_le_bytes(half)
}

/// What an id turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Not uncommitted; now it is.
    New,
    /// Uncommitted with the same content.
    Duplicate,
    /// Uncommitted with other content.
    Conflict,
}

/// The uncommitted ids of one tenant, in the two generations of [`crate::table::Uncommitted`].
#[derive(Debug, Default)]
pub(super) struct TenantIds {
    active: HashMap<IdHash, u64>,
    flushing: HashMap<IdHash, u64>,
}

impl TenantIds {
    /// Takes an id with the hash of its content, unless it is there already.
    pub(super) fn claim(&mut self, id: IdHash, content: u64) -> Seen {
        let known = self.flushing.get(&id).or_else(|| self.active.get(&id));
        match known {
            Some(other) if *other == content => Seen::Duplicate,
            Some(_) => Seen::Conflict,
            None => {
                self.active.insert(id, content);
                Seen::New
            }
        }
    }

    /// Gives back an id whose event was not stored after all.
    pub(super) fn forget(&mut self, id: IdHash) {
        self.active.remove(&id);
    }

    /// A flush begins: what is active now is being committed.
    pub(super) fn begin_flush(&mut self) {
        debug_assert!(self.flushing.is_empty());
        self.flushing = std::mem::take(&mut self.active);
    }

    /// The flush is committed: the files answer for these ids from now on.
    pub(super) fn flushed(&mut self) {
        self.flushing = HashMap::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch an event that is stored twice, or a second content under one id, while a flush runs.
    #[test]
    fn an_id_is_known_until_its_flush_is_committed() {
        let mut ids = TenantIds::default();
        assert_eq!(ids.claim(1, 10), Seen::New);
        assert_eq!(ids.claim(1, 10), Seen::Duplicate);
        assert_eq!(ids.claim(1, 11), Seen::Conflict);
        ids.begin_flush();
        assert_eq!(ids.claim(1, 10), Seen::Duplicate);
        assert_eq!(ids.claim(2, 20), Seen::New);
        ids.flushed();
        assert_eq!(ids.claim(2, 20), Seen::Duplicate);
        assert_eq!(ids.claim(1, 10), Seen::New);
        ids.forget(1);
        assert_eq!(ids.claim(1, 12), Seen::New);
    }
}
