//! The answer of a part of a query, read before the rest is planned.
//!
//! In: a physical plan and what runs it. Out: its rows in memory, if they are few; else the first of them, and the stream of the rest.
//! Guaranteed: nothing is run twice because it turned out to be large: what was read is given out first, then the stream goes on. What is
//! kept is at most [`SUBQUERY_ROWS_MAX`] rows and [`SUBQUERY_BYTES_MAX`] bytes, counted to the query's share of memory for as long as
//! they are there.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions},
    compute::cast,
    datatypes::{BinaryViewType, DataType, Field, Schema, SchemaRef, StringViewType},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Column, DFSchema, Statistics, stats::Precision},
    datasource::{TableType, provider_as_source},
    error::{DataFusionError, Result},
    execution::{
        SendableRecordBatchStream, TaskContext,
        memory_pool::{MemoryConsumer, MemoryReservation},
    },
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder},
    physical_expr::EquivalenceProperties,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions,
        execute_stream,
        execution_plan::{Boundedness, EmissionType, reset_plan_states},
        statistics::{StatisticsArgs, StatisticsContext},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, stream};

use crate::{
    limits::{SUBQUERY_BYTES_MAX, SUBQUERY_ROWS_MAX},
    query::own_plan::evaluates_no_expressions,
};

/// Rows of a part of a query, as a table that the rest can name.
pub(super) struct Collected {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    /// What follows `batches`; `None` inside if it was taken, or if there is nothing.
    rest: Mutex<Option<SendableRecordBatchStream>>,
    is_whole: bool,
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    _memory: MemoryReservation,
}

impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collected").field("rows", &self.rows).field("is_whole", &self.is_whole).finish()
    }
}

impl Collected {
    /// Runs `plan` until it ends or `rows_max` rows, at most [`SUBQUERY_ROWS_MAX`], or [`SUBQUERY_BYTES_MAX`] bytes are there.
    pub(super) async fn read(
        plan: Arc<dyn ExecutionPlan>,
        task: Arc<TaskContext>,
        rows_max: usize,
    ) -> Result<Self> {
        let mut answer = execute_stream(Arc::clone(&plan), Arc::clone(&task))?;
        let memory = MemoryConsumer::new("subqueries").register(task.memory_pool());
        let (mut batches, mut rows, mut bytes) = (Vec::new(), 0, 0);
        let rows_max = rows_max.min(SUBQUERY_ROWS_MAX);
        let mut is_whole = true;
        while let Some(batch) = answer.next().await {
            let batch = without_slack(&batch?)?;
            rows += batch.num_rows();
            let more = batch.get_array_memory_size();
            bytes += more;
            let has_room = memory.try_grow(more).is_ok();
            batches.push(batch);
            if rows > rows_max || bytes > SUBQUERY_BYTES_MAX || !has_room {
                is_whole = false;
                break;
            }
        }
        let schema = plan.schema();
        let rest = Mutex::new((!is_whole).then_some(answer));
        Ok(Self { schema, batches, rows, bytes, rest, is_whole, plan, task, _memory: memory })
    }

    /// The same with columns of these types, and names that no other column has: `c0`, `c1` and so on.
    pub(super) fn numbered(mut self, types: &Schema) -> Result<Self> {
        let field = |(number, field): (usize, &Arc<Field>)| field.as_ref().clone().with_name(name(number));
        let schema: SchemaRef =
            Arc::new(Schema::new(types.fields().iter().enumerate().map(field).collect::<Vec<_>>()));
        self.batches = self.batches.iter().map(|batch| as_schema(batch, &schema)).collect::<Result<_>>()?;
        if let Ok(rest) = self.rest.get_mut() {
            *rest = rest.take().map(|rest| as_schema_all(rest, &schema));
        }
        self.schema = schema;
        Ok(self)
    }

    /// Whether no row is missing.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// How many rows were read.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// What was read.
    pub(super) fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// Statistics of these columns: exact if all is here.
    fn statistics(&self) -> Statistics {
        let mut statistics = Statistics::new_unknown(&self.schema);
        let (rows, bytes) = match self.is_whole {
            true => (Precision::Exact(self.rows), Precision::Exact(self.bytes)),
            false => {
                let whole = StatisticsContext::new().compute(self.plan.as_ref(), &StatisticsArgs::new());
                let rows = whole.ok().and_then(|whole| whole.num_rows.get_value().copied());
                let rows = rows.unwrap_or(usize::MAX / 1_024).max(self.rows);
                (
                    Precision::Inexact(rows),
                    Precision::Inexact((self.bytes / self.rows.max(1)).saturating_mul(rows)),
                )
            }
        };
        statistics.num_rows = rows;
        statistics.total_byte_size = bytes;
        statistics
    }

    /// All rows. A second reader of what is not whole runs the plan again.
    fn stream(&self) -> Result<SendableRecordBatchStream> {
        let schema = Arc::clone(&self.schema);
        if !self.is_whole {
            let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(rest) = rest else {
                let again = reset_plan_states(Arc::clone(&self.plan))?;
                return Ok(as_schema_all(execute_stream(again, Arc::clone(&self.task))?, &schema));
            };
            let first = stream::iter(self.batches.clone().into_iter().map(Ok));
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, first.chain(rest))));
        }
        let all = stream::iter(self.batches.clone().into_iter().map(Ok));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, all)))
    }
}

fn name(number: usize) -> String {
    format!("c{number}")
}

/// A plan that gives `rows`, which are [numbered](Collected::numbered), with the names of `schema`.
pub(super) fn table(name_of_table: &str, rows: Collected, schema: &DFSchema) -> Result<LogicalPlan> {
    let source = provider_as_source(Arc::new(CollectedTable(Arc::new(rows))));
    let columns = schema.iter().enumerate().map(|(number, (qualifier, field))| {
        let column = Expr::Column(Column::new(Some(name_of_table), name(number)));
        column.alias_qualified(qualifier.cloned(), field.name())
    });
    let columns: Vec<Expr> = columns.collect();
    LogicalPlanBuilder::scan(name_of_table, source, None)?.project(columns)?.build()
}

/// The same rows without the memory of others: a view keeps the whole page alive that it points into.
fn without_slack(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| -> ArrayRef {
        match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_byte_view::<StringViewType>().gc()),
            DataType::BinaryView => Arc::new(column.as_byte_view::<BinaryViewType>().gc()),
            _ => Arc::clone(column),
        }
    });
    with_columns(columns.collect(), &batch.schema(), batch.num_rows())
}

fn as_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()));
    with_columns(columns.collect::<std::result::Result<_, _>>()?, schema, batch.num_rows())
}

fn as_schema_all(rows: SendableRecordBatchStream, schema: &SchemaRef) -> SendableRecordBatchStream {
    let to = Arc::clone(schema);
    let rows = rows.map(move |batch| as_schema(&batch?, &to));
    Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), rows))
}

fn with_columns(columns: Vec<ArrayRef>, schema: &SchemaRef, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// The table in a plan.
#[derive(Debug)]
pub(super) struct CollectedTable(pub(super) Arc<Collected>);

#[async_trait]
impl TableProvider for CollectedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.0.schema.project(columns)?),
            None => Arc::clone(&self.0.schema),
        };
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Ok(Arc::new(CollectedExec {
            table: Arc::clone(&self.0),
            projection: projection.cloned(),
            schema,
            properties,
        }))
    }
}

/// Gives the rows out.
#[derive(Debug)]
struct CollectedExec {
    table: Arc<Collected>,
    projection: Option<Vec<usize>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for CollectedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.table.is_whole { "" } else { " and more" };
        write!(f, "CollectedExec: rows={}{more}", self.table.rows)
    }
}

impl ExecutionPlan for CollectedExec {
    fn name(&self) -> &str {
        "CollectedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    evaluates_no_expressions!();

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.table.stream()?;
        let Some(columns) = self.projection.clone() else { return Ok(rows) };
        let rows = rows.map(move |batch| batch?.project(&columns).map_err(DataFusionError::from));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(Arc::new(self.table.statistics().project(self.projection.as_ref())))
    }
}
