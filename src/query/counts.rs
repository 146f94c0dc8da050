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
use chrono::NaiveDate;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{HashMap, tree_node::Transformed},
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
    partition::of_days,
    provider::EventsTable,
    prune::{self, Kept, KeptFile},
};
use crate::{
    event::schema::{DAY, TENANT_ID},
    index::{FileCounts, FileRef, SegmentCounts},
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
    let Some(plan) = counted(&aggregate.input)? else { return Ok(None) };
    let plan = plan.aggregate(aggregate.group_expr.clone(), vec![sum(col(COUNT)).alias(COUNT)])?;
    let groups = aggregate.group_expr.iter().cloned();
    let names = aggregate.schema.fields().iter().skip(aggregate.group_expr.len());
    let totals = names.map(|field| coalesce(vec![col(COUNT), lit(0_i64)]).alias(field.name()));
    plan.project(groups.chain(totals))?.build().map(Some)
}

/// `plan` over counts instead of events, if it only names the events, leaves columns out, and filters by what is counted by.
fn counted(plan: &LogicalPlan) -> Result<Option<LogicalPlanBuilder>> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(_));
    Ok(match plan {
        LogicalPlan::TableScan(scan) => {
            let filters: Vec<Expr> = scan.filters.iter().map(of_days).collect();
            let Some(counts) = counts_of(scan).filter(|_| filters.iter().all(is_counted)) else {
                return Ok(None);
            };
            let source = provider_as_source(Arc::new(counts));
            let plan = LogicalPlanBuilder::scan(scan.table_name.clone(), source, None)?;
            Some(filters.into_iter().try_fold(plan, LogicalPlanBuilder::filter)?)
        }
        LogicalPlan::Filter(filter) => {
            let predicate = of_days(&filter.predicate);
            match counted(&filter.input)?.filter(|_| is_counted(&predicate)) {
                Some(plan) => Some(plan.filter(predicate)?),
                None => None,
            }
        }
        LogicalPlan::SubqueryAlias(named) => match counted(&named.input)? {
            Some(plan) => Some(plan.alias(named.alias.clone())?),
            None => None,
        },
        LogicalPlan::Projection(narrowed) if narrowed.expr.iter().all(is_column) => counted(&narrowed.input)?,
        _ => None,
    })
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
    let whole = events.narrowing.is_empty() && scan.fetch.is_none();
    (events.indexes.is_some() && events.pruning && whole)
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
        let counted = self.take_counted(&mut kept, projection).await?;
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
    /// Takes the files out of `kept` whose counts are known, and gives their counts by the columns of `projection`.
    async fn take_counted(&self, kept: &mut Kept, projection: Option<&Vec<usize>>) -> Result<RecordBatch> {
        let mut counted = Vec::new();
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
                        counted.push((snapshot.tenant.as_str(), file.file.day, counts));
                    }
                    None => unknown.push(file.clone()),
                }
            }
        }
        let mut sums = Sums::by(&self.schema, projection);
        for (tenant, day, counts) in &counted {
            sums.add(tenant, *day, counts);
        }
        let counted = sums.finish(self.schema())?;
        kept.files = unknown;
        kept.counts.rows_kept = kept.files.iter().map(KeptFile::rows).sum();
        Ok(counted)
    }

    /// The events of the files that are left, and of none yet, each counting for one.
    fn one_by_one(&self, state: &dyn Session, kept: &Kept) -> Result<Arc<dyn ExecutionPlan>> {
        let table = columns::table_columns();
        let indexes = COUNTED_BY.iter().map(|name| table.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let events = self.events.scan_kept(state, Some(&indexes), &[], None, None, (kept, false))?;
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

/// Counts added up by the columns that are asked for, so that what comes after has little to do.
struct Sums<'a> {
    /// Whether each of [`COUNTED_BY`] is asked for.
    asked: [bool; COUNTED_BY.len()],
    /// The place of each action and outcome in a row of `counts`; one place for all where a column is not asked for.
    places: HashMap<(&'a str, Option<&'a str>), usize>,
    /// For each segment, the places of its kinds.
    by_segment: HashMap<*const SegmentCounts, Vec<usize>>,
    /// For each tenant and day, what is counted at each place.
    counts: HashMap<(&'a str, i32), Vec<u64>>,
}

impl<'a> Sums<'a> {
    fn by(schema: &Schema, projection: Option<&Vec<usize>>) -> Self {
        let asked = COUNTED_BY.map(|name| {
            let index = schema.index_of(name).ok();
            projection.is_none_or(|projection| index.is_some_and(|index| projection.contains(&index)))
        });
        Self { asked, places: HashMap::new(), by_segment: HashMap::new(), counts: HashMap::new() }
    }

    fn add(&mut self, tenant: &'a str, day: NaiveDate, file: &'a FileCounts) {
        let [by_tenant, by_day, by_action, by_outcome] = self.asked;
        let tenant = if by_tenant { tenant } else { "" };
        let day = if by_day { Date32Type::from_naive_date(day) } else { 0 };
        let row = self.counts.entry((tenant, day)).or_default();
        for (segment, counts) in file.pieces() {
            let places = self.by_segment.entry(Arc::as_ptr(segment)).or_insert_with(|| {
                let kinds = segment.kinds().map(|(action, outcome)| {
                    (if by_action { action } else { "" }, outcome.filter(|_| by_outcome))
                });
                let place = |kind| {
                    let next = self.places.len();
                    *self.places.entry(kind).or_insert(next)
                };
                kinds.map(place).collect()
            });
            row.resize(self.places.len(), 0);
            for (kind, count) in counts {
                row[places[*kind as usize]] += count;
            }
        }
    }

    fn finish(self, schema: SchemaRef) -> Result<RecordBatch> {
        let mut kinds: Vec<_> = self.places.into_iter().collect();
        kinds.sort_by_key(|(_, place)| *place);
        let rows: Vec<_> = self
            .counts
            .iter()
            .flat_map(|((tenant, day), row)| {
                let counted = row.iter().zip(&kinds).filter(|(count, _)| **count > 0);
                counted.map(|(count, ((action, outcome), _))| (*tenant, *day, *action, *outcome, *count))
            })
            .collect();
        let counts = rows.iter().map(|row| i64::try_from(row.4).unwrap_or(i64::MAX));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.0))),
            Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.1))),
            Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.2))),
            Arc::new(StringViewArray::from_iter(rows.iter().map(|row| row.3))),
            Arc::new(Int64Array::from_iter_values(counts)),
        ];
        RecordBatch::try_new(schema, columns).map_err(DataFusionError::from)
    }
}
