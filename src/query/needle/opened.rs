//! A data file that is open for a needle.
//!
//! In: a file, and columns of the table. Out: rows of these columns. Guaranteed: a column that the file does not have is null, the
//! day is the one of its folder, and text comes as views; a small file far away is fetched once, however often it is read.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
    compute::cast,
    datatypes::{Schema, SchemaRef},
};
use bytes::Bytes;
use chrono::NaiveDate;
use datafusion::{
    error::{DataFusionError, Result},
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use futures::future::BoxFuture;
use parquet::{
    arrow::{
        ParquetRecordBatchStreamBuilder, ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions},
        async_reader::AsyncFileReader,
    },
    errors::Result as ParquetResult,
    file::metadata::ParquetMetaData,
};
use tokio::sync::Mutex;

use super::{Access, NeedleFile};
use crate::{
    event::schema::DAY,
    query::{columns, prune::day_scalar, readers::Reader, scan::FOOTER_BYTES_HINT},
};

/// The file, with its footer. A copy reads by the same reader.
#[derive(Clone)]
pub(in crate::query) struct Opened {
    reader: Shared,
    metadata: ArrowReaderMetadata,
}

impl Opened {
    pub(in crate::query) async fn open(
        access: &Access,
        file: &NeedleFile,
        (partition, metrics): (usize, &ExecutionPlanMetricsSet),
    ) -> Result<Self> {
        let (object, hint) = (file.file.clone(), Some(FOOTER_BYTES_HINT));
        let mut reader = Reader(access.readers.create_reader(partition, object, hint, metrics)?);
        let metadata = with_views(reader.get_metadata(None).await?)?;
        Ok(Self { reader: Shared(Arc::new(Mutex::new(reader))), metadata })
    }

    /// Its footer.
    pub(in crate::query) fn footer(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// A stream of the file's rows.
    pub(super) fn stream(&self, columns: &Schema) -> ParquetRecordBatchStreamBuilder<Shared> {
        ParquetRecordBatchStreamBuilder::new_with_metadata(self.reader.clone(), self.metadata.clone())
            .with_projection(self.mask(columns))
    }

    /// Those columns of `columns` that the file has.
    pub(super) fn mask(&self, columns: &Schema) -> ProjectionMask {
        let schema = self.metadata.schema();
        let has = columns.fields().iter().filter_map(|field| schema.index_of(field.name()).ok());
        ProjectionMask::roots(self.metadata.parquet_schema(), has)
    }
}

/// A reader for one stream after another.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Reader>>);

impl AsyncFileReader for Shared {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        Box::pin(async move { self.0.lock().await.get_bytes(range).await })
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        Box::pin(async move { self.0.lock().await.get_byte_ranges(ranges).await })
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        Box::pin(async move { self.0.lock().await.get_metadata(options).await })
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

/// What was read as the columns wanted.
pub(super) fn as_wanted(batch: &RecordBatch, columns: &SchemaRef, day: NaiveDate) -> Result<RecordBatch> {
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
