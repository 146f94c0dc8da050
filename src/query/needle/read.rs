//! Reads the rows of one file that may match, and gives those that do.
//!
//! In: a file and its rows, the columns wanted, the filter. Out: batches of the columns wanted. Guaranteed: a column that the
//! file does not have is null, the day is the one of its folder, and text comes as views.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array},
    compute::cast,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
};
use chrono::NaiveDate;
use datafusion::{
    common::cast::as_boolean_array,
    datasource::physical_plan::ParquetFileReaderFactory,
    error::{DataFusionError, Result},
    physical_expr::{
        PhysicalExpr, conjunction,
        utils::{collect_columns, reassign_expr_columns},
    },
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use futures::TryStreamExt;
use parquet::{
    arrow::{
        ParquetRecordBatchStreamBuilder, ProjectionMask,
        arrow_reader::{ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, RowFilter},
        async_reader::AsyncFileReader,
    },
    file::metadata::ParquetMetaData,
};

use super::NeedleFile;
use crate::{
    event::schema::DAY,
    query::{
        columns,
        prune::day_scalar,
        readers::Reader,
        scan::{FOOTER_BYTES_HINT, selection},
    },
};

/// What all files of one partition have in common.
#[derive(Debug)]
pub(super) struct Reading {
    partition: usize,
    columns: SchemaRef,
    filter: Option<Filter>,
    batch_rows: usize,
    readers: Arc<dyn ParquetFileReaderFactory>,
    metrics: ExecutionPlanMetricsSet,
}

/// A filter over columns of its own.
#[derive(Clone, Debug)]
struct Filter {
    expr: Arc<dyn PhysicalExpr>,
    columns: SchemaRef,
}

impl Reading {
    pub(super) fn new(
        partition: usize,
        columns: &SchemaRef,
        filters: &[Arc<dyn PhysicalExpr>],
        batch_rows: usize,
        (readers, metrics): (&Arc<dyn ParquetFileReaderFactory>, &ExecutionPlanMetricsSet),
    ) -> Result<Self> {
        Ok(Self {
            partition,
            columns: Arc::clone(columns),
            filter: Filter::of(filters, columns)?,
            batch_rows,
            readers: Arc::clone(readers),
            metrics: metrics.clone(),
        })
    }

    /// The rows of `file` that pass.
    pub(super) async fn read(&self, file: &NeedleFile) -> Result<Vec<RecordBatch>> {
        let day = file.kept.file.day;
        let (object, hint) = (file.file.clone(), Some(FOOTER_BYTES_HINT));
        let reader = self.readers.create_reader(self.partition, object, hint, &self.metrics)?;
        let mut reader = Reader(reader);
        let metadata = with_views(reader.get_metadata(None).await?)?;
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata.clone())
            .with_batch_size(self.batch_rows)
            .with_projection(mask(&metadata, &self.columns));
        if let Some(rows) = &file.kept.rows {
            builder = builder.with_row_selection(selection(rows, file.kept.file.rows));
        }
        if let Some(filter) = self.filter.clone() {
            builder = builder.with_row_filter(filter.for_file(&metadata, day));
        }
        let batches: Vec<RecordBatch> = builder.build()?.try_collect().await?;
        batches.iter().map(|batch| as_wanted(batch, &self.columns, day)).collect()
    }
}

impl Filter {
    /// `None` if there is no filter.
    fn of(filters: &[Arc<dyn PhysicalExpr>], columns: &SchemaRef) -> Result<Option<Self>> {
        if filters.is_empty() {
            return Ok(None);
        }
        let expr = conjunction(filters.iter().cloned());
        let mut used: Vec<usize> = collect_columns(&expr).iter().map(|column| column.index()).collect();
        used.sort_unstable();
        used.dedup();
        let columns = Arc::new(columns.project(&used)?);
        Ok(Some(Self { expr: reassign_expr_columns(expr, &columns)?, columns }))
    }

    fn for_file(self, metadata: &ArrowReaderMetadata, day: NaiveDate) -> RowFilter {
        let mask = mask(metadata, &self.columns);
        let passes = move |batch: RecordBatch| self.passes(&batch, day).map_err(ArrowError::from);
        RowFilter::new(vec![Box::new(ArrowPredicateFn::new(mask, passes))])
    }

    fn passes(&self, batch: &RecordBatch, day: NaiveDate) -> Result<BooleanArray> {
        let batch = as_wanted(batch, &self.columns, day)?;
        let passed = self.expr.evaluate(&batch)?.into_array(batch.num_rows())?;
        as_boolean_array(&passed).cloned()
    }
}

/// A file's metadata with which its text is read as views.
fn with_views(metadata: Arc<ParquetMetaData>) -> Result<ArrowReaderMetadata> {
    let wanted = ArrowReaderOptions::new().with_schema(columns::file_columns());
    match ArrowReaderMetadata::try_new(Arc::clone(&metadata), wanted) {
        Ok(metadata) => Ok(metadata),
        // A file with other columns, as another version may write it: what comes out is converted.
        Err(_) => Ok(ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new())?),
    }
}

/// Those columns of `columns` that the file has.
fn mask(metadata: &ArrowReaderMetadata, columns: &Schema) -> ProjectionMask {
    let has = columns.fields().iter().filter_map(|field| metadata.schema().index_of(field.name()).ok());
    ProjectionMask::roots(metadata.parquet_schema(), has)
}

/// What was read as the columns wanted.
fn as_wanted(batch: &RecordBatch, columns: &SchemaRef, day: NaiveDate) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let arrays = columns.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(array) if array.data_type() == field.data_type() => Ok(Arc::clone(array)),
        Some(array) => cast(array, field.data_type()).map_err(DataFusionError::from),
        None if field.name() == DAY => day_scalar(day).to_array_of_size(rows),
        None => Ok(new_null_array(field.data_type(), rows)),
    });
    let arrays = arrays.collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(columns), arrays, &options)?)
}
