//! The skip index against rows that are there: what it does not lead to, queries by id do not show.
//!
//! In: batches of a file, the tenant's index. Out: findings. Guaranteed: nothing more than what was asked: of each batch one event,
//! chosen by chance, is looked up by its id and by its actor. The index can always be made again (`auditlake compact
//! --rebuild-index`): it is no evidence itself.

use std::sync::Arc;

use arrow::array::{Array as _, AsArray, RecordBatch};

use super::{Finding, Kind};
use crate::{
    event::schema,
    index::{Field, FileRef, Probe, TenantIndex},
    table::DataFile,
    telemetry::random_bytes,
};

/// The columns by which events are looked up.
const COLUMNS: [&str; 2] = [schema::ID, "actor_id"];

/// Looks one row of `batch` up, whose first row is row `first` of `file`.
pub(super) async fn check(
    index: &TenantIndex,
    batch: &RecordBatch,
    file: &Arc<DataFile>,
    first: u64,
) -> Option<Finding> {
    if batch.num_rows() == 0 {
        return None;
    }
    let row = (u64::from_le_bytes(random_bytes()) % batch.num_rows() as u64) as usize;
    let values = COLUMNS.map(|name| batch[name].as_string::<i32>());
    let probes: Vec<Probe> = COLUMNS
        .iter()
        .zip(values)
        .filter(|(_, values)| values.is_valid(row))
        .filter_map(|(name, values)| Some(Probe::new(Field::of_column(name)?, values.value(row))))
        .collect();
    let found = index.find(&[FileRef { path: &file.path, rows: file.rows }], &probes).await;
    // A file that is not covered is read by every query.
    let is_covered = found.covered.first().copied().unwrap_or(false);
    let place = first + row as u64;
    let leads_to = |rows: &crate::index::Rows| rows.iter().any(|range| range.contains(&place));
    let misses = found.rows.iter().any(|by_file| !by_file.get(&0).is_some_and(leads_to));
    (is_covered && misses).then(|| Finding {
        id: Some(values[0].value(row).to_owned()),
        file: Some(file.path.clone()),
        ..Finding::new(Kind::Index, format!("the skip index does not lead to row {place}: queries miss it"))
    })
}
