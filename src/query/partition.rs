//! Filters on tenant and day alone: decided once for each file instead of for each row.
//!
//! In: filters that ask for `tenant_id`, `day`, or for a time since or before a midnight (UTC), which asks for days. Out: which
//! files, and which uncommitted rows, they let through. Guaranteed: exact, because all rows of a file have one tenant and one day.
//! The plan needs no filter of its own for them, so that counts by day come from the Delta log and `LIMIT` reaches the scan.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, BooleanArray, RecordBatch, StringViewArray},
    compute::filter_record_batch,
    datatypes::{Date32Type, Schema, SchemaRef},
};
use chrono::NaiveDate;
use datafusion::{
    catalog::Session,
    common::{
        Column, DFSchema,
        tree_node::{Transformed, TreeNode},
    },
    error::{DataFusionError, Result},
    logical_expr::{BinaryExpr, Expr, Operator, binary_expr, utils::conjunction},
    physical_expr::PhysicalExpr,
    scalar::ScalarValue,
};

use super::{
    columns,
    prune::{Kept, MICROS_PER_DAY},
};
use crate::event::schema::{DAY, OCCURRED_AT, TENANT_ID};

/// Whether `filter` depends on nothing but the tenant and the day, or on nothing at all: `day IN (NULL)` is handed down as a filter on
/// the day, and the optimizer makes a constant of it after that.
pub(crate) fn by_partition(filter: &Expr) -> bool {
    let filter = of_days(filter);
    let columns = filter.column_refs();
    columns.iter().all(|column| column.name == TENANT_ID || column.name == DAY) && !filter.is_volatile()
}

/// `filter` with `day` in the place of `occurred_at` wherever that is compared with a midnight, so that whole days pass:
/// `occurred_at >= '2026-01-01T00:00:00Z'` is `day >= '2026-01-01'`. It lets the same rows through.
pub(crate) fn of_days(filter: &Expr) -> Expr {
    let rewritten = filter.clone().transform_up(|expr| {
        Ok(match since_or_before_midnight(&expr) {
            Some(of_days) => Transformed::yes(of_days),
            None => Transformed::no(expr),
        })
    });
    rewritten.map_or_else(|_| filter.clone(), |rewritten| rewritten.data)
}

/// `expr` by days, if it is `occurred_at >= …` or `occurred_at < …` with a midnight. (`>` and `<=` part a day.)
fn since_or_before_midnight(expr: &Expr) -> Option<Expr> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return None };
    let (column, op, time) = match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), Expr::Literal(time, _)) => (column, *op, time),
        (Expr::Literal(time, _), Expr::Column(column)) => (column, op.swap()?, time),
        _ => return None,
    };
    let ScalarValue::TimestampMicrosecond(Some(micros), _) = time else { return None };
    let parts_no_day = micros % MICROS_PER_DAY == 0 && matches!(op, Operator::GtEq | Operator::Lt);
    if column.name != OCCURRED_AT || !parts_no_day {
        return None;
    }
    let midnight = ScalarValue::Date32(Some(i32::try_from(micros / MICROS_PER_DAY).ok()?));
    let day = Column::new(column.relation.clone(), DAY);
    Some(binary_expr(Expr::Column(day), op, Expr::Literal(midnight, None)))
}

/// Filters on tenant and day, compiled.
pub(crate) struct Partition {
    columns: SchemaRef,
    predicate: Arc<dyn PhysicalExpr>,
}

impl Partition {
    /// Those of `filters` that are [`by_partition`]; `None` if there are none.
    pub(crate) fn of(filters: &[Expr], state: &dyn Session) -> Result<Option<Self>> {
        let of_partition = filters.iter().filter(|filter| by_partition(filter)).map(of_days);
        let Some(filter) = conjunction(of_partition) else {
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
