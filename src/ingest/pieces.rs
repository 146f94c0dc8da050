//! One request cut by tenant: what the writer needs to know of each part, worked out before it gets there.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, BooleanArray, RecordBatch, StringArray, UInt32Array},
    buffer::BooleanBuffer,
    compute::{filter_record_batch, take_record_batch},
    error::ArrowError,
};

use super::ids::{IdHash, id_hashes};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{TenantId, canonical::content_hashes, schema},
    table::Table,
};

/// The events of one tenant in one request.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) table: Arc<Table>,
    pub(super) batch: RecordBatch,
    /// For each row, its row in the request's batch.
    pub(super) rows: Vec<u32>,
    pub(super) ids: Vec<IdHash>,
    pub(super) contents: Vec<u64>,
    /// Rows whose id the client chose; only these can repeat a committed id.
    pub(super) given: BooleanBuffer,
    /// The version of the table in whose files the given ids were looked up and not found.
    pub(super) checked_version: Option<u64>,
}

impl Piece {
    pub(super) fn new(table: Arc<Table>, batch: RecordBatch, rows: Vec<u32>, given: BooleanBuffer) -> Self {
        let ids = id_hashes(&batch);
        let contents = content_hashes(&batch);
        Self { table, batch, rows, ids, contents, given, checked_version: None }
    }

    pub(super) fn has_given_ids(&self) -> bool {
        self.given.count_set_bits() > 0
    }

    pub(super) fn id(&self, row: usize) -> &str {
        let ids = self.batch.column_by_name(schema::ID).and_then(|column| column.as_string_opt::<i32>());
        ids.expect("an accepted batch has a text column id").value(row)
    }

    /// Keeps the rows for which `keep` is true.
    pub(super) fn retain(&mut self, keep: &[bool]) -> Result<()> {
        if keep.iter().all(|kept| *kept) {
            return Ok(());
        }
        let mask = BooleanArray::from(keep.to_vec());
        self.batch = filter_record_batch(&self.batch, &mask).map_err(failed)?;
        self.given = self.given.iter().zip(keep).filter(|(_, kept)| **kept).map(|(given, _)| given).collect();
        retain(&mut self.rows, keep);
        retain(&mut self.ids, keep);
        retain(&mut self.contents, keep);
        Ok(())
    }
}

fn retain<T>(values: &mut Vec<T>, keep: &[bool]) {
    let mut kept = keep.iter();
    values.retain(|_| *kept.next().expect("one flag a row"));
}

fn failed(error: ArrowError) -> Error {
    Error::with_source(ErrorKind::Internal, "cannot cut a batch of events", error)
}

/// One tenant's rows of a batch.
#[derive(Debug)]
pub(super) struct Split {
    pub(super) tenant: TenantId,
    pub(super) batch: RecordBatch,
    pub(super) rows: Vec<u32>,
}

/// Cuts a batch by tenant, in the order in which tenants first appear. A batch of one tenant is not copied.
///
/// # Errors
/// [`ErrorKind::Internal`] if the batch does not have the accepted columns.
pub(super) fn split_by_tenant(batch: RecordBatch) -> Result<Vec<Split>> {
    let tenants = batch
        .column_by_name(schema::TENANT_ID)
        .and_then(|column| column.as_any().downcast_ref::<StringArray>())
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a batch of events has no text column tenant_id"))?
        .clone();
    let mut order: Vec<(&str, Vec<u32>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (row, tenant) in (0..tenants.len()).map(|row| (row as u32, tenants.value(row))) {
        let place = *places.entry(tenant).or_insert_with(|| {
            order.push((tenant, Vec::new()));
            order.len() - 1
        });
        order[place].1.push(row);
    }
    if let [(tenant, _)] = order.as_slice() {
        let rows = (0..batch.num_rows() as u32).collect();
        return Ok(vec![Split { tenant: TenantId::parse(tenant)?, batch, rows }]);
    }
    let cut = |(tenant, rows): (&str, Vec<u32>)| {
        let indices = UInt32Array::from(rows);
        let part = take_record_batch(&batch, &indices).map_err(failed)?;
        Ok(Split { tenant: TenantId::parse(tenant)?, batch: part, rows: indices.values().to_vec() })
    };
    order.into_iter().map(cut).collect()
}
