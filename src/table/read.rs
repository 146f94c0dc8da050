//! Streams a data file back as batches, in bounded memory.
//!
//! In: a [`DataFile`] and which columns and rows are wanted. Out: batches of the stored columns, in the file's
//! order, of about a mebibyte each. Guaranteed: nothing outside the wanted columns and pages is decoded; small
//! files cost one request, large ones one for the footer and one a row group.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream::BoxStream};
use object_store::{ObjectStore, path::Path};
use parquet::{
    arrow::{
        ParquetRecordBatchStreamBuilder, ProjectionMask,
        arrow_reader::{ArrowReaderOptions, RowSelection},
        async_reader::AsyncFileReader,
    },
    errors::ParquetError,
    file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
};

use super::snapshot::DataFile;
use crate::{
    error::{Error, ErrorKind, Result},
    event::{TenantId, schema},
    limits, paths,
    store::Store,
};

/// Files up to this size are fetched whole, with one request.
const WHOLE_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Bytes asked for first at the end of a large file: footer and page index of most.
const FOOTER_BYTES_HINT: usize = 64 * 1024;

/// A row of text and numbers takes about this many times its size in a compressed file.
const DECODED_PER_STORED_BYTE: u64 = 10;

/// What to read of a file; the default is everything.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The columns wanted, in the stored order; `None`: all.
    pub columns: Option<Vec<&'static str>>,
    /// The rows wanted, as ascending ranges of row numbers in the file; `None`: all.
    pub rows: Option<Vec<Range<usize>>>,
    /// Rows of a batch; `None`: as many as make about a mebibyte.
    pub batch_rows: Option<usize>,
    /// Text as `Utf8View`, which shares the decoded pages instead of copying them.
    pub text_views: bool,
}

/// Batches of one file, in its order.
pub type BatchStream = BoxStream<'static, Result<RecordBatch>>;

/// Opens `file` and streams it; errors name the file. A file that is missing or unreadable is
/// [`ErrorKind::Corrupt`], a store that does not answer [`ErrorKind::Unavailable`].
pub async fn read(
    store: &Store,
    tenant: &TenantId,
    file: &DataFile,
    options: &ReadOptions,
) -> Result<BatchStream> {
    let key = paths::data_file(tenant, &file.path);
    let failed = {
        let key = key.clone();
        move |cause: ParquetError| read_error(&key, cause)
    };
    let source = Source::open(store, &key, file).await?;
    let page_index = if options.rows.is_some() { PageIndexPolicy::Optional } else { PageIndexPolicy::Skip };
    let reader_options = ArrowReaderOptions::new()
        .with_schema(schema_of(options.text_views))
        .with_offset_index_policy(page_index);
    let mut builder = ParquetRecordBatchStreamBuilder::new_with_options(source, reader_options)
        .await
        .map_err(&failed)?
        .with_batch_size(options.batch_rows.unwrap_or_else(|| batch_rows(file)));
    if let Some(columns) = &options.columns {
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        builder = builder.with_projection(mask);
    }
    if let Some(rows) = &options.rows {
        let total = builder.metadata().file_metadata().num_rows() as usize;
        builder =
            builder.with_row_selection(RowSelection::from_consecutive_ranges(rows.iter().cloned(), total));
    }
    Ok(builder.build().map_err(&failed)?.map_err(failed).boxed())
}

/// [`read`] into memory: for files, or parts of files, that are known to be small.
pub async fn read_all(
    store: &Store,
    tenant: &TenantId,
    file: &DataFile,
    options: &ReadOptions,
) -> Result<Vec<RecordBatch>> {
    read(store, tenant, file, options).await?.try_collect().await
}

/// The stored schema, with text as views if so wanted.
pub(crate) fn schema_of(text_views: bool) -> SchemaRef {
    let stored = schema::stored_schema();
    if !text_views {
        return stored;
    }
    let as_view = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => field.clone(),
    };
    Arc::new(Schema::new(stored.fields().iter().map(as_view).collect::<Vec<_>>()))
}

/// Where the Parquet decoder gets a file's bytes from.
enum Source {
    /// All of them at hand.
    Whole(Bytes),
    /// Range by range, as they are needed.
    Ranges { store: Arc<dyn ObjectStore>, key: Path, size_bytes: u64 },
}

impl Source {
    async fn open(store: &Store, key: &Path, file: &DataFile) -> Result<Self> {
        if file.size_bytes > WHOLE_FILE_BYTES_MAX {
            let (store, key) = (store.object_store(), key.clone());
            return Ok(Self::Ranges { store, key, size_bytes: file.size_bytes });
        }
        store.get(key).await?.map(Self::Whole).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, format!("{key} is in the Delta log but not in the store"))
        })
    }
}

impl AsyncFileReader for Source {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move {
            let ranges = self.get_byte_ranges(vec![range]).await?;
            ranges.into_iter().next().ok_or_else(|| ParquetError::General("no bytes for a range".into()))
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move {
            match self {
                Self::Whole(bytes) => ranges.into_iter().map(|range| slice(bytes, range)).collect(),
                Self::Ranges { store, key, .. } => {
                    store.get_ranges(key, &ranges).await.map_err(|cause| ParquetError::External(cause.into()))
                }
            }
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            let metadata = match self {
                Self::Whole(bytes) => reader.parse_and_finish(bytes)?,
                Self::Ranges { size_bytes, .. } => {
                    let size_bytes = *size_bytes;
                    let reader = reader.with_prefetch_hint(Some(FOOTER_BYTES_HINT));
                    reader.load_and_finish(self, size_bytes).await?
                }
            };
            Ok(Arc::new(metadata))
        }
        .boxed()
    }
}

fn slice(bytes: &Bytes, range: Range<u64>) -> parquet::errors::Result<Bytes> {
    let (start, end) = (range.start as usize, range.end as usize);
    if start > end || end > bytes.len() {
        let message = format!("bytes {start}..{end} are beyond the file's {}", bytes.len());
        return Err(ParquetError::EOF(message));
    }
    Ok(bytes.slice(start..end))
}

/// Rows that make a batch of about a mebibyte, judged by the file's average row.
fn batch_rows(file: &DataFile) -> usize {
    let row_bytes = (file.size_bytes * DECODED_PER_STORED_BYTE / file.rows.max(1)).max(1);
    (limits::READ_BATCH_BYTES_MAX as u64 / row_bytes).clamp(64, limits::READ_BATCH_ROWS_MAX as u64) as usize
}

/// The store's trouble can pass; the format's cannot.
fn read_error(key: &Path, cause: ParquetError) -> Error {
    let kind = match &cause {
        ParquetError::External(inner) => match inner.downcast_ref::<object_store::Error>() {
            Some(object_store::Error::NotFound { .. }) => ErrorKind::Corrupt,
            _ => ErrorKind::Unavailable,
        },
        _ => ErrorKind::Corrupt,
    };
    Error::with_source(kind, format!("read {key}"), cause)
}
