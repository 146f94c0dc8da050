//! Filters on `tenant_id` and `day` alone: decided once for each file instead of for each row.
//!
//! In: such filters. Out: which files, and which uncommitted rows, they let through. Guaranteed: exact, because
//! all rows of a file have one tenant and one day. The plan needs no filter of its own for them, so that counts
//! by day come from the Delta log and `LIMIT` reaches the scan.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, BooleanArray, RecordBatch, StringViewArray},
    compute::filter_record_batch,
    datatypes::{Date32Type, Schema, SchemaRef},
};
use chrono::NaiveDate;
use datafusion::{
    catalog::Session,
    common::DFSchema,
    error::{DataFusionError, Result},
    logical_expr::{Expr, utils::conjunction},
    physical_expr::PhysicalExpr,
    scalar::ScalarValue,
};

use super::{columns, prune::Kept};
use crate::event::schema::{DAY, TENANT_ID};

/// Whether `filter` depends on nothing but the tenant and the day.
pub(crate) fn by_partition(filter: &Expr) -> bool {
    let columns = filter.column_refs();
    !columns.is_empty()
        && columns.iter().all(|column| column.name == TENANT_ID || column.name == DAY)
        && !filter.is_volatile()
}

/// Filters on tenant and day, compiled.
pub(crate) struct Partition {
    columns: SchemaRef,
    predicate: Arc<dyn PhysicalExpr>,
}

impl Partition {
    /// Those of `filters` that are [`by_partition`]; `None` if there are none.
    pub(crate) fn of(filters: &[Expr], state: &dyn Session) -> Result<Option<Self>> {
        let Some(filter) = conjunction(filters.iter().filter(|filter| by_partition(filter)).cloned()) else {
            return Ok(None);
        };
        let table = columns::table_columns();
        let fields = [TENANT_ID, DAY].map(|name| table.field_with_name(name).cloned());
        let fields = fields.into_iter().collect::<Result<Vec<_>, _>>()?;
        let columns = Arc::new(Schema::new(fields));
        let predicate = state.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(&columns))?)?;
        Ok(Some(Self { columns, predicate }))
    }

    /// Columns that [`Partition::rows`] needs.
    pub(crate) fn columns(&self) -> SchemaRef {
        Arc::clone(&self.columns)
    }

    /// Drops the files that no row of passes; what pruning by bounds could not tell.
    pub(crate) fn files(&self, kept: &mut Kept) -> Result<()> {
        let mut answers: HashMap<(usize, NaiveDate), bool> = HashMap::new();
        let mut files = Vec::with_capacity(kept.files.len());
        for kept_file in std::mem::take(&mut kept.files) {
            let (tenant, file) = (kept_file.tenant, &kept_file.file);
            let passes = match answers.get(&(tenant, file.day)) {
                Some(passes) => *passes,
                None => {
                    let passes = self.passes(kept.snapshots[tenant].tenant.as_str(), file.day)?;
                    answers.insert((tenant, file.day), passes);
                    passes
                }
            };
            if passes {
                files.push(kept_file);
            } else {
                kept.counts.files_pruned_by_day += 1;
                kept.counts.files_kept -= 1;
                kept.counts.bytes_kept -= file.size_bytes;
            }
        }
        kept.files = files;
        Ok(())
    }

    fn passes(&self, tenant: &str, day: NaiveDate) -> Result<bool> {
        let tenant = Arc::new(StringViewArray::from_iter_values([tenant]));
        let day = ScalarValue::Date32(Some(Date32Type::from_naive_date(day))).to_array()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.columns), vec![tenant, day])?;
        let passes = self.evaluate(&batch)?;
        Ok(passes.is_valid(0) && passes.value(0))
    }

    /// The rows of `batch` whose tenant and day, given in `keys`, pass.
    pub(crate) fn rows(&self, batch: &RecordBatch, keys: &RecordBatch) -> Result<RecordBatch> {
        Ok(filter_record_batch(batch, &self.evaluate(keys)?)?)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let answer = self.predicate.evaluate(batch)?.into_array(batch.num_rows())?;
        answer
            .as_boolean_opt()
            .cloned()
            .ok_or_else(|| DataFusionError::Internal(format!("a filter gives {}", answer.data_type())))
    }
}
