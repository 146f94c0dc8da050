//! `count(*)` by day, action, outcome or tenant without reading the events.
//!
//! In: a logical plan that counts all rows by these columns, with no filter but on these columns. Out: the same plan
//! over the counts that the skip index keeps for each file. Guaranteed: the same numbers. Files without counts, and events
//! that are in no file yet, are counted by reading these columns of theirs.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringViewArray},
    datatypes::{DataType, Date32Type, Field, Schema, SchemaRef},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::tree_node::Transformed,
    datasource::{DefaultTableSource, TableType, memory::MemorySourceConfig, provider_as_source},
    error::{DataFusionError, Result},
    functions::core::expr_fn::coalesce,
    functions_aggregate::expr_fn::sum,
    logical_expr::{
        Aggregate, Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableScan, col, lit,
    },
    optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule},
    physical_expr::expressions,
    physical_plan::{
        ExecutionPlan,
        projection::{ProjectionExec, ProjectionExpr},
        union::UnionExec,
    },
};

use super::{
    columns,
    provider::EventsTable,
    prune::{self, Kept, KeptFile},
};
use crate::{
    event::schema::{DAY, TENANT_ID},
    index::{Count, FileRef},
};

/// What counts can be asked by.
const COUNTED_BY: [&str; 4] = [TENANT_ID, DAY, "action", "outcome"];
/// The column of counts; no column of the table has this name.
const COUNT: &str = "__count";

/// The rule.
#[derive(Debug)]
pub(crate) struct FromCounts;

impl OptimizerRule for FromCounts {
    fn name(&self) -> &str {
        "from_counts"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = &plan else { return Ok(Transformed::no(plan)) };
        match rewritten(aggregate)? {
            Some(counted) => Ok(Transformed::yes(counted)),
            None => Ok(Transformed::no(plan)),
        }
    }
}

/// The plan that sums counts, if `aggregate` only counts rows by columns that are counted by.
fn rewritten(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let by_counted =
        aggregate.group_expr.iter().all(|expr| matches!(expr, Expr::Column(_)) && is_counted(expr));
    let only_counts = !aggregate.aggr_expr.is_empty() && aggregate.aggr_expr.iter().all(counts_rows);
    if aggregate.group_expr.is_empty() || !by_counted || !only_counts {
        return Ok(None);
    }
    let (predicate, scan) = match narrowed(&aggregate.input) {
        LogicalPlan::TableScan(scan) => (None, scan),
        LogicalPlan::Filter(filter) => match narrowed(&filter.input) {
            LogicalPlan::TableScan(scan) => (Some(&filter.predicate), scan),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let filters = scan.filters.iter().chain(predicate);
    let Some(counts) = counts_of(scan).filter(|_| filters.clone().all(is_counted)) else { return Ok(None) };
    let mut plan =
        LogicalPlanBuilder::scan(scan.table_name.clone(), provider_as_source(Arc::new(counts)), None)?;
    for filter in filters {
        plan = plan.filter(filter.clone())?;
    }
    let plan = plan.aggregate(aggregate.group_expr.clone(), vec![sum(col(COUNT)).alias(COUNT)])?;
    let groups = aggregate.group_expr.iter().cloned();
    let names = aggregate.schema.fields().iter().skip(aggregate.group_expr.len());
    let totals = names.map(|field| coalesce(vec![col(COUNT), lit(0_i64)]).alias(field.name()));
    plan.project(groups.chain(totals))?.build().map(Some)
}

/// What is below a projection that only leaves columns out.
fn narrowed(plan: &LogicalPlan) -> &LogicalPlan {
    match plan {
        LogicalPlan::Projection(projection)
            if projection.expr.iter().all(|expr| matches!(expr, Expr::Column(_))) =>
        {
            &projection.input
        }
        other => other,
    }
}

/// Whether `expr` looks at nothing but columns that are counted by.
fn is_counted(expr: &Expr) -> bool {
    let columns = expr.column_refs();
    columns.iter().all(|column| COUNTED_BY.contains(&column.name())) && !expr.is_volatile()
}

/// Whether `expr` is `count(*)`: a count of a constant that is not null.
fn counts_rows(expr: &Expr) -> bool {
    let Expr::AggregateFunction(call) = expr.clone().unalias() else { return false };
    let plain = !call.params.distinct && call.params.filter.is_none() && call.params.order_by.is_empty();
    let all = match call.params.args.as_slice() {
        [] => true,
        [Expr::Literal(value, _)] => !value.is_null(),
        _ => false,
    };
    call.func.name() == "count" && plain && all
}

/// The counts behind a scan of `events`, if it has any.
fn counts_of(scan: &TableScan) -> Option<CountsTable> {
    let source = (scan.source.as_ref() as &dyn std::any::Any).downcast_ref::<DefaultTableSource>()?;
    let events = (source.table_provider.as_ref() as &dyn std::any::Any).downcast_ref::<EventsTable>()?;
    (events.indexes.is_some() && events.pruning && scan.fetch.is_none())
        .then(|| CountsTable { events: events.clone(), schema: counted_columns() })
}

fn counted_columns() -> SchemaRef {
    let table = columns::table_columns();
    let fields = COUNTED_BY.iter().filter_map(|name| table.field_with_name(name).ok().cloned());
    Arc::new(Schema::new(fields.chain([Field::new(COUNT, DataType::Int64, false)]).collect::<Vec<_>>()))
}

/// How many events of each kind, instead of the events.
#[derive(Debug)]
struct CountsTable {
    events: EventsTable,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for CountsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let predicate = self.events.predicate(state, filters)?;
        let mut kept = self.events.keep(state, predicate.as_ref(), filters)?;
        prune::by_min_max(predicate.as_ref(), &mut kept);
        let counted = self.take_counted(&mut kept).await?;
        self.events.ledger.add_scan(&kept.counts);
        let mut inputs: Vec<Arc<dyn ExecutionPlan>> =
            vec![MemorySourceConfig::try_new_exec(&[vec![counted]], self.schema(), None)?];
        if !kept.files.is_empty() || kept.counts.rows_uncommitted > 0 {
            inputs.push(self.one_by_one(state, &kept)?);
        }
        let all = if inputs.len() == 1 { inputs.remove(0) } else { UnionExec::try_new(inputs)? };
        match projection {
            Some(indexes) => project(all, indexes),
            None => Ok(all),
        }
    }
}

impl CountsTable {
    /// Takes the files out of `kept` whose counts are known, and gives their counts.
    async fn take_counted(&self, kept: &mut Kept) -> Result<RecordBatch> {
        let mut rows = Rows::default();
        let mut unknown = Vec::new();
        for (tenant, snapshot) in kept.snapshots.iter().enumerate() {
            let files: Vec<&KeptFile> = kept.files.iter().filter(|file| file.tenant == tenant).collect();
            let Some(indexes) = self.events.indexes.as_ref().filter(|_| !files.is_empty()) else { continue };
            let refs: Vec<FileRef<'_>> =
                files.iter().map(|kept| FileRef { path: &kept.file.path, rows: kept.file.rows }).collect();
            let (counts, cost) = indexes.of(&snapshot.tenant).counts(&refs).await;
            kept.counts.index_requests += cost.requests();
            kept.counts.index_bytes_read += cost.bytes();
            for (file, counts) in files.into_iter().zip(counts) {
                match counts {
                    Some(counts) => {
                        kept.counts.files_counted += 1;
                        kept.counts.files_kept -= 1;
                        kept.counts.bytes_kept -= file.file.size_bytes;
                        rows.push(snapshot.tenant.as_str(), file, counts);
                    }
                    None => unknown.push(file.clone()),
                }
            }
        }
        kept.files = unknown;
        kept.counts.rows_kept = kept.files.iter().map(KeptFile::rows).sum();
        rows.finish(self.schema())
    }

    /// The events of the files that are left, and of none yet, each counting for one.
    fn one_by_one(&self, state: &dyn Session, kept: &Kept) -> Result<Arc<dyn ExecutionPlan>> {
        let table = columns::table_columns();
        let indexes = COUNTED_BY.iter().map(|name| table.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let events = self.events.scan_kept(state, Some(&indexes), &[], None, None, kept)?;
        let mut columns: Vec<ProjectionExpr> = Vec::new();
        for (index, name) in COUNTED_BY.iter().enumerate() {
            let column = Arc::new(expressions::Column::new(name, index));
            columns.push(ProjectionExpr::new(column, (*name).to_owned()));
        }
        columns.push(ProjectionExpr::new(expressions::lit(1_i64), COUNT.to_owned()));
        Ok(Arc::new(ProjectionExec::try_new(columns, events)?))
    }
}

fn project(plan: Arc<dyn ExecutionPlan>, indexes: &[usize]) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = plan.schema();
    let columns = indexes.iter().map(|index| {
        let name = schema.field(*index).name();
        ProjectionExpr::new(Arc::new(expressions::Column::new(name, *index)), name.clone())
    });
    Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), plan)?))
}

/// Counts as columns.
#[derive(Default)]
struct Rows {
    tenants: Vec<String>,
    days: Vec<i32>,
    actions: Vec<String>,
    outcomes: Vec<Option<String>>,
    counts: Vec<i64>,
}

impl Rows {
    fn push(&mut self, tenant: &str, file: &KeptFile, counts: Vec<Count>) {
        for Count(action, outcome, count) in counts {
            self.tenants.push(tenant.to_owned());
            self.days.push(Date32Type::from_naive_date(file.file.day));
            self.actions.push(action);
            self.outcomes.push(outcome);
            self.counts.push(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    fn finish(self, schema: SchemaRef) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from_iter_values(self.tenants)),
            Arc::new(Date32Array::from(self.days)),
            Arc::new(StringViewArray::from_iter_values(self.actions)),
            Arc::new(StringViewArray::from_iter(self.outcomes)),
            Arc::new(Int64Array::from(self.counts)),
        ];
        RecordBatch::try_new(schema, columns).map_err(DataFusionError::from)
    }
}
