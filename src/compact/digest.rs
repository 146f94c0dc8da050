//! A fingerprint of a multiset of rows: what compaction must not change.
//!
//! In: batches. Out: a [`Digest`] of their number of rows and the sum of their rows' 64-bit hashes over all
//! columns. Guaranteed: the order of rows and how they are cut into batches do not matter; a row lost, doubled
//! or changed, also by a value moved to another column, changes the digest but for one chance in 2^64. It guards
//! against defects, not against forgers.

use arrow::array::{Array, RecordBatch};
use datafusion::common::hash_utils::{RandomState, create_hashes};

use crate::error::{Error, ErrorKind, Result};

/// Any fixed odd numbers: digests are compared within one job only.
const HASH_SEED: u64 = 0x636f_6d70_6163_7431;
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Rows and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// Number of rows.
    pub rows: u64,
    sum: u64,
}

impl Digest {
    /// The digest of one batch. Batches that are compared must have the same column types.
    pub fn of(batch: &RecordBatch) -> Result<Self> {
        let state = RandomState::with_seed(HASH_SEED);
        let mut rows = vec![0_u64; batch.num_rows()];
        let mut values = vec![0_u64; batch.num_rows()];
        for column in batch.columns() {
            // Nulls leave their hash as it is; column by column, so that they still count by where they stand.
            values.fill(0);
            if column.null_count() < column.len() {
                create_hashes([column], &state, &mut values).map_err(|cause| {
                    Error::with_source(ErrorKind::Internal, "hash the rows of a compaction", cause)
                })?;
            }
            for (row, value) in rows.iter_mut().zip(&values) {
                *row = (*row ^ value).wrapping_mul(MULTIPLIER).rotate_left(29);
            }
        }
        let sum = rows.iter().fold(0_u64, |sum, row| sum.wrapping_add(finished(*row)));
        Ok(Self { rows: rows.len() as u64, sum })
    }

    /// The digest of these rows and `other`'s.
    pub fn and(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, sum: self.sum.wrapping_add(other.sum) }
    }
}

/// Spreads a hash over all bits, so that a sum of many stays random (MurmurHash3's finalizer).
fn finished(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::StringArray,
        compute::concat_batches,
        datatypes::{DataType, Field, Schema},
    };

    use super::*;

    fn batch(rows: &[(Option<&str>, Option<&str>)]) -> RecordBatch {
        let field = |name: &str| Field::new(name, DataType::Utf8, true);
        let column = |values: Vec<Option<&str>>| Arc::new(StringArray::from(values)) as _;
        let columns = vec![
            column(rows.iter().map(|row| row.0).collect()),
            column(rows.iter().map(|row| row.1).collect()),
        ];
        RecordBatch::try_new(Arc::new(Schema::new(vec![field("a"), field("b")])), columns).unwrap()
    }

    /// Would catch a digest that a reordering changes, or that a lost, doubled, changed or moved value does not.
    #[test]
    fn only_the_rows_count() {
        let rows = [(Some("x"), None), (Some("y"), Some("z")), (None, None)];
        let whole = Digest::of(&batch(&rows)).unwrap();
        let (first, rest) = (batch(&rows[..1]), batch(&rows[1..]));
        assert_eq!(Digest::of(&rest).unwrap().and(Digest::of(&first).unwrap()), whole);
        assert_eq!(Digest::of(&concat_batches(&rest.schema(), [&rest, &first]).unwrap()).unwrap(), whole);
        let others: [&[(Option<&str>, Option<&str>)]; 6] = [
            &rows[..2],
            &[rows[0], rows[1], rows[1]],
            &[(None, Some("x")), rows[1], rows[2]],
            &[(Some("y"), None), (Some("x"), Some("z")), rows[2]],
            &[(Some("x"), Some("")), rows[1], rows[2]],
            &[(Some("z"), Some("y")), rows[0], rows[2]],
        ];
        for other in others {
            assert_ne!(Digest::of(&batch(other)).unwrap(), whole, "{other:?}");
        }
    }
}
