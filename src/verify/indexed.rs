//! The skip index against rows that are there: what it does not lead to, queries by id do not show.
//!
//! In: batches of a file, the tenant's index. Out: findings. Guaranteed: nothing more than what was asked: of each batch one event,
//! chosen by chance, is looked up by its id and by its actor. The index can always be made again (`auditlake compact
//! --rebuild-index`): it is no evidence itself.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::{Finding, Kind};
use crate::{
    error::Result,
    event::{Text, schema},
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
) -> Result<Option<Finding>> {
    if batch.num_rows() == 0 {
        return Ok(None);
    }
    let row = (u64::from_le_bytes(random_bytes()) % batch.num_rows() as u64) as usize;
    let probe = |name: &str| -> Result<Option<Probe>> {
        let values = Text::of(batch, name)?;
        Ok(values.get(row).and_then(|value| Some(Probe::new(Field::of_column(name)?, value))))
    };
    let probes = COLUMNS.iter().filter_map(|name| probe(name).transpose()).collect::<Result<Vec<_>>>()?;
    let found = index.find(&[FileRef { path: &file.path, rows: file.rows }], &probes).await;
    // A file that is not covered is read by every query.
    let is_covered = found.covered.first().copied().unwrap_or(false);
    let place = first + row as u64;
    let leads_to = |rows: &crate::index::Rows| rows.iter().any(|range| range.contains(&place));
    let misses = found.rows.iter().any(|by_file| !by_file.get(&0).is_some_and(leads_to));
    if !is_covered || !misses {
        return Ok(None);
    }
    let id = Text::of(batch, schema::ID)?.get(row).map(str::to_owned);
    Ok(Some(Finding {
        id,
        file: Some(file.path.clone()),
        ..Finding::new(Kind::Index, format!("the skip index does not lead to row {place}: queries miss it"))
    }))
}
